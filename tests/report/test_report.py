"""The page against the files that it was made of."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from fake_run import CONFIG, EVIL

from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.report import write_report
from leaven.report.matrix import confusions, heat_map
from leaven.report.pictures import data_uri
from leaven.report.reliability import bins
from leaven.report.svg import cut, ticks


class Page(HTMLParser):
    """Text and attributes of a page; complains about elements that are not closed."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, source: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += data


def read(run) -> Page:
    page = Page(write_report(run).read_text(encoding="utf-8"))
    page.text = re.sub(r"\s+", " ", page.text)
    return page


@pytest.fixture(scope="module")
def page(whole_run) -> Page:
    return read(whole_run)


@pytest.fixture(scope="module")
def split_of_test(whole_run) -> Evaluation:
    return Evaluation.load(whole_run / "evaluations" / "test.npz")


def test_asks_the_network_for_nothing(whole_run, page):
    source = write_report(whole_run).read_text(encoding="utf-8")
    assert not re.search(r"(src|href|action|data)\s*=\s*[\"']?(https?:)?//", source)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|https?://", source)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
    assert any("default-src 'none'" in (a.get("content") or "") for _, a in page.tags)


def test_names_of_classes_are_escaped(whole_run, page):
    source = write_report(whole_run).read_text(encoding="utf-8")
    assert EVIL not in source
    assert EVIL in page.text
    assert [t for t, _ in page.tags].count("script") == 1


def test_ids_and_paths_are_escaped(run):
    name = '"><img src=x onerror=alert(1)>`'
    pool = Evaluation.load(run / "evaluations" / "unlabelled.npz")
    ids = np.array([f"{name}{i}" for i in range(len(pool.ids))])
    Evaluation(pool.probabilities, pool.labels, ids, pool.classes).save(run / "evaluations" / "unlabelled.npz")
    (run / "config.json").write_text(json.dumps(CONFIG | {"title": name, "paper": name, "setting": name}))
    page = read(run)
    assert "<img src=x" not in (run / "report.html").read_text(encoding="utf-8")
    assert not any("onerror" in attributes for _, attributes in page.tags)


def test_headline_says_what_is_in_the_files(page, split_of_test):
    right = int((split_of_test.probabilities.argmax(1) == split_of_test.labels).sum())
    z, n = 1.959964, 400
    p = right / n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
    interval = f"95 % interval {100 * low:.1f} to {100 * high:.1f}"
    said = f"FixMatch with 40 labels: {100 * p:.1f} % ({interval}) on 400 held-out items"
    assert said in page.text


def test_headline_compares_with_the_baseline(whole_run, page, split_of_test):
    other = Evaluation.load(whole_run / "baseline" / "evaluations" / "test.npz")
    own_right = split_of_test.probabilities.argmax(1) == split_of_test.labels
    their_right = other.probabilities.argmax(1) == other.labels
    said = f"the supervised baseline with the same labels, network and steps: {100 * their_right.mean():.1f} %."
    assert said in page.text
    gained, lost = int((own_right & ~their_right).sum()), int((~own_right & their_right).sum())
    assert f"FixMatch alone gets {gained} right and the baseline alone {lost}" in page.text
    assert "p < 0.001" in page.text


def test_calibration_error_is_said(page, split_of_test):
    p, right = split_of_test.probabilities.max(1), split_of_test.probabilities.argmax(1) == split_of_test.labels
    edges = np.linspace(0, 1, 16)
    inside = [(p >= a) & (p < b) for a, b in pairwise(edges)]
    error = sum(i.mean() * abs(p[i].mean() - right[i].mean()) for i in inside if i.any())
    assert f"Expected calibration error: {100 * error:.1f} points" in page.text


def test_confusion_matrix_is_the_right_way_round():
    page = Page(str(heat_map(np.array([[5, 3], [0, 2]]), ("cat", "dog"), "Confusion")))
    assert "label cat, predicted dog\n3 items, 37.5\u00a0% of label cat" in page.text
    assert "label dog, predicted cat" not in page.text
    cells = [(a["class"], float(a["x"]), float(a["y"])) for t, a in page.tags if t == "rect"][1:]
    (first, x0, y0), (second, x1, y1), (third, x2, y2) = cells
    assert (first, second, third) == ("right", "wrong", "right")
    assert y0 == y1 < y2  # labels go down
    assert x0 < x1 == x2  # predictions go to the right


def test_most_frequent_confusions():
    assert confusions(np.array([[5, 3, 0], [0, 2, 4], [0, 0, 9]])) == [(1, 2), (0, 1)]


@pytest.mark.parametrize("classes", [2, 12, 13, 30, 31, 100])
def test_heat_map_draws_any_number_of_classes(classes):
    page = Page(str(heat_map(np.eye(classes, dtype=int) * 7, [f"class {k}" for k in range(classes)], "Confusion")))
    assert [a.get("class") for _, a in page.tags].count("right") == classes


def test_bins_against_hand_worked_numbers():
    p = np.array([[0.9, 0.1], [0.95, 0.05], [0.6, 0.4], [0.6, 0.4]], np.float32)
    found = bins(Evaluation(p, np.array([0, 1, 0, -1]), np.arange(4).astype(str), ("a", "b")), 5)
    assert [(round(b.confidence, 4), b.accuracy.value, b.accuracy.n) for b in found] == [
        (0.6, 1.0, 1),
        (0.925, 0.5, 2),
    ]


def test_same_input_same_page(whole_run):
    assert write_report(whole_run).read_bytes() == write_report(whole_run).read_bytes()
    assert not list(whole_run.glob("*.part"))


def test_no_held_out_labels(run):
    shutil.rmtree(run / "baseline")
    for file in ("curve.csv", "evaluations/test.npz"):
        (run / file).unlink()
    text = read(run).text
    assert "No accuracy can be stated: every label was used for training." in text
    assert f"leaven evaluate {run} TESTFOLDER" in text
    assert "--validation 0.2" in text
    assert "Label these next The unlabelled items" in text
    assert "nan" not in text


def test_no_baseline(run):
    shutil.rmtree(run / "baseline")
    text = read(run).text
    assert "without --no-baseline" in text
    assert "supervised baseline:" not in text


def test_only_the_configuration(run):
    for name in ("metrics.csv", "curve.csv"):
        (run / name).unlink()
    shutil.rmtree(run / "evaluations")
    shutil.rmtree(run / "baseline")
    text = read(run).text
    assert text.count("No accuracy can be stated") == 2
    assert "What is not here" in text
    assert "plan.lr0.03" in text


@pytest.mark.parametrize(
    "name",
    ["metrics.csv", "curve.csv", "evaluations/unlabelled.npz", "baseline/config.json", "baseline/curve.csv"],
)
def test_one_file_missing(run, name):
    (run / name).unlink()
    assert "FixMatch with 40 labels" in read(run).text


def test_a_line_cut_short_by_a_kill(run):
    for name in ("metrics.csv", "curve.csv"):
        with open(run / name, "a") as file:
            file.write("20")
        with open(run / "baseline" / name, "a") as file:
            file.write("\n,,")
    assert "nan" not in "".join(a.get("points") or "" for _, a in read(run).tags)


def test_a_difference_that_is_not_proven(run):
    shutil.copytree(run / "evaluations", run / "baseline" / "evaluations", dirs_exist_ok=True)
    assert "The difference is not proven." in read(run).text


def test_a_baseline_that_is_better(run):
    for name in ("a", "b"):
        (run / name).mkdir()
    shutil.copy(run / "evaluations/test.npz", run / "a/test.npz")
    shutil.copy(run / "baseline/evaluations/test.npz", run / "evaluations/test.npz")
    shutil.copy(run / "a/test.npz", run / "baseline/evaluations/test.npz")
    assert "The supervised baseline is the better model" in read(run).text


def test_collapse_is_an_alarm(run):
    pool = Evaluation.load(run / "evaluations" / "unlabelled.npz")
    p = pool.probabilities.copy()
    p[:, 3], p[:, 0] = p[:, 0] + p[:, 3], 0
    Evaluation(p, pool.labels, pool.ids, pool.classes).save(run / "evaluations" / "unlabelled.npz")
    assert "Unlabelled items. Never predicted although there are labels: zero." in read(run).text


def test_rows_of_the_result_are_the_headline_table(run):
    row = {
        "data": "digits",
        "labels": 40,
        "method": "labelspreading",
        "accuracy": 0.912,
        "low": 0.9,
        "high": 0.92,
    }
    (run / "result.json").write_text(json.dumps([row | {"seeds": 5, "seconds": 71.0}]))
    text = read(run).text
    assert "labelspreading" in text
    assert "91.2 %" in text
    assert "1 min 11 s" in text


def test_supervised_run(run):
    shutil.rmtree(run / "baseline")
    (run / "config.json").write_text(json.dumps(CONFIG | {"method": "supervised", "title": "Supervised"}))
    text = read(run).text
    assert "there are no pseudo-labels" in text
    assert "--no-baseline" not in text


def test_feature_vectors_have_no_pictures(run):
    for name in ("test", "unlabelled"):
        e = Evaluation.load(run / "evaluations" / f"{name}.npz")
        Evaluation(e.probabilities, e.labels, e.ids, e.classes).save(run / "evaluations" / f"{name}.npz")
    assert not [t for t, _ in read(run).tags if t == "img"]


def test_not_a_run_folder(tmp_path):
    with pytest.raises(LeavenError, match=r"has no config\.json"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["config.json", "evaluations/test.npz", "result.json"])
def test_a_file_that_cannot_be_read_is_named(run, name):
    (run / name).write_bytes(b"PK\x03\x04 not what it was")
    with pytest.raises(LeavenError, match=re.escape(name)):
        write_report(run)


def test_pictures_are_png_when_small_and_small_when_large():
    assert data_uri(np.zeros((8, 8, 1), np.uint8)).startswith("data:image/png;base64,")
    large = data_uri(np.random.default_rng(0).integers(0, 255, (500, 300, 3), dtype=np.uint8))
    assert large.startswith("data:image/jpeg;base64,")
    assert len(large) < 40_000


def test_ticks_are_round():
    assert ticks(0, 2000) == [0, 500, 1000, 1500, 2000]
    assert ticks(0.7, 1.0) == pytest.approx([0.7, 0.8, 0.9, 1.0])
    assert ticks(3, 3) == [3]


def test_cut_keeps_both_ends():
    assert cut("longish class name 14", 12) == "longish…e 14"
    assert cut("short", 12) == "short"
