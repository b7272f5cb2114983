"""What is white in images that are not of 8 bits: the pool decides, a run records it, and all of its uses go by it."""

import io
import json

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, make_folder, write_csv
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from leaven.cli.stream import _item
from leaven.data import White
from leaven.data.readers.white import FULL
from leaven.labels.inputs import read_like
from leaven.run.trained import mask_folder
from leaven.run.trained.model import Model, load_model

TWELVE = White(4095)


def deepen(root, factor=16, folder=None):
    """Make the pictures of a folder ``factor`` times as bright, in files of 16 bits."""
    for path in sorted(root.rglob("*.png")):
        pixels = np.asarray(Image.open(path)).astype(np.uint16) * factor
        Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Pictures of 12 bits: to learn from, and some that are darker than a quarter of what these hold."""
    root = tmp_path_factory.mktemp("deep")
    truth = make_folder(root / "photos", 12)
    write_csv(root / "labels.csv", dict(list(truth.items())[:9]))
    deepen(root / "photos")
    (root / "dark").mkdir()
    for name, kind in truth.items():
        if kind == "dark":
            (root / "dark" / name).write_bytes((root / "photos" / name).read_bytes())
    return root


@pytest.fixture(scope="module")
def run(deep):
    from helpers_cli import call

    assert call("fit", deep / "photos", "--labels", deep / "labels.csv", "-o", deep / "run", *FAST) == 0
    return deep / "run"


def bright(path, value):
    Image.fromarray(np.full((8, 8), value, np.uint16)).save(path)
    return path


def test_the_range_is_said_and_recorded(leaven, deep, run, tmp_path):
    said = leaven("fit", deep / "photos", "--labels", deep / "labels.csv", "-o", tmp_path / "run", *FAST)
    assert "hold integers of more than 8 bits, taken as 0 to 4095 (12 bits), the range in use; --white of" in said.err
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["white"] == {"integers": 4095}
    model = load_model(run)
    assert model.white == TWELVE
    assert model.about()["input"]["white"] == {"integers": 4095}  # which the exports carry


def rows(said):
    return {row["id"].rpartition("/")[2]: row for row in json.loads(said.out)["rows"]}


def test_dark_images_alone_are_as_dark_as_among_others(leaven, deep, run):
    """By their own range in use they would be of 10 bits, and four times as bright."""
    whole = rows(leaven("predict", run, deep / "photos", "--json"))
    said = leaven("predict", run, deep / "dark", "--json")
    assert said.err == ""
    assert {name: whole[name] for name in rows(said)} == rows(said)
    one = sorted((deep / "dark").iterdir())[0]
    alone = rows(leaven("predict", run, one, "--json"))[one.name]
    assert alone | {"id": one.name} == whole[one.name]


def test_what_is_beyond_is_cut_and_said_and_another_range_refused(leaven, refused, run, tmp_path):
    (tmp_path / "new").mkdir()
    bright(tmp_path / "new" / "a.png", 5000)
    said = leaven("predict", run, tmp_path / "new", "--json")
    assert "1 of the 1 images of integers of more than 8 bits in" in said.err
    assert "go beyond 4095, which is white, and are cut there (a.png goes to 5000)" in said.err
    bright(tmp_path / "new" / "a.png", 65535)
    assert "a.png: values from 65535 to 65535, expected 0 to 4095" in refused("predict", run, tmp_path / "new")


def test_every_use_of_a_run_reads_alike(leaven, deep, run, tmp_path):
    """Evaluate, query and probe, of images that alone would be taken for darker ones."""
    labels = {path.name: CLASSES[k % 2] for k, path in enumerate(sorted((deep / "dark").iterdir()))}
    table = write_csv(tmp_path / "labels.csv", labels)
    for words in (
        ("evaluate", run, deep / "dark", "--labels", table),
        ("query", run, deep / "dark", "-n", 1, "-o", tmp_path / "q.csv"),
        ("fit", deep / "photos", "--labels", deep / "labels.csv", "--test", deep / "dark-test", "-o", tmp_path / "r"),
    ):
        if words[0] == "fit":
            for name, label in labels.items():
                (deep / "dark-test" / label).mkdir(parents=True, exist_ok=True)
                (deep / "dark-test" / label / name).write_bytes((deep / "dark" / name).read_bytes())
            words += FAST
        said = leaven(*words)
        assert said.code == 0, said
        assert "0 to 1023" not in said.err


def test_a_stream_reads_alike(run, tmp_path, capfd):
    model = load_model(run)
    assert (_item(bright(tmp_path / "a.png", 819), model) == 51).all()
    assert (_item(bright(tmp_path / "b.png", 5000), model) == 255).all()
    assert "b.png goes to 5000, and is cut at 4095" in capfd.readouterr().err
    with pytest.raises(ValueError, match="values from 65535 to 65535, expected 0 to 4095"):
        _item(bright(tmp_path / "c.png", 65535), model)


def test_masks_of_whole_images_are_of_pixels_read_alike(run, tmp_path, monkeypatch):
    """An image of another form than what was trained on is opened anew."""
    seen = []
    monkeypatch.setattr(mask_folder, "predicted_masks", lambda network, items, device: seen.append(items) or iter(()))
    monkeypatch.setattr(mask_folder, "_scaled", lambda mask, size: mask)
    Image.fromarray(np.full((8, 20), 819, np.uint16)).save(tmp_path / "a.png")
    model = load_model(run)
    pool = read_like(tmp_path, model.spec.shape, white=model.white)
    with pytest.raises(ValueError, match="not enough values"):
        list(mask_folder._predicted(model, pool, {"a.png": tmp_path / "a.png"}))
    assert (seen[-1] == 51).all()


def test_each_domain_says_its_own_range_and_the_model_keeps_the_targets(leaven, deep, tmp_path):
    make_folder(tmp_path / "source", 12, by_class=True)
    deepen(tmp_path / "source", 257)
    words = ("fit", deep / "photos", "--source", tmp_path / "source", *FAST)
    said = leaven(*words, "-o", tmp_path / "run").err
    assert "taken as 0 to 65535 (16 bits)" in said
    assert "taken as 0 to 4095 (12 bits)" in said
    assert load_model(tmp_path / "run").white == TWELVE


def test_white_can_be_stated(leaven, deep, tmp_path):
    words = ("fit", deep / "photos", "--labels", deep / "labels.csv", "-o", tmp_path / "run", *FAST)
    said = leaven(*words, "--white", 65535)
    assert (said.code, "range in use" in said.err) == (0, False)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["inputs"]["white"] == 65535
    assert load_model(tmp_path / "run").white == White(65535, 65535)
    said = leaven("fit", deep / "photos", "--white", 0, "-o", tmp_path / "other")
    assert said.code == 2
    assert "White is 0.0, expected a number above 0" in said.err


def test_a_run_of_before_goes_on_where_it_took_images_the_same_way(leaven, deep, tmp_path):
    words = ("fit", deep / "photos", "--labels", deep / "labels.csv", "-o", tmp_path / "run", *FAST)
    assert leaven(*words, "--white", 65535).code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["data"]["white"], config["inputs"]["white"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert leaven(*words, "--white", 65535, "--resume").code == 0
    said = leaven(*words, "--resume")
    assert said.code == 2
    assert "data changed (the items themselves" in said.err


def test_a_model_of_before_takes_images_as_before(run, tmp_path):
    with safe_open(run / "model.safetensors", "pt") as file:
        header = json.loads(file.metadata()["leaven"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del header["white"]
    save_file(weights, tmp_path / "model.safetensors", {"leaven": json.dumps(header)})
    assert load_model(tmp_path / "model.safetensors").white == FULL


def test_a_model_of_8_bits_leaves_it_to_the_pool(finished, deep):
    model = load_model(finished)
    assert model.white == White()
    assert "white" not in model.about()["input"]
    assert "white" not in json.loads((finished / "config.json").read_text())["data"]
    assert read_like(deep / "photos", model.spec.shape, white=model.white).white == TWELVE


def test_an_npz_has_no_white_to_state(refused, tmp_path):
    with io.BytesIO() as file:
        np.savez(file, x=np.zeros((4, 8, 8), np.uint8), y=np.arange(4) % 2)
        (tmp_path / "a.npz").write_bytes(file.getvalue())
    assert "so --white has no meaning" in refused("fit", tmp_path / "a.npz", "--white", 255, "-o", tmp_path / "run")


def test_a_model_that_is_saved_keeps_it(run, tmp_path):
    model = load_model(run)
    Model(model.network, model.spec, model.classes, White(1023, 1)).save(tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors").white == White(1023, 1)
