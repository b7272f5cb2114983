from pathlib import Path

import pytest
from fake_run import make


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only, but for the report in it."""
    return make(tmp_path_factory.mktemp("runs") / "digits")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One that a test may take apart."""
    return make(tmp_path / "digits")
