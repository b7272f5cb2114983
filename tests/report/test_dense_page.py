"""The page of a run that classifies pixels, against the files that it was made of."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from fake_run import write_csv
from PIL import Image

from leaven.data import streets
from leaven.data.readers.palette import COLOURS, UNKNOWN, colour
from leaven.evaluation.segmentation import DenseEvaluation
from leaven.report import write_report
from leaven.report.dense import mask_uri, overlaid

CONFIG = {
    "method": "fixmatch",
    "title": "FixMatch",
    "paper": "Sohn et al., FixMatch, NeurIPS 2020, arXiv 2001.07685",
    "hyperparameters": {},
    "network": {"name": "deeplab", "shape": [60, 80, 3], "classes": 8, "mean": [0.5] * 3, "std": [0.2] * 3},
    "flip": False,
    "validation": 0.0,
    "classes": [f"class {k}" for k in range(8)],
    "plan": {"steps": 400, "batch_size": 8, "seed": 0},
    "data": {
        "path": "streets",
        "items": 400,
        "labelled": 40,
        "unlabelled": 360,
        "shape": [60, 80, 3],
        "dense": True,
    },
    "leaven": "0.1.0",
    "created": "2026-05-04T12:00:00",
}


def predictions(errors: float, seed: int) -> DenseEvaluation:
    """Of street scenes, blocks of pixels taken for the class of the next image."""
    pool = streets(30, 7, "camera")
    rng = np.random.default_rng(seed)
    wrong = (rng.random((30, 12, 16)) < errors).repeat(5, 1).repeat(5, 2)
    guess = np.where(wrong, np.roll(pool.masks, 1, 0), pool.masks)
    truth = pool.masks.copy()
    truth[:, -4:] = 255
    counts = np.zeros((30, 8, 8), np.int64)
    for image in range(30):
        counted = truth[image] < 255
        np.add.at(counts[image], (truth[image][counted], guess[image][counted]), 1)
    rows = np.array([0, 10, 20, 29])
    ids = np.array([f"street/{i}<.png" for i in range(30)])
    return DenseEvaluation(
        counts, np.ones(30, bool), ids, (*pool.classes[:7], "<b>pole"), rows, pool.items[rows], guess[rows], truth[rows]
    )


@pytest.fixture
def dense_run(dense_made, tmp_path):
    return shutil.copytree(dense_made, tmp_path / "streets")


@pytest.fixture(scope="module")
def dense_made(tmp_path_factory):
    """A run folder that nobody has touched."""
    run = tmp_path_factory.mktemp("dense") / "streets"
    lines = [{"step": s, "seconds": s / 10, "loss": 2 / s, "mask_rate": s / 500} for s in range(10, 401, 10)]
    for folder, config, errors, seed in (
        (run, CONFIG, 0.35, 0),
        (run / "baseline", CONFIG | {"method": "supervised", "title": "Supervised"}, 0.7, 1),
    ):
        found = predictions(errors, seed)
        found.save(folder / "evaluations" / "test.npz")
        (folder / "config.json").write_text(json.dumps(config))
        write_csv(folder / "metrics.csv", lines)
        at = found.score()
        curve = [
            {
                "step": s,
                "seconds": s / 10,
                "split": "test",
                "n": 30,
                "accuracy": at.value * (1 - 50 / (s + 50)),
                "low": at.low * (1 - 50 / (s + 50)),
                "high": at.high,
            }
            for s in range(40, 401, 40)
        ]
        write_csv(folder / "curve.csv", curve)
    return run


def text_of(run) -> str:
    source = write_report(run).read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", source.split("</style>")[1].split("<script>")[0]))


def test_headline_says_what_is_in_the_files(dense_run):
    own, other = predictions(0.35, 0), predictions(0.7, 1)
    text = text_of(dense_run)
    at = own.miou()
    assert (
        f"FixMatch with 40 labelled images: mIoU {100 * at.value:.1f} % (95 % interval {100 * at.low:.1f} to "
        f"{100 * at.high:.1f}) on 30 held-out images; the supervised baseline with the same labels, network and steps: "
        f"{100 * other.miou().value:.1f} %."
    ) in text
    assert f"{100 * (at.value - other.miou().value):+.1f} points (95 % interval" in text
    assert f"Of all pixels {100 * own.pixel_accuracy().value:.1f} %" in text
    assert "not proven" not in text
    assert "items learnt from" not in text
    assert "nan" not in text


def test_the_table_is_of_the_metric(dense_run):
    source = write_report(dense_run).read_text(encoding="utf-8")
    heads = re.findall(r"<th>([^<]*)</th>", source)
    assert "mIoU" in heads
    assert "accuracy" not in heads
    assert "mIoU on held-out items" in source
    assert "Accuracy on held-out" not in source


def test_pictures_masks_and_predictions(dense_run):
    source = write_report(dense_run).read_text(encoding="utf-8")
    cells = re.findall(r'<td><img src="data:image/(\w+);base64,([^"]*)" alt="([^"]*) of street/(\d+)&lt;.png', source)
    assert [name for _, _, name, _ in cells[:5]] == [
        "image",
        "mask",
        "supervised baseline",
        "FixMatch",
        "FixMatch, over the image",
    ]
    assert [int(row) for _, _, _, row in cells[::5]] == [0, 10, 20, 29]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(cells[8][1]))).convert("RGB"))
    wanted = predictions(0.35, 0).predicted[1]
    colours = np.array([[int(colour(k)[i : i + 2], 16) for i in (1, 3, 5)] for k in range(8)])
    assert (shown == colours[wanted]).all()
    assert "does not count" in source
    assert "&lt;b&gt;pole" in source
    assert "<b>pole" not in source


def test_asks_the_network_for_nothing(dense_run):
    source = write_report(dense_run).read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", source)
    assert len(source) < 1_000_000
    assert write_report(dense_run).read_text(encoding="utf-8") == source


def test_without_a_baseline_or_held_out_images(dense_run):
    shutil.rmtree(dense_run / "baseline")
    text = text_of(dense_run)
    assert "No supervised baseline was trained beside it" in text
    assert "supervised baseline:" not in text
    shutil.rmtree(dense_run / "evaluations")
    text = text_of(dense_run)
    assert "how good it is cannot be said" in text
    assert "What is not here" in text


def test_a_difference_that_is_not_proven(dense_run):
    shutil.copytree(dense_run / "evaluations", dense_run / "baseline" / "evaluations", dirs_exist_ok=True)
    assert "so the difference is not proven" in text_of(dense_run)


def test_a_baseline_that_is_better(dense_run):
    predictions(0.1, 2).save(dense_run / "baseline" / "evaluations" / "test.npz")
    assert "The supervised baseline is the better model." in text_of(dense_run)


def test_a_class_that_is_never_predicted_is_an_alarm(dense_run):
    found = predictions(0.35, 0)
    found.counts[:, :, 1] += found.counts[:, :, 5]
    found.counts[:, :, 5] = 0
    found.save(dense_run / "evaluations" / "test.npz")
    assert "Never predicted although there are labels: car." in text_of(dense_run)


def test_colours_differ():
    assert len({colour(k) for k in range(60)}) == 60
    assert len(set(COLOURS)) == len(COLOURS)
    assert colour(40) == colour(40)


def test_a_mask_in_colours():
    mask = np.array([[0, 1, 255], [11, 12, 13]], np.uint8)
    image = Image.open(io.BytesIO(base64.b64decode(mask_uri(mask).split(",")[1]))).convert("RGB")
    assert image.size == (3, 2)
    assert ["#{:02x}{:02x}{:02x}".format(*image.getpixel(at)) for at in ((0, 0), (1, 0), (2, 0))] == [
        colour(0),
        colour(1),
        "#f4efe7",
    ]
    assert "#{:02x}{:02x}{:02x}".format(*image.getpixel((2, 1))) == colour(13)


def test_a_picture_under_a_mask():
    """By hand: half of each colour, and where the mask is of no class, the picture; grey ones in three channels."""
    picture = np.array([[[100], [200], [7]]], np.uint8)
    found = overlaid(picture, np.array([[0, 1, 255]], np.uint8))
    first, second = (np.frombuffer(bytes.fromhex(COLOURS[k][1:]), np.uint8) for k in (0, 1))
    assert found[0, 0].tolist() == np.rint(50 + first / 2).astype(int).tolist()
    assert found[0, 1].tolist() == np.rint(100 + second / 2).astype(int).tolist()
    assert found[0, 2].tolist() == [7, 7, 7]
    assert UNKNOWN not in COLOURS
