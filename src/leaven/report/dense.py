"""The page of a run that classifies pixels."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from leaven.data.pool import NO_CLASS
from leaven.data.readers.palette import UNKNOWN, colour, save_mask, table
from leaven.evaluation.intervals import Interval
from leaven.evaluation.segmentation import SIDE, DenseEvaluation, difference
from leaven.report import figures, words
from leaven.report.collapse import warnings
from leaven.report.figures import Tile
from leaven.report.parts import Panel, Section
from leaven.report.pictures import data_uri
from leaven.report.rows import interval_rows
from leaven.report.run import Run
from leaven.report.sections import arranged
from leaven.report.stages import stages
from leaven.report.svg import percent, tag
from leaven.report.training import learning, pseudo_labels

COVER = 0.5  # how much of an overlay is the mask


def content(run: Run) -> dict[str, Any]:
    """Headline, verdict, tiles and sections."""
    held_out, other = run.held_out, run.held_out_baseline
    gain = difference(held_out, other) if held_out is not None and other is not None else None
    return {
        "headline": _headline(run),
        "verdict": _verdict(run, gain),
        "tiles": _tiles(run, gain),
        "sections": arranged([*stages(run), learning(run), pseudo_labels(run), _classes(run), _examples(run)]),
    }


def _headline(run: Run) -> str:
    labelled = run.learnt
    with_ = f" with {labelled:,} labelled {words.plural(labelled, 'image')}" if isinstance(labelled, int) else ""
    if run.held_out is None:
        return f"{run.title}{with_}: how good it is cannot be said"
    score = run.held_out.score()
    text = f"{run.title}{with_}: mIoU {words.interval(score)} on {score.n:,} held-out {words.plural(score.n, 'image')}"
    if run.baseline is None or run.held_out_baseline is None:
        return f"{text}."
    other = run.held_out_baseline.score()
    return f"{text}; the supervised baseline {words.same_budget(run, run.baseline)}: {percent(other.value)}."


def _verdict(run: Run, gain: Interval | None) -> list[str]:
    if run.held_out is None:
        return [words.no_labels(run)]
    sentences = [
        "mIoU: the mean over the classes of the pixels that are rightly found, out of those that are of the class or "
        f"taken for it. Of all pixels {words.interval(run.held_out.pixel_accuracy())} are right."
    ]
    if gain is not None:
        proven = gain.low > 0 or gain.high < 0
        sentences.append(
            f"On the same {gain.n:,} images {run.title} differs from the baseline by {_points(gain)}"
            + ("." if proven else ", so the difference is not proven.")
            + (" The supervised baseline is the better model." if gain.high < 0 else "")
        )
    elif not run.supervised:
        sentences.append(words.no_baseline(run))
    sentences.append(
        "The intervals tell how far chance in which images were held out can reach (bootstrap over images); other "
        "labels or another seed can move the figures further."
    )
    return sentences


def _points(gain: Interval) -> str:
    text = f"{100 * gain.value:+.1f}\u00a0points (95\u00a0% interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    return text.replace("-", "−")


def _tiles(run: Run, gain: Interval | None) -> list[Tile]:
    made = []
    if run.held_out is not None:
        score = run.held_out.score()
        note = f"{100 * score.low:.1f} to {100 * score.high:.1f}, {score.n:,} {run.split} images"
        made.append(Tile(percent(score.value), run.metric, note))
    if gain is not None:
        note = f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}" + ("" if gain.low > 0 else ", not proven")
        value = f"{100 * gain.value:+.1f}"
        made.append(Tile(value.replace("-", "−"), "points over the baseline", note.replace("-", "−")))
    return made + figures.of_training(run)


def _classes(run: Run) -> Section:
    title = "Intersection over union of each class"
    held_out, other = run.held_out, run.held_out_baseline
    if held_out is None:
        return Section("classes", title, notes=[words.no_labels(run)])
    series = [(run.title, "a", held_out.per_class())]
    series += [(words.BASELINE, "b", other.per_class())] if other is not None else []
    lead = (
        "Pixels that are rightly found, out of those that are of the class or taken for it; with 95 % intervals over "
        "images."
    )
    chart = interval_rows(held_out.classes, series, title)
    counts = held_out.confusion()
    alarms = warnings(counts.sum(0), counts.sum(1), held_out.classes)
    return Section("classes", title, lead, [Panel("", chart, [s[:2] for s in series], wide=True)], alarms=alarms)


def _examples(run: Run) -> Section:
    """Some images with what their pixels are, and what they are taken for."""
    evaluation, other = run.held_out, run.held_out_baseline
    lead = "Evenly spread over the held-out images, chosen by no result."
    if evaluation is None:
        evaluation, lead = (
            run.evaluations.get("unlabelled"),
            "Evenly spread over the images, of which none was held out.",
        )
    if evaluation is None or not len(evaluation.picture_rows):
        return Section("examples", "Examples", notes=[words.no_labels(run)])
    columns = [("image", [data_uri(picture, SIDE) for picture in evaluation.pictures])]
    columns.append(("mask", [mask_uri(mask) for mask in evaluation.truth]))
    shown = evaluation.ids[evaluation.picture_rows]
    if other is not None and np.array_equal(other.ids[other.picture_rows], shown):
        columns.append((words.BASELINE, [mask_uri(mask) for mask in other.predicted]))
    columns.append((run.title, [mask_uri(mask) for mask in evaluation.predicted]))
    over = [overlaid(picture, mask) for picture, mask in zip(evaluation.pictures, evaluation.predicted, strict=True)]
    columns.append((f"{run.title}, over the image", [data_uri(picture, SIDE) for picture in over]))
    return Section("examples", "Examples", lead, [Panel("", _key(evaluation) + _grid(columns, shown), wide=True)])


def _grid(columns: list[tuple[str, list[str]]], ids: np.ndarray) -> Markup:
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name, _ in columns)
    rows = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td><img src="{}" alt="{} of {}" title="{}"></td>').format(sources[i], name, id_, id_)
                for name, sources in columns
            )
        )
        for i, id_ in enumerate(ids)
    )
    return Markup('<table class="pixels"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(head, rows)


def _key(evaluation: DenseEvaluation) -> Markup:
    """The classes and their colours."""
    names = [*evaluation.classes, *(["does not count"] if (evaluation.truth == NO_CLASS).any() else [])]
    colours = [*(colour(k) for k in range(len(evaluation.classes))), UNKNOWN]
    items = Markup("").join(
        Markup("<li>{}{}</li>").format(
            tag("svg", tag("rect", width=14, height=14, rx=3, fill=shown), viewBox="0 0 14 14", aria_hidden="true"),
            escape(name),
        )
        for name, shown in zip(names, colours, strict=False)
    )
    return Markup('<ul class="legend key">{}</ul>').format(items)


def mask_uri(mask: np.ndarray) -> str:
    """A mask, uint8 ``(H, W)``, in colours, as text."""
    file = io.BytesIO()
    save_mask(mask, file, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def overlaid(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture, uint8 ``(H, W, C)``, under the colours of a mask; where that is of no class, the picture alone."""
    rgb = np.broadcast_to(picture, (*picture.shape[:2], 3))
    mixed = (1 - COVER) * rgb + COVER * table()[mask]
    return np.where((mask == NO_CLASS)[..., None], rgb, np.rint(mixed)).astype(np.uint8)
