"""Answers from a file, as events of a store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4, uuid5

from leaven.data.names import class_name
from leaven.data.unlabelled import never_a_class
from leaven.errors import LeavenError
from leaven.labels.event import Event, in_nfc, to_dict
from leaven.labels.pixels import format_mask, parse_mask
from leaven.labels.store import Store


@dataclass(frozen=True)
class ImportResult:
    """What an import did.

    Attributes
    ----------
    answers : int
        How many answers were kept.
    replaced : int
        How many of them replaced another.
    already_there : int
        How many the store had already, and were not kept again.
    classes : tuple of str
        Names of the classes that were new.
    """

    answers: int
    replaced: int
    already_there: int
    classes: tuple[str, ...]


def answer(item: str, annotator: str, kind: str = "label", **more: object) -> Event:
    """An answer as a file says it; `add_answers` gives it its id.

    Raises
    ------
    TypeError
        A text is none, as it may be in JSON.
    """
    texts = (item, annotator, kind, *(value for name, value in more.items() if name in ("label", "at")))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is no text")
    return in_nfc(Event("", kind, annotator, item, **more))  # type: ignore[arg-type]


def without_markers(answers: Sequence[Event]) -> list[Event]:
    """The answers without those labels, and those areas of masks, whose class stands for no label."""
    retained = []
    for event in answers:
        if event.kind == "mask":
            size, runs = parse_mask(event.mask)
            named = {name: of for name, of in runs.items() if not never_a_class(name)}
            event = event if len(named) == len(runs) else replace(event, mask=format_mask(size, named))
        if event.kind != "label" or not never_a_class(event.label):
            retained.append(event)
    return retained


def require_one_each(answers: Sequence[Event], where: str) -> None:
    """See that nobody answers an item twice.

    Raises
    ------
    LeavenError
        Somebody does.
    """
    answered: set[tuple[str, str]] = set()
    for event in answers:
        pair = (event.annotator, event.item)
        if pair in answered:
            raise LeavenError(f"{where} has two answers of {event.annotator} to {event.item}: keep one of them.")
        answered.add(pair)


def add_answers(
    store: Store, answers: Sequence[Event], where: str, *, replacing: bool = False, classes: Sequence[str] = ()
) -> ImportResult:
    """Keep answers and the classes that they name, all or none.

    An answer's id follows from all that the file says and its place in it. So a file that is taken in again changes
    nothing, not even where somebody corrected or undid its answers, or renamed a class, since then.

    Parameters
    ----------
    store : Store
        Where they are kept.
    answers : sequence of Event
        The answers.
    where : str
        What the answers are from, for messages.
    replacing : bool, optional
        Whether an answer replaces another one of the same annotator, and counts again if it was taken in before.
    classes : sequence of str, optional
        Classes to add too, in this order before the others.

    Raises
    ------
    LeavenError
        An annotator has another answer in the store, without ``replacing``.
    """
    state = store.state()
    taken_before = {event.id for event in store.events()}
    events: list[Event] = []
    replaced = already_there = 0
    for event in _with_ids(answers):
        stands = state.answers.get(event.item, {}).get(event.annotator)
        if (stands is not None and _says(stands) == _says(event)) or (event.id in taken_before and not replacing):
            already_there += 1
            continue
        if event.id in taken_before:
            event = replace(event, id=uuid4().hex)
        if stands is None:
            events.append(event)
        elif replacing:
            replaced += 1
            events.append(replace(event, replaces=stands.id))
        else:
            raise LeavenError(
                f"{where} says {_words(event)} of {event.item}, where {event.annotator} said {_words(stands)}: "
                "use --replace if the file is right, or --annotator for whose answers these are."
            )
    named = [name for event in events for name in _classes(event)]
    if events or not answers:  # else what the file names was renamed or removed since
        named = [*(name for name in map(class_name, classes) if not never_a_class(name)), *named]
    new = [name for name in dict.fromkeys(named) if name not in state.classes]
    who = answers[0].annotator if answers else "import"
    store.add(*(Event(uuid4().hex, "class_add", who, label=name) for name in new), *events)
    return ImportResult(len(events), replaced, already_there, tuple(new))


def _with_ids(answers: Sequence[Event]) -> list[Event]:
    whole = hashlib.blake2b(digest_size=16)
    for event in answers:
        whole.update(json.dumps(to_dict(event), sort_keys=True).encode() + b"\n")
    space = UUID(bytes=whole.digest())
    return [replace(event, id=uuid5(space, str(row)).hex) for row, event in enumerate(answers)]


def _classes(event: Event) -> list[str]:
    if event.kind == "mask":
        return list(parse_mask(event.mask)[1])
    return [event.label] if event.label else []


def _says(event: Event) -> tuple[str, str, str]:
    return event.kind, event.label, event.mask


def _words(event: Event) -> str:
    return event.label or ("another mask" if event.kind == "mask" else event.kind)
