"""Rows of the table by hand."""

import pytest

from leaven.cli.show import emit
from leaven.study.bench.cell import CellResult
from leaven.study.bench.suite import read, shipped
from leaven.study.bench.table import brief, figures, markdown, over_control

T2 = 4.302653  # Student's t of two degrees of freedom, 97.5 %


@pytest.fixture
def three(suite):
    suite.write_text(suite.read_text().replace("seeds = 2", "seeds = 3") + "published = { 10 = 91.0 }\n")
    return read(suite)


def found_of(suite, accuracies, notes=()):
    """Figures by title and number of labels, a value for each seed."""
    found = {}
    for cell in suite.cells():
        value = accuracies[cell.title, cell.labels][cell.seed]
        kept = (
            {"note": "it broke"}
            if value is None
            else {
                "accuracy": value,
                "n": 100,
                "checkpoints": 20,
                "seconds": 2.0 + cell.seed,
                "memory": 10**9,
                "images_per_second": 50.0,
            }
        )
        found[cell.fingerprint] = CellResult(cell.fingerprint, cell.title, cell.labels, cell.seed, **kept)
    return found


def test_means_and_paired_differences(three):
    pseudo = "Pseudo-Label, μ = 1"
    rows = figures(
        three,
        found_of(
            three,
            {
                ("supervised", 10): [0.60, 0.50, 0.70],
                (pseudo, 10): [0.70, 0.59, 0.81],
                ("supervised", 20): [0.8, 0.8, 0.8],
            },
        ),
    )
    assert [(row["labels"], row["method"]) for row in rows] == [(10, "supervised"), (10, pseudo), (20, "supervised")]
    first, second, third = rows
    # 0.6, 0.5, 0.7: mean 0.6, deviation 0.1; 0.70, 0.59, 0.81: mean 0.7, deviation 0.11
    assert (first["accuracy"], second["accuracy"]) == (pytest.approx(0.6), pytest.approx(0.7))
    assert first["high"] == pytest.approx(0.6 + T2 * 0.1 / 3**0.5, rel=1e-5)
    assert second["low"] == pytest.approx(0.7 - T2 * 0.11 / 3**0.5, rel=1e-5)
    # differences 0.10, 0.09, 0.11: deviation 0.01, far less than unpaired ones would have
    assert second["difference"] == pytest.approx(0.10)
    assert second["difference_high"] == pytest.approx(0.10 + T2 * 0.01 / 3**0.5, rel=1e-5)
    assert first["difference"] is None
    assert (first["seconds"], first["seeds"]) == (3.0, 3)
    assert (third["low"], third["high"]) == (pytest.approx(0.8), pytest.approx(0.8))
    assert second["published"] == 91.0
    assert over_control(second) == "+10.0 (+7.5 to +12.5)"
    line = next(line for line in markdown(three, rows).splitlines() if pseudo in line)
    assert line == (
        "| 10 | Pseudo-Label, μ = 1 | 70.0 % ± 27.3 | +10.0 (+7.5 to +12.5) | 3 | 3 s | 50 | 1.00 GB | 91.0 % |  |"
    )


def test_what_failed_says_why_and_counts_nowhere(three):
    pseudo = "Pseudo-Label, μ = 1"
    rows = figures(
        three,
        found_of(
            three,
            {
                ("supervised", 10): [0.6, None, 0.7],
                (pseudo, 10): [0.7, 0.9, None],
                ("supervised", 20): [None] * 3,
            },
        ),
    )
    first, second, third = rows
    assert (first["accuracy"], first["seeds"], first["note"]) == (pytest.approx(0.65), 2, "seed 1: it broke")
    assert second["difference"] == pytest.approx(0.1)  # seed 0 alone has both
    assert second["difference_low"] is None
    assert over_control(second) == "+10.0"
    assert (third["accuracy"], third["seconds"], third["seeds"]) == (None, None, 0)
    assert third["note"] == "seed 0: it broke; seed 1: it broke; seed 2: it broke"
    assert brief(third)["seconds"] is None
    # 0.6 and 0.7: half an interval is 12.7062 · 0.0707 / √2 = 0.635, cut at 1
    assert "| 65.0 % ± 63.5 |" in markdown(three, rows)
    assert "| 20 | supervised |  |  | 0 |  |  |  |  | seed 0: it broke; " in markdown(three, rows)


def test_what_a_person_sees_fits_80_columns(monkeypatch, capsys):
    """Of the suites that are shipped the longest titles, figures of full length, none in two lines."""
    monkeypatch.setenv("COLUMNS", "80")
    titles = {entry.title for suite in shipped() for entry in suite.entries}
    numbers = {
        "accuracy": 0.954,
        "low": 0.937,
        "high": 0.972,
        "seconds": 43210.4,
        "difference": 0.052,
        "difference_low": -0.103,
        "difference_high": 0.108,
    }
    rows = [{"data": "digits", "labels": 4000, "method": title} | numbers for title in sorted(titles)]
    emit([brief(row) for row in rows], False, "suite, 3 seeds")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    whole = [line for line in lines if "+5.2 (−10.3 to +10.8)" in line and "95.4 %  (93.7 to 97.2)" in line]
    assert len(whole) == len(titles)
    assert sum("supervised" in line.split("  ")[0] for line in whole) >= 2  # names that fit stand in one line


def test_one_seed_has_wilsons_interval(three):
    one = three.narrowed(seeds=1, labels=[20])
    [row] = figures(one, found_of(one, {("supervised", 20): [0.5]}))
    assert (row["low"], row["high"]) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert "50.0 % (40.4 to 59.6)" in markdown(one, [row])


def test_a_remark_stands_where_nothing_failed(suite):
    """What broke is worth more than what a suite remarks of a method."""
    suite.write_text(suite.read_text() + 'note = "wants time"\n')
    remarked = read(suite)
    pseudo = "Pseudo-Label, μ = 1"
    fine = {("supervised", 10): [0.6, 0.5], (pseudo, 10): [0.7, 0.6], ("supervised", 20): [0.8, 0.8]}
    assert [row["note"] for row in figures(remarked, found_of(remarked, fine))] == ["", "wants time", ""]
    broken = fine | {(pseudo, 10): [0.7, None]}
    assert figures(remarked, found_of(remarked, broken))[1]["note"] == "seed 1: it broke"
