"""What the figures mean, in plain sentences. Text between backticks is set as code."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from leaven.data.names import listing
from leaven.evaluation.intervals import Interval
from leaven.evaluation.paired import Paired
from leaven.report.run import Run
from leaven.report.svg import percent

BASELINE = "supervised baseline"


def headline(run: Run) -> str:
    """The run in one sentence."""
    with_labels = f"{run.title}{_labels(run)}"
    if run.held_out is None:
        return f"{with_labels}: how accurate it is cannot be said"
    accuracy = run.held_out.accuracy()
    text = f"{with_labels}: {interval(accuracy)} on {accuracy.n:,} held-out {plural(accuracy.n, 'item')}"
    other = run.baseline.accuracies.get(str(run.split)) if run.baseline else None
    if run.baseline is None or other is None:
        return f"{text}."
    return f"{text}; the supervised baseline {same_budget(run, run.baseline)}: {percent(other.value)}."


def interval(at: Interval) -> str:
    """``97.1 % (95 % interval 96.0 to 97.9)``."""
    return f"{percent(at.value)} (95\u00a0% interval {100 * at.low:.1f} to {100 * at.high:.1f})"


def verdict(run: Run, pair: Paired | None) -> list[str]:
    """What follows from the headline, and what does not."""
    if run.held_out is None:
        return [no_labels(run)]
    other = run.baseline.accuracies.get(str(run.split)) if run.baseline else None
    sentences = [not_learnt(run.title)] if run.held_out.at_chance else []
    if other is None:
        sentences += [no_baseline(run)] if not run.supervised else []
    elif pair is None:
        accuracy = run.held_out.accuracy()
        if accuracy.low <= other.high and other.low <= accuracy.high:
            sentences.append("The two intervals overlap, so the difference is not proven.")
        else:
            sentences.append("The two intervals do not overlap.")
        sentences.append("The two were not evaluated on the same items, so they cannot be compared item by item.")
    else:
        sentences.append(_compare(run, pair))
    if unjudged := getattr(run.held_out, "unjudged", ()):
        sentences.append(
            f"No {run.split} item is of the {one_or_many('class', unjudged)}, which the figures do not judge."
        )
    sentences.append(
        "The intervals tell how far chance in which items were held out can reach; "
        "other labels or another seed can move the figures further."
    )
    return sentences


def _compare(run: Run, pair: Paired) -> str:
    test = f"McNemar's exact test, p {'< 0.001' if pair.p < 0.001 else f'= {pair.p:.3f}'}"
    counted = (
        f"Of the same {pair.n:,} items, {run.title} alone gets {pair.gained:,} right "
        f"and the baseline alone {pair.lost:,}: {points(pair)} ({test})."
    )
    if not pair.proven:
        return f"{counted} The difference is not proven."
    if pair.difference < 0:
        return f"{counted} The supervised baseline is the better model: use it, in `{_path(run)}/baseline`."
    return f"{counted} That is more than chance in the held-out items explains."


def points(pair: Paired) -> str:
    """``+16.8 points, 95 % interval +14.3 to +19.4``."""
    low, high = f"{100 * pair.low:+.1f}", f"{100 * pair.high:+.1f}"
    return f"{100 * pair.difference:+.1f}\u00a0points, 95\u00a0% interval {low} to {high}".replace("-", "−")


def same_budget(run: Run, baseline: Run) -> str:
    """What the two runs share, as far as their configurations say."""
    values = {
        "labels": ("data", "labelled"),
        "network": ("network", "name"),
        "steps": ("plan", "steps"),
    }
    pairs = {what: (run.of(*key), baseline.of(*key)) for what, key in values.items()}
    same = [what for what, (ours, other) in pairs.items() if ours is not None and ours == other]
    differ = [what for what, (ours, other) in pairs.items() if None not in (ours, other) and ours != other]
    parts = [f"with the same {_list(same)}"] if same else []
    parts += [f"with other {_list(differ)}"] if differ else []
    return " but ".join(parts)


def no_labels(run: Run) -> str:
    """Nothing to measure accuracy on."""
    if not run.tells_classes:
        return f"No accuracy can be stated: {run.title} learns no classes. `leaven evaluate --support` shows it some."
    evaluating = f"`leaven evaluate {_path(run)} TESTFOLDER`"
    if run.source_learnt is not None and not run.learnt:
        return f"No accuracy can be stated: no label of the target is known. Label some of it, and run {evaluating}."
    return (
        f"No accuracy can be stated: every label was used for training. Run {evaluating}, or fit with "
        "`--validation 0.2`."
    )


def no_baseline(run: Run) -> str:
    """Nothing to compare with."""
    if run.baseline is not None and not run.baseline.evaluations:
        return (
            "The supervised baseline is not trained yet, so what the unlabelled items brought cannot be said. "
            "The same `leaven fit` with `--resume` trains it."
        )
    if run.baseline is not None and run.split is not None:
        return (
            f"The supervised baseline has no predictions for the {run.split} items, "
            f"so the two cannot be compared; `leaven evaluate {_path(run)} TESTFOLDER` writes them."
        )
    return (
        "No supervised baseline was trained beside it, so what the unlabelled items brought cannot be said. "
        "Run `leaven fit` without `--no-baseline`."
    )


def no_curve(run: Run) -> str:
    """No accuracy on the way."""
    if run.config.get("closed"):
        setting = run.config.get("setting", ())
        by = " It is transductive: it goes by all unlabelled items together." if "transductive" in setting else ""
        return f"{run.title} is a closed form: it was fitted at once, in no steps.{by}"
    return "No accuracy over the steps: there is no `curve.csv`, which `leaven fit --validation 0.2` writes."


def no_metrics(run: Run) -> str:
    """No losses."""
    if run.config.get("closed"):
        return no_curve(run)
    return "No losses: the run folder has no `metrics.csv`, which `leaven fit` writes while it trains."


def no_pool() -> str:
    """No predictions for the pool."""
    return (
        "No predictions for the unlabelled items are in the run folder (`evaluations/unlabelled.npz`); "
        "`leaven fit` writes them when it ends, if there are unlabelled items."
    )


def no_pseudo_labels(run: Run) -> str:
    """A method without pseudo-labels, or without a log."""
    if run.supervised:
        return "Supervised training learns from labels only: there are no pseudo-labels."
    if run.config.get("closed"):
        return no_curve(run)
    return (
        f"{run.title} logged no `mask_rate` in `metrics.csv`, and there is no `curve.csv` to judge "
        "pseudo-labels by; `leaven fit --validation 0.2` writes both."
    )


def duration(seconds: float) -> str:
    """``2 min 13 s``."""
    if math.isnan(seconds):
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.3g}\u00a0s" if seconds < 10 else f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60}\u00a0s"
    return f"{whole // 3600}\u00a0h {whole % 3600 // 60}\u00a0min"


def plural(n: int, one: str) -> str:
    """``item`` or ``items``."""
    return one if n == 1 else f"{one}s"


def one_or_many(one: str, names: Sequence[str]) -> str:
    """``class dog``, ``classes cat and dog``; of many the first few."""
    noun = one if len(names) == 1 else "classes" if one == "class" else f"{one}s"
    return f"{noun} {listing(names, 8)}"


def _labels(run: Run) -> str:
    """How many labels it learnt from, those of the source apart: as the table of figures counts them."""
    if (learnt := run.learnt) is None:
        return ""
    if (source := run.source_learnt) is None:
        return f" with {learnt:,} {plural(learnt, 'label')}"
    return f" with {learnt:,} {plural(learnt, 'label')} of the target and {source:,} of the source"


def not_learnt(title: str) -> str:
    """What to do about a model at chance."""
    return (
        f"{title} cannot be told from always naming the commonest class: it has not learnt yet, or too few items are "
        "held out to tell. Train longer (`--steps`), label more, or give a pretrained `--network`; if the loss does "
        "not fall, try another `--lr`."
    )


def _list(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _path(run: Run) -> str:
    return shlex.quote(str(run.path))
