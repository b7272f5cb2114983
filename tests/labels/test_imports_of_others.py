"""Odd entries in files of other programs: left out and counted, or refused in a sentence that says where they stand."""

import json

import numpy as np
import pytest
from PIL import Image

from leaven.errors import LeavenError
from leaven.labels import Store
from leaven.labels.formats.coco_areas import run_lengths
from leaven.labels.formats.transfer import detect_format, read_labels
from leaven.labels.pixels import decode

CHOICE = {"type": "choices", "value": {"choices": ["cat"]}}
COMMENT = {"type": "textarea", "value": {"text": ["what a cat"]}}
RELATION = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
SIZED = {"original_width": 4, "original_height": 2, "image_rotation": 0}
LEFT, RIGHT = [[0, 0], [49, 0], [49, 99], [0, 99]], [[63, 0], [99, 0], [99, 99], [63, 99]]  # columns 0 and 1; 2 and 3


def polygon(points, *labels):
    return {"type": "polygonlabels", "value": {"points": points, "polygonlabels": list(labels)}} | SIZED


def studio(*results, **task):
    annotations = [{"completed_by": {"email": "ann"}, "result": list(result)} for result in results]
    return [{"id": 9, "data": {"image": "a.png"}, "annotations": annotations} | task]


def coco(annotations, categories=("cat", "dog"), **image):
    return {
        "categories": [{"id": k, "name": name} for k, name in enumerate(categories, 1)],
        "images": [{"id": 7, "file_name": "a.png"} | image, {"id": 8, "file_name": "b.png"} | image],
        "annotations": [{"id": 50 + k, "image_id": 7} | one for k, one in enumerate(annotations)],
    }


def area(category, columns, **more):
    counts = [2 * columns[0], 2 * (columns[1] - columns[0]), 2 * (4 - columns[1])]
    return {"category_id": category, "segmentation": {"size": [2, 4], "counts": counts}} | more


@pytest.fixture
def take(tmp_path):
    """Import what a program wrote, in a folder with images of 2 × 4 pixels; what was said and what stands."""
    for name in ("a.png", "b.png"):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("RGB", (4, 2)).save(tmp_path / "images" / name)

    def imported(content, images=True, **options):
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(content))
        where = tmp_path / "images" if images else None
        said = read_labels(path, detect_format(path), "me", where, **options)
        with Store.open(tmp_path / "new.db") as store:
            said.add_to(store)
            state = store.state()
        (tmp_path / "new.db").unlink()
        stands = {}
        for item, given in state.answers.items():
            (event,) = given.values()
            mask = decode(event.mask, state.classes) if event.mask else None
            names = np.append(np.array(state.classes, object), "-")
            stands[item] = (
                event.label or event.kind if mask is None else names[np.minimum(mask, len(names) - 1)][0].tolist()
            )
        return said, stands

    return imported


def test_a_comment_beside_the_choice(take):
    said, stands = take(studio([COMMENT, CHOICE, RELATION, RELATION]))
    assert stands == {"a.png": "cat"}
    assert said.left.counts == {"textarea": 1, "relation": 2}
    assert said.notes == [
        "Left out, for they say no class: 1 textarea (first in task 9), 2 relation (first in task 9)."
    ]
    said, stands = take(studio([COMMENT]))
    assert stands == {"a.png": "unsure"}


def test_a_polygon_of_two_labels(take):
    two = polygon(RIGHT, "dog", "cat")
    said, stands = take(studio([polygon(LEFT, "cat"), two]))
    assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    assert said.left.counts == {"polygonlabels with 2 labels": 1}
    # what it shows is no background, for it is one of two classes
    _, stands = take(studio([polygon(LEFT, "cat"), two]), background="rest")
    assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    said, stands = take(studio([two]))
    assert (stands, said.left.counts) == ({}, {"polygonlabels with 2 labels": 1})
    said, stands = take(studio([polygon(LEFT, "cat"), polygon(RIGHT), polygon(RIGHT[:2], "dog")]))
    assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    assert said.left.counts == {"polygonlabels with no labels": 1, "polygon of less than three corners": 1}


def test_boxes_beside_areas_are_counted(take):
    box = {"type": "rectanglelabels", "value": {"x": 63, "y": 0, "width": 30, "height": 9, "rectanglelabels": ["dog"]}}
    said, stands = take(studio([polygon(LEFT, "cat"), box | SIZED]), background="rest")
    assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    assert said.left.counts == {"rectanglelabels": 1}
    with pytest.raises(LeavenError, match=r"task 9, has rectanglelabels, expected choices"):
        take(studio([box]))
    with pytest.raises(LeavenError, match=r"task 9, has choices, polygonlabels, expected one"):
        take(studio([CHOICE, polygon(LEFT, "cat")]))


def test_one_unclear_answer_does_not_send_the_others_back(take):
    """It is left out as a whole, counted and named, and not taken for background."""
    box = {"type": "rectanglelabels", "value": {"x": 63, "y": 0, "width": 30, "height": 9, "rectanglelabels": ["dog"]}}
    both = CHOICE | {"value": {"choices": ["cat", "dog"]}}
    for odd, what in (
        ([both], "answers with several choices"),
        ([box | SIZED], "answers with rectanglelabels"),
        ([CHOICE, polygon(LEFT, "cat")], "answers with a choice and areas"),
    ):
        content = studio(odd, id=4) + studio([polygon(LEFT, "cat")], data={"image": "b.png"})
        said, stands = take(content, background="rest")
        assert stands == {"b.png": ["cat", "cat", "rest", "rest"]}
        assert said.left.counts == {what: 1}
        assert said.notes[0] == f"Left out, for they are not of one class, nor of areas: 1 {what} (first in task 4)."
    other = area(1, (0, 2)) | {"image_id": 8}
    boxed = {"category_id": 1, "bbox": [1, 0, 2, 1]}
    for odd, what in (
        ([boxed], "images with boxes"),
        ([area(1, (0, 2)), boxed], "images with boxes"),
        ([{"category_id": 1}, {"category_id": 2}], "images with several categories"),
        ([{"category_id": 1}, area(1, (0, 2))], "images with several categories or areas"),
    ):
        said, stands = take(coco([*odd, other]), background="rest")
        assert (stands, said.left.counts) == ({"b.png": ["cat", "cat", "rest", "rest"]}, {what: 1})
    said, stands = take(coco([other | {"image_id": 70}, other]))
    assert (stands, said.left.counts) == (
        {"b.png": ["cat", "cat", "-", "-"]},
        {"of the image 70, which is not listed": 1},
    )
    with pytest.raises(LeavenError, match="annotations of the image 70"):
        take(coco([other | {"image_id": 70}]))


@pytest.mark.parametrize("content", [studio([polygon(LEFT, "cat")]), coco([area(1, (0, 2))])])
def test_the_unpainted_rest(take, content):
    said, stands = take(content)
    assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    assert "of the class cat" in said.notes[-1]
    assert "--background NAME" in said.notes[-1]
    said, stands = take(content, background="rest")
    assert stands["a.png"] == ["cat", "cat", "rest", "rest"]
    assert not said.notes


def test_an_image_without_annotations_is_all_background(take):
    _, stands = take(coco([area(1, (0, 2))]), background="rest")
    assert stands == {"a.png": ["cat", "cat", "rest", "rest"], "b.png": ["rest"] * 4}
    _, stands = take(coco([area(1, (0, 2))]))
    assert "b.png" not in stands
    _, stands = take(studio([]), background="rest")  # submitted with nothing painted
    assert stands == {"a.png": ["rest"] * 4}
    _, stands = take(studio([]), background="rest", images=False)  # of no known size
    assert stands == {"a.png": "unsure"}
    with pytest.raises(LeavenError, match="has no areas, so --background has no meaning"):
        take(coco([{"category_id": 1}]), background="rest")


def test_a_category_that_is_not_listed(take):
    said, stands = take(coco([area(1, (0, 2)), area(7, (2, 4)), {"segmentation": []}]), background="rest")
    assert stands["a.png"] == ["cat", "cat", "-", "-"]  # no background: one of the pixels may be of category 7
    assert said.left.counts == {"of the category 7, which is not listed": 1, "without a category": 1}
    assert "(first in annotation 51 of image 7)" in said.notes[0]
    said, stands = take(coco([area(7, (2, 4))]), background="rest")
    assert stands == {"b.png": ["rest"] * 4}


def test_a_polygon_of_two_points(take):
    pytest.importorskip("pycocotools")
    whole, line = [0, 0, 2, 0, 2, 2, 0, 2], [2, 0, 3, 1]
    for polygons in ([whole, line], [whole]):
        _, stands = take(coco([{"category_id": 1, "segmentation": polygons}]))
        assert stands == {"a.png": ["cat", "cat", "-", "-"]}
    said, stands = take(coco([{"category_id": 1, "segmentation": [line]}]))
    assert (stands, said.left.counts) == ({}, {"polygons of less than three corners": 1})


def test_sizes_are_the_files(take):
    """Without a height in COCO's file; a stated one has to be that of the image."""
    for content in (coco([area(1, (0, 2))]), coco([area(1, (0, 2))], height=2, width=4)):
        assert take(content)[1]["a.png"] == ["cat", "cat", "-", "-"]
        assert take(content, images=False)[1]["a.png"] == ["cat", "cat", "-", "-"]  # its own areas say it
    with pytest.raises(LeavenError, match=r"says that a\.png is 4×2 pixels .*, but the image is 2×4"):
        take(coco([area(1, (0, 2))], height=4, width=2))
    without = {"category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]}
    with pytest.raises(LeavenError, match=r"no height and width for a\.png: .* --images"):
        take(coco([without]), images=False)
    region = polygon(LEFT, "cat")
    with pytest.raises(LeavenError, match=r"task 9, says that a\.png is 2×8"):
        take(studio([region | {"original_width": 8}]))
    with pytest.raises(LeavenError, match=r"several sizes"):
        take(studio([region, region | {"original_width": 8}]), images=False)
    assert take(studio([{k: v for k, v in region.items() if k not in SIZED}]))[1] == {"a.png": ["cat", "cat", "-", "-"]}
    with pytest.raises(LeavenError, match=r"expected 1 to 268,435,456 in all"):
        take(studio([region | {"original_width": 2**31}]), images=False)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (coco([area(1, (0, 2))], categories=("cat", " ")), r"at categories\[1\]\.name"),
        (coco([]) | {"images": [{"id": 7, "file_name": "a.png"}] * 2}, "lists the image 7 twice"),
        (
            coco([{"category_id": 1, "segmentation": {"size": [2, 4]}}]),
            r"annotation 50 of image 7\.segmentation\.counts",
        ),
        (coco([{"category_id": 1, "segmentation": {"size": [2, 4], "counts": [1, 2]}}]), "do not fill their image"),
        (coco([{"category_id": 1, "segmentation": {"size": [2, 4], "counts": "00000"}}]), "do not fill their image"),
        (coco([{"category_id": 1, "segmentation": {"size": [2, 4], "counts": "8o"}}]), "do not fill their image"),
        (coco([{"category_id": 1, "segmentation": [[0, 0, 1, 1, 2, 2, 3]]}]), "an odd number of coordinates"),
        (coco([{"category_id": 1, "segmentation": [[0, 0, 1, 1, 2e9, 2]]}]), "far outside"),
        (coco([{"category_id": 1, "segmentation": [[0, 0, 1, 1, float("nan"), 2]]}]), "finite number"),
        (coco([{"category_id": 1, "segmentation": 4}]), "annotation 50 of image 7"),
        (coco([{"category_id": 1, "bbox": [0, 0, "x", 1]}]), r"annotations\[0\]\.bbox\[2\]"),
        (studio([polygon([[1, 1], [2, "x"], [3, 3]], "cat")]), r"task 9, value of polygonlabels\.points\[1\]\[1\]"),
        (studio([polygon([[1, 1], [1e9, 2], [3, 3]], "cat")]), "far outside"),
        (studio([polygon(LEFT, "cat") | {"image_rotation": 90}]), "turned by 90°"),
        (studio([CHOICE], annotations=[{}]), "task 9 has an annotation without a result"),
        ([{"id": 1, "image": "a.png", "choice": "cat"}], r"at \[0\]\.data: field required"),
        (studio([CHOICE], data={"image": "/"}), "is that of no file"),
    ],
)
def test_the_place_in_the_file(take, content, says):
    with pytest.raises(LeavenError, match=says) as caught:
        take(content)
    assert "labels.json" in str(caught.value) or "no file" in says
    assert "\n" not in str(caught.value)


def test_texts_of_run_lengths_are_pycocotools():
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5):
        of = np.asfortranarray(rng.random((70, 40)) < share, np.uint8)
        text = mask.encode(of)["counts"].decode()
        lengths = run_lengths(text)
        assert sum(lengths) == of.size
        np.testing.assert_array_equal(np.repeat(np.arange(len(lengths)) % 2, lengths), of.ravel("F"))
        assert run_lengths(text[:-1] + "o") == []  # says that more follows


def test_an_option_without_a_meaning(tmp_path):
    (tmp_path / "x.csv").write_text("file,label\na.png,cat\n")
    with pytest.raises(LeavenError, match="--background has no meaning"):
        read_labels(tmp_path / "x.csv", "csv", "me", background="rest")
    with pytest.raises(LeavenError, match="--mask-values has no meaning"):
        read_labels(tmp_path / "x.csv", "csv", "me", values={0: "rest"})


def test_a_line_of_json_that_is_none(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"id": "1", "kind": "class_add", "annotator": "a", "label": "cat"}\n\n{"id":\n')
    with pytest.raises(LeavenError, match=r"x\.jsonl, line 3, is no file of JSON lines"):
        read_labels(tmp_path / "x.jsonl", "jsonl", "me")


def test_the_message_says_what_was_left_out(tmp_path, capfd):
    """Through the command, with a folder of masks too."""
    import sys

    from leaven.cli import main

    def call(*words):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["leaven", "labels", "import", *map(str, words)])
            with pytest.raises(SystemExit) as end:
                main()
        assert not end.value.code, capfd.readouterr()
        return capfd.readouterr().out

    (tmp_path / "x.json").write_text(json.dumps(studio([COMMENT, CHOICE])))
    said = call(tmp_path / "new.db", tmp_path / "x.json")
    assert "1 answers and 1 new classes" in said
    assert "Left out, for they say no class: 1 textarea (first in task 9)." in said
    assert json.loads(call(tmp_path / "other.db", tmp_path / "x.json", "--json"))["left_out"] == {"textarea": 1}
    for part, pixels in (("images", np.zeros((2, 3))), ("masks", np.array([[0, 0, 255]] * 2))):
        (tmp_path / part).mkdir()
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / part / "a.png")
    words = (tmp_path / "masks.db", tmp_path / "masks", "--images", tmp_path / "images")
    assert "--background NAME --replace" in call(*words)
    call(*words, "--mask-values", "0=ground,255=thing", "--replace")
    with Store.open(tmp_path / "masks.db") as store:
        state = store.state()
    mask = state.answers["a.png"]["import"].mask
    assert decode(mask, ("ground", "thing")).tolist() == [[0, 0, 1]] * 2
    call(*words, "--background", "thing", "--replace")
    with Store.open(tmp_path / "masks.db") as store:
        mask = store.state().answers["a.png"]["import"].mask
    assert decode(mask, ("0", "thing")).tolist() == [[0, 0, 1]] * 2
