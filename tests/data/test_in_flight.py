"""The memory of decoding: a budget of pixels over all threads, large images in bands, a limit that is said."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, read_folder
from leaven.data.in_flight import InFlight
from leaven.data.readers.images import standardise
from leaven.label.web.pictures import scaled

PEAK = """
import resource, sys
from pathlib import Path
from PIL import Image
from leaven.data import read_folder
import leaven.data.readers.decode
leaven.data.readers.decode.threads = lambda: 2
Image.new("RGB", (1, 1)).save(sys.argv[1] + "/small/a.png")
read_folder(Path(sys.argv[1]) / "small", cache=sys.argv[1] + "/cache")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
items = read_folder(Path(sys.argv[1]) / "large", cache=sys.argv[1] + "/cache").items
assert len(items) == 2, items.shape
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_two_large_images_stay_small_in_memory(tmp_path):
    """19 megapixels in 4 bytes are 77 MB; both at once, laid on white as a whole, were over 500."""
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        Image.new("RGBA", (4400, 4400), (255, 0, 0, 128)).save(tmp_path / "large" / f"{name}.png", compress_level=1)
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 250


def picture(mode: str, side: int = 120) -> Image.Image:
    """Smooth colours, and where the mode has it a part that shines through."""
    x, y = np.meshgrid(np.linspace(0, 6, side), np.linspace(0, 4, side * 3 // 4))
    bands = [(127 + 120 * np.sin(x + k) * np.cos(y - k)).astype(np.uint8) for k in range(3)]
    image = Image.merge("RGB", [Image.fromarray(band) for band in bands])
    alpha = Image.fromarray((255 * (np.sin(x) > 0)).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(alpha)
    elif mode == "LA":
        image = Image.merge("LA", [image.convert("L"), alpha])
    elif mode == "P":
        image = image.quantize(32)
        image.info["transparency"] = 3
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) / 255)
    return image if image.mode == mode else image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "I;16", "F", "1", "CMYK"])
def test_large_images_come_out_as_others(mode, monkeypatch):
    for size, channels in (((10, 10), 3), ((8, 14), 1), ((100, 100), 3)):
        whole = standardise(picture(mode), size, channels)
        with monkeypatch.context() as small:
            small.setattr("leaven.data.readers.images.PIXELS", 5000)
            small.setattr("leaven.data.readers.images.BAND", 700)  # a few rows at a time
            banded = standardise(picture(mode), size, channels)
        if size == (100, 100):  # nothing to average: the same to the bit
            np.testing.assert_array_equal(banded, whole)
        difference = np.abs(banded.astype(int) - whole)
        assert difference.mean() < 3
        assert np.percentile(difference, 95) < 12  # where a palette's edges and the transparent part's are


@pytest.mark.parametrize("turn", range(1, 9))
def test_large_images_are_turned_too(turn, monkeypatch):
    def image():
        made = picture("RGB")
        made.getexif()[0x0112] = turn
        return made

    whole, page = standardise(image(), (9, 12), 3), np.asarray(scaled(image(), 16))
    monkeypatch.setattr("leaven.data.readers.images.PIXELS", 5000)
    monkeypatch.setattr("leaven.label.web.pictures.PIXELS", 5000)
    assert np.abs(standardise(image(), (9, 12), 3).astype(int) - whole).max() < 12
    again = np.asarray(scaled(image(), 16))
    assert again.shape == page.shape
    assert np.abs(again.astype(int) - page).max() < 16


@pytest.mark.parametrize(
    ("size", "why"), [((12000, 12000), r"12000×12000 pixels"), ((20000, 9500), "more than 134,217,728 pixels")]
)
def test_above_a_limit_it_is_a_sentence(size, why, make_images):
    root = make_images({"a.png": 1})
    Image.new("1", size).save(root / "b.png")
    with pytest.warns(LeavenWarning, match=rf"b.png: {why}.*make the image smaller.*skipped"):
        assert read_folder(root).ids.tolist() == ["a.png"]


def test_threads_hold_so_many_pixels_together():
    budget, held, most = InFlight(10), [], []
    lock = threading.Lock()

    def take(pixels):
        with budget.hold(pixels):
            with lock:
                held.append(pixels)
                most.append(tuple(held))
            time.sleep(0.01)
            with lock:
                held.remove(pixels)

    threads = [threading.Thread(target=take, args=(pixels,)) for pixels in (4, 99, 3, 3, 10, 6, 4, 99, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) >= 9
    assert all(sum(together) <= 10 or len(together) == 1 for together in most)
    assert any(len(together) > 1 for together in most)


def test_a_large_one_is_not_kept_waiting_by_small_ones():
    budget, order = InFlight(10), []

    def take(name, pixels):
        with budget.hold(pixels):
            order.append(name)

    with budget.hold(5):
        threads = [threading.Thread(target=take, args=job) for job in (("large", 99), ("small", 1))]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == ["large", "small"]
