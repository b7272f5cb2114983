"""One cell in this process: its figures from its files, and test labels that choose nothing."""

import csv
import statistics

import numpy as np
import pytest

from leaven.data import digits, few_labels
from leaven.errors import LeavenError
from leaven.study.bench import data as bench_data
from leaven.study.bench.cell import LAST, Cell, CellResult, CellTraining, last_tests, peak_memory

PLAN = {"steps": 30, "batch_size": 10, "accelerator": "cpu", "precision": "32-true"}


def cell(**changes) -> Cell:
    given = {
        "title": "one",
        "method": "fixmatch",
        "labels": 20,
        "seed": 3,
        "data": "digits",
        "test_items": 60,
        "checkpoints": 30,
        "flip": None,
        "hyperparameters": {"ratio": 2},
        "plan": PLAN,
        "network": {},
    }
    return Cell(**given | changes)


def run(own: Cell, root, out) -> CellResult:
    [record] = CellTraining(own.data, own.test_items, root, out)(own.trial)
    return CellResult(**record)


def test_the_figure_is_the_median_of_the_last_twenty(tmp_path):
    found = run(cell(), tmp_path, tmp_path)
    with open(tmp_path / "cells" / cell().name / "curve.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 31))
    last = [float(row["accuracy"]) for row in rows[10:]]
    assert len(last) == LAST
    assert len(set(last)) > 1
    assert found.accuracy == pytest.approx(statistics.median(last), abs=1e-6)
    assert (found.n, found.checkpoints, found.note) == (60, 20, "")
    # 10 labelled images once, twice as many unlabelled ones weakly and strongly
    assert found.images_per_second == pytest.approx(30 * (10 + 20 * 2) / found.seconds)
    assert 10**8 < found.memory <= peak_memory()


def test_an_even_count_has_the_middle_of_two(tmp_path):
    lines = ["step,seconds,split,n,accuracy,low,high", *(f"{i},1,test,8,{i / 8:.6g},0,1" for i in range(1, 5))]
    (tmp_path / "curve.csv").write_text("\n".join(lines) + "\n")
    assert last_tests(tmp_path) == {"accuracy": 2.5 / 8, "n": 8, "checkpoints": 4}


def test_test_labels_choose_nothing(tmp_path, monkeypatch):
    whole = bench_data.read

    def shuffled(*words):
        pool, test = whole(*words)
        return pool, test.with_labels(np.random.default_rng(0).permutation(test.labels))

    found = [run(cell(), tmp_path, tmp_path / "a")]
    monkeypatch.setattr(bench_data, "read", shuffled)
    found.append(run(cell(), tmp_path, tmp_path / "b"))
    models = [(tmp_path / name / "cells" / cell().name / "model.safetensors").read_bytes() for name in "ab"]
    assert models[0] == models[1]
    assert found[0].accuracy != found[1].accuracy


def test_label_spreading_is_scikit_learns(tmp_path):
    from sklearn.semi_supervised import LabelSpreading

    found = run(cell(method="label_spreading", hyperparameters={}, test_items=0), tmp_path, tmp_path)
    pool, test = bench_data.read("digits", tmp_path)
    assert (len(pool), len(test)) == (1258, 539)
    few = few_labels(pool, 2, 3)
    x, other = (part.items.reshape(len(part), 64) / 255 for part in (few, test))
    guess = LabelSpreading(kernel="knn", n_neighbors=7).fit(x, few.labels).predict(other)
    assert found.accuracy == pytest.approx((guess == test.labels).mean())
    assert (found.images_per_second, found.checkpoints) == (None, 0)


def test_what_cannot_be_run(tmp_path):
    for changes, words in (
        ({"labels": 15}, "15 labels cannot be shared evenly by the 10 classes of digits"),
        ({"data": "dogs"}, "There is no data set 'dogs'"),
        ({"data": "mnist"}, r"The data set mnist is not in .* give --data"),
        ({"test_items": 600}, "test_items is 600, but digits has 539"),
        ({"method": "fixmitch"}, "There is no method 'fixmitch'"),
        ({"hyperparameters": {"rate": 1}}, "no hyper-parameter 'rate'"),
    ):
        with pytest.raises(LeavenError, match=words):
            run(cell(**changes), tmp_path, tmp_path)


def test_the_test_part_is_fixed_and_has_every_class_in_its_share(tmp_path):
    _, test = bench_data.read("digits", tmp_path, 100)
    _, again = bench_data.read("digits", tmp_path, 100)
    assert (test.ids == again.ids).all()
    assert abs(len(test) - 100) <= 5
    assert np.bincount(test.labels).min() >= 8


def test_cifar10_of_mosaics_is_in_the_originals_order(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, count in (("train", 2000), ("test", 1000)):
        (tmp_path / "cifar10").mkdir(exist_ok=True)
        labels = rng.integers(0, 10, count).astype(np.uint8)
        np.save(tmp_path / "cifar10" / f"{part}_labels.npy", labels)
        for number in range(count // 1000):
            tiles = np.zeros((25 * 32, 40 * 32, 3), np.uint8)
            for place in range(1000):
                row, column = divmod(place, 40)
                colour = (number * 50 + labels[number * 1000 + place], place // 4, place % 4)
                tiles[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = colour
            Image.fromarray(tiles).save(tmp_path / "cifar10" / f"{part}_{number:02d}.webp", lossless=True)
    pool, test = bench_data.read("cifar10", tmp_path)
    assert (pool.items.shape, test.items.shape) == ((2000, 32, 32, 3), (1000, 32, 32, 3))
    at = pool.items[:, 5, 20]
    place = np.arange(2000) % 1000
    assert (at[:, 0] == np.arange(2000) // 1000 * 50 + pool.labels).all()
    assert (at[:, 1] == place // 4).all()
    assert (at[:, 2] == place % 4).all()
    assert pool.classes[9] == "truck"


def test_the_digits_are_the_demos(tmp_path):
    from leaven.study.demo import Experiment

    own = Experiment(tmp_path)
    pool, test = bench_data.read("digits", tmp_path)
    assert (test.items == own.test.items).all()
    assert (pool.labels == own.pool.labels).all()
    assert len(digits()) == len(pool) + len(test)
