"""One round: train on the labels there are, look at every item, and say whom to ask about next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.inference.predict import predict_acquisition, predict_with_features
from leaven.label.session import audit, rounds
from leaven.label.session.items import ItemIndex
from leaven.label.session.ranking import Ranking
from leaven.label.session.settings import Settings
from leaven.label.worker.cold_start import in_lots
from leaven.label.worker.pools import judged, labelled, with_made
from leaven.labels import State
from leaven.methods.base import Method
from leaven.methods.registry import find_class
from leaven.query.copies import content
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import find
from leaven.query.selection import select
from leaven.run import folder
from leaven.run.budget import steps_within
from leaven.run.fit import fit, seconds_a_step
from leaven.run.options import Options
from leaven.run.stages.init_from import InitFrom
from leaven.run.trained.model import Model, load_model
from leaven.utils.devices import best_device
from leaven.utils.files import whole

LOTS = 3  # of `every` questions in a ranking
# A round, where nobody asked otherwise; tried on MNIST, see docs/results.md for how.
SHORT = {"steps": 200, "batch_size": 16, "probes": 0}


def train(
    run: Path,
    settings: Settings,
    items: ItemIndex,
    pool: Pool,
    initial: Mapping[str, str | None],
    state: State,
    tell: Callable[..., None],
) -> int:
    """Train, score the pool and rank it; the answer is the number of the round, which then stands at the run's top.

    ``initial`` are the classes, as called now, of items that had one before; ``None`` where the class was removed.

    Raises
    ------
    LeavenError
        As ``leaven.run.fit.fit`` raises it.
    """
    number = rounds.begin(run)
    where = rounds.path(run, number)
    given = state.labels(audit=False)
    labels = {name: label for name, label in initial.items() if label} | given
    true = audit.agreed_labels({name: votes for name, votes in state.votes.items() if name in state.audit})
    made = [name for name in given if name not in initial and items.rows.get(name, 0) >= items.count]
    pool = labelled(with_made(pool, items, made), labels)
    options = _options(run, settings)
    if settings.minutes is not None:
        seconds = seconds_a_step(pool, options, progress=False)
        options = replace(options, plan=options.plan | {"steps": steps_within(settings.minutes, [seconds])})
    steps = options.plan["steps"]
    tell(training={"state": "training", "round": number, "steps": steps, "folder": str(where)})
    learnt = {"seq": state.seq, "labelled": len(state.votes)}
    record = {"inputs": _inputs(settings, where / rounds.LEARNT), "labelling": learnt | {"round": number}}
    fitted = fit(pool, where, options, test=judged(pool, true), source=settings.data, record=record, progress=False)[-1]
    _write_labels(where / rounds.LEARNT, {name: labels[name] for name in pool.ids[pool.labels >= 0].tolist()})
    tell(training={"state": "scoring", "round": number, "steps": steps})
    finish(run, number, settings, items, pool, fitted.model, state, set(initial), learnt, fitted.trained)
    rounds.publish(run, number)
    rounds.prune(run)
    return number


def take_up(
    run: Path,
    number: int,
    settings: Settings,
    items: ItemIndex,
    pool: Pool,
    initial: Mapping[str, str | None],
    state: State,
) -> None:
    """Finish a round whose training is whole on the disk: score the pool and rank it.

    Raises
    ------
    LeavenError
        The round's files are damaged, or the strategy needs the method that is gone.
    """
    where = rounds.path(run, number)
    learnt = folder.read_config(where).get("labelling") or {}
    if not all(isinstance(learnt.get(name), int) for name in ("seq", "labelled")):
        raise LeavenError(f"{where / folder.CONFIG} does not say what the round knew.")
    (where / rounds.TRIED).touch()  # once: where the scoring is what ended the process, it would end every one
    given = state.labels(audit=False)
    made = [name for name in given if name not in initial and items.rows.get(name, 0) >= items.count]
    finish(run, number, settings, items, with_made(pool, items, made), load_model(where), state, set(initial), learnt)
    rounds.publish(run, number)
    rounds.prune(run)


def finish(
    run: Path,
    number: int,
    settings: Settings,
    items: ItemIndex,
    pool: Pool,
    model: Model,
    state: State,
    initial: set[str],
    learnt: Mapping[str, int],
    trained: Method | None = None,
) -> None:
    """What a model says of the pool, and the ranking that follows; with it the round is finished.

    ``learnt`` is what the model learnt from: the last event of the store (``seq``), and how many items had a label.
    """
    where = rounds.path(run, number)
    network: Any = model.network
    probabilities, features = predict_with_features(network, pool.items, device=best_device())
    network.to("cpu")
    names = pool.ids.tolist()
    votes = state.votes
    set_aside = _set_aside(items, settings, initial)
    open_ = np.array([name not in set_aside or name in votes for name in names])
    answered = np.array([name in votes or name in initial for name in names])
    columns = {"probabilities": probabilities, "features": features, "ids": pool.ids, "content": content(pool.items)}
    strategy = settings.strategy
    if trained is not None and trained.acquires and find(strategy).needs == "method":
        columns["acquisition"] = predict_acquisition(trained, pool.items, device=best_device())
    rows = _rank(strategy, columns, np.flatnonzero(open_), answered, settings.every, settings.seed + 1000 * number)
    predicted = {
        name: int(probabilities[row].argmax())
        for row, name in enumerate(names)
        if name in set_aside or name in state.audit
    }
    figures = {
        "labelled": learnt["labelled"],
        "seq": learnt["seq"],
        "classes": list(model.classes),
        "predicted": predicted,
    }
    folder.write_json(where / rounds.PREDICTED, figures)
    about = (f"{number:04d}", learnt["seq"], learnt["labelled"], strategy, model.classes)
    Ranking(*about, pool.ids, rows, probabilities).save(where)


def _rank(
    strategy: str, columns: dict[str, np.ndarray], open_: np.ndarray, answered: np.ndarray, every: int, seed: int
) -> np.ndarray:
    """Rows of the pool, the most wanted first. Audit items that nobody was asked about yet are not looked at."""
    if find(strategy).needs == "method":  # a number for each item: lots would be the same list
        whole_ = PoolPredictions(labelled=answered | ~np.isin(np.arange(len(answered)), open_), **columns)
        return select(strategy, whole_, LOTS * every, seed)
    part = columns if len(open_) == len(answered) else {name: column[open_] for name, column in columns.items()}
    return open_[in_lots(strategy, part, answered[open_], every, LOTS, seed)]


def _set_aside(items: ItemIndex, settings: Settings, initial: set[str]) -> set[str]:
    """Names of the audit items, those to come included."""
    names = [name for name in items.names[: items.count] if name not in initial]
    return {names[i] for i in audit.draw_sample(names, settings.audit, settings.seed).tolist()}


def require_served(strategy: str) -> bool:
    """Whether a ranking by this strategy can be made here."""
    return not find(strategy).votes


def _options(run: Path, settings: Settings) -> Options:
    plan = SHORT | {"seed": settings.seed} | settings.plan
    init, network = None, dict(settings.network)
    before = [n for n in rounds.finished(run) if (rounds.path(run, n) / folder.MODEL).exists()]
    if settings.warm and before and not network.get("frozen"):
        last = rounds.path(run, before[-1])
        model = load_model(last)
        if not model.spec.frozen:
            init = InitFrom(path=last, model=model)
            network.pop("pretrained", None)
    return Options(
        find_class(settings.method),
        dict(settings.hyperparameters),
        plan=plan,
        baseline=False,
        validation=0.0,
        init=init,
        **network,
    )


def _inputs(settings: Settings, labels: Path) -> dict[str, Any]:
    """As `leaven fit` writes it, so that a run's data can be read again."""
    form = {name: settings.form.get(name) for name in ("size", "channels", "white")}
    return {
        "data": settings.data,
        "labels": str(labels),
        "source": None,
        "test": None,
        **form,
        "strict": False,
        "per_class": None,
        "seed": settings.seed,
    }


def _write_labels(path: Path, labels: dict[str, str]) -> None:
    import csv

    with whole(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label"])
        writer.writerows(labels.items())
