import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from planted import plant


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
