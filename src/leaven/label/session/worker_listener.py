"""What the worker reports, taken in: rankings, items that cannot be read, the range of images, failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.data.readers.white import as_white
from leaven.label.session import rounds
from leaven.label.session.figures import Figures
from leaven.label.session.grid import Grid
from leaven.label.session.items import ItemIndex
from leaven.label.session.live_ranking import LiveRanking
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.store_client import StoreClient
from leaven.label.session.training_scheduler import TrainingScheduler


class WorkerListener:
    """Takes the worker's messages, on whatever thread they come.

    Parameters
    ----------
    folder : Path
        The run folder, where the worker writes rankings.
    items : ItemIndex
        What is labelled.
    store : StoreClient
        The labels, and the session's lock.
    picker : QuestionPicker
        Asks by the newest ranking.
    scheduler : TrainingScheduler
        Considers the next training.
    figures : Figures
        Judge every round.
    grid : Grid
        Knows what was left out of it.
    """

    def __init__(
        self,
        folder: Path,
        items: ItemIndex,
        store: StoreClient,
        picker: QuestionPicker,
        scheduler: TrainingScheduler,
        figures: Figures,
        grid: Grid,
    ):
        self.folder, self.items, self.store = folder, items, store
        self.picker, self.scheduler, self.figures, self.grid = picker, scheduler, figures, grid

    def receive(self, message: dict[str, Any]) -> None:
        """Something came from the worker."""
        if "white" in message:
            self.items.white = as_white(message["white"])
        if "unreadable" in message:
            rows = self.items.rows
            with self.store.lock:
                self.picker.close({rows[name]: why for name, why in message["unreadable"].items() if name in rows})
        if "ranked" in message:
            self.load_ranking()
        with self.store.lock:
            if "failed" in message or message.get("training", {}).get("state") == "failed":
                self.scheduler.note_failure()
            self.store.try_refresh()
            self.scheduler.consider()

    def load_ranking(self) -> None:
        """Ask and suggest by the newest ranking from now on; it is made ready before anybody has to wait for it."""
        ranking = rounds.newest(self.folder)
        if ranking is None:
            return
        live = LiveRanking(ranking, self.items.rows, self.picker.reserved)
        live.rename(self.store.index.renames)
        live.warm()
        self.grid.restore(live)
        judged = self.figures.read_rounds(self.folder)
        with self.store.lock:
            self.picker.use(live)
            self.figures.rounds = judged
            self.figures.compute(self.scheduler.trains, False)  # computed, and what it takes imported, on this thread
