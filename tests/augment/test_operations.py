"""Every operation against Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image
from pillow_reference import draw_of, photos, pillow_batch
from scipy.ndimage import binary_erosion

from leaven.augment import RandAugment
from leaven.augment.affine import GEOMETRIC, affine
from leaven.augment.photometric import photometric
from leaven.augment.policy import NUMBER, OPERATIONS
from leaven.augment.tables import histogram
from leaven.augment.warp import Warp

SIZES = [(3, 32, 32), (1, 28, 28), (3, 33, 47), (1, 8, 8), (3, 96, 96)]
GEOMETRY = list(GEOMETRIC)
PHOTOMETRY = [name for name in OPERATIONS if name not in GEOMETRY]


def ours(x, names, strengths, sign=1):
    n, _, h, w = x.shape
    draw = draw_of(names, strengths, sign, n)
    pixels = photometric(x.permute(0, 2, 3, 1).clone(), draw)
    return Warp(affine(draw, h, w), torch.ones(n, dtype=torch.bool)).image(pixels).numpy()


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", PHOTOMETRY)
def test_photometric_operation_is_pillows(name, size, every_path):
    x = photos(24, *size)
    for strength in (0.1, 0.37, 0.5, 0.72, 1.0):
        apart = difference(ours(x, (name,), (strength,)), pillow_batch(x, (name,), (strength,)))
        # Contrast: Pillow takes the mean of rounded greys.
        assert apart.max() <= (1 if name == "Contrast" and size[0] == 3 else 0), (strength, apart.max())


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", GEOMETRY)
def test_geometric_operation_is_pillows(name, size, sign, every_path):
    x = photos(4, *size)
    for strength in (0.1, 0.37, 0.5, 0.72, 1.0):
        apart = difference(ours(x, (name,), (strength,), sign), pillow_batch(x, (name,), (strength,), sign))
        # float32 strengths can move a place across a pixel's border.
        assert (apart > 0).mean() < 0.002, strength


@pytest.mark.parametrize("first", PHOTOMETRY)
def test_two_photometric_operations_are_pillows_in_this_order(first, every_path):
    x = photos(24, 3, 32, 32)
    for second in PHOTOMETRY:
        apart = difference(ours(x, (first, second), (0.6, 0.8)), pillow_batch(x, (first, second), (0.6, 0.8)))
        if "Contrast" not in (first, second):
            assert apart.max() == 0, second
        elif first == "Contrast" and second in ("AutoContrast", "Equalize"):
            # They stretch the one level that Contrast may be apart.
            assert np.median(apart.max((1, 2, 3))) == 0, second
        else:
            assert apart.max() <= (16 if second == "Posterize" else 2), second
            assert apart.mean() < 0.5, second


def test_three_operations_with_a_filter_between_tables(every_path):
    x = photos(24, 3, 32, 32)
    names, strengths = ("Equalize", "Sharpness", "AutoContrast", "Solarize"), (0.5, 0.3, 0.5, 0.4)
    assert difference(ours(x, names, strengths), pillow_batch(x, names, strengths)).max() == 0


def test_composed_warp_agrees_with_pillows_sequence_where_both_see_the_image():
    # Very smooth, because the sequence rounds to whole pixels twice, we once.
    x = torch.nn.functional.interpolate(torch.rand(8, 3, 3, 3) * 120 + 60, (96, 96), mode="bicubic")
    x = x.clamp(1, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)
    pairs = (("Rotate", "ShearX"), ("TranslateX", "Rotate"), ("ShearY", "TranslateY"), ("ShearX", "ShearY"))
    for names in pairs:
        a, b = ours(x, names, (0.7, 0.5)), pillow_batch(x, names, (0.7, 0.5))
        seen = (a > 0) & (b > 0)
        assert seen.mean() > 0.6
        assert difference(a, b)[seen].mean() < 2, names
        # What the sequence lost at the border can only be seen by the one warp, but for a line of pixels.
        assert ((a == 0) & (b > 0)).mean() < 0.02


def test_geometry_commutes_with_levels_that_keep_black():
    x = photos(8, 3, 32, 32)
    for names in (("Rotate", "Brightness"), ("Posterize", "ShearX"), ("TranslateX", "Posterize")):
        apart = difference(ours(x, names, (0.5, 0.5)), pillow_batch(x, names, (0.5, 0.5)))
        assert (apart > 0).mean() < 0.002, names


def test_flat_and_two_level_images(every_path):
    x = torch.full((3, 3, 16, 16), 77, dtype=torch.uint8)
    x[1, :, 4:] = 78
    x[2, 0, 0, 0] = 200
    x = x.contiguous(memory_format=torch.channels_last)
    for name in PHOTOMETRY:
        assert difference(ours(x, (name,), (0.5,)), pillow_batch(x, (name,), (0.5,))).max() <= 1, name


def test_images_of_a_batch_go_their_own_ways(every_path):
    """Each image as if it were alone, whatever the others drew."""
    x = photos(len(OPERATIONS) ** 2, 3, 20, 24)
    pairs = [(a, b) for a in range(len(OPERATIONS)) for b in range(len(OPERATIONS))]
    draw = draw_of(("Identity", "Identity"), 0.6, n=len(pairs))
    operation = torch.tensor(pairs)
    whole = photometric(x.permute(0, 2, 3, 1).clone(), type(draw)(operation, draw.strength, draw.sign))
    for i in range(0, len(pairs), 11):
        alone = type(draw)(operation[i : i + 1], draw.strength[i : i + 1], draw.sign[i : i + 1])
        assert torch.equal(whole[i : i + 1], photometric(x[i : i + 1].permute(0, 2, 3, 1).clone(), alone))


def test_one_by_one_and_two_pixel_images():
    for size in ((1, 1, 1), (3, 2, 1), (3, 2, 2)):
        x = photos(5, *size)
        for name in OPERATIONS:
            assert difference(ours(x, (name,), (0.5,)), pillow_batch(x, (name,), (0.5,))).max() <= 1, name


def test_histogram_against_numpy():
    x = photos(5, 3, 9, 11).permute(0, 2, 3, 1)
    counts = histogram(x)
    for i in range(5):
        for c in range(3):
            assert np.array_equal(counts[i, c].numpy(), np.bincount(x[i, ..., c].flatten(), minlength=256))


# Levels 200 and 191 = 0b10111111 of a flat grey, worked out by hand from the ranges of table 12: a factor of 0.95 to
# 0.05, 8 to 4 bits, a threshold of 256 to 0.
BY_HAND = {
    ("Brightness", 200): {0.0: 190, 0.5: 100, 1.0: 10},
    ("Posterize", 191): {0.0: 191, 0.1: 191, 0.3: 190, 0.5: 188, 0.7: 184, 0.9: 176, 1.0: 176},
    ("Solarize", 200): {0.0: 200, 0.2: 200, 0.25: 55, 1.0: 55},
}


@pytest.mark.parametrize(("name", "level"), BY_HAND)
def test_levels_worked_out_by_hand(name, level):
    x = torch.full((1, 1, 4, 4), level, dtype=torch.uint8)
    for strength, expected in BY_HAND[name, level].items():
        assert set(ours(x, (name,), (strength,)).ravel().tolist()) == {expected}, strength


@pytest.mark.parametrize("name", ["Brightness", "Color", "Contrast", "Posterize", "Sharpness", "Solarize", *GEOMETRY])
def test_an_operation_grows_with_its_strength(name):
    """From nearly nothing, table 12's gentle end, to its other end; also where the mean of many draws is taken."""
    x = photos(48, 3, 32, 32)
    change = [difference(ours(x, (name,), (s,)), x.permute(0, 2, 3, 1).numpy()).mean() for s in np.linspace(0, 1, 6)]
    assert (np.diff(change) >= 0).all(), change
    assert change[0] < change[-1] / 3, change


def test_a_smaller_magnitude_is_gentler_in_every_operation():
    x = photos(256, 3, 32, 32)
    for name in ("Brightness", "Color", "Contrast", "Posterize", "Sharpness", "Solarize", *GEOMETRY):
        others = tuple(other for other in OPERATIONS if other != name)
        change = []
        for magnitude in (1, 5, 10):
            torch.manual_seed(0)
            draw = RandAugment(1, magnitude, exclude=others).draw(len(x), x.device)
            moved = Warp(affine(draw, 32, 32), torch.ones(len(x), dtype=torch.bool))
            seen = moved.image(photometric(x.permute(0, 2, 3, 1).clone(), draw)).numpy()
            change.append(difference(seen, x.permute(0, 2, 3, 1).numpy()).mean())
        assert change[0] < 0.7 * change[1] < 0.7 * change[2], (name, change)


def test_numbers_are_the_order_of_the_list():
    assert [NUMBER[name] for name in OPERATIONS] == list(range(14))


def test_smooth_warp_is_pillows_bilinear_away_from_the_border():
    """A rotation and a shear about the middle: within two grey levels of Pillow's bilinear transform."""
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 4), np.uint8))
    image = np.asarray(small.resize((24, 24), Image.Resampling.BICUBIC))
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    shear = np.array([[1, 0.2, 0], [0, 1, 1.5], [0, 0, 1]])
    middle = np.array([[1, 0, 12], [0, 1, 12], [0, 0, 1.0]])
    for about in (turn, shear):
        matrix = middle @ about @ np.linalg.inv(middle)
        form = ((24, 24), Image.Transform.AFFINE, matrix[:2].ravel())
        expected = np.asarray(Image.fromarray(image).transform(*form, Image.Resampling.BILINEAR), int)
        inner = binary_erosion(np.asarray(Image.new("L", (24, 24), 255).transform(*form)) == 255, iterations=2)
        warp = Warp(torch.tensor(matrix)[None], torch.tensor([True]), None, smooth=True)
        got = warp.image(torch.from_numpy(image.copy())[None, ..., None])[0, ..., 0].numpy().astype(int)
        assert inner.sum() > 200
        assert np.abs(got - expected)[inner].max() <= 2
