"""The loop on the command line: what to label next, and what labels chosen so would have been worth."""

import csv
import json
import shutil

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, SHORT, make_folder, write_csv

QUICK = (*SHORT, "--budget", "2", "--rounds", "2", "--seeds", "2")


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_chosen_can_be_filled_in_and_learnt_from(leaven, place, finished, tmp_path):
    out = tmp_path / "to_label.csv"
    said = leaven("query", finished, place / "photos", "-n", 5, "--labels", place / "labels.csv", "-o", out)
    assert said.code == 0
    assert said.out.startswith("5 of 15 unlabelled items chosen by default (9 labelled ones left out): ")
    rows = read(out)
    labelled = {row["file"] for row in read(place / "labels.csv") if row["label"]}
    assert len({row["file"] for row in rows} - labelled) == len(rows) == 5
    assert {row["label"] for row in rows} == {""}
    assert {row["strategy"] for row in rows} == {"default"}
    assert {row["predicted"] for row in rows} <= set(CLASSES)
    assert all(1 / 3 <= float(row["confidence"]) <= 1 for row in rows)
    truth = {f"{i:03d}.png": CLASSES[i % 3] for i in range(24)}
    with open(out, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"label": truth[row["file"]]} for row in rows)
        writer.writerows({"file": name, "label": truth[name]} for name in sorted(labelled))
    assert leaven("fit", place / "photos", "--labels", out, "-o", tmp_path / "again", *FAST).code == 0
    data = json.loads((tmp_path / "again" / "config.json").read_text())["data"]
    assert data["labelled"] == 14


def test_copies_are_asked_for_once_and_it_is_said_that_fewer_differ(leaven, finished, tmp_path):
    make_folder(tmp_path / "pool", 3)
    for i in range(3):
        for copy in range(4):
            shutil.copy(tmp_path / "pool" / f"{i:03d}.png", tmp_path / "pool" / f"{i}_{copy}.png")
    said = leaven("query", finished, tmp_path / "pool", "-n", 5, "--strategy", "margin", "-o", tmp_path / "ask.csv")
    assert len({(tmp_path / "pool" / row["file"]).read_bytes() for row in read(tmp_path / "ask.csv")}) == 3
    assert said.out.startswith("3 of 15 unlabelled items chosen by margin")
    assert "Fewer than the 5 asked for, for all others are exact copies of these or of labelled ones." in said.out


def test_what_the_run_learnt_from_is_left_out_unasked(leaven, place, finished, tmp_path):
    everything = json.loads(
        leaven("query", finished, place / "photos", "-n", 99, "-o", tmp_path / "a.csv", "--json").out
    )
    assert (everything["items"], everything["labelled"], everything["chosen"]) == (24, 9, 15)
    learnt = {row["file"] for row in read(place / "labels.csv") if row["label"]}
    assert learnt.isdisjoint(row["file"] for row in read(tmp_path / "a.csv"))
    # another folder of the same names is not the one that the run knows
    other = json.loads(leaven("query", finished, place / "more", "-n", 99, "-o", tmp_path / "a.csv", "--json").out)
    assert (other["labelled"], other["chosen"]) == (0, 5)
    # what lies in a folder of its class has a label; in any other it has none
    make_folder(tmp_path / "part", 6, by_class=True)
    (tmp_path / "part" / "stripes").rename(tmp_path / "part" / "later")
    part = json.loads(leaven("query", finished, tmp_path / "part", "-o", tmp_path / "a.csv", "--json").out)
    assert (part["labelled"], part["chosen"]) == (4, 2)
    assert all(row["file"].startswith("later/") for row in read(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    "strategy", ["random", "entropy", "k-center", "badge", "typiclust", "default", "bald", "batch-bald", "bait"]
)
def test_the_order_of_an_npz_changes_nothing(leaven, strategy, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "npz"
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)).astype(np.float32), np.arange(50) % 2
    x[:, 0] += 3 * y
    y[10:] = -1
    ids = np.array([f"n{i}" for i in range(50)])
    if not (root / "run").exists():
        root.mkdir()
        np.savez(root / "data.npz", x=x, y=y, ids=ids)
        assert leaven("fit", root / "data.npz", "-o", root / "run", *FAST).code == 0
        moved = rng.permutation(50)
        np.savez(root / "moved.npz", x=x[moved], y=y[moved], ids=ids[moved])
    chosen = []
    for name in ("data", "moved"):
        out = root / f"{name}.csv"
        assert leaven("query", root / "run", root / f"{name}.npz", "-n", 7, "--strategy", strategy, "-o", out).code == 0
        chosen.append([row["file"] for row in read(out)])
    assert chosen[0] == chosen[1]
    assert set(chosen[0]).isdisjoint(ids[:10])


def test_queries_that_cannot_be(refused, leaven, place, finished, tmp_path):
    photos, out = place / "photos", tmp_path / "a.csv"
    assert "did you mean 'margin'" in refused("query", finished, photos, "--strategy", "margins", "-o", out)
    assert "name a .csv file" in refused("query", finished, photos, "-o", tmp_path / "a.txt")
    assert "not a run folder" in refused("query", photos, photos, "-o", out)
    assert "does not exist" in refused("query", finished, photos, "--labels", tmp_path / "no.csv", "-o", out)
    truth = {f"{i:03d}.png": CLASSES[i % 3] for i in range(24)}
    full = write_csv(tmp_path / "full.csv", truth)
    assert "Every one of the 24 items" in refused("query", finished, photos, "--labels", full, "-o", out)
    assert "-n" in refused("query", finished, photos, "-n", 0, "-o", out)
    assert not out.exists()


def test_simulate_draws_curves_and_goes_on(leaven, refused, place, tmp_path):
    out = tmp_path / "sim"
    data = make_folder(tmp_path / "data", 30, by_class=True) and tmp_path / "data"
    said = leaven("simulate", data, "-o", out, "--strategies", "entropy", *QUICK, "--threshold", "0.5", "--json")
    assert said.code == 0
    assert "random is played too, as the control" in said.err
    assert "seed 2 of 2, entropy, 7 labels: " in said.err
    shown = json.loads(said.out)
    rows = json.loads((out / "result.json").read_text())
    assert shown["rows"] == rows
    assert [(row["strategy"], row["labels"], row["seeds"], row["n"]) for row in rows] == [
        (name, labels, 2, 6) for name in ("random", "entropy") for labels in (3, 5, 7)
    ]
    assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in rows)
    page = (out / "report.html").read_text()
    assert "entropy and random" in page
    assert "http://" not in page
    assert "https://" not in page
    config = json.loads((out / "config.json").read_text())
    assert config["hyperparameters"]["threshold"] == 0.5
    before = (out / "rounds.jsonl").read_text()

    again = ("simulate", data, "-o", out, "--strategies", "entropy,k_center", *QUICK, "--threshold", "0.5")
    assert "exists; go on with --resume" in refused(*again)
    longer = leaven(*again, "--resume")
    assert longer.code == 0
    assert "points over random" in longer.out
    assert (out / "rounds.jsonl").read_text().startswith(before)
    assert len(json.loads((out / "result.json").read_text())) == 9
    assert "changed (threshold was 0.5" in refused(*again[:-1], "0.6", "--resume")
    assert "was 'random', is 'typiclust'" in refused(*again, "--begin", "typiclust", "--resume")
    assert "holds a simulation" in refused("report", out)
    assert "holds a simulation" in refused("query", out, data, "-o", tmp_path / "a.csv")
    assert "another kind of run" in refused("fit", data, "-o", out, "--overwrite", *FAST)


def test_simulate_adaptation_with_test_data(leaven, place, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    make_folder(source, 12, seed=5, by_class=True)
    truth = make_folder(target, 18)
    labels = write_csv(tmp_path / "labels.csv", truth | {"017.png": ""})
    said = leaven(
        "simulate",
        target,
        "--labels",
        labels,
        "--source",
        source,
        "--test",
        place / "test",
        *QUICK,
        "--strategies",
        "random,typiclust",
        "--start",
        0,
        "-o",
        tmp_path / "sim",
        "--json",
    )
    assert said.code == 0, said.err
    assert "1 items of" in said.err
    rows = json.loads(said.out)["rows"]
    assert [(row["labels"], row["n"]) for row in rows] == [(0, 12), (2, 12), (4, 12)] * 2
    assert json.loads((tmp_path / "sim" / "config.json").read_text())["method"] == "adamatch"


def test_simulations_that_cannot_be(refused, place, tmp_path):
    data = make_folder(tmp_path / "data", 12, by_class=True) and tmp_path / "data"
    out = ("-o", tmp_path / "sim")
    assert "did you mean 'badge'" in refused("simulate", data, *out, "--strategies", "random,bage")
    assert "has a label to hide and reveal" in refused("simulate", place / "photos", *out)
    assert "but 3 are needed" in refused("simulate", data, *out, "--start", 1)
    assert "ask for 53 labels" in refused("simulate", data, *out)
    assert "There is no run moco to start from" in refused("simulate", data, *out, "--init", "moco")
    assert "There is no option" in refused("simulate", data, *out, "--thresold", "1")
    assert not (tmp_path / "sim").exists()


def test_who_votes(leaven, refused, place, finished, tmp_path):
    ask = ("query", finished, place / "photos", "-n", 3, "-o", tmp_path / "a.csv")
    assert "kept no snapshots to vote" in refused(*ask, "--strategy", "vote_entropy")
    assert "margin asks one model, not a --committee" in refused(*ask, "--strategy", "margin", "--committee", finished)
    again = (place / "photos", "--labels", place / "labels.csv", *FAST)
    assert leaven("fit", *again, "-o", tmp_path / "b", "--seed", 1, "--snapshots", 3, "--dropout", 0.2).code == 0
    assert leaven(*ask, "--strategy", "vote_entropy", "--committee", tmp_path / "b").code == 0
    assert {row["strategy"] for row in read(tmp_path / "a.csv")} == {"vote_entropy"}
    own = ("query", tmp_path / "b", *ask[2:])
    chosen = []
    for strategy in ("consensus_kl", "bald"):
        assert leaven(*own, "--strategy", strategy).code == 0
        chosen.append([row["file"] for row in read(tmp_path / "a.csv")])
    assert all(len(names) == 3 for names in chosen)
    assert not (tmp_path / "a.csv.part").exists()


def test_strategies_are_listed_without_a_run(leaven):
    said = leaven("query", "--list")
    assert said.code == 0
    assert "representative:\n  typiclust" in said.out
    assert "Needs snapshots or a committee." in said.out
