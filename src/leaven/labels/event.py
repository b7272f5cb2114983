"""What is kept of labelling: events, of which none is ever changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from leaven.data.names import to_nfc
from leaven.data.unlabelled import never_a_class
from leaven.errors import LeavenError

ANSWERS = ("label", "skip", "unsure", "mask")
UNDO = "undo"
CLASS_KINDS = ("class_add", "class_rename", "class_remove")
KINDS = (*ANSWERS, UNDO, *CLASS_KINDS)
LONGEST_ID = 64
NEEDED = {  # what an event of a kind says, beside its id and its annotator
    "label": ("item", "label"),
    "skip": ("item",),
    "unsure": ("item",),
    "mask": ("item", "mask"),
    "undo": ("undoes",),
    "class_add": ("label",),
    "class_rename": ("old", "label"),
    "class_remove": ("old",),
}


class Conflict(LeavenError):
    """The event goes out from what does not stand any more, or has the id of another one that is kept."""


class Unavailable(LeavenError):
    """The store cannot be read or written at the moment; the same call may do when it is there again.

    Nothing is wrong with the events themselves. Whether they were kept is not known where the connection broke while
    they were written, so they are added again under the same ids.
    """


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that one person did.

    Attributes
    ----------
    id : str
        Made by whoever asks, such as ``uuid4().hex``; the same id twice is the same event.
    kind : str
        One of ``KINDS``.
    annotator : str
        Who it is.
    item : str
        The item's id as ``Pool.ids`` has it.
    label : str
        Name of the class; of ``class_rename`` the new name.
    undoes : str
        Of ``undo``, the id of an answer or of a change of classes.
    old : str
        Of ``class_rename`` and ``class_remove``, the class.
    replaces : str
        Of an answer, the id of the standing answer that it knowingly replaces.
    strategy : str
        What chose the item.
    score : float or None
        How much it wanted it.
    model : str
        By which model's predictions.
    suggestion : str
        What the model took the item for.
    confidence : float or None
        How surely.
    shown : bool
        Whether the person saw that.
    seconds : float or None
        Time from the item on the screen to the answer.
    audit : bool
        Whether the item was drawn at random to judge the model by; such are never trained on.
    mask : str
        Of ``mask``, the classes of pixels, see ``leaven.labels.pixels``.
    at : str
        When, UTC in ISO 8601; set by the store where empty.
    seq : int
        Place in the store's one order, from 1; set by the store.
    """

    id: str
    kind: str
    annotator: str
    item: str = ""
    label: str = ""
    undoes: str = ""
    old: str = ""
    replaces: str = ""
    strategy: str = ""
    score: float | None = None
    model: str = ""
    suggestion: str = ""
    confidence: float | None = None
    shown: bool = False
    seconds: float | None = None
    audit: bool = False
    mask: str = ""
    at: str = ""
    seq: int = 0


TEXTS = tuple(field.name for field in fields(Event) if field.type == "str")
COMPARED = ("item", "label", "old", "suggestion", "annotator", "mask")  # in NFC; a mask names its classes
NUMBERS = ("score", "confidence", "seconds")
NAMES = tuple(field.name for field in fields(Event))
SET_BY_STORE = ("at", "seq")


def validate_event(event: Event) -> Event:
    """The event in the form in which it is kept: names in NFC, numbers as Python has them, ``None`` where not finite.

    Raises
    ------
    LeavenError
        The kind is unknown, something that it needs is missing, or a text cannot be kept.
    """
    if event.kind not in KINDS:
        raise LeavenError(f"There is no event of the kind {event.kind!r}, expected one of {', '.join(KINDS)}.")
    for name in ("id", "annotator", *NEEDED[event.kind]):
        if not getattr(event, name):
            raise LeavenError(f"The event {event.id or '(no id)'}, {event.kind}, has no {name}, expected one: say it.")
    if len(event.id) > LONGEST_ID:
        raise LeavenError(f"The event id {event.id[:20]}... is longer than {LONGEST_ID} characters: make it shorter.")
    for name in TEXTS:
        _require_text(name, getattr(event, name))
    if event.kind in ("class_add", "class_rename") and event.label != event.label.strip():
        raise LeavenError(f"The class name {event.label!r} begins or ends with a space: leave it out.")
    if event.kind in ("class_add", "class_rename") and never_a_class(event.label):
        raise LeavenError(f"The name {event.label!r} stands for an item without a label: choose another for the class.")
    numbers: dict[str, Any] = {name: _finite(getattr(event, name)) for name in NUMBERS}
    return replace(in_nfc(event), shown=bool(event.shown), audit=bool(event.audit), seq=0, **numbers)


def in_nfc(event: Event) -> Event:
    """The event with its names as they are compared; the same one where nothing changes."""
    changed = {}
    for name in COMPARED:
        text = getattr(event, name)
        if not text.isascii() and (now := to_nfc(text)) != text:
            changed[name] = now
    return replace(event, **changed) if changed else event  # type: ignore[arg-type]


def same_event(stored: Event, asked: Event) -> bool:
    """Whether the event that is kept under an id says what is asked to be kept under it."""
    for name in NAMES:
        if name in SET_BY_STORE or (name == "item" and asked.kind == UNDO and not asked.item):
            continue
        if getattr(stored, name) != getattr(asked, name):
            return False
    return True


def to_dict(event: Event) -> dict[str, Any]:
    """The event as JSON has it, without what is empty."""
    content = {name: getattr(event, name) for name in NAMES}
    return {name: value for name, value in content.items() if value not in ("", None, False)}


def from_dict(content: Any, where: str) -> Event:
    """The event that `to_dict` wrote.

    Raises
    ------
    LeavenError
        It is none: a name is unknown, one that every event has is missing, or a value has another type.
    """
    if not isinstance(content, dict):
        raise LeavenError(f"{where} is no event, expected a JSON object: correct it.")
    unknown = [str(name) for name in content if name not in NAMES]
    if unknown:
        raise LeavenError(f"{where} has {', '.join(unknown[:3])}, which no event has: remove it.")
    for name, value in content.items():
        kind: Any = str if name in TEXTS else int if name == "seq" else bool
        if name in NUMBERS:
            kind = (int, float, type(None))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise LeavenError(f"{where} has the {name} {value!r}, which is of another type: correct it.")
    missing = [name for name in ("id", "kind", "annotator") if name not in content]
    if missing:
        raise LeavenError(f"{where} has no {missing[0]}, expected one: say it.")
    return Event(**content)


def _require_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode(errors="backslashreplace").decode()
        raise LeavenError(f"The {name} {shown} is no valid Unicode, so it cannot be kept: rename it.") from None
    if "\0" in text:
        raise LeavenError(f"The {name} {text!r} has a zero character, so it cannot be kept: rename it.")


def _finite(number: Any) -> float | None:
    try:
        return None if number is None or not math.isfinite(number) else float(number)
    except OverflowError:  # a whole number that no float holds
        return None
