"""The command, and folders that many tests read."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers_cli import SHORT, Said, call, make_folder, write_csv


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """Folders that many tests read and none writes to: ``photos`` with ``labels.csv``, ``test``, ``more``."""
    root = tmp_path_factory.mktemp("user")
    truth = make_folder(root / "photos", 24)
    write_csv(root / "labels.csv", dict(list(truth.items())[:9]) | {"020.png": ""})
    make_folder(root / "test", 12, seed=1, by_class=True)
    make_folder(root / "more", 5, seed=2)
    return root


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAVEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def finished(place) -> Path:
    """A run with its baseline, evaluated on nothing yet; to be read, not written to."""
    out = place / "finished"
    assert call("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *SHORT) == 0
    return out


@pytest.fixture
def leaven(capfd) -> Callable[..., Said]:
    """Call the command; what it said."""

    def command(*words: object) -> Said:
        warnings.simplefilter("default", append=True)  # as in a new process, what was warned of before is said again
        capfd.readouterr()
        code = call(*words)
        return Said(code, *capfd.readouterr())

    return command


@pytest.fixture
def refused(leaven) -> Callable[..., str]:
    """Call the command, see it refuse in one sentence with nothing on standard output; the sentence."""

    def command(*words: object) -> str:
        said = leaven(*words)
        assert said.code == 2, said
        assert said.out == ""
        *begun, sentence = said.err.splitlines(keepends=True)  # `fit` may have said what it is about to train
        assert sentence.startswith("leaven: "), said.err
        assert sentence.endswith(".\n"), said.err
        assert not any(line.startswith("leaven: ") for line in begun), said.err
        assert "Traceback" not in said.err
        return sentence

    return command
