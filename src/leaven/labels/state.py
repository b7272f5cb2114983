"""What stands: the events folded together, as one that does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from leaven.data.unlabelled import never_a_class

from .consensus import Consensus, agreed
from .event import Event


@dataclass(frozen=True)
class State:
    """What stands after the event ``seq``.

    Attributes
    ----------
    classes : tuple of str
        Names of the classes, in the order in which they were added.
    seq : int
        Number of the last event that is in it; 0 where there is none.
    answers : mapping of str to mapping of str to Event
        Item → annotator → standing answer, its classes named as they are called now.
    newest : mapping of str to Event
        Annotator → newest standing answer.
    """

    classes: tuple[str, ...]
    seq: int
    answers: Mapping[str, Mapping[str, Event]]
    newest: Mapping[str, Event]

    def last(self, annotator: str) -> Event | None:
        """The annotator's newest standing answer: what is undone next."""
        return self.newest.get(annotator)

    @cached_property
    def audit(self) -> frozenset[str]:
        """Items with a standing answer that was asked for to judge the model by."""
        return frozenset(item for item, by in self.answers.items() if any(event.audit for event in by.values()))

    @cached_property
    def votes(self) -> dict[str, dict[str, str]]:
        """Item → annotator → class, of items with a label; who skipped or was unsure is not in it.

        Nor is a label that stands for none, such as ``-1``, which older stores took for a class.
        """
        by_item: dict[str, dict[str, str]] = {}
        for item, by in self.answers.items():
            given = {
                annotator: event.label
                for annotator, event in by.items()
                if event.kind == "label" and not never_a_class(event.label)
            }
            if given:
                by_item[item] = given
        return by_item

    def consensus(self, by: str = "majority") -> Consensus:
        """One class of each item, and which items the annotators are divided over.

        Raises
        ------
        LeavenError
            ``by`` is neither ``majority`` nor ``dawid_skene``.
        """
        return agreed(self.votes, self.classes, by)

    def labels(self, by: str = "majority", *, audit: bool = True) -> dict[str, str]:
        """Item → class that the annotators agree on; ties are left out, as are skipped items.

        Parameters
        ----------
        by : str, optional
            ``majority`` or ``dawid_skene``.
        audit : bool, optional
            Whether items that are there to judge a model by are among them; whoever trains says False.
        """
        labels = self.consensus(by).labels
        return labels if audit else {item: label for item, label in labels.items() if item not in self.audit}
