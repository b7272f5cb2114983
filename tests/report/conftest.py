import shutil
from pathlib import Path

import pytest
from fake_run import make


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that nobody has touched, for copies."""
    return make(tmp_path_factory.mktemp("made") / "digits")


@pytest.fixture(scope="session")
def whole_run(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only, but for the report in it."""
    return shutil.copytree(made, tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """One that a test may take apart."""
    return shutil.copytree(made, tmp_path / "digits")
