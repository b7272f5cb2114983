from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LEAVEN_CACHE", str(folder))
    return folder


@pytest.fixture
def make_images(tmp_path):
    """Write plain images: name → grey level, into a folder that is handed back."""

    def make(levels: dict[str, int], folder: str = "images", side: int = 6) -> Path:
        root = tmp_path / folder
        for name, level in levels.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((side, side), level, np.uint8)).save(root / name)
        return root

    return make
