"""A mapped pool is never in memory as a whole: whoever watches a process counts the pages that it has mapped."""

import re
from pathlib import Path

import numpy as np
import pytest

from leaven.data import Pool
from leaven.data.readers.masks import pixel_counts
from leaven.nn.build import _of_pixels
from leaven.query.copies import content

SHAPE = (24, 1024, 1024, 3)  # 76 MB, of a file with holes
ALLOWED = 40e6  # a part is 16 MiB; counting takes 8 bytes a pixel of a part that is an eighth of that

PASSES = {
    "copies": lambda items: content(items),
    "digest": lambda items: Pool(items).digest,
    "statistics": lambda items: _of_pixels(items),
    "counts of masks": lambda items: pixel_counts(items[..., 0], np.ones(len(items), bool)),
}


def resident(name: str) -> int:
    """Bytes of this process, now or at most."""
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])


@pytest.fixture
def mapped(tmp_path):
    np.memmap(tmp_path / "items", np.uint8, "w+", shape=SHAPE)
    return np.memmap(tmp_path / "items", np.uint8, "r", shape=SHAPE)


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_lets_go_of_what_it_has_seen(name, mapped):
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    except OSError:
        pytest.skip("only Linux says what a process had at most")
    before = resident("VmHWM")
    PASSES[name](mapped)
    assert resident("VmHWM") - before < ALLOWED
