import gc
import os
import sys
from functools import partial
from pathlib import Path

import pytest

# what tests are made of: forked processes, planted files, a server, a small disk
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "labels"))
from forked import Forked, server
from planted import plant
from postgres_server import Missing, running
from small_disk import NoDisk, small_disk


def pytest_collection_finish():
    """What is loaded by now stays loaded: garbage is looked for in what the tests make alone."""
    gc.freeze()


@pytest.fixture(scope="session")
def leaven_data() -> Path:
    """Folder of the data sets that are not part of the repository: $LEAVEN_DATA, else ../shared/data."""
    folder = Path(os.environ.get("LEAVEN_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}: set LEAVEN_DATA to the folder that holds them")
    return folder


@pytest.fixture
def planted(tmp_path_factory, monkeypatch):
    """The current folder is one with files under the names of all libraries; a test fails where one was executed."""
    folder = tmp_path_factory.mktemp("planted")
    mark = folder.with_name(f"{folder.name}-mark")
    plant(folder, mark)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", os.environ.get("PYTHONPATH", ""))))  # empty: this folder too
    yield folder
    assert not mark.exists(), f"executed: {mark.read_text()}"


@pytest.fixture(scope="session")
def processes():
    """Makes processes that have the libraries loaded already: importing them takes longer than a test."""
    return server()


@pytest.fixture
def quick(processes, monkeypatch):
    """The several processes of a training have the libraries loaded already.

    Where how they are started matters (``planted``, what they say), they are started as users do.
    """
    import lightning_fabric.strategies as strategies

    forked = partial(strategies.DDPStrategy, start_method="forkserver")
    monkeypatch.setattr(strategies, "DDPStrategy", lambda start_method, **options: forked(**options))


@pytest.fixture
def forked(processes, monkeypatch):
    """Processes that leaven starts for other work, a cell of a table or a labelling's worker, have them loaded too."""
    monkeypatch.setattr("leaven.utils.children.start", partial(Forked, processes))


@pytest.fixture(scope="session")
def postgres_running():
    """A server for this process; skips where there can be none."""
    # what the tests kill are processes, not the machine, so none of them need wait for the disk
    context = running("fsync=off", "shared_buffers=16MB", "autovacuum=off")
    try:
        one = context.__enter__()
    except Missing as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    yield one
    context.__exit__(None, None, None)


@pytest.fixture
def mortal(postgres_running):
    """The server, to be killed: it is there again afterwards, with what it held."""
    yield postgres_running
    postgres_running.start()


@pytest.fixture
def disk(tmp_path):
    """A disk that can be filled."""
    try:
        with small_disk(tmp_path / "disk") as one:
            yield one
    except NoDisk as error:
        pytest.skip(str(error))
