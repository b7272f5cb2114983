"""What the classes of an older model are called now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from leaven.labels import Event


class Renames:
    """Changes of class names, in the order in which they were made."""

    def __init__(self) -> None:
        self._by_id: dict[str, Event] = {}
        self._seen = 0
        self._changes: list[tuple[int, str, str | None]] = []  # seq, name, new name (None: removed)

    def __len__(self) -> int:
        """How many changes were seen, those that were undone too."""
        return self._seen

    def add(self, events: Iterable[Event]) -> bool:
        """Take the changes among these events in; whether there were any."""
        changed = False
        for event in events:
            undone = self._by_id.get(event.undoes) if event.kind == "undo" else None
            if event.kind in ("class_rename", "class_remove", "class_add"):
                self._by_id[event.id] = event
                if event.kind != "class_add":
                    self._changes.append((event.seq, event.old, event.label or None))
                changed = True
            elif undone is not None:
                changed = True
                if undone.kind == "class_rename":
                    self._changes.append((event.seq, undone.label, undone.old))
                elif undone.kind == "class_remove":  # as if it had not been
                    self._changes = [change for change in self._changes if change[0] != undone.seq]
        self._seen += changed
        return changed

    def current_names(self, classes: Sequence[str], seq: int) -> list[str | None]:
        """Present names of classes that were called so after event ``seq``; ``None`` for those that were removed."""
        current: list[str | None] = list(classes)
        for when, name, new in self._changes:
            if when > seq:
                current = [new if old == name and old is not None else old for old in current]
        return current


def rename_labels(labels: Mapping[str, str], events: Iterable[Event]) -> dict[str, str | None]:
    """Labels that were there before the first event, by the present names; ``None`` of removed classes."""
    renames = Renames()
    renames.add(events)
    classes = sorted(set(labels.values()))
    now = dict(zip(classes, renames.current_names(classes, 0), strict=True))
    return {item: now[label] for item, label in labels.items()}
