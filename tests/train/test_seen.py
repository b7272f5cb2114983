"""Views by name: a number is one more draw of the same kind, of the same items."""

import pytest
import torch

from leaven.augment import ImageViews
from leaven.errors import LeavenError
from leaven.train.seen import Views, see_pixels, see_together


class Counted:
    """Every view is the item and the number of the draw."""

    def __init__(self):
        self.made: list[str] = []

    def _view(self, kind, x):
        self.made.append(kind)
        return x + 100 * len(self.made)

    def __getattr__(self, kind):
        if kind.startswith("_") or kind not in ("plain", "weak", "strong", "cropped"):
            raise AttributeError(kind)
        return lambda x: self._view(kind, x)


def test_a_number_is_one_more_draw_of_the_same_items():
    views = Counted()
    items = {"a": torch.arange(3.0)[:, None], "b": torch.arange(10.0, 12.0)[:, None]}
    wanted = {"a": ("cropped", "cropped_2", "strong_10"), "b": ("cropped_2", "weak")}
    seen = see_together(Views(views, {}), items, wanted)
    # the kinds that there always were come first, so that runs of before draw what they drew
    assert views.made == ["weak", "cropped", "cropped", "strong"]
    assert list(seen["a"].views) == list(wanted["a"])
    assert list(seen["b"].views) == list(wanted["b"])
    for name, kind, number in (
        ("a", "cropped", 2),
        ("a", "cropped_2", 3),
        ("a", "strong_10", 4),
        ("b", "cropped_2", 3),
    ):
        assert torch.equal(seen[name].views[kind], items[name] + 100 * number)
    assert torch.equal(seen["b"].views["weak"], items["b"] + 100)


def test_unknown_views_are_no_views():
    views = Views(Counted(), {"tiled": None})
    views.require(["weak", "strong_2", "tiled_3"], "Mine")
    with pytest.raises(LeavenError, match=r"Mine draws the view 'shiny_2', which nobody makes; .* cropped, tiled"):
        views.require(["weak", "shiny_2"], "Mine")


def test_of_pixels_a_numbered_view_is_one_more():
    """All strong views are made of the weak one; of each the places are its own."""
    torch.manual_seed(0)
    x = torch.randint(0, 256, (4, 3, 12, 12), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    wanted = {"a": ("weak", "strong", "strong_2", "cropped"), "b": ("cropped", "cropped_2")}
    seen = see_pixels(Views(ImageViews(), {}), {"a": x, "b": x}, wanted)
    for name, kinds in wanted.items():
        assert tuple(seen[name].views) == kinds
        assert all(view.shape == x.shape and view.dtype == torch.float32 for view in seen[name].views.values())
    maps = seen["a"].maps
    assert all(maps.between("weak", kind).shape == (4, 12, 12) for kind in ("strong", "strong_2", "cropped"))
    assert not torch.equal(maps.between("weak", "strong"), maps.between("weak", "strong_2"))
    assert maps.between("image", "strong").shape == (4, 12, 12)
    assert seen["b"].maps.between("cropped", "cropped_2").shape == (4, 12, 12)
    assert not torch.equal(seen["a"].views["strong"], seen["a"].views["strong_2"])
    assert not torch.equal(seen["b"].views["cropped"], seen["b"].views["cropped_2"])
