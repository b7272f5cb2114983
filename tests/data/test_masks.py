"""The reader of images and masks: layouts, ids, crops, and what is wrong with them."""

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, read_masks
from leaven.data.readers.images import kept_part
from leaven.errors import LeavenError


def write(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def two(tmp_path):
    """Three images of 6 x 8 pixels, of which two have a mask; class k has the level 40 k."""
    images, masks = tmp_path / "images", tmp_path / "masks"
    numbers = np.random.default_rng(0).integers(0, 3, (3, 6, 8)).astype(np.uint8)
    for name, number in zip(("a", "deep/b", "c"), numbers, strict=True):
        write(images / f"{name}.png", np.repeat(number[..., None] * 40, 3, 2))
    write(masks / "a.png", numbers[0])
    palette = Image.fromarray(numbers[1]).convert("P")
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    (masks / "deep").mkdir()
    palette.save(masks / "deep" / "b.png")
    return images, masks, numbers


def test_images_and_masks(two):
    images, masks, numbers = two
    pool = read_masks(images, masks)
    assert pool.dense
    assert pool.ids.tolist() == ["a.png", "c.png", "deep/b.png"]
    assert pool.labels.tolist() == [0, -1, 0]
    assert pool.classes == ("0", "1", "2")
    assert pool.items.shape == (3, 6, 8, 3)
    assert (pool.masks[0] == numbers[0]).all()
    assert (pool.masks[1] == 255).all()
    assert (pool.masks[2] == numbers[1]).all()  # numbers of a palette, not its colours
    assert (pool.items[[0, 2], :, :, 0] == 40 * pool.masks[[0, 2]]).all()
    assert isinstance(pool.masks, np.memmap)


def test_decoded_once(two, monkeypatch):
    images, masks, _ = two
    first = read_masks(images, masks)
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: opened.append(a[0]) or real(*a, **k))
    again = read_masks(images, masks)
    assert len(opened) == 1  # for the size that both are brought to
    assert (again.masks == first.masks).all()
    assert (again.items == first.items).all()
    # A mask that changed is read again.
    write(masks / "a.png", np.full((6, 8), 2, np.uint8), compress_level=0)
    assert (read_masks(images, masks).masks[0] == 2).all()


def test_named_classes(two):
    images, masks, numbers = two
    (masks / "classes.txt").write_text("\ufeffroad\n sky \ntree\ncar\n\n", "utf-8")
    with pytest.warns(LeavenWarning, match="a pixel of the class car, which cannot be learnt"):
        assert read_masks(images, masks).classes == ("road", "sky", "tree", "car")
    pool = read_masks(images, masks, classes=("road", "sky"), ignore=(2,))
    assert pool.classes == ("road", "sky")
    assert (pool.masks[0] == np.where(numbers[0] == 2, 255, numbers[0])).all()


def test_numbers_that_stand_for_no_class(two):
    images, masks, numbers = two
    changed = numbers[0].copy()
    changed[0], changed[1] = 255, 17
    write(masks / "a.png", changed)
    pool = read_masks(images, masks, ignore=(17, 1))
    assert pool.classes == ("0", "2")
    assert (pool.masks[0, :2] == 255).all()
    assert (pool.masks[0, 2:] == np.choose(changed[2:], [0, 255, 1])).all()
    with pytest.warns(LeavenWarning, match="of the number 3, 4, .*, 14 and 2 more, which is no class"):
        pool = read_masks(images, masks)
    assert pool.classes == ("0", "1", "2", "17")  # numbers without a pixel make no class
    assert (pool.masks[0, 1] == 3).all()


def test_no_masks_at_all(two):
    pool = read_masks(two[0], classes=("x", "y"))
    assert pool.dense
    assert (pool.labels == -1).all()
    assert (pool.masks == 255).all()
    assert pool.classes == ("x", "y")


@pytest.mark.parametrize("of", [(31, 47), (47, 31), (12, 90), (200, 150), (301, 17)])
@pytest.mark.parametrize("size", [(24, 36), (17, 9), 20, (301, 400)])
def test_image_and_mask_are_cropped_alike(tmp_path, of, size):
    """The level of a pixel is 2 x its class, so that the scaled image tells where the mask should be.

    Of large areas: four quarters that meet off the centre. The two agree but for the pixels along the edges.
    """
    height, width = of
    number = np.zeros(of, np.uint8)
    number[height // 3 :] += 1
    number[:, 2 * width // 3 :] += 2
    write(tmp_path / "i" / "a.png", number * 40)
    write(tmp_path / "m" / "a.png", number)
    pool = read_masks(tmp_path / "i", tmp_path / "m", size=size, classes="0123", announce=False)
    down, across = (size, size) if isinstance(size, int) else size
    assert pool.masks.shape == (1, down, across)
    assert pool.items.shape == (1, down, across, 1)
    shown = np.rint(pool.items[0, :, :, 0] / 40)
    # Pixels across an edge of the classes are mixed in the image: at most two rows and two columns of them.
    scale = max(1.0, down / height, across / width)
    assert (shown != pool.masks[0]).mean() <= 2 * scale * (1 / down + 1 / across)
    same = (shown == pool.masks[0]).reshape(-1)
    left = [(pool.masks[0] == k).mean() for k in range(4)]
    assert same.mean() > 0.8 or max(left) > 0.99


def test_crop_by_hand():
    """40 x 20 to a square of 10: scaled by a half, and five of the twenty columns lost on each side."""
    assert kept_part((40, 20), (10, 10)) == (10.0, 0, 30.0, 20)
    assert kept_part((20, 40), (10, 10)) == (0, 10.0, 20, 30.0)
    assert kept_part((30, 20), (20, 30)) == (0, 0, 30, 20)


def test_nearest_pixels_by_hand(tmp_path):
    """A row of eight numbers cut to its middle four and halved shows the third or fourth and the fifth or sixth."""
    number = np.tile(np.arange(8, dtype=np.uint8), (4, 1))
    write(tmp_path / "i" / "a.png", number)
    write(tmp_path / "m" / "a.png", number)

    def of(*size):
        return read_masks(tmp_path / "i", tmp_path / "m", size=size, classes="01234567", announce=False).masks[0]

    assert of(2, 2).tolist() == [[3, 5], [3, 5]]
    assert of(4, 4).tolist() == [[2, 3, 4, 5]] * 4
    wide = of(8, 16)
    assert wide[0].tolist() == np.arange(8).repeat(2).tolist()


def test_the_size_unasked_is_the_first_images_but_small(tmp_path):
    for name, of in (("a", (60, 512)), ("b", (30, 40))):
        write(tmp_path / "i" / f"{name}.png", np.zeros(of, np.uint8))
        write(tmp_path / "m" / f"{name}.png", np.zeros(of, np.uint8))
    assert read_masks(tmp_path / "i", tmp_path / "m").masks.shape == (2, 30, 256)


def test_turned_photographs(tmp_path):
    """The mask is of the picture as it is seen."""
    number = np.zeros((12, 20), np.uint8)
    number[:, 10:] = 1
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    (tmp_path / "i").mkdir()
    Image.fromarray(np.rot90(number * 200).copy()).save(tmp_path / "i" / "a.jpg", exif=exif, quality=95)
    write(tmp_path / "m" / "a.png", number)
    pool = read_masks(tmp_path / "i", tmp_path / "m")
    assert pool.masks.shape == (1, 12, 20)
    assert ((pool.items[0, ..., 0] > 100) == (pool.masks[0] == 1)).all()


def test_a_broken_image_is_left_out_with_its_mask(two):
    images, masks, numbers = two
    (images / "a.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match=r"a\.png"):
        pool = read_masks(images, masks, size=(6, 8))
    assert pool.ids.tolist() == ["c.png", "deep/b.png"]
    assert (pool.masks[1] == numbers[1]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda i, m: write(m / "a.png", np.zeros((6, 9), np.uint8)), r"a\.png is 6×9 pixels and its image a\.png 6×8"),
        (lambda i, m: write(m / "a.png", np.full((6, 8, 3), (9, 0, 255), np.uint8)), r"holds colours \(RGB\).*#0900ff"),
        (lambda i, m: write(m / "a.png", np.full((6, 8), 300, np.uint16)), r"a\.png holds numbers from 300 to 300"),
        (lambda i, m: (m / "a.png").write_bytes(b"broken"), r"a\.png cannot be read"),
        (lambda i, m: write(m / "q.png", np.zeros((6, 8), np.uint8)), r"without an image .*\(q\.png\)"),
        (lambda i, m: write(m / "a.tif", np.zeros((6, 8), np.uint8)), r"two masks for one image, a\..* and a\."),
        (lambda i, m: write(i / "a.bmp", np.zeros((6, 8), np.uint8)), r"a\.bmp and a\.png .* share the mask a\.png"),
        (lambda i, m: ((m / "a.png").unlink(), (m / "deep/b.png").unlink()), r"No image in .* has a mask in .*a\.png"),
        (lambda i, m: (m / "classes.txt").write_text("road\n\nsky\n"), r"classes\.txt has an empty line"),
        (lambda i, m: (m / "classes.txt").write_bytes(b"\xff\xfe\xfa"), r"classes\.txt is no readable text"),
        (lambda i, m: (m / "classes.txt").write_text("x\nx\ny\n"), "'x' stands twice"),
    ],
)
def test_what_is_wrong_is_named(two, change, says):
    images, masks, _ = two
    change(images, masks)
    with pytest.raises(LeavenError, match=says):
        read_masks(images, masks)


def test_folders_that_are_not_there(two, tmp_path):
    images, masks, _ = two
    with pytest.raises(LeavenError, match="nowhere does not exist, expected a folder of images"):
        read_masks(tmp_path / "nowhere", masks)
    with pytest.raises(LeavenError, match="nowhere does not exist, expected a folder of masks"):
        read_masks(images, tmp_path / "nowhere")
    with pytest.raises(LeavenError, match=r"a\.png is a file"):
        read_masks(images, masks / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LeavenError, match="has no images"):
        read_masks(tmp_path / "empty", masks)
