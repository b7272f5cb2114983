"""Images whose pixels have classes, through the command: train, evaluate, predict, adapt."""

import json

import numpy as np
import pytest
from helpers_cli import SHORT, call
from PIL import Image

from leaven.data import read_folder, read_masks, streets
from leaven.data.readers.palette import table
from leaven.evaluation.segmentation import DenseEvaluation
from leaven.run.trained.model import load_model


def write(root, pool, masks=range(1000)):
    """``images/`` and ``masks/``; masks of these images only."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for i, (image, mask) in enumerate(zip(pool.items, pool.masks, strict=True)):
        Image.fromarray(image).save(root / "images" / f"{i:03d}.png")
        if i in masks:
            Image.fromarray(mask).save(root / "masks" / f"{i:03d}.png")
    (root / "masks" / "classes.txt").write_text("\n".join(pool.classes) + "\n")
    return root


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    write(root / "few", streets(12, seed=0, size=(24, 32)), masks=range(4))
    write(root / "test", streets(6, seed=1, size=(24, 32)))
    write(root / "camera", streets(8, seed=2, style="camera", size=(24, 32)))
    return root


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "pixels"
    assert call("fit", scenes / "few", "-o", out, *SHORT, "--network", "deeplab", "--test", scenes / "test") == 0
    return out, json.loads((out / "result.json").read_text())


def test_fit(run):
    out, rows = run
    assert [(r["method"], r["split"], r["metric"], r["labels"], r["n"]) for r in rows] == [
        ("supervised", "test", "mIoU", 4, 6),
        ("fixmatch", "test", "mIoU", 4, 6),
    ]
    found = DenseEvaluation.load(out / "evaluations" / "test.npz")
    assert found.score().value == pytest.approx(rows[1]["accuracy"])
    unlabelled = DenseEvaluation.load(out / "evaluations" / "unlabelled.npz")
    assert (len(unlabelled.ids), int(unlabelled.has_label.sum())) == (12, 4)
    config = json.loads((out / "config.json").read_text())
    assert config["data"]["dense"]
    assert "mIoU" in (out / "report.html").read_text()


def test_evaluate_and_report(leaven, run, scenes):
    out, rows = run
    said = json.loads(leaven("evaluate", out, scenes / "test", "--json").out)["rows"]
    assert [r["accuracy"] for r in said] == [pytest.approx(r["accuracy"]) for r in rows]
    assert "mIoU" in leaven("evaluate", out, scenes / "test").out
    assert leaven("report", out).code == 0


def test_predicted_masks_can_be_read_again(leaven, run, scenes, tmp_path):
    out, _ = run
    said = leaven("predict", out, scenes / "test", "-o", tmp_path / "masks")
    assert said.code == 0, said.err
    files = sorted((tmp_path / "masks").glob("*.png"))
    assert len(files) == 6
    assert np.asarray(Image.open(files[0])).shape == (24, 32)
    again = json.loads(
        leaven("evaluate", out, scenes / "test" / "images", "--labels", tmp_path / "masks", "--json").out
    )
    assert again["rows"][-1]["accuracy"] == 1.0
    assert "new or empty" in leaven("predict", out, scenes / "test", "-o", tmp_path / "masks").err


def test_predicted_masks_are_as_large_as_their_images(leaven, run, scenes, tmp_path):
    """Of photographs of other sizes and shapes; what is written is a folder of masks that can be learnt from."""
    out, _ = run
    first = Image.open(scenes / "test" / "images" / "000.png")
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    first.resize((96, 72), Image.Resampling.NEAREST).save(photos / "large.png")
    first.resize((90, 33)).save(photos / "deep" / "wide.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    first.rotate(90, expand=True).save(photos / "turned.jpg", exif=exif, quality=95)
    first.resize((40, 1000)).save(photos / "long.png")  # longer than is looked at
    said = leaven("predict", out, photos, "-o", tmp_path / "masks")
    assert said.code == 0, said.err
    found = {
        path.relative_to(tmp_path / "masks").as_posix(): Image.open(path)
        for path in (tmp_path / "masks").rglob("*.png")
    }
    sizes = {"large.png": (96, 72), "deep/wide.png": (90, 33), "turned.png": (32, 24), "long.png": (40, 1000)}
    assert {name: mask.size for name, mask in found.items()} == sizes
    config = json.loads((out / "config.json").read_text())
    assert (tmp_path / "masks" / "classes.txt").read_text().split("\n")[:-1] == config["classes"]
    for mask in found.values():
        assert mask.mode == "P"
        numbers = np.asarray(mask)
        shown = np.asarray(mask.convert("RGB"))
        assert numbers.max() < len(config["classes"])
        assert all(tuple(shown[numbers == k][0]) == tuple(table()[k]) for k in np.unique(numbers))
        assert shown.reshape(-1, 3).sum(1).min() > 0  # none is black
    # three pixels for each that the network saw
    seen = read_folder(photos, labels=False, size=(24, 32), progress=False)
    saw = load_model(out).predict_proba(seen.items[seen.ids == "large.png"]).argmax(1)[0]
    assert (np.asarray(found["large.png"]) == saw.repeat(3, 0).repeat(3, 1)).all()
    again = read_masks(photos, tmp_path / "masks", size=(24, 32), progress=False, announce=False)
    assert again.labels.tolist() == [0] * 4
    assert again.classes == tuple(config["classes"])
    assert (again.masks < len(again.classes)).all()
    said = leaven(
        "fit",
        photos,
        "--labels",
        tmp_path / "masks",
        "-o",
        tmp_path / "again",
        *SHORT,
        "--no-baseline",
        "--method",
        "supervised",
        "--size",
        "24",
    )
    assert said.code == 0, said.err


def test_images_that_would_share_a_mask_are_refused(leaven, run, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (32, 24)).save(tmp_path / "photos" / name)
    said = leaven("predict", run[0], tmp_path / "photos", "-o", tmp_path / "masks")
    assert said.code == 2
    assert "a.jpg and a.png would share the mask a.png" in said.err
    assert not list((tmp_path / "masks").glob("*.png"))


def test_masks_of_single_files_lie_as_these_do_and_touch_nothing_else(leaven, run, scenes, tmp_path):
    """Whole paths as well as relative ones: a mask never lands beside its photo, let alone upon it."""
    from PIL import Image

    photos = tmp_path / "photos"
    (photos / "a").mkdir(parents=True)
    for name in ("a/one.png", "two.png"):
        Image.new("RGB", (40, 30), "blue").save(photos / name)
    before = {name: (photos / name).read_bytes() for name in ("a/one.png", "two.png")}
    said = leaven("predict", run[0], photos / "a" / "one.png", photos / "two.png", "-o", tmp_path / "masks")
    assert said.code == 0, said
    assert "2 masks" in said.out
    with Image.open(tmp_path / "masks" / "a" / "one.png") as one, Image.open(tmp_path / "masks" / "two.png") as two:
        assert one.size == two.size == (40, 30)
    assert {name: (photos / name).read_bytes() for name in before} == before
    assert "name a folder for them with -o" in leaven("predict", run[0], photos / "two.png").err


def test_the_report_shows_predictions_over_their_images(run):
    page = (run[0] / "report.html").read_text()
    assert page.count("over the image of") == 6


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """Bright squares on dark ground, with masks of 0 and 255; and some of the masks with only the squares painted."""
    root = tmp_path_factory.mktemp("objects")
    rng = np.random.default_rng(0)
    for i in range(8):
        number = np.zeros((24, 24), np.uint8)
        y, x = rng.integers(2, 12, 2)
        number[y : y + 9, x : x + 9] = 1
        for part, pixels in (
            ("images", 40 + 170 * number),
            ("masks", 255 * number),
            ("painted", np.where(number, 0, 255)),
        ):
            for split in ("train", "test"):
                (root / split / part).mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / part / f"{i}.png")
    return root


def test_masks_of_0_and_255(leaven, objects, tmp_path):
    words = ("fit", objects / "train", *SHORT, "--network", "deeplab", "--method", "supervised", "--no-flip")
    said = leaven(*words, "-o", tmp_path / "run")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "255 in a mask means that a pixel does not count" in said.err
    assert not (tmp_path / "run").exists()
    meant = ("--mask-values", "0=background,255=object")
    said = leaven(*words, "-o", tmp_path / "run", *meant, "--test", objects / "test", "--json")
    assert said.code == 0, said.err
    [row] = json.loads(said.out)["rows"]
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["classes"] == ["background", "object"]
    assert config["inputs"]["mask_values"] == {"0": "background", "255": "object"}
    # evaluated as it was trained, without being told again
    [again] = json.loads(leaven("evaluate", tmp_path / "run", objects / "test", "--json").out)["rows"]
    assert again["accuracy"] == pytest.approx(row["accuracy"])
    said = leaven("evaluate", tmp_path / "run", objects / "test", "--mask-values", "0=object,255=background", "--json")
    assert json.loads(said.out)["rows"][0]["accuracy"] < row["accuracy"]
    said = leaven("evaluate", tmp_path / "run", objects / "test", "--mask-values", "0=background", "--json")
    assert said.code == 2
    said = leaven("evaluate", tmp_path / "run", objects / "test", "--mask-values", "0=background,255=thing")
    assert "have pixels of thing, expected only background, object" in said.err
    # what it predicts can be read with the names that it wrote
    leaven("predict", tmp_path / "run", objects / "test", "-o", tmp_path / "masks")
    said = leaven("evaluate", tmp_path / "run", objects / "test" / "images", "--labels", tmp_path / "masks", "--json")
    assert json.loads(said.out)["rows"][0]["accuracy"] == 1.0


def test_one_thing_painted(leaven, objects, tmp_path):
    words = (
        "fit",
        objects / "train" / "images",
        "--labels",
        objects / "train" / "painted",
        *SHORT,
        "--network",
        "deeplab",
        "--method",
        "supervised",
    )
    said = leaven(*words, "-o", tmp_path / "run")
    assert said.code == 2
    assert "--background NAME" in said.err
    said = leaven(*words, "-o", tmp_path / "run", "--background", "ground")
    assert said.code == 0, said.err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["classes"] == ["ground", "0"]
    judged = ("evaluate", tmp_path / "run", objects / "test" / "images", "--labels", objects / "test" / "painted")
    found = DenseEvaluation.load
    assert leaven(*judged).code == 0
    counts = found(tmp_path / "run" / "evaluations" / "test.npz").confusion()
    assert counts.sum() == 8 * 24 * 24  # every pixel counts, as in training


def test_masks_of_a_target_mean_what_those_of_its_source_do(objects, tmp_path, monkeypatch):
    """Numbered alike, though one target mask shows one class only."""
    from leaven.cli.inputs import read_pool

    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    masks = tmp_path / "masks"
    masks.mkdir()
    Image.new("L", (24, 24), 255).save(masks / "0.png")
    inputs = {
        "data": objects / "test" / "images",
        "labels": masks,
        "source": objects / "train",
        "test": None,
        "size": None,
        "channels": None,
        "strict": False,
        "per_class": None,
        "seed": 0,
        "mask_values": {"0": "ground", "255": "object"},
        "background": None,
    }
    pool = read_pool(inputs)
    assert pool.classes == ("ground", "object")
    assert (pool.masks[8] == 1).all()
    assert np.array_equal(np.unique(pool.masks[:8]), [0, 1])
    assert (pool.masks[9:] == 255).all()


def test_options_of_masks_need_masks(leaven, place, scenes, run, tmp_path):
    (tmp_path / "images" / "x").mkdir(parents=True)
    Image.new("RGB", (32, 24)).save(tmp_path / "images" / "x" / "a.png")
    for option in (("--mask-values", "0=a"), ("--background", "a")):
        said = leaven("fit", tmp_path / "images", "-o", tmp_path / "run", *option)
        assert said.code == 2
        assert f"has no masks, so {option[0]} has no meaning" in said.err
    said = leaven("fit", tmp_path / "images", "-o", tmp_path / "run", "--labels", tmp_path / "gone", *option)
    assert "gone does not exist" in said.err
    store = tmp_path / "labels.db"
    assert leaven("labels", "import", store, scenes / "few").code == 0
    words = ("-o", tmp_path / "run", "--labels", store, "--mask-values", "0=a")
    said = leaven("fit", scenes / "few" / "images", *words)
    assert "labels.db has no numbers of classes, so --mask-values has no meaning" in said.err
    said = leaven("fit", scenes / "few", "-o", tmp_path / "run", "--mask-values", "0:a")
    assert "expected NUMBER=CLASS" in said.err


def test_adaptation(leaven, scenes, tmp_path):
    words = ("fit", scenes / "camera", "--source", scenes / "few", "-o", tmp_path / "run", *SHORT)
    said = leaven(*words, "--network", "deeplab", "--no-baseline", "--test", scenes / "camera", "--json")
    assert said.code == 0, said.err
    [row] = json.loads(said.out)["rows"]
    assert (row["method"], row["labels"], row["source_labels"]) == ("adamatch", 0, 4)


def test_kinds_do_not_mix(leaven, run, scenes, place):
    out, _ = run
    said = leaven("evaluate", out, scenes / "test" / "images")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert leaven("fit", scenes / "few", "-o", out.parent / "x", "--network", "cnn", *SHORT).code == 2
    assert not (out.parent / "x").exists()
