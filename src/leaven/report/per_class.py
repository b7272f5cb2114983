"""Class by class: accuracy, confusion, how often each is predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaven.evaluation.classification import Evaluation
from leaven.report import words
from leaven.report.collapse import warnings
from leaven.report.figures import Table
from leaven.report.matrix import confusions, heat_map
from leaven.report.parts import Panel, Section
from leaven.report.rows import bar_rows, interval_rows
from leaven.report.run import Run
from leaven.report.svg import percent

PER_CHART = 34  # classes in one column of rows
SIDE_BY_SIDE = 12  # classes whose confusion matrix is still readable in half the page
MATRICES = 30  # with more classes the baseline's confusion matrix is left out


def classes(run: Run) -> Section:
    """Accuracy of each class."""
    title = "Accuracy of each class"
    if run.held_out is None:
        return Section("classes", title, notes=[words.no_labels(run)])
    of_run, other = run.held_out.per_class(), run.held_out_baseline
    series = [(run.title, "a", of_run)] + ([(words.BASELINE, "b", other.per_class())] if other else [])
    names = run.held_out.classes
    order = list(range(len(names)))
    lead = "Share of the items of a class that are recognised, with 95 % intervals"
    if len(names) > 12:
        order.sort(key=lambda k: (of_run[k].value if of_run[k].n else 2.0, k))
        lead += "; the weakest class first"
    panels = [
        Panel(
            "",
            interval_rows(
                [names[k] for k in part],
                [(who, style, [of[k] for k in part]) for who, style, of in series],
                "Accuracy of each class with its interval",
            ),
            [(who, style) for who, style, _ in series],
        )
        for part in _parts(order, columns=2 if len(order) >= 8 else 1)
    ]
    return Section("classes", title, f"{lead}.", panels)


def mistakes(run: Run) -> Section:
    """The confusion matrices."""
    title = "Confusion matrix"
    held_out, other = run.held_out, run.held_out_baseline
    if held_out is None:
        return Section("confusion", title, notes=[words.no_labels(run)])
    counts, names = held_out.confusion(), held_out.classes
    wide = len(names) > SIDE_BY_SIDE
    panels = [Panel(run.title, heat_map(counts, names, f"Confusion matrix of {run.title}"), wide=wide)]
    theirs = other.confusion() if other is not None else None
    if theirs is not None and len(names) <= MATRICES:
        panels.append(
            Panel(
                f"Its {words.BASELINE}",
                heat_map(theirs, names, f"Confusion matrix of the {words.BASELINE}"),
                wide=wide,
            )
        )
    rows = [
        [names[i], names[j], f"{counts[i, j]:,}", percent(counts[i, j] / counts[i].sum())]
        + ([f"{theirs[i, j]:,}"] if theirs is not None else [])
        for i, j in confusions(counts)
    ]
    columns = [
        "label",
        "taken for",
        "items",
        "share of the label",
        *(["by the baseline"] if theirs is not None else []),
    ]
    lead = "Each row is a label, each column a prediction; the deeper a cell, the larger its share of the row."
    return Section("confusion", title, lead, panels, table=Table(columns, rows) if rows else None)


def balance(run: Run) -> Section:
    """Predictions of each class beside its labels."""
    panels: list[Panel] = []
    alarms: list[str] = []
    if run.held_out is not None:
        labelled = run.held_out.has_label
        labels = _counts(run.held_out.labels[labelled], run.held_out)
        predicted = _counts(run.held_out.predicted[labelled], run.held_out)
        alarms += [f"Held-out items. {w}" for w in warnings(predicted, labels, run.held_out.classes)]
        panels += _bars("Held-out items", run.held_out.classes, predicted, labels, "their labels")
    pool = run.unlabelled
    given = np.array(run.of("data", "labels_per_class") or [])
    if pool is not None and not pool.has_label.all():  # those with a label, which the methods draw too, are not meant
        predicted = _counts(pool.predicted[~pool.has_label], pool)
        labels = given if given.shape == predicted.shape else np.zeros_like(predicted)
        alarms += [f"Unlabelled items. {w}" for w in warnings(predicted, labels, pool.classes)]
        panels += _bars("Unlabelled items", pool.classes, predicted, labels, "labels given")
    notes = [] if pool is not None else [words.no_pool()]
    lead = "Shares of the predictions beside the shares of the labels; the number is how many were predicted."
    return Section("balance", "Predictions of each class", lead if panels else "", panels, notes, alarms)


def _bars(title: str, names: Sequence[str], predicted: np.ndarray, labels: np.ndarray, what: str) -> list[Panel]:
    sets = [("predictions", "a", predicted)] + ([(what, "grey", labels)] if labels.sum() else [])
    totals = [int(counts.sum()) for _, _, counts in sets]
    longest = max(float(counts.max()) / max(1, t) for (_, _, counts), t in zip(sets, totals, strict=True))
    return [
        Panel(
            f"{title} ({totals[0]:,})",
            bar_rows(
                [names[k] for k in part],
                [(who, style, [int(counts[k]) for k in part]) for who, style, counts in sets],
                f"{title}: predictions of each class",
                longest,
                totals,
            ),
            [(who, style) for who, style, _ in sets],
        )
        for part in _parts(list(range(len(names))))
    ]


def _counts(values: np.ndarray, evaluation: Evaluation) -> np.ndarray:
    return np.bincount(values, minlength=len(evaluation.classes))


def _parts(order: list[int], columns: int = 1) -> list[list[int]]:
    """Charts of about as many classes each, no more than ``PER_CHART``; one, or an even number."""
    needed = max(columns, -(-len(order) // PER_CHART))
    size = max(1, -(-len(order) // (needed + needed % 2 if needed > 1 else 1)))
    return [order[i : i + size] for i in range(0, len(order), size)]
