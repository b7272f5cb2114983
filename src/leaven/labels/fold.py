"""From events to what stands: the one place that says what an event does.

Every answer of one annotator to one item lies on a stack of its own: an answer goes on top and an undo takes it off, so
that what it replaced stands again. The top stands, unless its class was removed: then the item is open again, and
answers that come meanwhile go on top of it. A class is known by its number, not its name, so that renaming it renames
what was said before, and undoing its removal brings its answers back. A removed class is left out of masks; their other
pixels stand.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from leaven.errors import LeavenError

from .event import ANSWERS, UNDO, Conflict, Event
from .pixels import format_mask, parse_mask
from .state import State

Pair = tuple[str, str]  # annotator, item
Change = dict[Pair, tuple[str, str]]  # id of the answer that stood and of the one that stands; "" for none


class Fold:
    """What stands so far; `apply` refuses what does not follow from it, and changes nothing then."""

    def __init__(self) -> None:
        self.seq = 0
        self._names: list[str] = []  # of the classes, by number
        self._alive: list[bool] = []
        self._numbers: dict[str, int] = {}  # of the classes that are there, by name
        self._stacks: dict[Pair, list[Event]] = {}
        self._meant: dict[str, tuple[int, ...]] = {}  # event id → the classes that it names
        self._undoable: dict[str, Event] = {}
        self._answers: dict[str, dict[str, Event]] = {}  # the inner ones are replaced and never changed
        self._order: dict[str, list[Event]] = {}  # annotator → answers as they came
        self._state: State | None = None

    def apply(self, event: Event) -> Change:
        """Take one event in; the answer says which pairs it changed.

        Raises
        ------
        Conflict
            It goes out from what does not stand.
        LeavenError
            It names a class or an event that is not there.
        """
        if event.kind in ANSWERS:
            changed = self._answer(event)
        elif event.kind == UNDO:
            changed = self._undo(event)
        else:
            changed = self._change_class(event)
        self.seq = event.seq
        self._state = None
        return changed

    def as_one(self, event: Event) -> Event:
        """An answer as one that replaces what stands: items that were two became one, for their names are the same."""
        stands = self._answers.get(event.item, {}).get(event.annotator)
        return replace(event, replaces="" if stands is None else stands.id) if event.kind in ANSWERS else event

    def pass_over(self, event: Event) -> None:
        """Count an event that changes nothing."""
        self.seq = event.seq
        self._state = None

    def completed(self, event: Event) -> Event:
        """An undo with the item of what it undoes, so that it stands in that item's history."""
        target = self._undoable.get(event.undoes) if event.kind == UNDO and not event.item else None
        return event if target is None else replace(event, item=target.item)

    def standing(self) -> dict[Pair, str]:
        """(annotator, item) → id of the standing answer."""
        return {(who, item): event.id for item, by in self._answers.items() for who, event in by.items()}

    def state(self) -> State:
        """A snapshot; the same one until an event comes."""
        if self._state is None:
            newest = {who: event for who in self._order if (event := self._last(who)) is not None}
            classes = tuple(name for name, alive in zip(self._names, self._alive, strict=True) if alive)
            answers = MappingProxyType(self._answers.copy())
            self._state = State(classes, self.seq, answers, MappingProxyType(newest))
        return self._state

    def _answer(self, event: Event) -> Change:
        pair = (event.annotator, event.item)
        stands = self._answers.get(event.item, {}).get(event.annotator)
        if event.replaces != ("" if stands is None else stands.id):
            raise Conflict(_taken(event, stands))
        names = [event.label] if event.kind == "label" else sorted(parse_mask(event.mask)[1]) if event.mask else []
        meant = tuple(self._number(name, event.item) for name in names)
        if meant:
            self._meant[event.id] = meant
        self._stacks.setdefault(pair, []).append(event)
        self._undoable[event.id] = event
        self._order.setdefault(event.annotator, []).append(event)
        return self._show(pair)

    def _undo(self, event: Event) -> Change:
        target = self._undoable.get(event.undoes)
        if target is None:
            raise Conflict(f"There is no event {event.undoes} that could be undone (any more): read what stands anew.")
        if target.kind not in ANSWERS:
            return self._undo_class(target)
        if target.annotator != event.annotator:
            raise LeavenError(
                f"The answer {target.id} to {target.item} is of {target.annotator}, so {event.annotator} cannot undo "
                "it: give an answer of your own."
            )
        pair = (target.annotator, target.item)
        stands = self._answers.get(target.item, {}).get(target.annotator)
        if stands is None or stands.id != target.id:
            raise Conflict(f"The answer {target.id} to {target.item} does not stand any more: read what stands anew.")
        self._stacks[pair].pop()
        del self._undoable[target.id]
        return self._show(pair)

    def _change_class(self, event: Event) -> Change:
        if event.kind != "class_remove" and event.label in self._numbers:
            raise Conflict(f"There is a class {event.label} already: choose another name.")
        if event.kind == "class_add":
            number = len(self._names)
            self._names.append(event.label)
            self._alive.append(True)
            self._numbers[event.label] = number
        else:
            number = self._number(event.old, "")
            del self._numbers[event.old]
            if event.kind == "class_rename":
                self._names[number] = event.label
                self._numbers[event.label] = number
            else:
                self._alive[number] = False
        self._meant[event.id] = (number,)
        self._undoable[event.id] = event
        return {} if event.kind == "class_add" else self._show_class(number)

    def _undo_class(self, target: Event) -> Change:
        (number,) = self._meant[target.id]
        if target.kind == "class_add":
            used = any(
                number in self._meant.get(event.id, ()) for by in self._answers.values() for event in by.values()
            )
            if not self._alive[number] or used:
                raise LeavenError(
                    f"The class {self._names[number]} has answers or is gone: remove it in place of undo."
                )
            self._alive[number] = False
            del self._numbers[self._names[number]]
        else:
            now = self._names[number]
            if target.kind == "class_rename" and (not self._alive[number] or now != target.label):
                raise Conflict(f"The class {target.label} was changed since, so its renaming cannot be undone.")
            if (target.old if target.kind == "class_rename" else now) in self._numbers:
                raise Conflict(f"There is another class {target.old} by now: rename that one first.")
            if target.kind == "class_rename":
                del self._numbers[now]
                self._names[number] = target.old
            self._alive[number] = True
            self._numbers[self._names[number]] = number
        del self._undoable[target.id]
        return self._show_class(number)

    def _number(self, name: str, item: str) -> int:
        if name not in self._numbers:
            where = f" that {item} could have" if item else ""
            classes = ", ".join(self._numbers) or "none"
            raise LeavenError(f"There is no class {name}{where}, expected one of {classes}: add it first.")
        return self._numbers[name]

    def _show(self, pair: Pair) -> Change:
        """Bring what is seen of a pair in line with its stack."""
        annotator, item = pair
        by = self._answers.get(item, {})
        before = by[annotator].id if annotator in by else ""
        by = {who: event for who, event in by.items() if who != annotator}
        stack = self._stacks[pair]
        visible = self._seen(stack[-1]) if stack else None
        if visible is not None:
            by[annotator] = visible
        if by:
            self._answers[item] = by
        else:
            self._answers.pop(item, None)
        after = "" if visible is None else visible.id
        return {} if before == after else {pair: (before, after)}

    def _show_class(self, number: int) -> Change:
        changed: Change = {}
        for pair, stack in self._stacks.items():
            if stack and number in self._meant.get(stack[-1].id, ()):
                changed |= self._show(pair)
        return changed

    def _seen(self, event: Event) -> Event | None:
        """The answer with the classes as they are called now; None where its class is gone."""
        meant = self._meant.get(event.id, ())
        if event.kind == "label":
            (number,) = meant
            if not self._alive[number]:
                return None
            name = self._names[number]
            return event if name == event.label else replace(event, label=name)
        if meant:  # of a mask that has classes
            size, runs = parse_mask(event.mask)
            alive = {self._names[k]: runs[old] for old, k in zip(sorted(runs), meant, strict=True) if self._alive[k]}
            return event if alive == runs else replace(event, mask=format_mask(size, alive))
        return event

    def _last(self, annotator: str) -> Event | None:
        came = self._order[annotator]
        while came and came[-1].id not in self._undoable:
            came.pop()
        for event in reversed(came):
            stands = self._answers.get(event.item, {}).get(annotator)
            if stands is not None and stands.id == event.id:
                return stands
        return None


def _taken(event: Event, stands: Event | None) -> str:
    if stands is None:
        return f"The answer {event.replaces} to {event.item}, does not stand any more: answer anew."
    what = f"{stands.kind} {stands.label}".strip()
    return (
        f"{event.annotator} answered {event.item} before ({what}), expected an answer that replaces {stands.id}: "
        "read what stands and replace that."
    )
