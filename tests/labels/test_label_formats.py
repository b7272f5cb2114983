"""Files of labels, in and out: what comes back is what went, and what cannot be kept leaves nothing behind."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from leaven.errors import LeavenError
from leaven.labels import Store
from leaven.labels.formats import brush
from leaven.labels.formats.names import item_lookup, plain_name
from leaven.labels.formats.transfer import detect_format, export_labels, read_labels
from leaven.labels.pixels import counts, decode, encode, parse_mask

MAP = np.array([[0, 0, 255, 1], [0, 2, 2, 1], [255, 2, 2, 1]], np.uint8)  # of road, sky, tree
NAMES = ["road", "sky", "tree"]


@pytest.fixture
def full(store, event):
    """Two annotators, every kind of answer, an undo and a replaced answer."""
    (first,) = store.add(event("label", "a.png", "dog", strategy="margin", score=0.25, shown=True, seconds=1.5))
    store.add(
        event("label", "a.png", "cat", replaces=first.id),
        event("label", "a.png", "cat", by="bob"),
        event("label", "sub/b, 2.png", "dog", audit=True),
        event("label", "tie.png", "dog"),
        event("label", "tie.png", "cat", by="bob"),
        event("skip", "s.png"),
        event("unsure", "u.png", by="bob"),
        event("label", "gone.png", "dog", id="gone"),
        event("undo", undoes="gone"),
    )
    return store


def import_labels(store, path, form, annotator, images=None, replacing=False):
    return read_labels(path, form, annotator, images).add_to(store, replacing=replacing)


def stands(store):
    return {
        (item, who): (event.kind, event.label, event.mask)
        for item, by in store.state().answers.items()
        for who, event in by.items()
    }


@pytest.fixture
def other(tmp_path):
    with Store.open(tmp_path / "other" / "labels.db") as opened:
        yield opened


def test_json_lines_keep_everything(full, other, tmp_path):
    path = tmp_path / "events.jsonl"
    assert export_labels(full, path, "jsonl") == 12
    taken = import_labels(other, path, "jsonl", "me")
    assert other.events() == full.events()  # ids, times and order too
    assert (taken.answers, taken.classes) == (9, ("cat", "dog"))
    again = import_labels(other, path, "jsonl", "me")
    assert (again.answers, again.already_there) == (0, 12)
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace('"cat"', '"dog"')
    path.write_text("\n".join(lines))
    with pytest.raises(LeavenError, match="is taken by another event"):
        import_labels(other, path, "jsonl", "me")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "no file of JSON lines"),
        ("[]", "is no event"),
        ('{"id": "x"}', "has no kind"),
        ('{"id": "x", "kind": "skip", "annotator": "a", "item": "i", "colour": 1}', "has colour, which no event has"),
        ('{"id": "x", "kind": "skip", "annotator": "a", "item": 3}', "the item 3, which is of another type"),
        ('{"id": "x", "kind": "love", "annotator": "a", "item": "i"}', "no event of the kind"),
    ],
)
def test_json_lines_that_are_none(other, tmp_path, line, sentence):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "1", "kind": "class_add", "annotator": "a", "label": "cat"}\n' + line)
    with pytest.raises(LeavenError, match=sentence):
        import_labels(other, path, "jsonl", "me")
    assert other.events() == []


def test_csv_of_every_answer(full, other, tmp_path):
    path = tmp_path / "all.csv"
    assert export_labels(full, path, "csv", "none") == 7
    import_labels(other, path, "csv", "me")
    assert stands(other) == stands(full)
    assert other.state().audit == {"sub/b, 2.png"}
    at = full.state().answers["a.png"]["bob"].at
    assert other.state().answers["a.png"]["bob"].at == at


def test_csv_of_the_consensus_is_what_fit_reads(full, other, tmp_path):
    from leaven.data.readers.table import read_table

    path = tmp_path / "labels.csv"
    assert export_labels(full, path, "csv") == 2
    files = ["a.png", "sub/b, 2.png", "tie.png"]
    assert read_table(path, tmp_path, files) == {"a.png": "cat", "sub/b, 2.png": "dog"}
    export_labels(full, path, "csv", audit=False)
    assert read_table(path, tmp_path, files) == {"a.png": "cat"}
    path.write_text("file;label\na.png;cat\nb.png;\n")  # a table of `leaven query`, half filled in
    assert import_labels(other, path, "csv", "me").answers == 1
    assert stands(other) == {("a.png", "me"): ("label", "cat", "")}


def test_an_import_is_whole_or_not_at_all(other, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na.png,cat\n")
    import_labels(other, path, "csv", "me")
    path.write_text("file,label\nb.png,dog\na.png,dog\n")
    with pytest.raises(LeavenError, match=r"says dog of a\.png, where me said cat"):
        import_labels(other, path, "csv", "me")
    assert len(other.events()) == 2
    taken = import_labels(other, path, "csv", "me", replacing=True)
    assert (taken.answers, taken.replaced, taken.classes) == (2, 1, ("dog",))
    assert other.state().labels() == {"a.png": "dog", "b.png": "dog"}
    assert import_labels(other, path, "csv", "me").already_there == 2
    path.write_text("file,label\nc.png,dog\nc.png,cat\n")
    with pytest.raises(LeavenError, match=r"two answers of me to c\.png"):
        import_labels(other, path, "csv", "me")
    path.write_text("c.png,dog\n")
    with pytest.raises(LeavenError, match="expected a header with file"):
        import_labels(other, path, "csv", "me")


def test_a_file_taken_in_twice_changes_nothing(other, event, tmp_path):
    """Not even after its answers were corrected and undone and its class was renamed."""
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na.png,cat\nb.png,cat\nc.png,cat\n")
    import_labels(other, path, "csv", "me")
    given = other.state().answers
    other.add(
        event("class_add", label="dog"),
        event("label", "a.png", "dog", by="me", replaces=given["a.png"]["me"].id),
        event("undo", by="me", undoes=given["b.png"]["me"].id),
        event("class_rename", old="cat", label="lynx"),
    )
    before = other.events()
    taken = import_labels(other, path, "csv", "me")
    assert other.events() == before
    assert (taken.answers, taken.already_there, taken.classes) == (0, 3, ())
    path.write_text(path.read_text() + "d.png,lynx\n")  # another file: what it says is looked at anew
    with pytest.raises(LeavenError, match=r"says cat of a\.png, where me said dog"):
        import_labels(other, path, "csv", "me")
    path.write_text("file,label\na.png,cat\nb.png,cat\nc.png,cat\n")
    taken = import_labels(other, path, "csv", "me", replacing=True)  # the file is right, whatever was said since
    assert (taken.answers, taken.replaced, taken.classes) == (3, 2, ("cat",))
    assert other.state().labels() == {"a.png": "cat", "b.png": "cat", "c.png": "cat"}


def test_ids_follow_from_the_file(store, other, event, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na.png,cat\nb.png,dog\n")
    for one in (store, other):
        import_labels(one, path, "csv", "me")
    ids = [{e.id for e in one.events() if e.kind == "label"} for one in (store, other)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 2


# as its documentation has them: choices with several annotators, a cancelled one, an old number of an annotator
LABEL_STUDIO = [
    {
        "id": 1,
        "data": {"image": "/data/upload/3/1f2e3d4c-my-cat.png"},
        "annotations": [
            {
                "id": 1001,
                "completed_by": {"id": 1, "email": "ann@example.org", "first_name": "Ann"},
                "was_cancelled": False,
                "ground_truth": False,
                "created_at": "2024-03-09T22:16:08.728353Z",
                "lead_time": 4.288,
                "task": 1,
                "result": [
                    {
                        "id": "Dx_aB91ISN",
                        "from_name": "choice",
                        "to_name": "image",
                        "type": "choices",
                        "origin": "manual",
                        "value": {"choices": ["cat"]},
                    }
                ],
            },
            {
                "id": 1002,
                "completed_by": 10,
                "was_cancelled": False,
                "result": [
                    {
                        "id": "q",
                        "from_name": "choice",
                        "to_name": "image",
                        "type": "choices",
                        "value": {"choices": ["dog"]},
                    }
                ],
            },
        ],
        "predictions": [{"model_version": "m", "score": 0.5, "result": []}],
    },
    {
        "id": 2,
        "data": {"image": "/data/local-files/?d=photos/b%20c.png"},
        "annotations": [
            {"id": 1003, "completed_by": {"email": "ann@example.org"}, "was_cancelled": True, "result": []}
        ],
    },
    {
        "id": 3,
        "data": {"image": "https://example.org/photos/d.png"},
        "annotations": [{"id": 1004, "was_cancelled": False, "result": []}],
    },
    {"id": 4, "data": {"image": "e.png"}, "annotations": []},
]


def test_label_studio_choices(other, tmp_path):
    path = tmp_path / "project.json"
    path.write_text(json.dumps(LABEL_STUDIO))
    assert detect_format(path) == "label-studio"
    assert import_labels(other, path, "label-studio", "me").answers == 4
    assert stands(other) == {
        ("my-cat.png", "ann@example.org"): ("label", "cat", ""),
        ("my-cat.png", "10"): ("label", "dog", ""),
        ("photos/b c.png", "ann@example.org"): ("skip", "", ""),
        ("photos/d.png", "me"): ("unsure", "", ""),
    }
    given = other.state().answers["my-cat.png"]["ann@example.org"]
    assert (given.at, given.seconds) == ("2024-03-09T22:16:08.728353Z", 4.288)


@pytest.mark.parametrize(
    ("type_", "value", "sentence"),
    [
        (
            "rectanglelabels",
            {"x": 1, "y": 1, "width": 2, "height": 3, "rectanglelabels": ["cat"]},
            "has rectanglelabels",
        ),
        ("choices", {"choices": ["cat", "dog"]}, "2 choices"),
    ],
)
def test_label_studio_that_cannot_be_kept(other, tmp_path, type_, value, sentence):
    path = tmp_path / "project.json"
    bad = {"id": 9, "data": {"image": "x.png"}, "annotations": [{"result": [{"type": type_, "value": value}]}]}
    path.write_text(json.dumps([bad]))
    with pytest.raises(LeavenError, match=f"task 9, has {sentence.removeprefix('has ')}"):
        import_labels(other, path, "label-studio", "me")
    assert other.events() == []
    path.write_text(json.dumps([*LABEL_STUDIO, bad]))  # one odd answer does not send the others back
    import_labels(other, path, "label-studio", "me")
    assert other.state().answers
    assert "x.png" not in other.state().answers


@pytest.mark.parametrize(
    "change",
    [
        {"result": [{"type": "choices", "value": {"choices": [3]}}]},
        {"lead_time": "long"},
        {"created_at": 5},
        {"result": 3},
        {"result": [{"type": "brushlabels", "value": {}}]},
    ],
)
def test_label_studio_with_values_of_another_type(other, tmp_path, change):
    path = tmp_path / "project.json"
    annotation = {"result": [{"type": "choices", "value": {"choices": ["cat"]}}]}
    path.write_text(json.dumps([{"id": 9, "data": {"image": "x.png"}, "annotations": [annotation | change]}]))
    with pytest.raises(LeavenError, match="no list of Label Studio's tasks"):
        import_labels(other, path, "label-studio", "me")


@pytest.mark.parametrize("form", ["label-studio", "coco"])
@pytest.mark.parametrize(
    "content", ["{}", "[1]", '[{"data": {}}]', '{"images": 3}', "not json", '[{"annotations": []}]']
)
def test_json_of_another_kind_is_one_sentence(other, tmp_path, form, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    if (form, content) == ("label-studio", "{}"):
        return  # no tasks, so nothing is kept
    with pytest.raises(LeavenError, match=r"x\.json") as caught:
        import_labels(other, path, form, "me")
    assert "\n" not in str(caught.value)
    assert other.events() == []


@pytest.mark.parametrize("form", ["label-studio", "jsonl", "csv"])
def test_answers_come_back(full, other, tmp_path, form):
    path = tmp_path / "x"
    export_labels(full, path, form, "none" if form == "csv" else "majority")
    import_labels(other, path, form, "me")
    assert stands(other) == stands(full)


def test_label_studios_brush():
    """A stream made by hand from the format's description: 2 × 2 pixels, the last one brushed."""
    header = f"{16:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    zeros = "1" + "01" + f"{11:04b}" + f"{0:08b}"  # a run of 12, its length in the second width
    pixel = "0" + "00" + f"{3:03b}" + f"{200:08b}{100:08b}{50:08b}{255:08b}"  # four numbers as they are
    bits = header + zeros + pixel
    bits += "0" * (-len(bits) % 8)
    stream = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert brush.decode(stream, 2, 2, "x").tolist() == [[False, False], [False, True]]
    with pytest.raises(LeavenError, match="16 numbers for 3×2 pixels"):
        brush.decode(stream, 3, 2, "x")
    with pytest.raises(LeavenError, match="cannot be read"):
        brush.decode(stream[:12], 2, 2, "x")


def test_a_stream_of_label_studios_own_encoder():
    """What ``label_studio_converter.brush.encode_rle`` 0.0.59 makes of two rows, .XX and ..X, of opacity 255."""
    stream = [0, 0, 0, 24, 57, 27, 252, 96, 19, 255, 206, 1, 31, 248]
    rows = [[False, True, True], [False, False, True]]
    assert brush.decode(stream, 2, 3, "x").tolist() == rows
    assert brush.encode(np.array(rows)) == stream


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 700)])
def test_the_brush_comes_back(shape):
    rng = np.random.default_rng(0)
    for of in (rng.random(shape) < 0.3, np.ones(shape, bool), np.zeros(shape, bool)):
        np.testing.assert_array_equal(brush.decode(brush.encode(of), *shape, "x"), of)


def test_polygons_of_label_studio(other, tmp_path):
    """A rectangle from (25 %, 20 %) to (75 %, 80 %) of 8 × 10 pixels: columns 2 to 5 and rows 2 to 7, as their centres
    lie in it; the outline may add the pixels that it touches.
    """
    value = {"points": [[25, 20], [75, 20], [75, 80], [25, 80]], "closed": True, "polygonlabels": ["sky"]}
    region = {"type": "polygonlabels", "original_width": 8, "original_height": 10, "value": value}
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": [region]}]}]))
    import_labels(other, path, "label-studio", "me")
    found = decode(other.state().answers["a.png"]["me"].mask, ["sky"]) == 0
    exact = np.zeros((10, 8), bool)
    exact[2:8, 2:6] = True
    assert (found & exact).sum() == exact.sum()
    assert not found[:1].any()
    assert not found[9:].any()
    assert found.sum() <= 7 * 8


def test_runs_are_cocos():
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    of = rng.random((7, 5)) < 0.5
    ours = {"size": [7, 5], "counts": counts(of)}
    assert counts(np.array([[1, 0], [1, 1]], bool)) == [0, 2, 1, 1]  # down the columns
    np.testing.assert_array_equal(mask.decode(mask.frPyObjects(ours, 7, 5)), of)
    np.testing.assert_array_equal(decode(encode(MAP, NAMES), NAMES), MAP)
    assert parse_mask(encode(MAP, NAMES))[1]["road"] == [0, 2, 1, 1, 8]
    with pytest.raises(LeavenError, match="does not fill"):
        parse_mask('{"counts":{"a":[3]},"size":[2,2]}')
    with pytest.raises(LeavenError, match="of another class"):
        decode('{"counts":{"a":[0,1],"b":[0,1]},"size":[1,1]}', ["a", "b"])


@pytest.fixture
def masked(store, event):
    store.add_classes(NAMES, "ada")
    store.add(event("mask", "images/a.png", mask=encode(MAP, NAMES)))
    return store


@pytest.mark.parametrize("form", ["label-studio", "coco", "masks", "jsonl"])
def test_masks_come_back(masked, other, tmp_path, form):
    if form == "coco":
        pytest.importorskip("pycocotools")
    path = tmp_path / "x"
    images = tmp_path / "pictures"
    (images / "images").mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(images / "images" / "a.png")
    if form == "masks":
        path.mkdir()
    assert export_labels(masked, path, form) >= 1
    import_labels(other, path, form, "ada", images=images)
    assert stands(other) == stands(masked)


def test_masks_of_the_store_are_what_fit_reads(masked, tmp_path):
    from leaven.data import read_masks

    (tmp_path / "pictures" / "images").mkdir(parents=True)
    Image.new("RGB", (4, 3)).save(tmp_path / "pictures" / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    export_labels(masked, tmp_path / "masks", "masks")
    with Image.open(tmp_path / "masks" / "images" / "a.png") as shown:
        colours = np.asarray(shown.convert("RGB"))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) == 4  # three classes, and what does not count
    assert colours.reshape(-1, 3).sum(1).min() > 0  # none is black to the eye
    pool = read_masks(tmp_path / "pictures", tmp_path / "masks", cache=tmp_path / "cache", progress=False)
    assert pool.classes == ("cat", "dog", *NAMES)
    np.testing.assert_array_equal(pool.masks[0], np.where(MAP == 255, 255, MAP + 2))


def test_two_peoples_masks_are_merged(masked, tmp_path, event):
    from leaven.labels.merge import merged_masks

    theirs = MAP.copy()
    theirs[0] = 1  # a whole row otherwise
    masked.add(event("mask", "images/a.png", by="bob", mask=encode(theirs, NAMES)))
    found = decode(merged_masks(masked.state())["images/a.png"], NAMES)
    # of the first row: road against sky is a tie, twice; nothing against sky is sky; sky twice is sky
    assert found[0].tolist() == [255, 255, 1, 1]
    np.testing.assert_array_equal(found[1:], MAP[1:])
    masked.add(event("mask", "images/a.png", by="eve", mask=encode(MAP[:2], NAMES)))
    with pytest.raises(LeavenError, match="different sizes"):
        merged_masks(masked.state())


# as its data format describes: a whole image's category, polygons, run lengths of a crowd
COCO = {
    "info": {"year": 2024},
    "licenses": [],
    "categories": [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat"}],
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 6, "height": 4},
        {"id": 8, "file_name": "b.jpg", "width": 6, "height": 4},
        {"id": 9, "file_name": "empty.jpg", "width": 6, "height": 4},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 3},
        {
            "id": 2,
            "image_id": 8,
            "category_id": 1,
            "iscrowd": 0,
            "area": 6.0,
            "bbox": [1, 1, 3, 2],
            "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3]],
        },
        {"id": 3, "image_id": 8, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [4, 6], "counts": [20, 4]}},
    ],
}


def test_coco(other, tmp_path):
    pytest.importorskip("pycocotools")
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(COCO))
    assert detect_format(path) == "coco"
    assert import_labels(other, path, "coco", "me").classes == ("cat", "dog")
    assert other.state().labels() == {"a.jpg": "dog"}
    expected = np.full((4, 6), 255)
    expected[1:3, 1:4] = 0
    expected[:, 5] = 1
    np.testing.assert_array_equal(decode(other.state().answers["b.jpg"]["me"].mask, ["cat", "dog"]), expected)
    out = tmp_path / "out.json"
    assert export_labels(other, out, "coco") == 2
    from pycocotools.coco import COCO as Reader

    reader = Reader(str(out))
    (sky,) = [a for a in reader.anns.values() if a.get("bbox") and a["category_id"] == 1]
    assert (sky["area"], sky["bbox"]) == (6, [1, 1, 3, 2])
    np.testing.assert_array_equal(reader.annToMask(sky), expected == 0)


def test_coco_of_two_categories_an_image_is_refused(other, tmp_path):
    path = tmp_path / "x.json"
    two = [COCO["annotations"][0], {"id": 4, "image_id": 7, "category_id": 1}]
    path.write_text(json.dumps(COCO | {"annotations": two}))
    pytest.importorskip("pycocotools")
    with pytest.raises(LeavenError, match=r"the categories cat, dog for the image a\.jpg"):
        import_labels(other, path, "coco", "me")
    path.write_text(json.dumps(COCO | {"annotations": [{"id": 4, "image_id": 70, "category_id": 1}]}))
    with pytest.raises(LeavenError, match="annotations of the image 70, which is not listed"):
        import_labels(other, path, "coco", "me")
    assert other.events() == []


def test_masks_without_pycocotools_are_one_sentence(masked, other, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(COCO))
    for call in (lambda: import_labels(other, path, "coco", "me"), lambda: export_labels(masked, path, "coco")):
        with pytest.raises(LeavenError, match=r'pip install "leaven-learn\[coco\]"'):
            call()
    path.write_text(json.dumps(COCO | {"annotations": COCO["annotations"][:1]}))
    assert import_labels(other, path, "coco", "me").answers == 1  # classes of whole images need no library


def test_a_box_of_coco_is_no_class_of_its_image(other, tmp_path):
    path = tmp_path / "x.json"
    box = {"id": 1, "image_id": 7, "category_id": 3, "segmentation": [], "bbox": [1, 1, 2, 2]}
    path.write_text(json.dumps(COCO | {"annotations": [box]}))
    with pytest.raises(LeavenError, match=r"a box \[1, 1, 2, 2\] in the image a\.jpg"):
        import_labels(other, path, "coco", "me")
    assert other.events() == []
    path.write_text(json.dumps(COCO | {"annotations": [box | {"bbox": [0, 0, 6, 4]}]}))
    import_labels(other, path, "coco", "me")
    assert other.state().labels() == {"a.jpg": "dog"}


def test_names_of_other_programs(tmp_path):
    assert plain_name("s3://bucket/photos/a.png") == "photos/a.png"
    assert plain_name("photos\\a.png") == "photos/a.png"
    assert plain_name("./a.png") == "a.png"
    for name in ("x/cat/1.png", "x/dog/1.png", "x/only.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name)
    of = item_lookup(tmp_path, "labels.csv")
    assert of("/home/me/data/x/cat/1.png") == "x/cat/1.png"
    assert of("/data/upload/1/1a2b3c4d-only.png") == "x/only.png"
    with pytest.raises(LeavenError, match="2 images fit"):
        of("elsewhere/1.png")
    with pytest.raises(LeavenError, match="no image fits"):
        of("other.png")


def test_a_mask_leaves_its_folder_never(store, event, tmp_path):
    store.add_classes(NAMES, "ada")
    store.add(event("mask", "../../evil.png", mask=encode(MAP, NAMES)))
    out = tmp_path / "deep" / "masks"
    out.mkdir(parents=True)
    with pytest.raises(LeavenError, match="outside"):
        export_labels(store, out, "masks")
    assert not (tmp_path / "evil.png").exists()


def test_a_mask_of_another_size_is_refused(other, tmp_path):
    for name, size, mode in (("images/a.png", (4, 3), "RGB"), ("masks/a.png", (4, 4), "L")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new(mode, size).save(tmp_path / name)
    with pytest.raises(LeavenError, match=r"is 4×4 pixels and its image a\.png 3×4"):
        import_labels(other, tmp_path, detect_format(tmp_path), "me")
    Image.new("L", (4, 3), 1).save(tmp_path / "masks" / "a.png")
    assert import_labels(other, tmp_path, "masks", "me").classes == ("1",)  # a number without a pixel is no class
