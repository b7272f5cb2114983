"""Rows of a suite's table: means over seeds with their intervals, and the table in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from leaven.evaluation.intervals import mean_of_runs, proportion, student
from leaven.study.bench.cell import CellResult
from leaven.study.bench.suite import Entry, Suite
from leaven.study.curves import difference

CONTROL = "supervised"

Row = dict[str, Any]


def figures(suite: Suite, results: Mapping[str, CellResult]) -> list[Row]:
    """A row for each number of labels and method; ``results`` by the cells' fingerprints.

    Accuracy is the mean over the seeds with Student's 95 % interval (of a single seed: Wilson's over the test items),
    ``difference`` that over the supervised baseline with the same labels and seeds, so paired. Seconds, images a
    second and bytes are means over the runs.
    """
    rows = []
    for labels in suite.labels:
        entries = [entry for entry in suite.entries if labels in (entry.labels or suite.labels)]
        control = next((entry for entry in entries if entry.name == CONTROL), None)
        base = {} if control is None else _by_seed(suite, control, labels, results)
        for entry in entries:
            by_seed = _by_seed(suite, entry, labels, results)
            notes = [f"seed {seed}: {cell.note}" for seed, cell in by_seed.items() if cell.note]
            done = {seed: cell for seed, cell in by_seed.items() if not cell.note}
            more = [
                _accuracy(cell) - _accuracy(base[seed])
                for seed, cell in done.items()
                if entry is not control and seed in base and not base[seed].note
            ]
            about = {"data": suite.data, "labels": labels, "method": entry.title, "name": entry.name}
            note = {"note": "; ".join(notes) or entry.note}
            rows += [
                about
                | {"task": task}
                | _over_episodes([cell.tasks[task] for cell in done.values()])
                | _costs(list(done.values()))
                | {"published": entry.published.get(task)}
                | note
                for task in entry.tasks
            ] or [
                about
                | _mean(list(done.values()))
                | _costs(list(done.values()))
                | _difference(more)
                | {"published": entry.published.get(labels)}
                | note
            ]
    return rows


def _over_episodes(tests: Sequence[Mapping[str, float]]) -> Row:
    """Accuracy in one task: of one training with the interval over its episodes, of several with that over these."""
    values = [test["accuracy"] for test in tests]
    spread = mean_of_runs(values).asdict() if len(values) > 1 else dict(next(iter(tests), {}))
    return {
        "accuracy": sum(values) / len(values) if values else None,
        "low": spread.get("low"),
        "high": spread.get("high"),
        "n": int(tests[0]["n"]) if tests else 0,
        "seeds": len(tests),
    }


def _by_seed(suite: Suite, entry: Entry, labels: int, results: Mapping[str, CellResult]) -> dict[int, CellResult]:
    prints = {seed: suite.cell(entry, labels, seed).fingerprint for seed in range(suite.seeds)}
    return {seed: results[key] for seed, key in prints.items() if key in results}


def _accuracy(cell: CellResult) -> float:
    assert cell.accuracy is not None, "a cell without a note has one"
    return cell.accuracy


def _mean(cells: Sequence[CellResult]) -> Row:
    values = [_accuracy(cell) for cell in cells]
    n = cells[0].n if cells else 0
    at = None
    if cells:
        at = mean_of_runs(values) if len(values) > 1 else proportion(round(values[0] * n), n)
    return {
        "accuracy": None if at is None else sum(values) / len(values),
        "low": None if at is None else at.low,
        "high": None if at is None else at.high,
        "n": n,
        "seeds": len(cells),
        "checkpoints": min((cell.checkpoints for cell in cells), default=0),
    }


def _costs(cells: Sequence[CellResult]) -> Row:
    return {
        "seconds": _average([cell.seconds for cell in cells], 2),
        "images_per_second": _average([cell.images_per_second for cell in cells], 1),
        "memory": _average([cell.memory for cell in cells], 0),
    }


def _average(values: Sequence[float | None], digits: int) -> float | None:
    there = [value for value in values if value is not None]
    return round(statistics.fmean(there), digits) if there else None


def _difference(more: Sequence[float]) -> Row:
    """The mean of paired differences with Student's interval; of one there is none."""
    mean, half = student(more) if len(more) > 1 else (more[0] if more else None, None)
    bounds = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return {"difference": mean, "difference_low": bounds[0], "difference_high": bounds[1]}


def over_control(row: Row) -> str:
    """``+1.2 (−0.3 to +2.7)``, in points."""
    nan = float("nan")
    return difference({k: nan if row[k] is None else row[k] for k in row if k.startswith("difference")})


def brief(row: Row) -> Row:
    """What a person sees of a row on a terminal of 80 columns; what the machine did stands in ``table.md``."""
    beside = {"published": row["published"]} if "task" in row else {"over supervised": over_control(row)}
    return {
        "data": f"{row['data']}, {what(row)}",
        "method": row["method"],
        "accuracy": row["accuracy"],
        "low": row["low"],
        "high": row["high"],
        **beside,
        "seconds": row["seconds"],
    }


def what(row: Row) -> str:
    """What a row is about beside its method: how many labels, or which task."""
    return row.get("task") or f"{row['labels']} labels"


def markdown(suite: Suite, rows: Sequence[Row]) -> str:
    """``table.md``."""
    columns = (
        "task" if suite.tasks else "labels",
        "method",
        "accuracy ± 95 %",
        "over supervised, points",
        "seeds",
        "training",
        "images/s",
        "peak memory",
        "published",
        "note",
    )
    lines = [columns, ("---",) * len(columns)]
    for row in rows:
        seconds = row["seconds"]
        rate = "" if row["images_per_second"] is None else f"{row['images_per_second']:,.0f}"
        memory = "" if row["memory"] is None else f"{row['memory'] / 1e9:.2f} GB"
        lines.append(
            (
                row.get("task") or str(row["labels"]),
                row["method"],
                _plus_minus(row),
                over_control(row) if "difference" in row else "",
                str(row["seeds"]),
                "" if seconds is None else f"{seconds:.0f} s",
                rate,
                memory,
                "" if row["published"] is None else f"{row['published']} %",
                row["note"].replace("|", "\\|"),
            )
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"# {suite.name}\n\n{suite.about}\n\n{table}\n"


def _plus_minus(row: Row) -> str:
    """``97.1 % ± 0.4``, or with one seed the interval over the test items."""
    if row["accuracy"] is None:
        return ""
    if row["seeds"] == 1:
        return f"{100 * row['accuracy']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
    half = max(row["accuracy"] - row["low"], row["high"] - row["accuracy"])  # one side may be cut at 0 or 1
    return f"{100 * row['accuracy']:.1f} % ± {100 * half:.1f}"
