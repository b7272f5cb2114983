"""How good the newest model is, by the audit items: the figures and the sentence that the page shows."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven.errors import LeavenError
from leaven.label.session import audit, rounds
from leaven.label.session.answer_index import AnswerIndex
from leaven.label.session.items import ItemIndex
from leaven.label.session.schedule import labels_left
from leaven.label.session.sentence import accuracy_sentence, waiting_sentence
from leaven.label.session.settings import Settings
from leaven.utils.reading import read_json

NO_TRAINING = "No model is trained (--no-train): labels are kept for `leaven fit`."


@dataclass(frozen=True)
class Predicted:
    """The form of a round's ``audit.json``, see ``leaven.label.worker.learn.finish``."""

    labelled: int
    seq: int
    classes: list[str]
    predicted: dict[str, int]

    def __post_init__(self) -> None:
        if not all(0 <= k < len(self.classes) for k in self.predicted.values()):
            raise ValueError("a prediction that is none of the classes")


class Figures:
    """Figures over all rounds, made anew when an answer or a round comes.

    Parameters
    ----------
    settings : Settings
        What the labelling was begun with.
    items : ItemIndex
        What is labelled.
    index : AnswerIndex
        What was answered.
    """

    def __init__(self, settings: Settings, items: ItemIndex, index: AnswerIndex):
        self.settings, self.items, self.index = settings, items, index
        self.rounds: list[dict[str, Any]] = []  # of each round, what its model takes the audit items for
        self._made: tuple[Any, dict[str, Any]] = ((), {})

    def read_rounds(self, run: Path) -> list[dict[str, Any]]:
        """What was kept of every round."""
        predicted = []
        for number in rounds.finished(run):
            with contextlib.suppress(LeavenError, FileNotFoundError):
                path = rounds.path(run, number) / rounds.PREDICTED
                predicted.append(asdict(read_json(path, Predicted, "its round is not drawn")))
        return predicted

    def compute(self, trains: bool, training: bool) -> dict[str, Any]:
        """``audit``, ``curve`` and ``sentence`` of the status.

        Parameters
        ----------
        trains : bool
            Whether models are trained at all.
        training : bool
            Whether one is being trained.
        """
        index = self.index
        key = (len(self.rounds), len(index.renames), index.state.seq, training, trains)
        if self._made[0] == key:
            return self._made[1]
        votes = index.state.votes
        true = audit.agreed_labels(
            {name: votes[name] for row in index.audited if (name := self.items.names[row]) in votes}
        )
        hits = [audit.correct(audit.rename_predictions(one, index.renames), true) for one in self.rounds]
        curve = [
            {"labels": one["labelled"]} | {k: v for k, v in audit.figures(right).items() if k not in ("n", "right")}
            for one, right in zip(self.rounds, hits, strict=True)
        ]
        if hits:
            text = accuracy_sentence([one["labelled"] for one in self.rounds], np.stack(hits), self.settings.audit > 0)
        elif not trains:
            text = NO_TRAINING
        else:
            per_class = index.per_class()
            missing = sum(not n for n in per_class.values())
            text = waiting_sentence(
                len(per_class), missing, labels_left(len(index.labelled), 0, self.settings.every), training
            )
        judged = audit.figures(hits[-1] if hits else np.zeros(0, bool))
        self._made = (key, {"audit": judged, "curve": curve, "sentence": text})
        return self._made[1]
