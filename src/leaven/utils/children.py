"""Processes that leaven starts; none of them executes what lies in the current folder, see ``look_up``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from leaven.utils import look_up, waiting


def start(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[Any]:
    """A process of this Python that runs a module.

    Parameters
    ----------
    module : str
        A module of leaven.
    *arguments : str
        The module's arguments; they stand in the list of processes, which everybody can read.
    variables : mapping of str to str, optional
        Variables of its environment, beside ours.
    **options
        Those of ``subprocess.Popen``.
    """
    command = [sys.executable, "-P", "-m", module, *arguments]
    return subprocess.Popen(command, env=os.environ | _ours() | dict(variables or {}), **options)


def _ours() -> dict[str, str]:
    return look_up.variables() | waiting.briefly()


@contextmanager
def safely() -> Iterator[None]:
    """While libraries start processes of this Python (``multiprocessing``, Lightning Fabric): the same for these."""
    before, path = {name: os.environ.get(name) for name in _ours()}, sys.path[:]
    os.environ.update(_ours())
    if "" in path:  # an interactive session's current folder: its own modules are found there still, after all others
        sys.path[:] = [*(entry for entry in path if entry), os.getcwd()]
    try:
        yield
    finally:
        sys.path[:] = path
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def ended(code: int) -> str:
    """How a process ended, after its name: ``ended with exit code 1``. ``code`` is as ``subprocess`` has it."""
    number = -code if code < 0 else code - 128 if code in (128 + 9, 128 + 15) else 0  # the second: a shell between
    if not number:
        return f"ended with exit code {code}"
    try:
        name = f"signal {number}, {signal.Signals(number).name}"
    except ValueError:
        name = f"signal {number}"
    if number == 9:
        return f"was killed ({name}), probably because memory ran out"
    if number in (2, 15):
        return f"was told to end ({name})"
    return f"crashed ({name})"


def peak_of_children() -> int | None:
    """Bytes that the largest child of this process has held, of those that have ended; ``None`` where nobody knows."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
