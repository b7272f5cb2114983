"""The process that trains: ``python -m leaven.label.worker.process RUN``, started by the session, told what on stdin.

It says what it does in lines of JSON on stdout. When its stdin ends, so does it, at once and in the middle of whatever
it does: that is how the end of the server, of whatever kind, ends it too. A round that was not finished is removed by
the next one.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from leaven.errors import LeavenError
from leaven.utils.allocator import our_program

if TYPE_CHECKING:
    import numpy as np

    from leaven.data import Pool

NICE = 5  # the page comes first; more would let any busy program starve the training


class Worker:
    """The worker: ranks, trains when told to, and reports.

    Parameters
    ----------
    run : Path
        The run folder.
    store : str
        Where the labels are.
    strategy : str
        What chooses the questions.
    out : IO
        Where it says what it does.
    orders : queue.SimpleQueue of dict
        What the session asks of it.
    """

    def __init__(self, run: Path, store: str, strategy: str, out: IO[str], orders: queue.SimpleQueue[dict[str, Any]]):
        from leaven.label.session.initial_labels import read_initial_labels
        from leaven.label.session.items import ItemIndex
        from leaven.label.session.settings import Settings
        from leaven.labels import Store

        self.run, self._out, self._orders = run, out, orders
        self.settings = Settings.load(run, strategy)
        self.items = ItemIndex(self.settings.data, run / "made", self.settings.form.get("white"))
        self.initial_labels = read_initial_labels(self.settings, self.items, run)
        self.store = Store.open(store)
        self._pool: Pool | None = None

    def tell(self, **message: Any) -> None:
        """Say something."""
        with suppress(OSError, ValueError):
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()

    def begin(self) -> None:
        """Bring the folder in order, and rank what there is to ask about first."""
        from leaven.label.session import rounds
        from leaven.run import folder

        self._take_up()
        rounds.discard(self.run)
        rounds.prune(self.run)
        done = rounds.finished(self.run)
        adopted = self.settings.labels == "run" and not done
        if done and not rounds.published(self.run, done[-1]):
            rounds.publish(self.run, done[-1])
        if done:
            self.tell(ranking={"state": "done", "done": 0, "of": 0})
        elif adopted and (self.run / folder.MODEL).exists():
            self._adopt()
        else:
            self.rest()  # a training may go before the second look
            self._rank()

    def rest(self) -> None:
        """Say that it waits for orders, where it does."""
        from leaven.label.session import rounds

        if self._orders.empty():
            self.tell(training={"state": "idle", "round": max(rounds.finished(self.run), default=0)})

    def train(self) -> None:
        """One round."""
        from leaven.label.session.renames import rename_labels
        from leaven.label.worker.learn import train

        initial = rename_labels(self.initial_labels, self.store.events())
        number = train(self.run, self.settings, self.items, self.pool, initial, self.store.state(), self.tell)
        self.tell(ranked=number, training={"state": "idle", "round": number})

    @property
    def pool(self) -> Pool:
        """The items, decoded once for all rounds."""
        if self._pool is None:
            from leaven.label.worker.pools import read_pool

            self._pool = read_pool(self.settings)
            self.items.white = self._pool.white
            self.tell(white=self._pool.white.asdict())
            there = set(self._pool.ids.tolist())
            lost = [name for name in self.items.names[: self.items.count] if name not in there]
            if lost:
                self.tell(unreadable=dict.fromkeys(lost, "no image that can be decoded"))
        return self._pool

    def _take_up(self) -> None:
        """A round that was trained when the worker ended: what is left to do of it, which is its scoring."""
        from leaven.label.session import rounds
        from leaven.label.session.renames import rename_labels
        from leaven.label.worker.learn import take_up

        number = rounds.trained(self.run)
        if number is None:
            return
        self.tell(training={"state": "scoring", "round": number})
        initial, state = rename_labels(self.initial_labels, self.store.events()), self.store.state()
        try:
            take_up(self.run, number, self.settings, self.items, self.pool, initial, state)
        except Exception:  # it is damaged, and trained anew
            traceback.print_exc()
        else:
            self.tell(ranked=number)

    def _adopt(self) -> None:
        """A run of `leaven fit`: its model is round 0, and suggests at once."""
        from leaven.label.session import rounds
        from leaven.label.worker.learn import finish
        from leaven.run.trained.model import load_model

        self.tell(ranking={"state": "running", "done": 0, "of": len(self.items)})
        model = load_model(rounds.adopt(self.run))
        state = self.store.state()
        learnt = {"seq": state.seq, "labelled": len(state.votes)}
        finish(self.run, 0, self.settings, self.items, self.pool, model, state, set(self.initial_labels), learnt)
        self.tell(ranked=0, ranking={"state": "done", "done": len(self.items), "of": len(self.items)})

    def _rank(self) -> None:
        """Typical items of a sample, and of a larger one if there is nothing to train meanwhile."""
        from leaven.label.session import audit
        from leaven.label.worker.cold_start import STAGES, TYPICAL, Sample, rank
        from leaven.label.worker.cold_start_encoder import encoded
        from leaven.query.registry import find

        names = [name for name in self.items.names[: self.items.count] if name not in self.initial_labels]
        sampled = audit.draw_sample(names, self.settings.audit, self.settings.seed).tolist()
        sample = Sample(self.items, {names[i] for i in sampled} | set(self.initial_labels), self.settings.seed)
        of = min(sample.of, STAGES[-1][0])
        strategy = self.settings.strategy if find(self.settings.strategy).needs == "features" else TYPICAL
        for most, seconds in STAGES:
            before = len(sample.names)
            if before and not self._orders.empty():
                break
            more = sample.grow(most, seconds, lambda n: self.tell(ranking={"state": "running", "done": n, "of": of}))
            if sample.unreadable:
                self.tell(unreadable=sample.unreadable)
            if len(sample.names) > before:
                self._first(sample.names, sample.rank, strategy)
                self.tell(ranked="cold", ranking={"state": "running", "done": len(sample.names), "of": of})
            if not more:
                break
        if self.settings.train and sample.names and self._orders.empty():
            features = encoded(self.items, sample.names, self.settings, lambda: not self._orders.empty())
            if features is not None:
                self._first(features[0], partial(rank, *features), strategy)
                self.tell(ranked="cold")
        self.tell(ranking={"state": "done", "done": len(sample.names), "of": len(sample.names)})

    def _first(self, names: list[str], ranked: Callable[..., np.ndarray], strategy: str) -> None:
        """Write a ranking that was made without a model."""
        import numpy as np

        from leaven.label.session import rounds
        from leaven.label.session.ranking import Ranking

        state = self.store.state()
        rows = ranked(strategy, set(state.votes), self.settings.every, self.settings.seed)
        Ranking("", state.seq, len(state.votes), strategy, (), np.array(names), rows).save(rounds.cold(self.run))


def main() -> None:
    """Begin; then train when told to."""
    our_program()
    run = Path(sys.argv[1])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else writes to stdout writes to the log
    with suppress(OSError, AttributeError):
        os.nice(NICE)
    lines = iter(sys.stdin.buffer.readline, b"")
    first = json.loads(next(lines))
    orders: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines, orders), daemon=True).start()
    worker: Worker | None = None

    def tell(**message: Any) -> None:
        with suppress(OSError):
            out.write(json.dumps(message) + "\n")
            out.flush()

    try:
        worker = Worker(run, **first, out=out, orders=orders)
        worker.begin()
        worker.rest()
    except Exception as error:
        tell(training={"state": "failed", "error": _sentence(error)}, ranking={"state": "failed", "done": 0, "of": 0})
    while True:
        order = orders.get()
        try:
            worker = worker or Worker(run, **first, out=out, orders=orders)
            worker.train()
        except Exception as error:
            tell(training={"state": "failed", "error": _sentence(error), "round": order["train"]})


def _sentence(error: Exception) -> str:
    """What went wrong; what is no sentence of leaven's own stands in the log as a whole."""
    if isinstance(error, LeavenError):
        return str(error)
    traceback.print_exc()
    return f"The training failed ({type(error).__name__}: {error}); the worker's log says more. Labels are kept."


def _read(lines: Iterator[bytes], orders: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in lines:
        orders.put(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # asked to stop; a plain exit would wait for the thread that reads
        os._exit(130)
