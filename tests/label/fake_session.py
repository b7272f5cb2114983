"""A session for tests of the page: items in order, answers in a real store, guesses by a rule; no model, no worker."""

import threading
from dataclasses import dataclass

import numpy as np

from leaven.label.session.items import ItemIndex
from leaven.labels import Event, Store


@dataclass(frozen=True)
class Question:
    item: str
    name: str
    strategy: str = "margin"
    score: float | None = None
    model: str = "round 1"
    suggestion: str = ""
    confidence: float | None = None
    version: str = ""


class FakeSession:
    """As the brief has it; what the page shows of accuracy and training is settable."""

    def __init__(self, images, folder, classes=()):
        self.items, self.folder = ItemIndex(images), folder
        self.store = Store.open(folder / "labels.db")
        if classes:
            self.store.add_classes(classes, "test")
        self.holds: dict[str, str] = {}
        self.lock = threading.Lock()
        self.extra = {"version": 1}
        self.unreadable: dict[str, str] = {}

    def guess(self, name):
        classes = self.store.state().classes
        row = self.items.rows[name]
        if not classes or row % 5 == 4:
            return "", None
        return classes[row % len(classes)], 0.5 + (row % 50) / 100

    def question(self, id_):
        name = self.items.name(id_)
        suggestion, confidence = self.guess(name)
        strategy = "margin" if suggestion else "audit"
        return Question(id_, name, strategy, suggestion=suggestion, confidence=confidence)

    def questions(self, annotator, n, in_page=()):
        answers = self.store.state().answers
        found = []
        with self.lock:
            for id_, name in zip(self.items.ids, self.items.names, strict=True):
                if (
                    id_ in in_page
                    or id_ in self.unreadable
                    or name in answers
                    or self.holds.get(id_, annotator) != annotator
                ):
                    continue
                self.holds[id_] = annotator
                found.append(self.question(id_))
                if len(found) == n:
                    break
        return found

    def answer(self, annotator, *, event, kind, item, label="", shown=False, seconds=None, replaces="", version=""):
        name = self.items.name(item)
        suggestion, confidence = self.guess(name)
        said = Event(
            event,
            kind,
            annotator,
            item=name,
            label=label,
            replaces=replaces,
            suggestion=suggestion,
            confidence=confidence,
            shown=shown,
            seconds=seconds,
        )
        (kept,) = self.store.add(said)
        return {
            "event": event,
            "item": item,
            "label": label,
            "seq": kept.seq,
            "labelled": len(self.store.state().votes),
        }

    def undo(self, annotator, *, event, undoes=()):
        for kept in self.store.events():
            if kept.id == event:  # asked a second time
                return {"item": self.items.id(kept.item), "question": self.question(self.items.id(kept.item))}
        state = self.store.state()
        standing = {one.id: one for by in state.answers.values() for one in by.values()}
        last = standing.get(undoes[0]) if undoes else state.last(annotator)
        if last is None:
            return None
        self.store.add(Event(event, "undo", annotator, item=last.item, undoes=last.id))
        id_ = self.items.id(last.item)
        self.holds[id_] = annotator
        return {"item": id_, "question": self.question(id_), "undone": last.label}

    def grid(self, annotator, label, n, in_page=()):
        answers = self.store.state().answers
        by: dict[str, list[Question]] = {}
        for id_, name in zip(self.items.ids, self.items.names, strict=True):
            question = self.question(id_)
            if name not in answers and question.suggestion and id_ not in in_page:
                by.setdefault(question.suggestion, []).append(question)
        label = label or max(by, key=lambda c: len(by[c]), default="")
        chosen = sorted(by.get(label, []), key=lambda q: -q.confidence)[:n]
        return {"label": label, "questions": chosen, "choices": [{"label": c, "count": len(q)} for c, q in by.items()]}

    def accept(self, annotator, *, label, items, left_out=(), event=""):
        return [self.answer(annotator, event=id_, kind="label", item=item, label=label) for id_, item, _ in items]

    def add_classes(self, annotator, names):
        return list(self.store.add_classes(names, annotator))

    def broken(self, item, reason):
        self.unreadable[item] = reason

    def change_class(self, annotator, *, event, kind, label, old=""):
        self.store.add(Event(event, kind, annotator, label=label, old=old))
        return list(self.store.state().classes)

    def status(self, annotator):
        state = self.store.state()
        kinds = [next(iter(by.values())).kind for by in state.answers.values()]
        return {
            "classes": list(state.classes),
            "labelled": kinds.count("label"),
            "mine": len(state.answers),
            "skipped": kinds.count("skip"),
            "unsure": kinds.count("unsure"),
            "items": len(self.items.names),
            "audit": {"n": 0, "right": 0, "accuracy": None, "low": None, "high": None},
            "sentence": "",
            "training": {"state": "idle", "step": 0, "steps": 0, "round": 0, "seconds": 0, "error": ""},
            "curve": [],
            "ranking": {"state": "done", "done": 0, "of": 0},
        } | self.extra

    def close(self):
        self.store.close()


def paint(folder, count, size=(28, 28), seed=0):
    """``count`` small images, no two alike; the answer is their names."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = []
    for i in range(count):
        small = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        Image.fromarray(small).resize(size, Image.Resampling.NEAREST).save(folder / f"{i:05}.png")
        names.append(f"{i:05}.png")
    return names
