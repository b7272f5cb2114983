"""What stands of every item, kept up to date from the store without reading all of it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from leaven.label.session.renames import Renames
from leaven.labels import Event, State, Store

GRID = "grid"  # strategy of what was accepted with others


class AnswerIndex:
    """Counts over the items, by row.

    Parameters
    ----------
    store : Store
        The labels.
    rows : mapping of str to int
        Row of each item by its name; the store may know items that are not among them.
    initial : collection of str, optional
        Classes of the items that had a label before, one for each.
    """

    def __init__(self, store: Store, rows: Mapping[str, int], initial: Collection[str] = ()):
        self.store, self._rows = store, rows
        self._initial = sorted(set(initial))
        self.state: State = State((), 0, {}, {})
        self.renames = Renames()
        self.events: dict[str, Event] = {}  # all, by id
        self._accepted: dict[tuple[str, str, str], list[str]] = {}  # ids of what was accepted in one
        self.answers: dict[int, dict[str, Event]] = {}  # row → annotator → standing answer
        self.labelled: set[int] = set()  # rows with a label
        self.audited: set[int] = set()  # rows with an answer that is there to judge by
        self.kinds: dict[str, Counter[str]] = {}  # annotator → how many of each kind
        self.classes: Counter[str] = Counter()  # class that most say → items; "" for those that people are divided over
        self.skipped, self.unsure = 0, 0  # rows without a label that somebody skipped, or was unsure of

    def refresh(self) -> list[int]:
        """Read what came since; the rows that changed."""
        state = self.store.state()
        if state.seq == self.state.seq:
            return []
        new = [event for event in self.store.events(self.state.seq) if event.seq <= state.seq]
        self.events |= {event.id: event for event in new}
        for event in new:
            if event.strategy == GRID:
                self._accepted.setdefault(_acceptance(event), []).append(event.id)
        names = {event.item for event in new}
        if self.renames.add(new):  # answers of a class that was removed, or came back, change as well
            names = set(self.state.answers) | set(state.answers)
        self.state = state
        changed = [row for name in names if (row := self._rows.get(name)) is not None]
        for row, name in ((self._rows[name], name) for name in names if name in self._rows):
            self._put(row, state.answers.get(name, {}))
        return changed

    def labellers(self, row: int) -> int:
        """How many people gave the item a class."""
        return sum(event.kind in ("label", "mask") for event in self.answers.get(row, {}).values())

    def standing(self, row: int, annotator: str) -> Event | None:
        """The annotator's answer to the item."""
        return self.answers.get(row, {}).get(annotator)

    def accepted_with(self, event: Event) -> list[Event]:
        """The annotator's standing answers that were accepted in one with this one, the oldest first."""
        if event.strategy != GRID:
            return [event]
        events = [self.events[id_] for id_ in self._accepted[_acceptance(self.events[event.id])]]
        return [now for other in events if (now := self.find_standing(other.id)) is not None]

    def per_class(self) -> dict[str, int]:
        """How many labels there are to learn from, by class; of those from before one for each class."""
        count = dict.fromkeys(self.state.classes, 0)
        for name in self.renames.current_names(self._initial, 0):
            if name in count:
                count[name] += 1
        for row in self.labelled - self.audited:
            for event in self.answers[row].values():
                if event.kind == "label":
                    count[event.label] += 1
                    break
        return count

    def status(self, annotator: str) -> dict[str, Any]:
        """Counts of the session's status."""
        mine: Mapping[str, int] = self.kinds.get(annotator, {})
        return {
            "classes": list(self.state.classes),
            "labelled": len(self.labelled),
            "mine": sum(mine.get(kind, 0) for kind in ("label", "mask")),
            "skipped": self.skipped,
            "unsure": self.unsure,
            "counts": {name: self.classes[name] for name in self.state.classes},
            "divided": self.classes[""],
        }

    def find_standing(self, id_: str) -> Event | None:
        """The answer of this id, where it stands."""
        stored = self.events.get(id_)
        now = None if stored is None else self.state.answers.get(stored.item, {}).get(stored.annotator)
        return now if now is not None and now.id == id_ else None

    def _put(self, row: int, by: Mapping[str, Event]) -> None:
        for event in self.answers.get(row, {}).values():
            self.kinds[event.annotator][event.kind] -= 1
        self._count(row, -1)
        if by:
            self.answers[row] = dict(by)
        else:
            self.answers.pop(row, None)
        for event in by.values():
            self.kinds.setdefault(event.annotator, Counter())[event.kind] += 1
        self._count(row, 1)
        (self.labelled.add if self.labellers(row) else self.labelled.discard)(row)
        (self.audited.add if any(e.audit for e in by.values()) else self.audited.discard)(row)

    def _count(self, row: int, by: int) -> None:
        given = self.answers.get(row, {}).values()
        kinds = {event.kind for event in given}
        votes = Counter(event.label for event in given if event.kind == "label").most_common(2)
        if votes:
            self.classes["" if len(votes) == 2 and votes[0][1] == votes[1][1] else votes[0][0]] += by
        if kinds and not kinds & {"label", "mask"}:
            self.skipped += by * ("skip" in kinds)
            self.unsure += by * ("unsure" in kinds)


def _acceptance(event: Event) -> tuple[str, str, str]:
    """What an acceptance of the grid is told by: all of it came at once."""
    return event.annotator, event.at, event.label


def plain_numbers(order: Sequence[int] | np.ndarray) -> list[int]:
    """Plain numbers, which are quicker to walk through than an array."""
    numbers: list[int] = np.asarray(order).tolist()
    return numbers
