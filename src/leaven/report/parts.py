"""What a page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from leaven.report.figures import Table
from leaven.report.pictures import Card


@dataclass(frozen=True)
class Panel:
    """A chart, its legend ``(name, style)`` and a line on how to read it."""

    title: str
    svg: Markup
    legend: Sequence[tuple[str, str]] = ()
    text: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page; ``notes`` are what is missing, ``alarms`` what is wrong."""

    id: str
    title: str
    lead: str = ""
    panels: Sequence[Panel] = ()
    notes: Sequence[str] = ()
    alarms: Sequence[str] = ()
    table: Table | None = None
    heading: str = "Most frequent mistakes"  # of the table
    cards: Sequence[Card] = ()
    ids: Sequence[str] = ()
    missing: Sequence[tuple[str, Sequence[str]]] = ()
