import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def leaven_data() -> Path:
    """Folder of the data sets that are not part of the repository: $LEAVEN_DATA, else ../shared/data."""
    folder = Path(os.environ.get("LEAVEN_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets in {folder}: set LEAVEN_DATA to the folder that holds them")
    return folder
