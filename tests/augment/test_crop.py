"""Cropped views: places worked out by hand, colours in NumPy one operation after the other, draws by their shares."""

import colorsys

import numpy as np
import pytest
import torch

from leaven.augment import FeatureViews, ImageViews, colours
from leaven.augment.crop import Cropped, draw_cropped

LUMA = np.array([0.299, 0.587, 0.114])
PLACES = torch.tensor([[1.0, 0, 0], [0, 1, 0]])


def images(n: int = 6, channels: int = 3, height: int = 8, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(60, 190, (n, channels, height, width), dtype=torch.uint8, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def only(n: int, channels: int = 3, place: torch.Tensor = PLACES) -> Cropped:
    """Nothing but a place."""
    return Cropped(place.expand(n, 2, 3), torch.eye(channels).expand(n, channels, channels), torch.zeros(n))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_whole_image_in_its_own_colours_is_the_image(channels):
    x = images(channels=channels)
    view = only(6, channels).image(x)
    assert view.dtype == torch.uint8
    assert view.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(view, x)


def test_a_quarter_of_the_image_enlarged():
    """The upper left 2x2 pixels of 4x4, linear between their middles and constant beyond them, worked out by hand."""
    x = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4) * 10
    place = torch.tensor([[0.5, 0, -0.5], [0, 0.5, -0.5]])
    first = [0.0, 2.5, 7.5, 12.5]  # pixel positions -0.25 (cut to 0), 0.25, 0.75 and 1.25, ten levels each
    expected = [[int(row * 4 + column + 0.5) for column in first] for row in first]
    assert only(1, 1, place).image(x)[0, 0].tolist() == expected
    mirrored = torch.tensor([[-0.5, 0, -0.5], [0, 0.5, -0.5]])
    assert only(1, 1, mirrored).image(x)[0, 0].tolist() == [row[::-1] for row in expected]


def drawn(count: int, channels: int = 3, height: int = 8, width: int = 8, flip: bool = True) -> Cropped:
    torch.manual_seed(0)
    return draw_cropped(count, channels, height, width, flip, torch.device("cpu"))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 40)])
def test_crops_lie_in_the_image_and_have_their_sizes(height, width):
    place = drawn(20_000, height=height, width=width).place
    across, down = place[:, 0, 0].abs(), place[:, 1, 1]
    assert (across + place[:, 0, 2].abs()).max() <= 1 + 1e-6
    assert (down + place[:, 1, 2].abs()).max() <= 1 + 1e-6
    area, ratio = across * down, across * width / (down * height)
    inside = (across < 1) & (down < 1)  # the others were cut to the image
    assert 0.2 - 1e-6 <= area[inside].min() < 0.22
    assert area.max() > (0.95 if height == width else 0.8)  # a wide image has no large part of these forms
    assert ratio[inside].min() == pytest.approx(3 / 4, abs=0.01)
    assert ratio[inside].max() == pytest.approx(4 / 3, abs=0.01)
    assert ratio[inside].log().mean().item() == pytest.approx(0, abs=0.1)
    assert place[:, 0, 2].mean().item() == pytest.approx(0, abs=0.01)
    assert place[:, :, :2].flatten(1)[:, 1:3].abs().max() == 0


@pytest.mark.parametrize("flip", [True, False])
def test_half_of_the_images_are_mirrored_where_mirroring_is_allowed(flip):
    assert (drawn(10_000, flip=flip).place[:, 0, 0] < 0).float().mean().item() == pytest.approx(0.5 * flip, abs=0.02)


def test_shares_of_grey_and_of_unchanged_colours():
    """A fifth grey; of the other four fifths a fifth as they were."""
    found = drawn(20_000)
    grey = (found.colour[:, 0] - found.colour[:, 1]).abs().amax(1) < 1e-6
    same = (found.colour - torch.eye(3)).abs().amax((1, 2)) < 1e-6
    assert grey.float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert same.float().mean().item() == pytest.approx(0.16, abs=0.01)


def test_brightness_contrast_and_saturation_against_numpy(monkeypatch):
    """Applied one after the other, each as Pillow defines it, without a change of hue."""
    monkeypatch.setattr(colours, "JITTER", (0.3, 0.3, 0.3, 0.0))
    monkeypatch.setattr(colours, "GREY", 0.0)
    monkeypatch.setattr(colours, "JITTERED", 1.0)
    x = images(50)
    found = drawn(50)
    torch.manual_seed(0)
    u = torch.rand(11, 50).numpy().astype(float)
    brightness, contrast, saturation = 1 - 0.3 + 0.6 * u[6:9]
    view = Cropped(PLACES.expand(50, 2, 3), found.colour, found.mean).image(x).numpy()
    for i in range(50):
        pixels = x[i].numpy().astype(float) * brightness[i]
        grey = LUMA @ pixels.reshape(3, -1).mean(1)
        pixels = grey + contrast[i] * (pixels - grey)
        luma = np.tensordot(LUMA, pixels, 1)
        pixels = luma + saturation[i] * (pixels - luma)
        assert np.abs(view[i] - np.clip(pixels, 0, 255)).max() <= 0.51


def test_grey_images_change_in_brightness_and_contrast():
    found = drawn(200, channels=1)
    x = images(200, 1)
    torch.manual_seed(0)
    u = torch.rand(11, 200).numpy().astype(float)
    jittered = u[5] < 0.8
    brightness, contrast = np.where(jittered, 0.6 + 0.8 * u[6:8], 1.0)[..., None]
    pixels = x.numpy().reshape(200, -1) * brightness
    expected = pixels.mean(1, keepdims=True) + contrast * (pixels - pixels.mean(1, keepdims=True))
    view = Cropped(PLACES.expand(200, 2, 3), found.colour, found.mean).image(x).numpy().reshape(200, -1)
    assert np.abs(view - np.clip(expected, 0, 255)).max() <= 0.51


def test_hue_turns_and_brightness_stays(monkeypatch):
    """Against the standard library's hue, whose circle is a hexagon; luma and greys stay."""
    monkeypatch.setattr(colours, "JITTER", (0.0, 0.0, 0.0, 0.1))
    monkeypatch.setattr(colours, "GREY", 0.0)
    found = drawn(2000)
    turned = found.colour.double().numpy()
    np.testing.assert_allclose(LUMA @ turned, np.tile(LUMA, (2000, 1)), atol=1e-4)
    np.testing.assert_allclose(turned.sum(2), 1, atol=1e-4)
    torch.manual_seed(0)
    u = torch.rand(11, 2000).numpy().astype(float)
    angle = np.where(u[5] < 0.8, 0.2 * u[9] - 0.1, 0.0)  # of the circle
    colour = np.array([0.5, 0.4, 0.35])
    before = colorsys.rgb_to_hsv(*colour)[0]
    for matrix, turn in zip(turned, angle, strict=True):
        after = colorsys.rgb_to_hsv(*(matrix @ colour))[0]
        moved = (after - before + 0.5) % 1 - 0.5
        assert moved == pytest.approx(turn, abs=0.04)


def test_views_of_images():
    x = images(40)
    before = x.clone()
    torch.manual_seed(0)
    one, other = ImageViews().cropped(x), ImageViews().cropped(x)
    assert one.shape == x.shape
    assert one.dtype == torch.uint8
    assert torch.equal(x, before)
    assert not torch.equal(one, other)
    torch.manual_seed(0)
    assert torch.equal(ImageViews().cropped(x), one)
    with pytest.raises(ValueError, match="image views take uint8"):
        ImageViews().cropped(x.float())


def test_a_large_batch_is_worked_off_in_pieces(monkeypatch):
    x, found = images(40), drawn(40)
    whole = found.image(x)
    monkeypatch.setattr("leaven.augment.drawn.PIECE", 8 * 8 * 3 * 7)
    assert torch.equal(found.image(x), whole)


def test_vectors_have_no_parts_so_their_strong_view_is_drawn():
    x = torch.randn(6, 5)
    views = FeatureViews()
    torch.manual_seed(0)
    strong = views.strong(x)
    torch.manual_seed(0)
    assert torch.equal(views.cropped(x), strong)
