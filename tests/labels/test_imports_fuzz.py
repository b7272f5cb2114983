"""Damaged files of labels: whatever was changed in them, an import works or ends in one sentence."""

import copy
import io
import json
import random
import sys

import numpy as np
import pytest
from PIL import Image

from leaven.errors import LeavenError
from leaven.labels import Store
from leaven.labels.formats.transfer import detect_format, export_labels, read_labels
from leaven.labels.pixels import encode

ODD = (
    None,
    True,
    -1,
    0,
    1,
    2,
    7,
    10**400,
    2**63,
    -(2**31),
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x",
    "a.png",
    "http://[",
    "\ud800",
    "a\0b",
    "é" * 300,
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    [[1, 2], [3]],
    [0, 8],
    "@@@",
    "oooo",
)
ROUNDS = 80


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of every format that holds labels and masks, and the images."""
    root = tmp_path_factory.mktemp("fuzz")
    (root / "images").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        Image.new("RGB", (4, 2)).save(root / "images" / name)
    with Store.open(root / "labels.db") as store:
        from leaven.labels import Event

        store.add_classes(("cat", "dog"), "ann")
        mask = encode(np.array([[0, 0, 1, 255], [0, 1, 1, 255]]), ("cat", "dog"))
        store.add(
            Event("1", "label", "ann", "a.png", label="cat", seconds=1.5),
            Event("2", "skip", "bob", "a.png"),
            Event("3", "mask", "ann", "b.png", mask=mask),
            Event("4", "unsure", "bob", "c.png"),
        )
        made = {}
        for form, name in (
            ("csv", "x.csv"),
            ("jsonl", "x.jsonl"),
            ("label-studio", "studio.json"),
            ("coco", "coco.json"),
        ):
            if form == "coco":
                pytest.importorskip("pycocotools")
            export_labels(store, root / name, form)
            made[form] = (root / name).read_bytes()
    studio = json.loads(made["label-studio"])
    studio[0]["annotations"][0]["result"].append({"type": "textarea", "value": {"text": ["x"]}})
    studio[2]["annotations"][0]["result"] = [
        {
            "type": "polygonlabels",
            "original_width": 4,
            "original_height": 2,
            "image_rotation": 0,
            "value": {"points": [[0, 0], [50, 0], [50, 90.5]], "polygonlabels": ["dog"]},
        }
    ]
    coco = json.loads(made["coco"])
    coco["annotations"].append({"id": 9, "image_id": 2, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]})
    coco["annotations"].append(
        {"id": 10, "image_id": 2, "category_id": 2, "segmentation": {"size": [2, 4], "counts": [2, 4, 2]}}
    )
    return root, made, {"label-studio": studio, "coco": coco}


def places(content, at=()):
    yield at
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


def mutated(content, rng):
    """One or two places replaced by something odd, removed, or doubled."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 2)):
        path = rng.choice([at for at in places(content) if at] or [()])
        if not path:
            return rng.choice(ODD)
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        way = rng.random()
        if way < 0.2:
            del parent[path[-1]]
        elif way < 0.3 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            parent[path[-1]] = copy.deepcopy(rng.choice(ODD))
    return content


def damaged(data, rng):
    """Bytes cut off, changed or repeated."""
    at = rng.randrange(len(data))
    way = rng.randrange(4)
    if way == 0:
        return data[:at]
    if way == 1:
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    if way == 2:
        return data[:at] + data[at // 2 : at] + data[at:]
    return data[:at] + rng.choice([b"\xff\xfe", b"\0", b'"', b"\n", b",,", b"\xed\xa0\x80", b"9" * 20]) + data[at:]


def imports(path, root, name, rng):
    """Import it into a store of its own; the answer is whether it could be."""
    options = {"background": "rest"} if name not in ("csv", "jsonl") and rng.random() < 0.5 else {}
    try:
        said = read_labels(path, detect_format(path), "me", root / "images" if rng.random() < 0.7 else None, **options)
        with Store.open(root / "new.db") as store:
            said.add_to(store)
    except LeavenError as error:
        sentence = str(error)
        assert sentence
        assert "Traceback" not in sentence
        return False
    finally:
        for file in root.glob("new.db*"):
            file.unlink()
    return True


@pytest.mark.parametrize("form", ["label-studio", "coco"])
def test_documents(files, form):
    root, _, documents = files
    rng = random.Random(form)
    path = root / "damaged.json"
    path.write_text(json.dumps(documents[form]))
    assert imports(path, root, form, rng)  # whole, it can be read
    worked = 0
    for _ in range(ROUNDS):
        path.write_text(json.dumps(mutated(documents[form], rng)))
        worked += imports(path, root, form, rng)
    assert 0 < worked < ROUNDS


@pytest.mark.parametrize("form", ["csv", "jsonl", "label-studio", "coco"])
def test_bytes(files, form):
    root, made, _ = files
    rng = random.Random(form)
    path = root / {"csv": "damaged.csv", "jsonl": "damaged.jsonl"}.get(form, "damaged.json")
    worked = 0
    for _ in range(ROUNDS // 2):
        path.write_bytes(damaged(made[form], rng))
        worked += imports(path, root, form, rng)
    assert 0 < worked < ROUNDS


def test_lines_of_json(files):
    root, made, _ = files
    rng = random.Random(3)
    events = [json.loads(line) for line in made["jsonl"].splitlines()]
    path = root / "damaged.jsonl"
    for _ in range(ROUNDS):
        found = mutated(events, rng)
        path.write_text("\n".join(map(json.dumps, found if isinstance(found, list) else [found])))
        imports(path, root, "jsonl", rng)


@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
def test_depths_that_no_parser_reaches(files, name):
    root, _, _ = files
    (root / name).write_text("[" * (sys.getrecursionlimit() * 10))
    assert not imports(root / name, root, "csv", random.Random(0))


def test_mask_folders(files):
    root, _, _ = files
    rng = random.Random(4)
    file = io.BytesIO()
    Image.fromarray(np.array([[0, 0, 1, 255], [0, 1, 1, 255]], np.uint8)).save(file, "PNG")
    folder = root / "masks"
    folder.mkdir()
    for _ in range(ROUNDS // 2):
        names = b"cat\ndog\n"
        (folder / "a.png").write_bytes(damaged(file.getvalue(), rng) if rng.random() < 0.7 else file.getvalue())
        (folder / "classes.txt").write_bytes(damaged(names, rng) if rng.random() < 0.5 else names)
        imports(folder, root, "masks", rng)
