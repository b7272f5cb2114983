"""``--labels STORE`` where the store holds masks: what is read, and learnt, is what an export of them would give."""

import json

import numpy as np
import pytest
import torch
from helpers_cli import FAST, call
from PIL import Image

from leaven.data import LeavenWarning, streets
from leaven.errors import LeavenError
from leaven.labels import Event, Store
from leaven.labels.formats.transfer import export_labels
from leaven.labels.inputs import Pixels, read_data
from leaven.labels.pixels import encode
from leaven.run.trained.model import load_model

HALF = ("--network", "deeplab", *FAST)


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """``photos``, a ``store`` of masks of some of them (two by two people, two to judge by), and its ``export``s."""
    root = tmp_path_factory.mktemp("painted")
    pool = streets(12, seed=0, size=(24, 32))
    (root / "photos").mkdir()
    for i, image in enumerate(pool.items):
        Image.fromarray(image).save(root / "photos" / f"{i:02d}.png")
    with Store.open(root / "store.db") as store:
        store.add_classes([*pool.classes, "moon"], "ada")
        for i, mask in enumerate(pool.masks[:8]):
            shown = np.where(np.arange(32) < 28, mask, 255).astype(np.uint8)  # a strip that nobody painted
            item, audit = f"{i:02d}.png", i >= 6
            own = [Event(f"a{i}", "mask", "ada", item, mask=encode(shown, pool.classes), audit=audit)]
            if i < 2:
                shown[:4] = 1
                own.append(Event(f"b{i}", "mask", "bob", item, mask=encode(shown, pool.classes)))
            store.add(*own)
        for audit in (True, False):
            (root / f"export{audit}").mkdir()
            export_labels(store, root / f"export{audit}", "masks", audit=audit)
    return root


def same(one, other):
    assert (one.ids.tolist(), one.classes) == (other.ids.tolist(), other.classes)
    for name in ("labels", "items", "masks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("background", [None, "sky", "elsewhere"])
@pytest.mark.parametrize(("use", "export"), [("training", "exportFalse"), ("all", "exportTrue")])
def test_both_ways_give_the_same_pool(painted, background, use, export):
    form = {"pixels": Pixels(background=background), "announce": False}
    stored = read_data(painted / "photos", painted / "store.db", use=use, **form)
    same(stored, read_data(painted / "photos", painted / export, **form))
    assert stored.dense
    assert (stored.labels >= 0).sum() == (6 if use == "training" else 8)
    assert (stored.masks[stored.labels >= 0] == 255).any() == (background is None)


def test_of_another_size_alike(painted):
    form = {"size": (12, 16), "announce": False}
    same(
        read_data(painted / "photos", painted / "store.db", use="all", **form),
        read_data(painted / "photos", painted / "exportTrue", **form),
    )


def test_what_is_not_learnt_is_said(painted):
    with pytest.warns(LeavenWarning) as said:
        read_data(painted / "photos", painted / "store.db")
    words = "; ".join(str(w.message) for w in said)
    assert "Not learnt from, so that they can judge the model: 2 audit items" in words
    assert f"No mask in {painted / 'store.db'} has a pixel of the class" in words
    assert "moon" in words


def test_both_ways_learn_the_same(leaven, painted, tmp_path):
    for name, labels in (("stored", "store.db"), ("exported", "exportFalse")):
        words = ("--labels", painted / labels, "--background", "elsewhere", "-o", tmp_path / name)
        assert call("fit", painted / "photos", *words, *HALF) == 0
    one, other = (load_model(tmp_path / name).network.state_dict() for name in ("stored", "exported"))
    assert all(torch.equal(weights, other[name]) for name, weights in one.items())
    configs = [json.loads((tmp_path / name / "config.json").read_text()) for name in ("stored", "exported")]
    assert configs[0]["inputs"]["mask_values"] == configs[1]["inputs"]["mask_values"]
    assert configs[0]["data"]["content"] == configs[1]["data"]["content"]
    said = leaven("evaluate", tmp_path / "stored", painted / "photos", "--labels", painted / "store.db", "--json")
    assert said.code == 0, said.err
    assert {row["n"] for row in json.loads(said.out)["rows"]} == {2}  # those that judge the model


def test_what_cannot_be_read_so(painted, tmp_path):
    store = painted / "store.db"
    with pytest.raises(LeavenError, match=r"no numbers of classes, so --mask-values has no meaning"):
        read_data(painted / "photos", store, pixels=Pixels(values={0: "sky"}))
    np.savez(tmp_path / "x.npz", X=np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(LeavenError, match=r"holds masks, which are of images in a folder"):
        read_data(tmp_path / "x.npz", store)
    (tmp_path / "other").mkdir()
    Image.new("RGB", (32, 24)).save(tmp_path / "other" / "else.png")
    with pytest.raises(LeavenError, match=r"None of the 6 images of which .* has masks is in"):
        read_data(tmp_path / "other", store)
    Image.new("RGB", (30, 24)).save(tmp_path / "other" / "00.png")
    small = r"The mask of 00.png in .* is 24×32 pixels and its image 00.png 24×30"
    gone = r"5 of the masks of .* are of images that are not in"
    with pytest.warns(LeavenWarning, match=gone), pytest.raises(LeavenError, match=small):
        read_data(tmp_path / "other", store)


def test_labels_of_whole_items_go_before_masks(painted, tmp_path):
    with Store.open(tmp_path / "both.db") as store:
        store.add_classes(["dark", "light"], "ada")
        store.add(
            Event("1", "label", "ada", "00.png", label="dark"),
            Event("2", "label", "ada", "01.png", label="light"),
            Event("3", "mask", "ada", "02.png", mask=encode(np.eye(24, 32, dtype=np.uint8), ["dark", "light"])),
        )
    with pytest.warns(LeavenWarning, match="the masks of 1 item of .*export --format masks"):
        pool = read_data(painted / "photos", tmp_path / "both.db")
    assert not pool.dense
    with pytest.raises(LeavenError, match="holds no masks, so --background has no meaning"):
        read_data(painted / "photos", tmp_path / "both.db", pixels=Pixels(background="dark"))


def test_one_thing_painted_names_the_background_alone(painted, tmp_path):
    only = np.full((24, 32), 255, np.uint8)
    only[:4] = 0
    with Store.open(tmp_path / "one.db") as store:
        store.add_classes(["cup"], "ada")
        store.add(Event("1", "mask", "ada", "00.png", mask=encode(only, ["cup"])))
    with pytest.raises(LeavenError, match=r"are of one class \(cup\), .*: if all that was left unpainted is one, say"):
        read_data(painted / "photos", tmp_path / "one.db")
    pool = read_data(painted / "photos", tmp_path / "one.db", pixels=Pixels(background="table"))
    assert set(pool.classes) == {"cup", "table"}
