"""What lies in the current folder is never executed; of every child process see the tests that use ``planted``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted import NAMES, plant

from leaven.utils import children, look_up

SOURCE = Path(look_up.__file__).parents[1]


def python(*words, folder, **variables):
    free = {name: value for name, value in os.environ.items() if name not in ("PYTHONSAFEPATH", "PYTHONPATH")}
    return subprocess.run([sys.executable, *words], cwd=folder, env=free | variables, capture_output=True, text=True)


def test_the_command_executes_nothing_of_the_current_folder(tmp_path):
    """But what Python itself imports for ``-m``, which no program can help."""
    (tmp_path / "first.py").write_text("import json, sys\nprint(json.dumps(sorted(sys.modules)))\n")
    first = {"leaven", *json.loads(python("-m", "first", folder=tmp_path).stdout)}
    plant(tmp_path, tmp_path / "mark", [name for name in NAMES if name not in first])
    for words in (["methods"], ["bench"], ["query", "--list"]):
        done = python("-m", "leaven", *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert not (tmp_path / "mark").exists(), (tmp_path / "mark").read_text()
    plant(tmp_path, tmp_path / "mark", ["leaven", "__future__", "types"])
    command = [Path(sys.executable).with_name("leaven"), "methods"]
    if command[0].exists():  # the script looks in its own folder
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, env={"PYTHONPATH": str(SOURCE.parent)}).stdout
        assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("named", ["", ".", "here", "elsewhere"])
def test_who_names_the_current_folder_is_obeyed(tmp_path, monkeypatch, named):
    """One's own strategies lie where PYTHONPATH says; an entry that says nothing is none."""
    monkeypatch.chdir(tmp_path)
    words = {"": "", ".": ".", "here": str(tmp_path), "elsewhere": str(tmp_path.parent)}[named]
    monkeypatch.setenv("PYTHONPATH", words + os.pathsep)
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    library = os.path.dirname(os.__file__)
    monkeypatch.setattr(sys, "path", [str(tmp_path), words and os.path.abspath(words), library, str(tmp_path), "/x"])
    look_up.forget_current_folder()
    front = sys.path[: sys.path.index(library)]
    assert (str(tmp_path) in front) == (named in (".", "here"))
    assert (str(tmp_path.parent) in front) == (named == "elsewhere")
    assert sys.path[-2:] == [str(tmp_path), "/x"]  # behind the library: installed there
    inner = os.environ["PYTHONPATH"].split(os.pathsep)
    assert all(os.path.isabs(entry) for entry in inner)
    assert (str(tmp_path) in inner) == (named in (".", "here"))
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_an_interactive_session_has_its_own_modules_last(monkeypatch):
    """A method of one's own, written beside it, is found by the processes of ``devices=2``; it replaces no library."""
    monkeypatch.setattr(sys, "path", ["", "/x"])
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with children.safely():
        assert sys.path == ["/x", os.getcwd()]
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert sys.path == ["", "/x"]
    assert "PYTHONSAFEPATH" not in os.environ
