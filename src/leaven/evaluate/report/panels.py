"""The sections of the page: which charts, and what is said where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from leaven.evaluate.evaluation import Evaluation
from leaven.evaluate.intervals import proportion
from leaven.evaluate.report import words
from leaven.evaluate.report.collapse import warnings
from leaven.evaluate.report.figures import Table
from leaven.evaluate.report.lines import Series, line_chart
from leaven.evaluate.report.matrix import confusions, heat_map
from leaven.evaluate.report.pictures import Card, uncertain_cards, worst_cards
from leaven.evaluate.report.reliability import reliability_diagram
from leaven.evaluate.report.rows import bar_rows, interval_rows
from leaven.evaluate.report.run import Columns, Run
from leaven.evaluate.report.svg import percent

BASELINE = "supervised baseline"
PER_CHART = 34  # classes in one column of rows
MATRICES = 30  # with more classes the baseline's confusion matrix is left out


@dataclass(frozen=True)
class Panel:
    """A chart, its legend ``(name, style)`` and a line on how to read it."""

    title: str
    svg: Markup
    legend: Sequence[tuple[str, str]] = ()
    text: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page; ``notes`` are what is missing, ``alarms`` what is wrong."""

    id: str
    title: str
    lead: str = ""
    panels: Sequence[Panel] = ()
    notes: Sequence[str] = ()
    alarms: Sequence[str] = ()
    table: Table | None = None
    cards: Sequence[Card] = field(default_factory=list)
    ids: Sequence[str] = ()


def sections(run: Run) -> list[Section]:
    """All sections, in the order of reading."""
    return [learning(run), pseudo_labels(run), classes(run), mistakes(run), calibration(run), balance(run), *grids(run)]


def learning(run: Run) -> Section:
    """Accuracy and losses over the steps."""
    panels, notes = [], []
    accuracies = [s for s in (_accuracy(run, run.title, "a"), _accuracy(run.baseline, BASELINE, "b")) if s]
    if accuracies:
        chart = line_chart(accuracies, "Accuracy on held-out items over the steps of training")
        panels.append(Panel("Accuracy on held-out items", chart, _legend(accuracies), "The bands are 95 % intervals."))
    else:
        notes.append(words.no_curve())
    losses = _losses(run)
    if losses:
        chart = line_chart(losses, "Losses over the steps of training", shares=False)
        panels.append(Panel("Losses", chart, _legend(losses), "Means over the steps between two points."))
    else:
        notes.append(words.no_metrics())
    return Section("learning", "Learning curves", panels=panels, notes=notes)


def pseudo_labels(run: Run) -> Section:
    """How many items a method learns from, and how right it is about them."""
    series, said = [], []
    rate = run.metrics.get("mask_rate")
    if rate is not None and len(rate):
        series.append(Series("unlabelled items learnt from", run.metrics["step"], rate, "c"))
        said.append(f"In the last steps {percent(float(rate[-1]))} of the unlabelled items passed the threshold.")
    curve = _held_out(run.curve)
    if not run.supervised and len(curve.get("confident", ())):
        n = np.round(curve["n"] * curve["confident"])
        right = np.nan_to_num(curve["confident_accuracy"])
        bounds = [proportion(int(round(a * m)), int(m)) for a, m in zip(right, n, strict=True)]
        low, high = (np.array([getattr(b, side) if b.n else np.nan for b in bounds]) for side in ("low", "high"))
        series.append(Series("held-out items of 95 % confidence", curve["step"], curve["confident"], "d"))
        quality = np.where(n > 0, curve["confident_accuracy"], np.nan)
        series.append(Series("right among these", curve["step"], quality, "a", low, high))
        said.append(
            f"At the end {percent(float(curve['confident'][-1]))} of the held-out items have a confidence of at least "
            f"95 %, and {percent(float(quality[-1]))} of these are right."
        )
    if not series or run.supervised:
        return Section("pseudo", "Pseudo-labels", notes=[words.no_pseudo_labels(run)])
    chart = line_chart(series, "Quantity and quality of the pseudo-labels over the steps of training")
    text = "Quantity is worth nothing without quality: a rising share that is often wrong teaches the errors."
    panel = Panel("Quantity and quality over time", chart, _legend(series), text, wide=True)
    return Section("pseudo", "Pseudo-labels", " ".join(said), [panel])


def classes(run: Run) -> Section:
    """Accuracy of each class."""
    title = "Accuracy of each class"
    if run.held_out is None:
        return Section("classes", title, notes=[words.no_labels(run)])
    own, other = run.held_out.per_class(), _baseline(run)
    series = [(run.title, "a", own)] + ([(BASELINE, "b", other.per_class())] if other else [])
    names = run.held_out.classes
    order = list(range(len(names)))
    lead = "Share of the items of a class that are recognised, with 95 % intervals"
    if len(names) > 12:
        order.sort(key=lambda k: (own[k].value if own[k].n else 2.0, k))
        lead += "; the weakest class first"
    panels = [
        Panel(
            "" if len(names) <= PER_CHART else f"{names[part[0]]} to {names[part[-1]]}",
            interval_rows(
                [names[k] for k in part],
                [(who, style, [of[k] for k in part]) for who, style, of in series],
                "Accuracy of each class with its interval",
            ),
            [(who, style) for who, style, _ in series],
        )
        for part in _parts(order)
    ]
    return Section("classes", title, f"{lead}.", panels)


def mistakes(run: Run) -> Section:
    """The confusion matrices."""
    title = "What is taken for what"
    own, other = run.held_out, _baseline(run)
    if own is None:
        return Section("confusion", title, notes=[words.no_labels(run)])
    counts, names = own.confusion(), own.classes
    wide = len(names) > MATRICES
    panels = [Panel(run.title, heat_map(counts, names, f"Confusion matrix of {run.title}"), wide=wide)]
    theirs = other.confusion() if other is not None else None
    if theirs is not None and not wide:
        panels.append(Panel(f"Its {BASELINE}", heat_map(theirs, names, f"Confusion matrix of the {BASELINE}")))
    rows = [
        [names[i], names[j], f"{counts[i, j]:,}", percent(counts[i, j] / counts[i].sum())]
        + ([f"{theirs[i, j]:,}"] if theirs is not None else [])
        for i, j in confusions(counts)
    ]
    columns = ["label", "taken for", "items", "share of the label", *(["by the baseline"] if theirs is not None else [])]
    lead = "Each row is a label, each column a prediction; the deeper a cell, the larger its share of the row."
    return Section("confusion", title, lead, panels, table=Table(columns, rows) if rows else None)


def calibration(run: Run) -> Section:
    """Reliability diagrams."""
    title = "Can its confidence be believed?"
    if run.held_out is None:
        return Section("calibration", title, notes=[words.no_labels(run)])
    panels = []
    for who, style, evaluation in ((run.title, "a", run.held_out), (f"Its {BASELINE}", "b", _baseline(run))):
        if evaluation is not None:
            error = 100 * evaluation.calibration_error()
            chart = reliability_diagram(evaluation, style, f"Reliability diagram of {who}")
            panels.append(Panel(who, chart, text=f"Expected calibration error: {error:.1f} points (15 bins)."))
    lead = (
        "Above: accuracy of the items of like confidence, with 95 % intervals. Below the dashed line the model is too "
        "sure of itself. Below: how many items have that confidence."
    )
    return Section("calibration", title, lead, panels)


def balance(run: Run) -> Section:
    """Predictions of each class beside its labels."""
    panels: list[Panel] = []
    alarms: list[str] = []
    if run.held_out is not None:
        known = run.held_out.known
        labels = _counts(run.held_out.labels[known], run.held_out)
        predicted = _counts(run.held_out.predicted[known], run.held_out)
        alarms += [f"Held-out items. {w}" for w in warnings(predicted, labels, run.held_out.classes)]
        panels += _bars("Held-out items", run.held_out.classes, predicted, labels, "their labels")
    pool = run.evaluations.get("unlabelled")
    given = np.array(run.of("data", "labels_per_class") or [])
    if pool is not None and len(pool.labels):
        predicted = _counts(pool.predicted, pool)
        labels = given if given.shape == predicted.shape else np.zeros_like(predicted)
        alarms += [f"Unlabelled items. {w}" for w in warnings(predicted, labels, pool.classes)]
        panels += _bars("Unlabelled items", pool.classes, predicted, labels, "labels given for training")
    notes = [] if pool is not None else [words.no_pool()]
    lead = "Shares of the predictions beside the shares of the labels; the number is how many were predicted."
    return Section("balance", "Predictions of each class", lead if panels else "", panels, notes, alarms)


def grids(run: Run) -> list[Section]:
    """Thumbnails of errors and of what to label next."""
    errors = worst_cards(run.held_out) if run.held_out is not None else []
    lead = "Label → prediction. Look here for wrong labels first: a sure model contradicts them."
    notes = [] if errors else [words.no_labels(run) if run.held_out is None else "No held-out item is predicted wrongly."]
    pool = run.evaluations.get("unlabelled")
    next_up = uncertain_cards(pool) if pool is not None else []
    return [
        Section("errors", "Most confident errors", lead if errors else "", notes=notes, cards=errors),
        Section(
            "next",
            "Label these next",
            "The unlabelled items between whose two likeliest classes the model can least decide." if next_up else "",
            notes=[] if next_up else [words.no_pool()],
            cards=next_up,
            ids=[c.id for c in next_up],
        ),
    ]


def _bars(
    title: str, names: Sequence[str], predicted: np.ndarray, labels: np.ndarray, what: str
) -> list[Panel]:
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


def _parts(order: list[int]) -> list[list[int]]:
    """Even columns of no more than ``PER_CHART`` classes."""
    columns = -(-len(order) // PER_CHART)
    size = -(-len(order) // max(1, columns))
    return [order[i : i + size] for i in range(0, len(order), size)]


def _baseline(run: Run) -> Evaluation | None:
    found = run.baseline.evaluations.get(str(run.split)) if run.baseline else None
    return found if found is not None and found.known.any() else None


def _held_out(curve: Columns) -> Columns:
    """The lines of one split: test before validation."""
    if not len(curve.get("split", ())):
        return {}
    split = "test" if "test" in curve["split"] else "validation"
    chosen = curve["split"] == split
    return {name: column[chosen] for name, column in curve.items()}


def _accuracy(run: Run | None, name: str, style: str) -> Series | None:
    curve = _held_out(run.curve) if run else {}
    if not len(curve.get("accuracy", ())):
        return None
    return Series(name, curve["step"], curve["accuracy"], style, curve.get("low"), curve.get("high"))


def _losses(run: Run) -> list[Series]:
    found = []
    if len(run.metrics.get("loss", ())):
        terms = [n for n in run.metrics if n.startswith("loss/")]
        found.append(Series("all terms" if len(terms) > 1 else "loss", run.metrics["step"], run.metrics["loss"], "a"))
        if len(terms) > 1:
            found += [
                Series(n.removeprefix("loss/"), run.metrics["step"], run.metrics[n], style)
                for n, style in zip(terms, ("c", "d", "e", "f"), strict=False)
            ]
    if run.baseline and len(run.baseline.metrics.get("loss", ())):
        found.append(Series(BASELINE, run.baseline.metrics["step"], run.baseline.metrics["loss"], "b"))
    return found


def _legend(series: Sequence[Series]) -> list[tuple[str, str]]:
    return [(s.name, s.style) for s in series]
