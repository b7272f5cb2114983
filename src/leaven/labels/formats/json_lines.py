"""JSON Lines: every event of a store, one a line, nothing lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from leaven.errors import LeavenError
from leaven.labels.event import ANSWERS, Event, from_dict, in_nfc, to_dict
from leaven.labels.store import Store

from .import_result import ImportResult


def write(store: Store, path: Path) -> int:
    """Write every event in its order; the answer is how many."""
    events = store.events()
    with path.open("w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(to_dict(event), ensure_ascii=False, allow_nan=False) + "\n")
    return len(events)


def read(path: Path) -> list[Event]:
    """The events of a file.

    Raises
    ------
    LeavenError
        A line is no event.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise LeavenError(f"{path} is no file of JSON lines ({error}): give one that leaven wrote.") from None
    return [_event(line, f"{path}, line {row},") for row, line in enumerate(lines, 1) if line.strip()]


def _event(line: str, where: str) -> Event:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LeavenError(f"{where} is no file of JSON lines ({error}): give one that leaven wrote.") from None
    return in_nfc(from_dict(content, where))


def add_events(store: Store, given: Sequence[Event]) -> ImportResult:
    """Keep all events of a file that the store does not have, or none; classes of one name are one class.

    Raises
    ------
    LeavenError
        They do not follow from what stands.
    """
    there, present = set(store.state().classes), {event.id for event in store.events()}
    events = [event for event in given if event.kind != "class_add" or event.id in present or event.label not in there]
    store.add(*events)
    new = [event for event in events if event.id not in present]
    classes = tuple(event.label for event in new if event.kind == "class_add")
    replaced = sum(bool(event.replaces) for event in new)
    return ImportResult(sum(event.kind in ANSWERS for event in new), replaced, len(given) - len(new), classes)
