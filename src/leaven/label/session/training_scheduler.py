"""When a model is trained, and the worker that does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaven.label.session import rounds
from leaven.label.session.answer_index import AnswerIndex
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.schedule import training_due
from leaven.label.session.settings import Settings
from leaven.label.session.worker_client import WorkerClient

PATIENCE = 8.0  # seconds that the first ranking is waited for
PAUSE = 20.0  # seconds without an answer after which people are taken to rest
OFF = {"state": "off", "step": 0, "steps": 0, "round": 0, "seconds": 0, "error": ""}


class TrainingScheduler:
    """Has models trained. Not for several threads at once: the session has the lock.

    Parameters
    ----------
    folder : Path
        The run folder.
    settings : Settings
        How often, and whether at all.
    index : AnswerIndex
        What was answered.
    picker : QuestionPicker
        Has the newest model's ranking.
    """

    def __init__(self, folder: Path, settings: Settings, index: AnswerIndex, picker: QuestionPicker):
        self.folder, self.settings, self.index, self.picker = folder, settings, index, picker
        self.worker: WorkerClient | None = None
        self._failed_at: int | None = None  # labels that there were when a training failed
        self._answered = self._started = time.monotonic()

    @property
    def trains(self) -> bool:
        """Whether models are trained at all."""
        return self.worker is not None and self.settings.train

    @property
    def awaits_ranking(self) -> bool:
        """Whether the first ranking is still waited for."""
        if self.picker.live is not None or self.worker is None or self.worker.ranking["state"] in ("done", "failed"):
            return False
        return time.monotonic() - self._started < PATIENCE

    def start(self, store: str, receive: Callable[[dict[str, Any]], None]) -> None:
        """Start the worker, where there is anything for it to do.

        Parameters
        ----------
        store : str
            Path or URL of the labels.
        receive : callable
            Is called with its messages, on a thread of its own.
        """
        if self.worker is None and (self.settings.train or self.picker.live is None):
            self._started = time.monotonic()
            self.worker = WorkerClient(self.folder, store, self.settings.strategy, receive)
            self.worker.start()

    def note_answer(self) -> None:
        """Somebody answered: people do not rest."""
        self._answered = time.monotonic()

    def note_failure(self) -> None:
        """A training failed: the next one waits for as many labels as if it had not."""
        self._failed_at = len(self.index.labelled)

    def consider(self) -> None:
        """Have a model trained where it is time to."""
        if self.worker is None or not self.settings.train or not self.worker.idle:
            return
        labelled = len(self.index.labelled)
        if self._failed_at is not None and labelled < self._failed_at + self.settings.every:
            return
        live = self.picker.live
        model = None if live is None or not live.ranking.model else live
        learnt = None if model is None else {name for name in model.classes if name}
        before = 0 if model is None else model.ranking.labelled
        paused = time.monotonic() - self._answered > PAUSE
        if training_due(labelled, before, self.settings.every, self.index.per_class(), learnt, paused):
            self._failed_at = None
            self.worker.train(max(rounds.finished(self.folder), default=0) + 1)

    def status(self) -> dict[str, Any]:
        """``training`` and ``ranking`` of the session's status."""
        if self.worker is None:
            return {"training": OFF, "ranking": {"state": "done", "done": 0, "of": 0}}
        return {"training": self.worker.status(), "ranking": dict(self.worker.ranking)}

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.close()
