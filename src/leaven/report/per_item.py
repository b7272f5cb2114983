"""Item by item: confidence, errors, what to label next."""

from __future__ import annotations

from leaven.report import words
from leaven.report.parts import Panel, Section
from leaven.report.pictures import uncertain_cards, worst_cards
from leaven.report.reliability import reliability_diagram
from leaven.report.run import Run


def calibration(run: Run) -> Section:
    """Reliability diagrams."""
    title = "Can its confidence be believed?"
    if run.held_out is None:
        return Section("calibration", title, notes=[words.no_labels(run)])
    panels = []
    for who, style, evaluation in (
        (run.title, "a", run.held_out),
        (f"Its {words.BASELINE}", "b", run.held_out_baseline),
    ):
        if evaluation is not None:
            error = 100 * evaluation.calibration_error()
            chart = reliability_diagram(evaluation, style, f"Reliability diagram of {who}")
            panels.append(Panel(who, chart, text=f"Expected calibration error: {error:.1f} points (15 bins)."))
    lead = (
        "Dots: accuracy of the items of like confidence, with 95 % intervals; below the dashed line the "
        "model is too sure of itself. Bars: how many items have that confidence."
    )
    return Section("calibration", title, lead, panels)


def errors(run: Run) -> Section:
    """Thumbnails of the most confident errors."""
    title = "Most confident errors"
    if run.held_out is None:
        return Section("errors", title, notes=[words.no_labels(run)])
    cards = worst_cards(run.held_out)
    lead = "Label → prediction. "
    lead += (
        "The model is at chance, so that it contradicts a label says nothing of the label."
        if run.held_out.at_chance
        else "Look here for wrong labels first: a sure model contradicts them."
    )
    return Section("errors", title, lead if cards else "None: every held-out item is predicted rightly.", cards=cards)


def label_next(run: Run) -> Section:
    """Thumbnails of the least certain items of the pool."""
    pool = run.unlabelled
    cards = uncertain_cards(pool) if pool is not None else []
    if not cards:
        return Section("next", "Label these next", notes=[words.no_pool()])
    lead = "The unlabelled items between whose two likeliest classes the model can least decide."
    return Section("next", "Label these next", lead, cards=cards, ids=[c.id for c in cards])
