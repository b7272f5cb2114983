"""What happened over the steps: accuracy, losses, pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaven.evaluation.intervals import proportion
from leaven.report import words
from leaven.report.lines import Series, line_chart
from leaven.report.parts import Panel, Section
from leaven.report.run import Columns, Run
from leaven.report.svg import percent


def learning(run: Run) -> Section:
    """Accuracy and losses over the steps."""
    panels, notes = [], []
    accuracies = [s for s in (_accuracy(run, run.title, "a"), _accuracy(run.baseline, words.BASELINE, "b")) if s]
    if accuracies:
        what = f"{run.metric} {'on held-out items' if run.tells_classes else 'in small tasks of held-out classes'}"
        chart = line_chart(accuracies, f"{what} over the steps of training")
        panels.append(Panel(what, chart, _legend(accuracies), "The bands are 95 % intervals."))
    else:
        notes.append(words.no_curve(run))
    losses = _losses(run)
    if losses:
        chart = line_chart(losses, "Losses over the steps of training", shares=False)
        panels.append(Panel("Losses", chart, _legend(losses), "Means over the steps between two points."))
    else:
        notes.append(words.no_metrics(run))
    return Section("learning", "Learning curves", panels=panels, notes=notes)


def pseudo_labels(run: Run) -> Section:
    """How many items a method learns from, and how right it is about them."""
    if run.supervised:
        return Section("pseudo", "Pseudo-labels", notes=[words.no_pseudo_labels(run)])
    quantity, quality, sentences = [], [], []
    rate = run.metrics.get("mask_rate")
    if rate is not None and len(rate):
        what = "unlabelled pixels" if run.dense else "unlabelled items"
        quantity.append(Series(f"{what} learnt from", run.metrics["step"], rate, "c"))
        lower = run.of("hyperparameters", "threshold") is not None
        sentences.append(
            f"In the last steps {percent(float(rate[-1]))} of the {what} passed the threshold."
            if rate[-1] > 0
            else f"In the last steps none of the {what} passed the threshold, so nothing was learnt from them: train "
            f"longer (--steps), label more{', or let less confident ones in (--threshold)' if lower else ''}."
        )
    curve = _held_out(run.curve)
    if len(curve.get("confident", ())):
        n = np.round(curve["n"] * curve["confident"]).astype(int)
        right = np.round(n * np.nan_to_num(curve["confident_accuracy"])).astype(int)
        shares = [proportion(a, m) for a, m in zip(right, n, strict=True)]
        value, low, high = (
            np.array([getattr(s, of) if s.n else np.nan for s in shares]) for of in ("value", "low", "high")
        )
        quantity.append(Series("held-out items of 95 % confidence", curve["step"], curve["confident"], "d"))
        quality.append(
            Series("right among the held-out items of 95 % confidence", curve["step"], value, "d", low, high)
        )
        sentences.append(
            f"At the end {percent(float(curve['confident'][-1]))} of the held-out items have a confidence of "
            f"95 % or more, and {percent(float(value[-1]))} of these are right."
        )
    panels = []
    if quantity:
        chart = line_chart(quantity, "Quantity of the pseudo-labels over the steps of training")
        panels.append(Panel("Quantity", chart, _legend(quantity)))
    if quality and np.isfinite(quality[0].y).any():
        chart = line_chart(quality, "Quality of the pseudo-labels over the steps of training")
        text = "A rising quantity of falling quality is a method that teaches itself its errors."
        panels.append(Panel("Quality", chart, _legend(quality), text))
    return Section(
        "pseudo", "Pseudo-labels", " ".join(sentences), panels, [] if panels else [words.no_pseudo_labels(run)]
    )


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
    curves = []
    if len(run.metrics.get("loss", ())):
        terms = [n for n in run.metrics if n.startswith("loss/")]
        curves.append(Series("all terms" if len(terms) > 1 else "loss", run.metrics["step"], run.metrics["loss"], "a"))
        if len(terms) > 1:
            curves += [
                Series(n.removeprefix("loss/"), run.metrics["step"], run.metrics[n], style)
                for n, style in zip(terms, ("c", "d", "e", "f"), strict=False)
            ]
    if run.baseline and len(run.baseline.metrics.get("loss", ())):
        curves.append(Series(words.BASELINE, run.baseline.metrics["step"], run.baseline.metrics["loss"], "b"))
    return curves


def _legend(series: Sequence[Series]) -> list[tuple[str, str]]:
    return [(s.name, s.style) for s in series]
