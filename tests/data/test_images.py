"""Every mode and size becomes uint8 pixels that were worked out by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from leaven.data.readers.decode import _settle
from leaven.data.readers.images import probe, standardise


def stored(image: Image.Image, format: str = "PNG", **options) -> Image.Image:
    """The image written to a file and opened again."""
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return Image.open(file)


def pixel(image: Image.Image, channels: int = 3) -> list[int]:
    return standardise(image, (image.height, image.width), channels)[0, 0].tolist()


def test_grey_stays_grey_and_repeats_in_rgb():
    image = Image.new("L", (4, 4), 77)
    assert pixel(stored(image), 1) == [77]
    assert pixel(stored(image), 3) == [77, 77, 77]


def test_rgb_to_grey_is_luma():
    assert pixel(stored(Image.new("RGB", (2, 2), (255, 0, 0))), 1) == [76]  # 0.299 · 255
    assert pixel(stored(Image.new("RGB", (2, 2), (0, 255, 0))), 1) == [150]  # 0.587 · 255


@pytest.mark.parametrize(("value", "byte"), [(0, 0), (65535, 255), (257 * 100, 100), (32768, 128), (300, 1)])
def test_sixteen_bits_are_scaled_not_clipped(value, byte):
    image = stored(Image.fromarray(np.full((3, 3), value, np.uint16)))
    assert image.mode.startswith("I")
    assert pixel(image, 1) == [byte]


def test_float_tiff_is_taken_as_zero_to_one():
    image = stored(Image.fromarray(np.array([[0.5, 1.0], [0.0, 0.2]], np.float32)), "TIFF")
    assert standardise(image, (2, 2), 1)[..., 0].tolist() == [[128, 255], [0, 51]]


def test_what_is_no_number_is_no_brightness():
    with pytest.raises(ValueError, match=r"values from nan to nan, expected 0 to 1"):
        standardise(stored(Image.fromarray(np.array([[0.5, np.nan]], np.float32)), "TIFF"), (1, 2), 1)


def test_transparent_is_laid_on_white():
    assert pixel(stored(Image.new("RGBA", (2, 2), (200, 0, 0, 0)))) == [255, 255, 255]
    assert pixel(stored(Image.new("RGBA", (2, 2), (200, 0, 0, 255)))) == [200, 0, 0]
    assert pixel(stored(Image.new("RGBA", (2, 2), (0, 0, 0, 51)))) == [204, 204, 204]  # a fifth of black
    assert pixel(stored(Image.new("LA", (2, 2), (0, 51))), 1) == [204]


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 2), 1)
    image.putpalette([9, 9, 9, 10, 20, 30])
    assert pixel(stored(image)) == [10, 20, 30]
    assert pixel(stored(image, transparency=1)) == [255, 255, 255]
    assert pixel(stored(image, transparency=0)) == [10, 20, 30]


def test_grey_and_rgb_with_one_transparent_value():
    assert pixel(stored(Image.new("L", (2, 2), 5), transparency=5), 1) == [255]
    assert pixel(stored(Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3))) == [255, 255, 255]


def test_cmyk_jpeg():
    red = pixel(stored(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red[0] > 240
    assert max(red[1:]) < 15


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    image = stored(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert image.n_frames == 2
    assert pixel(image) == [255, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_of_a_jpeg(orientation):
    """Orientation k says how to turn the stored pixels; NumPy turns them here, independently of Pillow."""
    upright = np.full((24, 32), 30, np.uint8)
    upright[:8, :8] = 220  # bright corner at the top left once turned upright
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda a: np.rot90(a, 1),  # shown turned 90° clockwise
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = Image.fromarray(np.ascontiguousarray(undo[orientation](upright)))
    image = stored(file, "JPEG", exif=exif, quality=95)
    assert probe(image) == (24, 32, True)
    assert np.abs(standardise(image, (24, 32), 1)[..., 0].astype(int) - upright).max() < 12


def test_shorter_side_is_scaled_then_the_centre_kept():
    pixels = np.zeros((20, 60), np.uint8)
    pixels[:, 20:40] = 200  # the centre square
    square = standardise(stored(Image.fromarray(pixels)), (10, 10), 1)[..., 0]
    assert square.shape == (10, 10)
    assert (square[:, 2:-2] == 200).all()
    tall = standardise(stored(Image.fromarray(pixels.T.copy())), (10, 10), 1)[..., 0]
    assert (tall == square.T).all()


def test_downscaling_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = standardise(stored(Image.fromarray(stripes)), (8, 8), 1)[2:-2, 2:-2]
    assert small.min() > 100  # nearest-neighbour sampling would give 0 or 255
    assert small.max() < 155


def test_big_jpeg_is_decoded_in_draft_mode():
    ramp = np.tile(np.linspace(0, 255, 2000).astype(np.uint8), (1600, 1))
    image = stored(Image.fromarray(ramp).convert("RGB"), "JPEG")
    pixels = standardise(image, (100, 100), 3)
    assert min(image.size) == 200  # an eighth of 1600: at least twice what is wanted, far from the whole
    wanted = 200 + np.arange(100) * 16 + 8  # columns of the centre square, in the file's pixels
    assert np.abs(pixels[50, :, 0] - wanted / 2000 * 255).max() < 4


def test_grey_by_mode_and_by_palette():
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, 9, 9, 9])
    assert probe(stored(image))[2]
    image.putpalette([0, 0, 0, 9, 9, 8])
    assert not probe(stored(image))[2]
    assert probe(stored(Image.new("LA", (2, 2))))[2]
    assert not probe(stored(Image.new("RGB", (2, 2))))[2]


def test_common_size_and_channels():
    def settle(*images, **given):
        return _settle(len(images), lambda row: stored(images[row]), given.get("size"), given.get("channels"))

    grey, colour, other = Image.new("L", (30, 20)), Image.new("RGB", (30, 20)), Image.new("L", (20, 20))
    assert settle(grey, grey) == ((20, 30), 1)
    assert settle(grey, colour) == ((20, 30), 3)
    assert settle(grey, other) == ((128, 128), 1)
    assert settle(Image.new("L", (257, 20))) == ((128, 128), 1)
    assert settle(Image.new("L", (256, 20))) == ((20, 256), 1)
    assert settle(other, colour, size=(9, 9)) == ((9, 9), 3)
    assert settle(colour, channels=1) == ((20, 30), 1)
