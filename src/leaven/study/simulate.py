"""Active learning played on a pool whose labels are hidden: train, score, select, reveal; and once more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.inference.predict import predict_acquisition, predict_with_features
from leaven.nn.network import Network
from leaven.query.copies import content
from leaven.query.keys import keys
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import find, names
from leaven.query.selection import select
from leaven.query.votes import dropout_votes, snapshot_votes
from leaven.run.fit import fit
from leaven.run.fit import seconds_a_step as measured
from leaven.run.options import Options
from leaven.run.prepare import encode_plain
from leaven.run.resolve import resolve_options
from leaven.run.training import FitResult
from leaven.study.executor import InProcess
from leaven.study.round_log import Line, RoundLog
from leaven.study.trial import Record, Trial
from leaven.utils.devices import device_for

CONTROL = "random"
MEMBERS = 8  # snapshots of each training where a strategy asks a committee


@dataclass(frozen=True)
class Game:
    """What is played, the same for every strategy and seed.

    Attributes
    ----------
    pool : Pool
        All items, labelled; a method sees a label once it was asked for, those of a source domain from the beginning.
    test : Pool
        Labelled items to report on; they choose nothing.
    options : Options
        Options of the trainings; every round trains from scratch, with the seed of the game as its own.
    strategies : tuple of str
        Names of the strategies; the control is among them.
    budgets : tuple of int
        How many labels are asked for after each training but the last.
    start : int
        Labels to start with. Of a pool of one domain every class has one among them, for a classifier needs one; of a
        target domain there may be none.
    begin : str
        What chooses these: ``random``, or a strategy that needs no model, by the items as they are.

    Raises
    ------
    LeavenError
        An item has no label, a strategy is unknown, or there are not enough items for all rounds.
    """

    pool: Pool
    test: Pool
    options: Options
    strategies: tuple[str, ...]
    budgets: tuple[int, ...]
    start: int
    begin: str = CONTROL

    def __post_init__(self) -> None:
        ordered = tuple(dict.fromkeys(find(name).name for name in self.strategies))
        object.__setattr__(self, "strategies", ordered if CONTROL in ordered else (CONTROL, *ordered))
        object.__setattr__(self, "begin", find(self.begin).name)
        labels, classes = self.pool.labels[self.rows], self.pool.num_classes
        if find(self.begin).needs != "features":
            raise LeavenError(f"A start by {self.begin} needs a model; begin with {', '.join(names('features'))}.")
        if self.pool.dense:
            raise LeavenError("A simulation is about labels of whole images, but the pool has masks; give another.")
        if (labels < 0).any():
            raise LeavenError(f"{(labels < 0).sum()} items of the pool have no label that could be asked for.")
        if not self.budgets or min(self.budgets) < 1:
            raise LeavenError("A simulation needs a round at least, and a label at least to ask for in each.")
        least = 0 if self.pool.two_domains else classes
        if self.start < least:
            raise LeavenError(
                f"The start has {self.start} labels, but {least} are needed, one of each of {classes} classes."
            )
        if (asked := self.start + sum(self.budgets)) > len(labels):
            raise LeavenError(
                f"All rounds together ask for {asked} labels, but the pool has {len(labels)} items; "
                "ask for fewer or play fewer rounds."
            )
        if asked > (different := len(np.unique(self.content))):
            raise LeavenError(
                f"All rounds together ask for {asked} labels, but of the pool's {len(labels)} items only {different} "
                "differ, and no exact copy is asked for; ask for fewer or play fewer rounds."
            )

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the pool whose labels are hidden, int64 ``(M,)``: those of the target."""
        return self.pool.rows("unlabelled")

    @cached_property
    def content(self) -> np.ndarray:
        """Which of these items are exact copies of each other, see ``PoolPredictions.content``."""
        return content(self.pool.items)[self.rows]

    @cached_property
    def inputs(self) -> np.ndarray:
        """These items as their networks see them: features where the backbone is a pretrained, frozen one."""
        items = self.pool.subset(self.rows).items
        chosen = resolve_options(self.options, self.pool)
        return encode_plain(chosen.spec, items, chosen.plan) if self.encoded else items

    @cached_property
    def encoded(self) -> bool:
        """Whether features of a pretrained, frozen backbone take the place of images."""
        spec = resolve_options(self.options, self.pool).spec
        return spec.frozen and spec.pretrained

    def beginning(self, seed: int) -> np.ndarray:
        """Which of the M items have a label at the start, bool ``(M,)``, the same for every strategy.

        The first item of each class in the ranking of ``begin``, and then its first ones. (Of a target domain its
        first ones, whatever their class.)
        """
        ids, count = self.pool.ids[self.rows], len(self.rows)
        ranking = np.argsort(keys(ids, seed))
        if self.begin != CONTROL:
            flat = self.inputs[:, 0] if self.inputs.ndim == 3 else self.inputs.reshape(count, -1)
            nothing = PoolPredictions(
                np.ones((count, 1), np.float32),
                (flat if flat.dtype != np.float64 else flat - flat.mean(0)).astype(np.float32),
                ids,
                np.zeros(count, bool),
                content=self.content,
            )
            chosen = select(self.begin, nothing, self.start, seed)
            ranking = np.concatenate([chosen, ranking[~np.isin(ranking, chosen)]])
        if not self.pool.two_domains:
            _, first = np.unique(self.pool.labels[self.rows][ranking], return_index=True)
            ranking = np.concatenate([ranking[first], np.delete(ranking, first)])
        labelled = np.zeros(count, bool)
        labelled[ranking[: self.start]] = True
        return labelled


@dataclass(frozen=True)
class RoundResult:
    """A trained round: how right it was, and what it says about the hidden items."""

    right: int
    seconds: float
    probabilities: np.ndarray
    features: np.ndarray
    network: Network  # of which the features are
    snapshots: list[dict[str, Tensor]]
    acquisition: np.ndarray | None = None


def play(game: Game, seeds: int, log: RoundLog, *, progress: bool = True) -> Iterator[Line]:
    """Play every strategy with every seed; each round's line as it is there, those that stand in ``log`` at once.

    The first training of a seed is the same for all strategies, and is made once.

    Raises
    ------
    LeavenError
        What stands in ``log`` is of another game, or as ``leaven.run.fit.fit`` raises it.
    """
    for record in InProcess().run(Player(game, log, progress), games(game, seeds)):
        yield Line(**record)


def games(game: Game, seeds: int) -> list[Trial]:
    """What can be played apart: a strategy with a seed. Its rounds follow from each other."""
    return [Trial({"seed": seed, "strategy": name}) for seed in range(seeds) for name in game.strategies]


@dataclass
class Player:
    """Plays the game of a strategy and a seed, on from what stands in ``log``; a record is a `Line` as a dictionary.

    Attributes
    ----------
    game : Game
        What all of them play.
    log : RoundLog
        Log of all rounds.
    progress : bool
        Whether bars are shown.
    first : (int, RoundResult) or None
        A seed, and its first training.
    """

    game: Game
    log: RoundLog
    progress: bool = True
    first: tuple[int, RoundResult] | None = None  # a seed, and its first training

    def __call__(self, trial: Trial) -> Iterator[Record]:
        """Round after round."""
        about: dict[str, Any] = trial.about
        seed, strategy, ids = about["seed"], about["strategy"], self.game.pool.ids[self.game.rows]
        place = {name: i for i, name in enumerate(ids.tolist())}
        labelled = self.game.beginning(seed)
        for number, budget in enumerate((*self.game.budgets, 0)):
            line = self.log.get(seed, strategy, number)
            if line is None or len(line.asked) < budget:
                line = self._round(seed, strategy, number, budget, labelled)
                self.log.add(line)
            _require_same(line, labelled, budget)
            if line.n != len(self.game.test) or not set(line.asked) <= place.keys():
                raise LeavenError(f"{self.log.path} tells of other items than there are; start anew with --overwrite.")
            yield vars(line)
            labelled[[place[name] for name in line.asked[:budget]]] = True

    def _round(self, seed: int, strategy: str, number: int, budget: int, labelled: np.ndarray) -> Line:
        """Train on the labels that are known, and ask for the next ones."""
        game, ids = self.game, self.game.pool.ids[self.game.rows]
        if number == 0:
            if self.first is None or self.first[0] != seed:
                self.first = seed, _train(game, labelled, seed, self.progress)
            trained = self.first[1]
        else:
            trained = _train(game, labelled, seed, self.progress)
        asked = ids[:0]
        if budget:
            votes = _votes(game, strategy, trained, _seed(seed, number))
            predictions = PoolPredictions(
                trained.probabilities, trained.features, ids, labelled, votes, trained.acquisition, game.content
            )
            asked = ids[select(strategy, predictions, budget, _seed(seed, number))]
        labels, seconds = int(labelled.sum()), round(trained.seconds, 2)
        return Line(seed, strategy, number, labels, trained.right, len(game.test), seconds, tuple(asked.tolist()))


def _require_same(line: Line, labelled: np.ndarray, budget: int) -> None:
    if line.labels != labelled.sum() or (budget and len(line.asked) != budget):
        raise LeavenError(
            f"Round {line.round} of {line.strategy}, seed {line.seed}, was played with {line.labels} labels and then "
            f"{len(line.asked)} questions, expected {labelled.sum()} and {budget}: give the start and the budget that "
            "it began with, or start anew with --overwrite."
        )


def trainings(game: Game, seeds: int) -> int:
    """How many trainings ``play`` makes."""
    return seeds * (1 + len(game.strategies) * len(game.budgets))


def seconds_a_step(game: Game) -> float:
    """Of each of them, on this machine."""
    pool, options = _training(game, game.beginning(0), 0)
    return measured(pool, options)


def _training(game: Game, labelled: np.ndarray, seed: int) -> tuple[Pool, Options]:
    """What a round learns from, and how."""
    labels = game.pool.labels.copy()
    labels[game.rows] = np.where(labelled, labels[game.rows], -1)
    plan: dict[str, Any] = {"probes": 0} | game.options.plan | {"seed": seed}
    if any(find(name).needs == "committee" for name in game.strategies):
        plan = {"snapshots": MEMBERS} | plan
    return game.pool.with_labels(labels), replace(game.options, plan=plan, baseline=False, validation=0.0)


def _train(game: Game, labelled: np.ndarray, seed: int, progress: bool) -> RoundResult:
    pool, options = _training(game, labelled, seed)
    fitted: FitResult = fit(pool, None, options, test=game.test, progress=progress)[-1]
    network = fitted.model.network.head if game.encoded else fitted.model.network
    assert isinstance(network, Network)
    device = device_for(resolve_options(options, game.pool).plan.accelerator)
    probabilities, features = predict_with_features(network, game.inputs, device=device)
    evaluation = fitted.classification("test")
    assert fitted.trained is not None
    asked = predict_acquisition(fitted.trained, game.inputs, device=device) if fitted.trained.acquires else None
    right = int((evaluation.predicted == evaluation.labels).sum())
    return RoundResult(right, fitted.seconds, probabilities, features, network, fitted.snapshots, asked)


def _votes(game: Game, strategy: str, trained: RoundResult, seed: int) -> np.ndarray | None:
    """Of draws of dropout for what asks for these, of the training's snapshots for what asks a committee."""
    needs = find(strategy).needs
    if needs not in ("dropout", "committee"):
        return None
    if needs == "dropout":
        return dropout_votes(trained.network, trained.features, seed=seed)
    beneath = resolve_options(game.options, game.pool).spec.frozen and not game.encoded
    return snapshot_votes(trained.network, trained.snapshots, game.inputs, beneath=beneath)


def _seed(seed: int, number: int) -> int:
    """The seed of a round's query."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
