"""What numbers and colours of masks stand for, and masks of which nothing could be learnt."""

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, Pool, few_labels, match_classes, read_masks, require_trainable
from leaven.data.readers.mask_values import parse, read_names, write_names
from leaven.errors import LeavenError

RED, BLUE, BLACK = (255, 0, 0), (0, 0, 255), (0, 0, 0)
OBJECT = np.array([[0, 0, 255], [0, 255, 255]], np.uint8)  # as most programs write an object


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Three images of 2 × 3 pixels, and a function that writes the masks of the first ones."""
    for name in "abc":
        write(tmp_path / "i" / f"{name}.png", np.zeros((2, 3, 3), np.uint8))

    def masks(*pixels, **options):
        for name, one in zip("abc", pixels, strict=False):
            write(
                tmp_path / "m" / f"{name}.png",
                one if isinstance(one, np.ndarray) else np.array(one, np.uint8),
                **options,
            )
        return tmp_path / "i", tmp_path / "m"

    return masks


def write(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def colours(numbers, *table):
    return np.array(table, np.uint8)[numbers]


def test_an_object_of_255_is_not_passed_over(folder):
    with pytest.raises(LeavenError) as caught:
        read_masks(*folder(OBJECT, OBJECT))
    said = str(caught.value)
    assert "are of one class (0)" in said
    assert "255 in a mask means that a pixel does not count" in said
    assert "--mask-values 0=background,255=object" in said
    assert "--background NAME" in said


def test_names_beside_images_and_masks(tmp_path):
    """A data set's own ``classes.txt`` counts as well; one that lies in the folder of masks before it."""
    for name in ("a", "b"):
        write(tmp_path / f"images/{name}.png", np.zeros((2, 3, 3), np.uint8))
        write(tmp_path / f"masks/{name}.png", np.array(OBJECT, np.uint8))
    (tmp_path / "classes.txt").write_text("0=ground\n255=thing\n")
    assert read_masks(tmp_path / "images", tmp_path / "masks").classes == ("ground", "thing")
    (tmp_path / "masks/classes.txt").write_text("0=field\n255=cow\n")
    assert read_masks(tmp_path / "images", tmp_path / "masks").classes == ("field", "cow")


def test_numbers_by_name(folder):
    where = folder(OBJECT, OBJECT)
    pool = read_masks(*where, values={0: "background", 255: "object"})
    assert pool.classes == ("background", "object")
    assert pool.masks[0].tolist() == [[0, 0, 1], [0, 1, 1]]
    assert pool.labels.tolist() == [0, 0, -1]
    assert (pool.masks[2] == 255).all()  # no mask is no object
    require_trainable(pool)
    assert read_masks(*where, values={"0": "x", "255": "x"}).classes == ("x",)  # two numbers of one class
    with pytest.raises(LeavenError, match=r"pixels that count .* are of one class \(x\)"):
        require_trainable(read_masks(*where, values={0: "x", 255: ""}))  # 255 was said to be nothing


def test_a_file_of_names_does_the_same(folder):
    where = folder(OBJECT)
    (where[1] / "classes.txt").write_text("255=object\n0 = background\n")
    pool = read_masks(*where)
    assert pool.classes == ("object", "background")
    assert pool.masks[0].tolist() == [[1, 1, 0], [1, 0, 0]]
    assert read_masks(*where, values={255: "cat"}).classes == ("cat", "background")  # what is asked for goes before


def test_a_number_of_no_class_is_refused_with_all_that_are_there(folder):
    where = folder([[0, 1, 7]] * 2, [[0, 11, 200]] * 2)
    for options in ({"values": {0: "a", 1: "b"}}, {"classes": ("a", "b")}):
        with pytest.raises(LeavenError, match=r"the numbers 0, 1, 7, 11, 200, of which 7, 11, 200 stand for no class"):
            read_masks(*where, **options)
    pool = read_masks(*where, values={11: "", 7: "", 200: ""}, classes=("a", "b"))
    assert pool.classes == ("a", "b")
    assert pool.masks[:, 0].tolist() == [[0, 1, 255], [0, 255, 255], [255] * 3]


def test_numbers_without_a_pixel_make_no_class_and_are_named(folder):
    where = folder([[2, 5, 5], [2, 2, 5]])
    with pytest.warns(LeavenWarning, match="the number 0, 1, 3, 4, which is no class"):
        pool = read_masks(*where)
    assert pool.classes == ("2", "5")
    assert pool.masks[0].tolist() == [[0, 1, 1], [0, 0, 1]]
    with pytest.warns(LeavenWarning, match="the class lake, which is left out"):
        pool = read_masks(*where, values={5: "road", 9: "lake", 2: "sky"})
    assert pool.classes == ("road", "sky")


def test_colours(folder):
    numbers = np.array([[0, 1, 1], [2, 0, 2]])
    where = folder(colours(numbers, BLACK, RED, BLUE))
    with pytest.raises(LeavenError, match=r"holds colours \(RGB\), such as #000000, #0000ff, #ff0000.*--mask-values"):
        read_masks(*where)
    pool = read_masks(*where, values=parse("#FF0000=car,#000=road,#0000ff="))
    assert pool.classes == ("car", "road")
    assert pool.masks[0].tolist() == [[1, 0, 0], [255, 1, 255]]
    with pytest.raises(LeavenError, match="of which #0000ff stands for no class"):
        read_masks(*where, values={"#ff0000": "car", "#000000": "road"})
    (where[1] / "classes.txt").write_text("#000000=road\n#ff0000=car\n#0000ff=car\n")
    assert read_masks(*where).masks[0].tolist() == [[0, 1, 1], [1, 0, 1]]


def test_transparent_is_unpainted(folder):
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0] = (*RED, 255)
    where = folder(pixels)
    assert read_masks(*where, values={"#ff0000": "car"}, background="road").masks[0].tolist() == [[1] * 3, [0] * 3]


def test_greys_in_three_channels_are_numbers(folder):
    pool = read_masks(*folder(np.stack([[[0, 1, 1], [1, 0, 0]]] * 3, -1).astype(np.uint8)))
    assert pool.masks[0].tolist() == [[0, 1, 1], [1, 0, 0]]


def test_numbers_of_sixteen_bits(folder):
    where = folder(np.where(OBJECT > 0, 65535, 0).astype(np.uint16))
    with pytest.raises(LeavenError, match=r"holds numbers from 0 to 65535, .*--mask-values 65535=NAME"):
        read_masks(*where)
    pool = read_masks(*where, values={0: "background", 65535: "object"})
    assert pool.masks[0].tolist() == [[0, 0, 1], [0, 1, 1]]


def test_palettes_that_mean_other_classes(tmp_path, folder):
    """Programs that make a palette for each image number the colours as they come."""
    numbers = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    where = folder(numbers, palette=[*BLACK, *RED])
    write(where[1] / "b.png", 1 - numbers, palette=[*RED, *BLACK])
    with pytest.raises(LeavenError, match=r"the number 0 in the colours #.*, so it may not mean the same"):
        read_masks(*where)
    pool = read_masks(*where, values={"#000000": "road", "#ff0000": "car"})
    assert pool.masks[0].tolist() == pool.masks[1].tolist() == numbers.tolist()
    pool = read_masks(*where, values={0: "road", 1: "car"})  # numbers are meant
    assert pool.masks[1].tolist() == (1 - numbers).tolist()


def test_the_rest_as_a_class(folder):
    """One thing is painted, class 0, and the rest is not."""
    where = folder([[0, 0, 255], [255, 255, 255]], [[255] * 3] * 2)
    (where[1] / "classes.txt").write_text("cat\n")
    with pytest.raises(LeavenError, match=r"one class \(cat\).*--background NAME"):
        read_masks(*where)
    pool = read_masks(*where, background="rest")
    assert pool.classes == ("rest", "cat")
    assert pool.masks.tolist() == [[[1, 1, 0], [0, 0, 0]], [[0] * 3] * 2, [[255] * 3] * 2]
    assert read_masks(*where, background="cat").masks[0].tolist() == [[0] * 3] * 2
    with pytest.raises(LeavenError, match=r"255 is no class by .* and rest by --background"):
        read_masks(*where, values={255: ""}, background="rest")


def test_a_pool_of_one_class_is_refused_whoever_made_it():
    masks = np.full((3, 2, 2), 255, np.uint8)
    masks[0] = 1
    masks[2] = 0  # not to be looked at
    pool = Pool(np.zeros((3, 2, 2, 1), np.uint8), np.array([0, 0, -1]), classes=("a", "b"), masks=masks)
    with pytest.raises(LeavenError, match=r"one class \(b\)"):
        require_trainable(pool)
    require_trainable(few_labels(pool.with_labels(np.zeros(3, np.int64)), 3))


def test_pixels_are_matched_by_name():
    masks = np.array([[[0, 1], [2, 255]], [[1, 1], [1, 1]]], np.uint8)
    pool = Pool(np.zeros((2, 2, 2, 1), np.uint8), np.array([0, -1]), classes=("a", "b", "c"), masks=masks)
    found = match_classes(pool, ("c", "x", "a", "b"))
    assert found.classes == ("c", "x", "a", "b")
    assert found.masks.tolist() == [[[2, 3], [0, 255]], [[255, 255], [255, 255]]]
    with pytest.raises(LeavenError, match="The masks of the test data have pixels of b, expected only a, c"):
        match_classes(pool, ("a", "c"))
    assert match_classes(Pool(pool.items, pool.labels, classes=pool.classes, masks=masks * 0), ("a",)).classes == ("a",)


@pytest.mark.parametrize("text", ["", "0", "0=a,b", "x=a", "-1=a", "70000=a", "#ff=a", "0=a,00=b", "#f00=a,#FF0000=b"])
def test_values_that_are_none(text):
    with pytest.raises(LeavenError, match="--mask-values"):
        parse(text)


@pytest.mark.parametrize("names", [("a", "b c", "é"), ("0=x", "y", "#ff0000=z"), ("5=one", "4=two")])
def test_names_come_back(tmp_path, names):
    write_names(tmp_path / "classes.txt", names)
    assert read_names(tmp_path).names == names
    assert list(read_names(tmp_path).of) == list(range(len(names)))


@pytest.mark.parametrize("name", ["a\nb", " a", "", "a\u2028b"])
def test_names_that_no_line_holds(tmp_path, name):
    with pytest.raises(LeavenError, match=r"cannot stand on a line of classes\.txt"):
        write_names(tmp_path / "classes.txt", ("x", name))
    assert not (tmp_path / "classes.txt").exists()


def test_names_in_two_forms_of_unicode(tmp_path):
    """As macOS writes file names, and as most editors write text."""
    composed, apart = "\u00e9t\u00e9", "e\u0301te\u0301"
    write(tmp_path / "i" / f"{apart}.png", np.zeros((2, 3), np.uint8))
    write(tmp_path / "m" / f"{composed}.png", np.array([[0, 1, 1]] * 2, np.uint8))
    (tmp_path / "m" / "classes.txt").write_text(f"x\n{apart}\n", "utf-8")
    pool = read_masks(tmp_path / "i", tmp_path / "m")
    assert pool.labels.tolist() == [0]
    assert pool.classes == ("x", composed)
    assert read_masks(tmp_path / "i", tmp_path / "m", values={1: apart, 0: "y"}).classes == ("y", composed)
