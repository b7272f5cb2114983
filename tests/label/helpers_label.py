"""Small labellings for tests: images that are digits, and rankings written by hand in place of a worker's."""

import time
import uuid

import numpy as np
from PIL import Image

from leaven.data import digits
from leaven.label.session import rounds
from leaven.label.session.opening import open_session
from leaven.label.session.ranking import Ranking
from leaven.run import folder


def write_digits(where, count=120, classes=("0", "1", "2"), seed=0):
    """Embedded digits as PNG files; the class of each by its name."""
    pool = digits()
    wanted = np.flatnonzero(np.isin(pool.labels, [pool.classes.index(c) for c in classes]))
    rows = np.random.default_rng(seed).permutation(wanted)[:count]
    where.mkdir(parents=True)
    truth = {}
    for i, row in enumerate(rows):
        Image.fromarray(pool.items[row, :, :, 0]).save(where / f"{i:04d}.png")
        truth[f"{i:04d}.png"] = pool.classes[pool.labels[row]]
    return truth


def blank(where, count):
    """Files that look like images and that nobody opens."""
    where.mkdir(parents=True)
    for i in range(count):
        (where / f"{i:04d}.png").touch()
    return where


def begin(tmp_path, count=100, classes=("cat", "dog"), train=False, store=None, **options):
    """A session over empty files, without a worker."""
    images = tmp_path / "images"
    if not images.exists():
        blank(images, count)
    return open_session(
        images, tmp_path / "run", classes=classes, annotator="ann", store=store, train=train, options=options
    )


def tell(session, number, classes, probabilities, ranking=(), labelled=0):
    """A finished round as the worker writes it: ``probabilities`` for every item, by row."""
    where = rounds.path(session.folder, number)
    p = np.asarray(probabilities, np.float32)
    seq = session.store.state().seq
    names = np.array(session.items.names)
    predicted = {name: int(row.argmax()) for name, row in zip(session.items.names, p, strict=True)}
    figures = {"labelled": labelled, "seq": seq, "classes": list(classes), "predicted": predicted}
    folder.write_json(where / rounds.PREDICTED, figures)
    Ranking(f"{number:04d}", seq, labelled, "margin", tuple(classes), names, np.array(ranking, np.int64), p).save(where)
    session._listener.receive({"ranked": number})


def half(session, classes=2):
    """Probabilities by which item i is of class i mod K, the surer the larger i."""
    n = len(session.items)
    p = np.full((n, classes), 0.0)
    p[np.arange(n), np.arange(n) % classes] = 0.5 + np.arange(n) / (2 * n)
    return p + (1 - p.sum(1, keepdims=True)) / classes


def event():
    return uuid.uuid4().hex


def say(session, annotator, question, kind="label", label="cat", **more):
    """Answer a question."""
    label = label if kind == "label" else ""
    return session.answer(annotator, event=event(), kind=kind, item=question.item, label=label, **more)


def until(condition, seconds=150):
    """Wait for a worker."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found
