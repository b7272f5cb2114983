"""Weak and strong views of batches."""

import numpy as np
import pytest
import torch
from pillow_reference import photos

from leaven.augment import OPERATIONS, Draw, ImageViews, Shift
from leaven.augment.warp import draw_boxes

SIZES = [(1, 8, 8), (1, 28, 28), (3, 33, 47), (3, 96, 96), (3, 32, 32), (1, 5, 3)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["weak", "strong", "plain"])
def test_type_shape_layout_and_input_untouched(kind, size, every_path):
    x = photos(7, *size)
    before = x.clone()
    y = getattr(ImageViews(), kind)(x)
    assert y.dtype == torch.uint8
    assert y.shape == x.shape
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)
    # An input that is not channels-last is seen in the same way.
    torch.manual_seed(3)
    a = getattr(ImageViews(), kind)(x)
    torch.manual_seed(3)
    assert torch.equal(a, getattr(ImageViews(), kind)(x.contiguous()))
    assert getattr(ImageViews(), kind)(x[:0]).shape == (0, *size)


def test_the_two_paths_are_one(monkeypatch):
    from leaven.augment.rows import Rows

    x = photos(200, 3, 24, 32)
    torch.manual_seed(0)
    subset = ImageViews().strong(x)

    def dense(self, mask):
        self.mask, self.index = mask, None

    monkeypatch.setattr(Rows, "__init__", dense)
    torch.manual_seed(0)
    assert torch.equal(subset, ImageViews().strong(x))


def test_weak_is_numpys_reflect_padding():
    x = photos(9, 3, 12, 17)
    flip = torch.tensor([False, True] * 4 + [True])
    down = torch.tensor([-5, -4, -3, 0, 1, 2, 3, 4, 5], dtype=torch.int32)
    across = torch.tensor([7, -8, 0, 3, -2, 8, -7, 1, -1], dtype=torch.int32)
    answer = Shift(flip, down, across).image(x.permute(0, 2, 3, 1)).numpy()
    for i, array in enumerate(x.permute(0, 2, 3, 1).numpy()):
        padded = np.pad(array[:, ::-1] if flip[i] else array, ((8, 8), (8, 8), (0, 0)), mode="reflect")
        top, left = 8 + int(down[i]), 8 + int(across[i])
        assert np.array_equal(answer[i], padded[top : top + 12, left : left + 17])


def test_weak_flips_half_and_shifts_uniformly():
    torch.manual_seed(0)
    pixels = torch.arange(32 * 32).view(1, 1, 32, 32)
    high, low = (pixels // 256).to(torch.uint8), (pixels % 256).to(torch.uint8)
    x = torch.cat([high, low, low], 1).expand(8000, -1, -1, -1).contiguous(memory_format=torch.channels_last)
    place = ImageViews().weak(x).long()
    place = place[:, 0] * 256 + place[:, 1]
    row, column = place[:, 16, 16] // 32, place[:, 16, 16] % 32
    flipped = place[:, 16, 17] < place[:, 16, 16]
    assert abs(flipped.float().mean() - 0.5) < 0.02
    down, across = row - 16, torch.where(flipped, 15 - column, column - 16)
    for shift in (down, across):
        counts = torch.bincount(shift + 4, minlength=9).double()
        assert len(counts) == 9
        assert ((counts - 8000 / 9) ** 2 / (8000 / 9)).sum() < 26.1  # 8 degrees of freedom, one in a thousand
    assert torch.corrcoef(torch.stack([down, across, flipped]).float()).triu(1).abs().max() < 0.04
    still = ImageViews(flip=False, shift=0)
    assert torch.equal(still.weak(x[:50]), x[:50])


def test_copies_of_one_image_all_differ():
    torch.manual_seed(0)
    x = photos(1, 3, 32, 32).expand(64, -1, -1, -1)
    assert len(ImageViews().strong(x).flatten(1).unique(dim=0)) == 64


def test_every_operation_reaches_the_image():
    x = photos(40, 3, 32, 32, seed=2)
    for name in OPERATIONS:
        others = tuple(other for other in OPERATIONS if other != name)
        views = ImageViews(flip=False, shift=0, operations=1, cutout=0, exclude=others)
        torch.manual_seed(0)
        changed = (views.strong(x) != x).flatten(1).any(1).float().mean()
        assert changed == 0 if name == "Identity" else changed > 0.5, (name, changed)


def test_seed_decides_everything():
    x = photos(32, 3, 32, 32)
    views = ImageViews()
    torch.manual_seed(5)
    first = views.weak(x), views.strong(x)
    torch.manual_seed(5)
    second = views.weak(x), views.strong(x)
    third = views.strong(x)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(third, second[1])


def test_cutout_boxes():
    torch.manual_seed(0)
    boxes = draw_boxes(20_000, 40, 60, 0.5, torch.device("cpu"))
    top, left, bottom, right = boxes.double().unbind(1)
    side = bottom - top
    assert torch.equal(side, right - left)
    assert (side.min(), side.max()) == (0, 20)
    assert abs(side.mean() - 10) < 0.2
    inner = torch.bincount(side.long(), minlength=21)[1:20].double()
    assert ((inner - 1000) ** 2 / 1000).sum() < 43  # 18 degrees of freedom, one in a thousand
    # Centres over the whole image, border included.
    for low, high, length in ((top, bottom, 40), (left, right, 60)):
        centre = (low + high) / 2
        assert abs(centre.mean() - length / 2) < 0.5
        assert abs(centre.std() - length / 12**0.5) < 0.3
        assert centre.min() >= -0.5
        assert centre.max() <= length + 0.5


def test_cutout_fills_the_box_with_grey_and_nothing_else(every_path):
    torch.manual_seed(0)
    x = torch.full((500, 3, 32, 32), 7, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    views = ImageViews(operations=0)
    drawn = views.draw_strong(x)
    y = drawn.image(x)
    assert set(y.unique().tolist()) == {7, 128}
    for image, (top, left, bottom, right) in zip(y, drawn.warp.box.tolist(), strict=True):
        expected = torch.full((3, 32, 32), 7, dtype=torch.uint8)
        expected[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 128
        assert torch.equal(image, expected)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.int16])
def test_masks_go_the_way_of_their_images(kind):
    """Geometry only: an image whose levels are its labels ends as the mask does."""
    torch.manual_seed(0)
    labels = torch.randint(1, 20, (60, 24, 30))
    photometric = [name for name in OPERATIONS if not name.startswith(("Rotate", "Shear", "Translate"))]
    drawn = ImageViews(exclude=tuple(photometric)).draw_strong(x := labels[:, None].to(torch.uint8))
    mask = drawn.mask(labels.to(kind), 99)
    image = drawn.image(x)[:, 0].long()
    assert mask.dtype == kind
    assert torch.equal(mask.long(), torch.where((image == 0) | (image == 128), 99, image))
    if kind is not torch.uint8:
        assert drawn.mask(labels.to(kind), -1).min() == -1


def test_the_strong_view_of_a_given_weak_view():
    x = photos(30, 3, 24, 30)
    torch.manual_seed(0)
    shift = ImageViews().draw_weak(x)
    weak = shift.image(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)
    torch.manual_seed(0)
    assert torch.equal(weak, ImageViews().weak(x))
    nothing_more = ImageViews(operations=0, cutout=0).draw_strong(x, shift)
    assert nothing_more.shift is shift
    assert torch.equal(nothing_more.image(x), weak)
    # The same draws of a policy give what they give of an image that stays where it is.
    torch.manual_seed(1)
    of_shifted = ImageViews().draw_strong(x, shift).image(x)
    torch.manual_seed(1)
    none = torch.zeros(30, dtype=torch.int32)
    still = Shift(none.bool(), none, none)
    assert torch.equal(of_shifted, ImageViews().draw_strong(weak, still).image(weak))


def test_places_tell_where_in_the_weak_view_a_pixel_was(every_path):
    """A translation to the left by six pixels and a cut-out, worked out by hand; then any draw, by gathering."""

    class Left:
        def draw(self, n, device):
            return Draw(torch.full((n, 1), OPERATIONS.index("TranslateX")), torch.ones(n, 1), torch.ones(n, 1))

    x = photos(4, 3, 10, 20)
    drawn = ImageViews(policy=Left()).draw_strong(x)
    wanted = torch.arange(200).view(10, 20).roll(-6, 1).repeat(4, 1, 1)
    wanted[:, :, 14:] = -1
    for image, (top, left, bottom, right) in zip(wanted, drawn.warp.box.tolist(), strict=True):
        image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = -1
    assert drawn.places(4, 10, 20).dtype == torch.int64
    assert torch.equal(drawn.places(4, 10, 20), wanted)

    torch.manual_seed(0)
    x, labels = photos(60, 3, 24, 30), torch.randint(0, 20, (60, 24, 30))
    drawn = ImageViews().draw_strong(x)
    places, weak = drawn.places(60, 24, 30), drawn.shift.mask(labels)
    assert (places < 0).any()
    gathered = weak.flatten(1).gather(1, places.clamp(min=0).flatten(1)).view_as(weak)
    assert torch.equal(torch.where(places < 0, 255, gathered), drawn.warp.mask(weak, 255))
    assert torch.equal(torch.where(places < 0, 255, gathered), drawn.mask(labels, 255))


def test_image_and_mask_stay_together_through_places():
    """An image whose levels are its classes: the strong view shows the class that the weak view had there."""
    torch.manual_seed(0)
    classes = torch.randint(1, 8, (50, 30, 40))
    photometric = [name for name in OPERATIONS if not name.startswith(("Rotate", "Shear", "Translate"))]
    views = ImageViews(exclude=tuple(photometric))
    x = classes[:, None].to(torch.uint8) * 3
    shift = views.draw_weak(x)
    drawn = views.draw_strong(x, shift)
    weak, strong, places = shift.mask(classes), drawn.image(x)[:, 0].long(), drawn.places(50, 30, 40)
    shown = weak.flatten(1).gather(1, places.clamp(min=0).flatten(1)).view_as(weak)
    lost = places < 0
    assert 0.02 < lost.float().mean() < 0.6
    assert torch.equal(strong[~lost], shown[~lost] * 3)
    assert set(strong[lost].tolist()) == {0, 128}


def test_a_policy_takes_randaugments_place():
    class Rotations:
        def draw(self, n, device):
            number = OPERATIONS.index("TranslateX")
            return Draw(torch.full((n, 1), number), torch.ones(n, 1), torch.ones(n, 1))

    x = photos(6, 3, 20, 20)
    y = ImageViews(flip=False, shift=0, cutout=0, policy=Rotations()).strong(x)
    assert torch.equal(y[..., :14], x[..., 6:])
    assert (y[..., 14:] == 0).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="float32"):
        ImageViews().weak(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="channels"):
        ImageViews().strong(torch.zeros(2, 4, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="shift is 1"):
        ImageViews(shift=1)
    with pytest.raises(ValueError, match="cutout is 2"):
        ImageViews(cutout=2)


def test_a_large_batch_in_pieces_is_the_same(monkeypatch):
    from leaven.augment import drawn

    x = photos(60, 3, 24, 32)
    torch.manual_seed(0)
    whole = ImageViews().weak(x), ImageViews().strong(x)
    monkeypatch.setattr(drawn, "PIECE", 7 * 24 * 32 * 3 + 5)
    torch.manual_seed(0)
    pieces = ImageViews().weak(x), ImageViews().strong(x)
    assert torch.equal(whole[0], pieces[0])
    assert torch.equal(whole[1], pieces[1])
    assert pieces[1].is_contiguous(memory_format=torch.channels_last)
