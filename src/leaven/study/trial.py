"""A trial: one of many trainings, as plain data; what comes of it is a record."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from leaven.run.options import Options

Record = dict[str, Any]  # what JSON can say; it begins with what its trial is about


@dataclass(frozen=True)
class Trial:
    """One training of a study, as plain data: JSON can say it, so that it can be made anywhere, and later.

    Attributes
    ----------
    about : dict of str to str or int
        What tells it from the study's other trials: candidate and fold; method, number of labels, and seed of their
        draw. The study knows which labels are learnt from by it.
    options : dict
        Fields of `leaven.run.options.Options` where they differ from what all trials of the study share; a method by
        its name.
    """

    about: dict[str, str | int]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[Hashable, ...]:
        """The values of ``about``."""
        return tuple(self.about.values())

    def asked(self, shared: Options) -> Options:
        """What ``leaven.run.fit.fit`` is asked for."""
        return replace(shared, **self.options)


class Work(Protocol):
    """What makes a trial: it holds the data and all else that the trials of a study share.

    It is pickled where trials are made in other processes, so it is a module's function or an instance of its class.
    """

    def __call__(self, trial: Trial) -> Iterable[Record]:
        """Train; one record, or one for each of several rounds that follow from each other."""
        ...
