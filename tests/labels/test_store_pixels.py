"""Run lengths of masks, by hand and beside pycocotools, and what several people's masks come to."""

import json

import numpy as np
import pytest

from leaven.errors import LeavenError
from leaven.labels.merge import merged
from leaven.labels.pixels import NO_CLASS, counts, decode, encode, parse_mask

CLASSES = ["road", "sky", "tree"]
# down the columns: 1 1 0 | 0 0 7 | 0 2 2
NUMBERS = np.array([[1, 0, 0], [1, 0, 2], [0, 7, 2]], np.uint8)


def test_run_lengths_go_down_the_columns():
    text = encode(NUMBERS, CLASSES)
    assert json.loads(text) == {"counts": {"road": [2, 3, 1, 1, 2], "sky": [0, 2, 7], "tree": [7, 2]}, "size": [3, 3]}
    assert decode(text, CLASSES).tolist() == [[1, 0, 0], [1, 0, 2], [0, NO_CLASS, 2]]
    assert decode(text, ["sky"]).tolist() == [[0, 255, 255], [0, 255, 255], [255, 255, 255]]


def test_run_lengths_are_those_of_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for height, width, share in [(1, 1, 1.0), (1, 1, 0.0), (1, 9, 0.5), (13, 1, 0.5), (37, 23, 0.1), (40, 60, 0.9)]:
        of = rng.random((height, width)) < share
        runs = counts(of)
        theirs = coco.frPyObjects({"counts": runs, "size": [height, width]}, height, width)
        assert theirs == coco.encode(np.asfortranarray(of, np.uint8))
        assert coco.area(theirs) == sum(runs[1::2]) == of.sum()
    numbers = rng.integers(0, 4, (17, 29)).astype(np.uint8)
    for name, runs in parse_mask(encode(numbers, CLASSES))[1].items():
        theirs = coco.decode(coco.frPyObjects({"counts": runs, "size": [17, 29]}, 17, 29))
        np.testing.assert_array_equal(theirs, numbers == CLASSES.index(name))


def test_there_and_back():
    numbers = np.random.default_rng(1).integers(0, 3, (11, 7)).astype(np.uint8)
    numbers[3:5, 2:6] = NO_CLASS
    np.testing.assert_array_equal(decode(encode(numbers, CLASSES), CLASSES), numbers)
    assert json.loads(encode(np.full((2, 2), NO_CLASS, np.uint8), CLASSES)) == {"counts": {}, "size": [2, 2]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"counts":{"road":[4]}}',
        '{"counts":{"road":[5]},"size":[2,2]}',
        '{"counts":{"road":[-1,5]},"size":[2,2]}',
        '{"counts":{"road":[1.5,2.5]},"size":[2,2]}',
        '{"counts":{"road":4},"size":[2,2]}',
        '{"counts":[],"size":[2,2]}',
        '{"counts":{"road":[0]},"size":[0,2]}',
        '{"counts":{"road":[4]},"size":["2","2"]}',
        '{"counts":{"road":[4]},"size":[2.0,2.0]}',
        '{"counts":{"road":[4]},"size":[2,2,1]}',
    ],
)
def test_what_is_no_mask(text):
    with pytest.raises(LeavenError, match="does not fill an image"):
        parse_mask(text)


def test_a_pixel_of_two_classes_and_a_map_that_is_none():
    with pytest.raises(LeavenError, match="of sky and of another class"):
        decode('{"counts":{"road":[0,4],"sky":[3,1]},"size":[2,2]}', CLASSES)
    with pytest.raises(LeavenError, match="expected height and width"):
        encode(np.zeros((2, 2, 3)), CLASSES)


def test_each_pixel_goes_by_its_majority():
    maps = [[[0, 0, 0, 255]], [[0, 1, 1, 2]], [[1, 1, 2, 255]]]
    masks = [encode(np.array(one), CLASSES) for one in maps]
    assert decode(merged(masks, CLASSES, "a"), CLASSES).tolist() == [[0, 1, 255, 2]]
    assert merged(masks[:1], CLASSES, "a") == masks[0]
    assert decode(merged(masks[:2], CLASSES, "a"), CLASSES).tolist() == [[0, 255, 255, 2]]
    with pytest.raises(LeavenError, match="different sizes"):
        merged([masks[0], encode(np.zeros((2, 2), np.uint8), CLASSES)], CLASSES, "a")
