"""Where Python looks for modules: never in the current folder by itself.

``python -m`` and ``python -c`` put the current folder before the standard library on ``sys.path``, and an empty entry
of ``PYTHONPATH`` means it too: a file ``queue.py`` beside somebody's images would be executed in place of the library
of that name. Nothing is imported here that Python has not loaded by itself, for it would be looked for there.
"""

import os
import site
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # where leaven is imported from
SAFE, PATH = "PYTHONSAFEPATH", "PYTHONPATH"


def forget_current_folder() -> None:
    """Of a command: take the current folder off the front of ``sys.path``, unless ``PYTHONPATH`` names it, and let all
    children begin without it.

    What Python itself imports before the first line of ``python -m leaven`` is out of reach; the command ``leaven`` and
    ``python -P -m leaven`` never look there.
    """
    try:
        here, named = os.getcwd(), _named()
    except OSError:  # the folder is gone, so nothing lies in it
        return
    library = os.path.dirname(os.__file__)
    count = sys.path.index(library) if library in sys.path else 0  # what comes later takes no library's place
    sys.path[:count] = [entry for entry in sys.path[:count] if entry in named or not _same(entry or here, here)]
    if _same(ROOT, here) and here not in sys.path:
        sys.path.append(here)  # leaven itself is imported from there
    os.environ.update(variables())


def variables() -> dict[str, str]:
    """Of the environment: what makes a process of Python (3.11) look nowhere but where somebody said so."""
    named = _named()
    if ROOT not in (*site.getsitepackages(), site.getusersitepackages(), *named):
        named.append(ROOT)  # it may be found here by a path that children do not have
    return {SAFE: "1", PATH: os.pathsep.join(named)}


def _named() -> list[str]:
    return [os.path.abspath(entry) for entry in os.environ.get(PATH, "").split(os.pathsep) if entry]


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
