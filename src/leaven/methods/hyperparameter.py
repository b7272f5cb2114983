"""What a keyword argument of a method says of itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from annotated_types import Interval

from leaven.methods.ranges import first, notes_of


@dataclass(frozen=True)
class Hyperparameter:
    """One keyword argument of a method: its name, type, default, line of help and range."""

    name: str
    type: Any
    default: Any
    help: str
    range: Interval = field(default_factory=Interval)

    @classmethod
    def annotated(cls, name: str, hint: Any, default: Any) -> Hyperparameter:
        """A keyword argument by its annotation."""
        kind, notes = notes_of(hint)
        return cls(name, kind, default, first(notes, str, ""), first(notes, Interval, Interval()))
