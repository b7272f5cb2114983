"""What stands for no label: the same at every door; and labels come back as they went in."""

import numpy as np
import pandas as pd
import pytest

from leaven.data import LeavenWarning, read, read_arrays, read_folder, read_huggingface, read_npz, read_torchvision
from leaven.data.unlabelled import MARKERS, WORDS, as_text, is_unlabelled, never_a_class
from leaven.errors import LeavenError
from leaven.estimators.targets import labelled
from leaven.labels import Event, Store
from leaven.labels.formats.transfer import read_labels
from leaven.labels.inputs import read_data

TEXTS = sorted({*MARKERS, "", "  ", " -1 ", "Unlabelled", "UNLABELED ", "-1.00"})
OTHERS = (None, float("nan"), np.nan, pd.NA, pd.NaT, -1, -1.0, np.int64(-1), np.float32(-1), b"-1", b"")
CLASSES = ("0", "none", "Na", "unknown", "-10", "1", "cat", 0, 1.0, False, True, "é")


@pytest.mark.parametrize("marker", [*TEXTS, *OTHERS], ids=repr)
def test_markers(marker):
    assert is_unlabelled(marker)


@pytest.mark.parametrize("name", CLASSES, ids=repr)
def test_names_of_classes(name):
    assert not is_unlabelled(name)


def test_another_marker_takes_the_place_of_the_list():
    assert is_unlabelled("?", "?")
    assert not any(is_unlabelled(text, "?") for text in ("-1", "None", -1))
    assert is_unlabelled(99, 99)
    assert is_unlabelled(None, "?")
    assert not any(is_unlabelled(text, None) for text in ("-1", "None", "nan", -1))
    assert not is_unlabelled(" None", classes=("None",))


@pytest.mark.filterwarnings("ignore::leaven.data.LeavenWarning")
@pytest.mark.parametrize("marker", TEXTS)
def test_text_at_every_door(make_images, tmp_path, marker):
    texts = ["cat", marker, "dog", "cat"]
    names = [f"{k}.png" for k in "abcd"]
    found = {}
    pixels = np.zeros((4, 4, 4), np.uint8)
    found["arrays"] = read_arrays(pixels, np.array(texts))
    found["list"] = read((pixels, texts))
    np.savez(tmp_path / "x.npz", x=pixels, y=np.array(texts))
    found["npz"] = read_npz(tmp_path / "x.npz")
    root = make_images(dict.fromkeys(names, 9))
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f'{n},"{t}"\n' for n, t in zip(names, texts, strict=True)))
    found["csv"] = read_folder(root, table)
    found["mapping"] = read_folder(root, dict(zip(names, texts, strict=True)))
    with Store.open(tmp_path / "labels.db") as store:
        read_labels(table, "csv", "me").add_to(store)
        assert store.state().classes == ("cat", "dog")
    found["store"] = read_data(root, tmp_path / "labels.db")
    for door, pool in found.items():
        assert pool.classes == ("cat", "dog"), door
        assert pool.labels.tolist() == [0, -1, 1, 0], door
    assert labelled(np.array(texts))[1].tolist() == [True, False, True, True]


@pytest.mark.filterwarnings("ignore::leaven.data.LeavenWarning")
@pytest.mark.parametrize("name", sorted(text for text in MARKERS if "/" not in text))
def test_subfolders(make_images, name):
    pool = read_folder(make_images({f"{name} /1.png": 1, "cat/1.png": 2, "dog/1.png": 3}))
    assert pool.classes == ("cat", "dog")
    assert sorted(pool.labels.tolist()) == [-1, 0, 1]


def test_image_folders_and_class_labels(make_images):
    torchvision, datasets = pytest.importorskip("torchvision"), pytest.importorskip("datasets")
    root = make_images({"cat/1.png": 1, "dog/1.png": 2, "Unlabeled/1.png": 3})
    pool = read_torchvision(torchvision.datasets.ImageFolder(root))
    assert pool.classes == ("cat", "dog")
    assert pool.labels.tolist() == [-1, 0, 1]
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["unlabelled", "cat"])})
    rows = {"image": [str(root / "cat/1.png"), str(root / "dog/1.png")], "label": [0, 1]}
    assert read_huggingface(datasets.Dataset.from_dict(rows, features=kinds)).labels.tolist() == [-1, 0]
    rows["label"] = ["NA", "cat"]
    texts = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    with pytest.warns(LeavenWarning, match="NA"):
        assert read_huggingface(texts).labels.tolist() == [-1, 0]


def test_a_class_that_is_called_none(make_images, tmp_path):
    """It is one where the classes are given by name, or another marker; else the reader says what it did."""
    root = make_images({"None/1.png": 1, "cat/1.png": 2})
    with pytest.warns(LeavenWarning, match=r"1 label of .*None.*--unlabelled"):
        assert read_folder(root).classes == ("cat",)
    assert read_folder(root, unlabelled=None).classes == ("None", "cat")
    assert read_data(root, unlabelled="").classes == ("None", "cat")
    assert read_folder(root, classes=("cat", "None")).labels.tolist() == [1, 0]
    assert set(read_arrays(np.zeros((3, 2)), ["-1", "1", "?"], unlabelled="?").classes) == {"-1", "1"}
    assert read_arrays(np.zeros((3, 2)), [-1, 1, None], unlabelled=None).classes == ("-1", "1")


WHOLE = [
    pd.Series([3, None, 5, -1], dtype="Int64"),
    pd.Series([3, None, 5, None], dtype="category"),
    pd.Series([3, None, 5, None]),  # floats
    np.array([3, None, 5, np.nan], dtype=object),
    np.array([3.0, None, np.float32(5), pd.NA], dtype=object),
    np.array(["3.0", "nan", "5.0", "-1.0"]),
    ["3", None, "5", -1],
]


@pytest.mark.parametrize("y", WHOLE, ids=range(len(WHOLE)))
def test_whole_numbers_stay_whole(y):
    pool = read_arrays(np.zeros((4, 2)), y)
    assert pool.classes == ("3", "5")
    assert pool.labels.tolist() == [0, -1, 1, -1]


def test_a_column_of_integers_with_gaps_in_a_csv(make_images):
    root = make_images({f"{k}.png": 1 for k in "abc"})
    path = root.parent / "labels.csv"
    pd.DataFrame({"file": ["a.png", "b.png", "c.png"], "label": [0, None, 1]}).to_csv(path, index=False)
    assert read_folder(root, path).classes == ("0", "1")
    assert read_folder(root, path, classes=("1", "0")).labels.tolist() == [1, -1, 0]
    path.write_text("file,label\na.png,1.0\nb.png,1.1\n")  # these are no whole numbers
    assert read_folder(root, path).classes == ("1.0", "1.1")


def test_texts_of_labels():
    assert [as_text(value) for value in (3, 3.0, np.float32(2), "3.0", " é ", True, b"cat", 2.5)] == [
        "3",
        "3",
        "2",
        "3.0",
        "é",
        "True",
        "cat",
        "2.5",
    ]


def test_the_store_takes_no_marker_for_a_class(tmp_path):
    with Store.open(tmp_path / "labels.db") as store:
        for name in sorted(MARKERS - WORDS):
            with pytest.raises(LeavenError, match="stands for an item without a label"):
                store.add_classes([name], "ada")
        assert store.add_classes(["None", "cat"], "ada") == ("None", "cat")  # somebody typed it
        store.add(Event("1", "label", "ada", "a.png", "None"))
        assert store.state().labels() == {"a.png": "None"}
    assert never_a_class(" Unlabeled")


def test_an_import_of_choices_and_of_answers(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label,answer\na.png,None,label\nb.png,-1,label\nc.png,cat,label\nd.png,NA,\n")
    with pytest.warns(LeavenWarning, match="NA"):
        said = read_labels(path, "csv", "me")
    with Store.open(tmp_path / "labels.db") as store:
        said.add_to(store)
        assert store.state().labels() == {"a.png": "None", "c.png": "cat"}
    path = tmp_path / "tasks.json"
    path.write_text(
        '[{"data": {"image": "a.png"}, "annotations": [{"result": [{"type": "choices", "value": {"choices": ["-1"]}}]}'
        ']}, {"data": {"image": "b.png"}, "annotations": [{"result": [{"type": "choices", "value": {"choices": '
        '["cat"]}}]}]}]'
    )
    with Store.open(tmp_path / "studio.db") as store:
        read_labels(path, "label-studio", "me").add_to(store)
        assert store.state().labels() == {"b.png": "cat"}
