"""What is said of one view's pixels, or of the image's, moved to where another view shows them."""

import pytest
import torch

from leaven.errors import LeavenError
from leaven.methods.pixel_maps import PixelMaps
from leaven.methods.step import IGNORE, StreamBatch

# Two images of 2 × 2 pixels: the first mirrored, with a corner that shows no pixel; the second shows one pixel thrice.
PLACES = torch.tensor([[[1, 0], [3, -1]], [[-1, 2], [2, 2]]])
WEAK = torch.tensor([[[10, 11], [12, 13]], [[20, 21], [22, 23]]])


# Of the images the weak view shows the first column twice in the first, and all as it is in the second.
OF_IMAGE = torch.tensor([[[0, 0], [2, 2]], [[0, 1], [2, 3]]])
MIRRORED = torch.tensor([[[1, 0], [3, 2]], [[1, 0], [3, 2]]])


@pytest.fixture
def draw():
    known = {("image", "weak"): OF_IMAGE, ("weak", "strong"): PLACES, ("image", "plain"): MIRRORED}
    maps = PixelMaps(4, {pair: lambda pair=pair: known[pair] for pair in known})
    return StreamBatch(torch.arange(2), {"weak": WEAK, "strong": WEAK}, WEAK, maps)


def test_from_the_image_by_way_of_the_weak_view(draw):
    """By hand: the strong view's pixels are the weak one's 1, 0, 3, none; the weak one's are the image's 0, 0, 2, 2."""
    assert draw.to("strong", WEAK, of="image", fill=-5).tolist() == [[[10, 10], [12, -5]], [[-5, 22], [22, 22]]]
    assert draw.to("weak", WEAK, of="image").tolist() == [[[10, 10], [12, 12]], [[20, 21], [22, 23]]]
    soft = torch.stack([WEAK, 2 * WEAK], 1).float()
    assert torch.equal(draw.to("strong", soft, of="image")[:, 1], 2 * draw.to("strong", WEAK, of="image").float())


def test_between_views_that_are_made_apart(draw):
    """Through the image's pixels: of two places that show one, the last counts; -1 where a view does not show it."""
    assert draw.to("plain", WEAK, fill=-5).tolist() == [[[-5, 11], [-5, 13]], [[21, 20], [23, 22]]]
    assert draw.to("plain", WEAK, of="strong", fill=-5).tolist() == [[[-5, 11], [-5, 12]], [[-5, -5], [-5, 23]]]
    with pytest.raises(LeavenError, match="nobody knows which of them that shows"):
        draw.to("mine", WEAK)


@pytest.mark.parametrize("fill", [0, 7, IGNORE])
def test_what_shows_no_pixel_is_filled(draw, fill):
    assert draw.to("strong", WEAK, fill=fill).tolist() == [[[11, 10], [13, fill]], [[fill, 22], [22, 22]]]


def test_of_scores_every_class_moves_alike(draw):
    scores = torch.stack([WEAK, -WEAK], 1).float()
    moved = draw.to("strong", scores)  # whatever shows nothing says nothing
    assert moved[:, 0].tolist() == [[[11, 10], [13, 0]], [[0, 22], [22, 22]]]
    assert torch.equal(moved[:, 1], -moved[:, 0])


def test_labels_of_what_shows_no_pixel_do_not_count(draw):
    assert draw.labels_of("weak") is WEAK
    assert draw.labels_of("strong").tolist() == [[[11, 10], [13, IGNORE]], [[IGNORE, 22], [22, 22]]]


def test_of_whole_items_nothing_moves():
    draw = StreamBatch(torch.arange(2), {}, torch.tensor([3, 4]))
    assert draw.to("strong", draw.labels) is draw.labels
    assert draw.labels_of("strong") is draw.labels
