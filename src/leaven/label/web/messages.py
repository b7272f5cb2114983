"""What the page may say: JSON of a known shape, read field by field; anything else is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from leaven.errors import LeavenError
from leaven.label.session.class_names import parse_class_names

EVENT = re.compile(r"[0-9a-f]{32}")
ITEM = re.compile(r"[0-9a-f]{16}")
VERSION = re.compile(r"[0-9a-f]{12}")  # of an item's picture
MOST = 200  # items of the grid
ENTRIES = 100  # that one request may hold
NAME, LABEL = 64, 200  # characters of an annotator's and of a class's name


class BadRequest(LeavenError):
    """The request has not the shape that it should have."""


async def read_json(request: Request) -> dict[str, Any]:
    """The body, a JSON object."""
    try:
        message = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest("The request is no JSON.") from None
    if not isinstance(message, dict):
        raise BadRequest("The request is no JSON object.")
    return message


def text(message: Mapping[str, Any], name: str, longest: int, needed: bool = False) -> str:
    """A string without control characters; empty where it is left out."""
    value = message.get(name, "")
    if not isinstance(value, str) or len(value) > longest or any(c < " " or c == "\x7f" for c in value):
        raise BadRequest(f"{name} is not a text of at most {longest} characters.")
    if needed and not value.strip():
        raise BadRequest(f"{name} is empty.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{name} is not valid Unicode.") from None
    return value


def annotator_name(value: str) -> str:
    """The name of whoever labels, without space around it."""
    return text({"annotator": value.strip()}, "annotator", NAME, needed=True)


def whole_number(message: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A whole number of a range."""
    value = message.get(name)
    if type(value) is not int or not least <= value <= most:
        raise BadRequest(f"{name} is not a whole number from {least} to {most}.")
    return value


def ids(message: Mapping[str, Any], name: str, most: int) -> list[str]:
    """Ids of items."""
    value = message.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(isinstance(i, str) and ITEM.fullmatch(i) for i in value)
    ):
        raise BadRequest(f"{name} is not a list of at most {most} ids of items.")
    return value


def read_entries(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was done, in its order, as keyword arguments of the session's methods, with ``type`` and ``annotator``."""
    entries = message.get("entries")
    if not isinstance(entries, list) or not 1 <= len(entries) <= ENTRIES:
        raise BadRequest(f"entries is not a list of 1 to {ENTRIES} entries.")
    return [_entry(entry) for entry in entries]


def _entry(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise BadRequest("An entry is no JSON object.")
    kind = entry.get("type")
    fields: dict[str, Any] = {"type": kind, "annotator": annotator_name(text(entry, "annotator", NAME, needed=True))}
    if kind == "answer":
        return fields | _answer(entry)
    if kind == "undo":
        undoes = entry.get("undoes", [])
        if not isinstance(undoes, list) or len(undoes) > MOST + 1:
            raise BadRequest(f"undoes is not a list of at most {MOST + 1} ids of events.")
        return fields | {
            "event": _id(entry.get("event"), EVENT, "event"),
            "undoes": [_id(one, EVENT, "undoes") for one in undoes],
        }
    if kind == "accept":
        items, left_out = entry.get("items"), ids(entry, "left_out", MOST)
        if not isinstance(items, list) or len(items) > MOST or not (items or left_out):
            raise BadRequest(f"items is not a list of at most {MOST} triples, or nothing is in it.")
        if not all(isinstance(one, list) and len(one) in (2, 3) for one in items):
            raise BadRequest("items does not hold triples of an event, an item and a version.")
        triples = [
            (_id(event, EVENT, "event"), _id(item, ITEM, "item"), *map(_version, more)) for event, item, *more in items
        ]
        fields["event"] = _id(entry["event"], EVENT, "event") if "event" in entry else ""
        return fields | {"label": text(entry, "label", LABEL, needed=True), "items": triples, "left_out": left_out}
    if kind == "classes":
        lines = entry.get("lines")
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise BadRequest("lines is not a list of texts.")
        names = parse_class_names(*lines)
        if not names:
            raise BadRequest("No class is named.")
        return fields | {"names": [text({"name": name}, "name", LABEL) for name in names]}
    if kind == "class":
        change = entry.get("kind")
        if change not in ("class_add", "class_rename", "class_remove"):
            raise BadRequest("kind is not a change of classes.")
        label = text(entry, "label", LABEL, needed=change != "class_remove").strip()
        old = text(entry, "old", LABEL, needed=change != "class_add")
        return fields | {"event": _id(entry.get("event"), EVENT, "event"), "kind": change, "label": label, "old": old}
    raise BadRequest("type is none of answer, undo, accept, class, classes.")


def _answer(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind, shown, seconds = entry.get("kind"), entry.get("shown", False), entry.get("seconds")
    if kind not in ("label", "skip", "unsure"):
        raise BadRequest("kind is none of label, skip, unsure.")
    if not isinstance(shown, bool):
        raise BadRequest("shown is neither true nor false.")
    if seconds is not None and (type(seconds) not in (int, float) or not math.isfinite(seconds) or seconds < 0):
        raise BadRequest("seconds is no number of seconds.")
    return {
        "event": _id(entry.get("event"), EVENT, "event"),
        "kind": kind,
        "item": _id(entry.get("item"), ITEM, "item"),
        "label": text(entry, "label", LABEL, needed=kind == "label"),
        "shown": shown,
        "seconds": seconds,
        "version": _version(entry.get("version", "")),
    }


def _version(value: Any) -> str:
    if value != "" and (not isinstance(value, str) or not VERSION.fullmatch(value)):
        raise BadRequest("version is no version of a picture.")
    return str(value)


def _id(value: Any, form: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadRequest(f"{name} is no id.")
    return value
