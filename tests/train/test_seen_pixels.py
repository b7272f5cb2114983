"""Views of images whose pixels have labels: whatever was drawn, every view follows the others."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.augment import ImageViews
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.registry import get, names
from leaven.methods.step import IGNORE, RunInfo, Stream
from leaven.nn.network import Network
from leaven.train.batches import Batches
from leaven.train.plan import Plan

KINDS = ("plain", "plain_2", "weak", "weak_2", "cropped", "cropped_2", "strong", "strong_2")
SIZE = 20


@pytest.fixture(autouse=True)
def uncoloured(monkeypatch):
    """Crops that leave greys as they are."""
    monkeypatch.setattr("leaven.augment.colours.JITTERED", 0.0)


def stripes() -> Pool:
    """Images whose grey is the class of the pixel: 0, 30, 60, ...; the first columns count for nothing."""
    masks = torch.arange(SIZE)[:, None] // 4 + torch.arange(SIZE) // 4
    masks = torch.stack([masks, masks.flip(0)]).repeat(6, 1, 1)
    items = (30 * masks[..., None]).to(torch.uint8).numpy()
    masks[:, :, :2] = 255
    return Pool(items, np.zeros(12, np.int64), masks=masks.to(torch.uint8).numpy(), classes=tuple("abcdefghi"))


class Geometry(ImageViews):
    """Views that change nothing of a pixel's grey; and one of a user's own, which says nothing of places."""

    def __init__(self):
        super().__init__(operations=0, cutout=0.3)

    def mine(self, x):
        return x.flip(3)


def batch_of(streams):
    torch.manual_seed(1)
    return Batches(stripes(), streams, Geometry(), Plan(steps=1, batch_size=8), torch.device("cpu")).at(0)


def drawn(views: tuple[str, ...], role: str = "labelled"):
    return batch_of({"one": Stream(role, views=views)})["one"]


def share_right(view: torch.Tensor, expected: torch.Tensor, kinds: tuple[str, ...]) -> float:
    """Of the pixels; a crop is interpolated, so its greys may be of a pixel beside."""
    near = 31 if any(kind.startswith("cropped") for kind in kinds) else 0
    return float(((greys(view) - expected).abs() <= near)[expected >= 0].float().mean())


def greys(view: torch.Tensor) -> torch.Tensor:
    return (view[:, 0] * 255).round().long()


PAIRS = [
    *(("weak", other) for other in KINDS if other != "weak"),
    *(("plain", other) for other in ("plain_2", "weak_2", "cropped")),
    *(("weak_2", other) for other in ("weak_3", "plain", "cropped")),
    ("cropped", "plain"),
]


@pytest.mark.parametrize(("first", "other"), PAIRS)
def test_what_is_said_of_a_pixel_follows_it(first, other):
    """Here the grey of every pixel is said of it."""
    draw = drawn((first, other))
    moved = draw.to(other, greys(draw.views[first]), of=first, fill=-7)
    shown = moved != -7
    assert shown.float().mean() > 0.5
    assert share_right(draw.views[other], moved, (first, other)) > 0.99
    if other.startswith("weak"):
        assert (greys(draw.views[first]) != greys(draw.views[other])).float().mean() > 0.2  # so it had to move


@pytest.mark.parametrize("view", ["weak", "plain_2", "strong", "strong_2", "cropped"])
def test_what_is_said_of_the_image_comes_along(view):
    """Soft labels, made offline of the stored images: here their greys."""
    draw = drawn(("weak", view) if view != "weak" else ("weak",))
    stored = torch.from_numpy(stripes().items[draw.rows.numpy()])[..., 0].float()
    soft = torch.stack([stored, 255 - stored], 1)
    moved = draw.to(view, soft, of="image", fill=-7)
    assert (moved[:, 0] >= 0).float().mean() > 0.5
    assert share_right(draw.views[view], moved[:, 0].long(), (view,)) > 0.99


@pytest.mark.parametrize("views", [(a, b) for a in KINDS for b in KINDS if a < b])
def test_labels_are_those_of_the_view(views):
    draw = drawn(views)
    for view in views:
        labels = draw.labels_of(view)
        counts = labels != IGNORE
        assert 0.4 < counts.float().mean() < 1
        assert share_right(draw.views[view], 30 * labels, views) > 0.99, view


def test_a_view_that_is_not_there_is_a_sentence():
    draw = drawn(("weak", "weak_2"), "unlabelled")
    with pytest.raises(LeavenError, match=r"of 'weak' was to move to the view 'strong', .* this draw has weak, weak_2"):
        draw.to("strong", greys(draw.weak))


def test_a_view_of_a_users_own_is_refused_not_taken_for_another():
    draw = drawn(("weak", "mine"), "unlabelled")
    with pytest.raises(LeavenError, match="'mine'"):
        draw.to("mine", greys(draw.weak))
    with pytest.raises(LeavenError, match="'mine' shows, so it has no labels of pixels"):
        drawn(("mine",))


class Grey(nn.Module):
    """The greys as features; they could move."""

    num_features = 1

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x * self.scale


class Knows(nn.Module):
    """The class of each grey, without a doubt."""

    def __init__(self):
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(1e5))

    def forward(self, x):
        return -self.sure * (x - 30 / 255 * torch.arange(9.0).view(1, -1, 1, 1)).square()

    def reset_parameters(self):
        """There is nothing to start anew."""


def test_a_right_network_has_nothing_to_learn_from_pixels():
    """Whatever a method draws: were pixels taken for others, a network that knows every pixel would be told wrong."""
    found = {}
    for name in names():
        kind = get(name)
        if not kind.serves("segmentation"):
            continue
        for options in [{}, {"strong": False}] if "strong" in kind.hyperparameters() else [{}]:
            method = kind(Network(Grey(), Knows(), (0.0,), (1.0,)), **options)
            method.setup(RunInfo(steps=20, batch_size=8, classes=9, items=12, shape=(SIZE, SIZE, 1)))
            batch = batch_of(method.streams)
            batch.progress, batch.phase = 0.95, method.phases[0].name
            batch.averaged = batch.teacher = method.network
            terms = method(batch)
            found |= {
                f"{name} {options} {term}": value.item()
                for term, value in terms.items()
                if term not in ("domain", "entropy", "smoothness", "fairness")  # not about the class of a pixel
            }
    assert len(found) > 12
    assert {term: value for term, value in found.items() if abs(value) > 1e-3} == {}
