"""What is said of the weak view's pixels, moved to where the strong view shows them."""

import pytest
import torch

from leaven.methods.base import IGNORE, StreamBatch

# Two images of 2 × 2 pixels: the first mirrored, with a corner that shows no pixel; the second shows one pixel thrice.
PLACES = torch.tensor([[[1, 0], [3, -1]], [[-1, 2], [2, 2]]])
WEAK = torch.tensor([[[10, 11], [12, 13]], [[20, 21], [22, 23]]])


@pytest.fixture
def draw():
    return StreamBatch(torch.arange(2), {}, WEAK, {"strong": PLACES})


@pytest.mark.parametrize("fill", [0, 7, IGNORE])
def test_what_shows_no_pixel_is_filled(draw, fill):
    assert draw.follow(WEAK, fill).tolist() == [[[11, 10], [13, fill]], [[fill, 22], [22, 22]]]


def test_of_scores_every_class_moves_alike(draw):
    scores = torch.stack([WEAK, -WEAK], 1).float()
    moved = draw.follow(scores)  # whatever shows nothing says nothing
    assert moved[:, 0].tolist() == [[[11, 10], [13, 0]], [[0, 22], [22, 22]]]
    assert torch.equal(moved[:, 1], -moved[:, 0])


def test_labels_of_what_shows_no_pixel_do_not_count(draw):
    assert draw.labels_of("weak") is WEAK
    assert draw.labels_of("strong").tolist() == [[[11, 10], [13, IGNORE]], [[IGNORE, 22], [22, 22]]]


def test_of_whole_items_nothing_moves():
    draw = StreamBatch(torch.arange(2), {}, torch.tensor([3, 4]))
    assert draw.follow(draw.labels) is draw.labels
    assert draw.labels_of("strong") is draw.labels
