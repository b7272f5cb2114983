"""The strong view that keeps the weak one's geometry."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur

from leaven.augment import ImageViews
from leaven.augment.recoloured import Recoloured, blurred
from leaven.train.seen import Views, see_pixels


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_is_a_gaussian_of_each_images_own(sigma):
    x = torch.rand(3, 2, 20, 24)
    found = blurred(x, torch.tensor([sigma, 0.0, 1.5]))
    inside = (..., slice(4, -4), slice(4, -4))  # borders are another's
    torch.testing.assert_close(found[0][inside], gaussian_blur(x[0], [9, 9], [sigma, sigma])[inside])
    torch.testing.assert_close(found[1], x[1])
    torch.testing.assert_close(found[2][inside], gaussian_blur(x[2], [9, 9], [1.5, 1.5])[inside])


def edges(x):
    """Where a picture of two halves changes, column by column."""
    return x.float().mean(1).diff(dim=2).abs().mean(1)


def test_every_pixel_stays_where_the_weak_view_has_it():
    torch.manual_seed(0)
    views = ImageViews()
    x = torch.zeros(64, 3, 16, 16, dtype=torch.uint8)
    x[..., 8:] = 200
    shift = views.draw_weak(x)
    weak = shift.image(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
    made = views.draw_recoloured(x, shift).image(x)
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(edges(made).argmax(1), edges(weak).argmax(1))
    assert (made.float() - weak.float()).abs().mean() > 5  # and yet it is another


def test_greys_and_shares_of_what_is_drawn():
    torch.manual_seed(0)
    drawn = ImageViews().draw_recoloured(torch.zeros(4000, 3, 224, 8, dtype=torch.uint8))
    assert float((drawn.sigma > 0).float().mean()) == pytest.approx(0.5, abs=0.03)
    assert float(drawn.sigma.max()) <= 2.0 * 8 / 224  # of small images the blur is small
    grey = (drawn.colour - drawn.colour[:, :1]).abs().amax((1, 2)) < 1e-5
    assert float(grey.float().mean()) == pytest.approx(0.2, abs=0.03)


def test_labels_of_pixels_do_not_move():
    """From weak to recoloured and back nothing moves, and what is of the image moves to both alike."""
    torch.manual_seed(0)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (5, 3, 12, 12)).astype(np.uint8))
    wanted = {"any": ("weak", "strong", "recoloured")}
    maps = see_pixels(Views(ImageViews(), {}), {"any": x}, wanted)["any"].maps
    same = torch.arange(144).view(1, 12, 12).expand(5, -1, -1)
    assert torch.equal(maps.between("weak", "recoloured"), same)
    assert torch.equal(maps.between("image", "recoloured"), maps.between("image", "weak"))


def test_large_batches_are_made_in_pieces():
    torch.manual_seed(0)
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (64, 3, 96, 96)).astype(np.uint8))
    drawn = ImageViews().draw_recoloured(x)
    assert isinstance(drawn, Recoloured)
    parts = torch.cat([drawn[slice(i, i + 8)].image(x[i : i + 8]) for i in range(0, 64, 8)])
    assert (drawn.image(x).int() - parts.int()).abs().max() <= 1
