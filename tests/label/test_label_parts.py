"""Small parts: when to train, what is said of more labels, names of classes, folders of rounds, one writer for many."""

import threading
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from helpers_label import begin, say, tell

from leaven.errors import LeavenError
from leaven.label.session import rounds
from leaven.label.session.ranking import Ranking
from leaven.label.session.renames import Renames
from leaven.label.session.schedule import training_due
from leaven.label.session.sentence import accuracy_sentence, gain, waiting_sentence
from leaven.label.session.worker_client import last_step
from leaven.label.session.writer import Writer
from leaven.labels import Event, Store


@pytest.mark.parametrize(
    ("labelled", "before", "per_class", "learnt", "wanted"),
    [
        (0, 0, {}, None, False),
        (3, 0, {"cat": 3}, None, False),
        (40, 0, {"cat": 40, "dog": 0}, None, False),  # one class is nothing to tell apart
        (2, 0, {"cat": 1, "dog": 1}, None, True),  # every class has one
        (19, 0, {"cat": 10, "dog": 5, "owl": 0}, None, False),
        (20, 0, {"cat": 10, "dog": 5, "owl": 0}, None, True),
        (39, 20, {"cat": 20, "dog": 15}, {"cat", "dog"}, False),
        (40, 20, {"cat": 20, "dog": 15}, {"cat", "dog"}, True),
        (24, 20, {"cat": 10, "dog": 5, "owl": 1}, {"cat", "dog"}, False),
        (25, 20, {"cat": 10, "dog": 5, "owl": 1}, {"cat", "dog"}, True),  # a new class is not waited for as long
        (15, 20, {"cat": 10, "dog": 5}, {"cat", "dog"}, False),  # some were undone
    ],
)
def test_when_to_train(labelled, before, per_class, learnt, wanted):
    assert training_due(labelled, before, 20, per_class, learnt) is wanted


def test_a_pause_lets_the_last_labels_count():
    per_class, learnt = {"cat": 20, "dog": 15}, {"cat", "dog"}
    assert training_due(25, 20, 20, per_class, learnt, paused=True)
    assert not training_due(24, 20, 20, per_class, learnt, paused=True)  # not for every single one
    assert not training_due(20, 20, 20, per_class, learnt, paused=True)  # nothing new


def test_who_pauses_has_a_model_trained(tmp_path, monkeypatch):
    """The status, which the page asks for every few seconds, notices that nobody has answered for a while."""
    session = begin(tmp_path, every=20)
    tell(session, 1, ("cat", "dog"), np.full((len(session.items), 2), 0.5))  # by no label at all
    asked = []

    class Idle:
        idle = True

        def train(self, number):
            asked.append(number)

        def status(self):
            return {"state": "idle", "step": 0, "steps": 0, "round": 0, "seconds": 0, "error": ""}

        ranking: ClassVar = {"state": "done", "done": 0, "of": 0}

        def close(self):
            pass

    session._scheduler.worker = Idle()
    try:
        for number in range(5):
            (one,) = session.questions("ann", 1)
            say(session, "ann", one, label=session.classes[number % 2])
        session.status("ann")
        assert not asked
        monkeypatch.setattr("leaven.label.session.training_scheduler.PAUSE", -1.0)
        session.status("ann")
        assert asked == [2]
    finally:
        session.close()


def hits(*counts, n):
    return np.stack([np.arange(n) < count for count in counts])


def test_sentences_before_a_model():
    assert "two classes" in waiting_sentence(1, 0, 20, False)
    assert "after 5 more labels" in waiting_sentence(3, 1, 5, False)
    assert "after 1 more label," in waiting_sentence(3, 1, 1, False)
    assert "being trained" in waiting_sentence(3, 0, 0, True)
    assert "about to" in waiting_sentence(3, 0, 5, False)


def test_sentences_say_no_more_than_is_known():
    nothing = np.zeros((1, 0), bool)
    assert "not known yet" in accuracy_sentence([20], nothing)
    assert "--audit" in accuracy_sentence([20], nothing, asks=False)
    few = accuracy_sentence([20, 40], hits(3, 8, n=10))
    assert "80 % of 10 random items" in few
    assert "too few" in few
    assert "next training" in accuracy_sentence([20], hits(18, n=25))
    assert "next training" in accuracy_sentence([20, 20], hits(18, 20, n=25))  # the same labels once more are no step
    # 17 → 18 of 25: one item. By hand, Newcombe's method 10: far from telling
    same = accuracy_sentence([20, 40], hits(17, 18, n=25))
    assert "The last 20 labels moved the accuracy by +4.0 points, less than these items can tell" in same
    more = accuracy_sentence([20, 40], hits(10, 22, n=30))
    assert "+40.0 points" in more
    assert "still pay" in more
    less = accuracy_sentence([20, 40], hits(28, 12, n=30))
    assert "−53.3 points" in less
    assert "newest labels" in less


def test_what_more_labels_would_bring():
    """Accuracies on a = 1, b = 1, c = ½ by hand: 1 − 1/√m at 25, 100, 400 labels; 500 labels give 1 − 1/√500."""
    n = 2000
    right = hits(1600, 1800, 1900, n=n)
    value, low, high = gain(np.array([25, 100, 400]), right)
    assert value == pytest.approx(1 / 20 - 1 / 500**0.5, abs=5e-4)
    assert low < value < high
    words = accuracy_sentence([25, 100, 400], right)
    assert "100 more labels would bring about +0.5 points" in words
    flat = accuracy_sentence([100, 200, 300], hits(1900, 1900, 1900, n=n))
    assert "hardly worth it" in flat
    short = accuracy_sentence([25, 100, 400], hits(16, 18, 19, n=20))
    assert "more labels would bring" not in short  # too few to draw a curve


def test_names_of_classes_of_an_older_model():
    names = Renames()

    def change(seq, kind, **more):
        return Event(f"{seq}", kind, "ann", seq=seq, **more)

    assert names.add([change(1, "class_add", label="a"), change(2, "class_add", label="b")])
    assert not names.add([change(3, "label", item="x", label="a")])
    names.add([change(4, "class_rename", old="a", label="c"), change(5, "class_remove", old="b")])
    assert names.current_names(("a", "b"), 3) == ["c", None]
    assert names.current_names(("c", "b"), 4) == ["c", None]
    assert names.current_names(("c",), 5) == ["c"]
    names.add([change(6, "undo", undoes="5"), change(7, "undo", undoes="4")])
    assert names.current_names(("a", "b"), 3) == ["a", "b"]
    assert names.current_names(("c", "b"), 6) == ["a", "b"]  # a model of between
    names.add([change(8, "class_rename", old="b", label="z"), change(9, "class_add", label="b")])
    assert names.current_names(("a", "b"), 3) == ["a", "z"]


def made(run, number, words="x"):
    where = rounds.path(run, number)
    (where / "evaluations").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "checkpoint.pt", "result.json"):
        (where / name).write_text(f"{words} {number}")
    (where / "evaluations" / "test.npz").write_text(f"{number}")
    one, p = np.array(["i"]), np.ones((1, 1), np.float32)
    Ranking(f"{number:04d}", number, 20, "margin", ("a",), one, np.array([0]), p).save(where)


def test_rounds_are_published_whole_and_old_ones_pruned(tmp_path):
    (tmp_path / "baseline").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    for number in (1, 2, 3):
        made(tmp_path, number)
        assert not rounds.published(tmp_path, number)
        rounds.publish(tmp_path, number)
        assert rounds.published(tmp_path, number)
        rounds.prune(tmp_path)
    assert (tmp_path / "model.safetensors").read_text() == "x 3"
    assert (tmp_path / "evaluations" / "test.npz").read_text() == "3"
    assert not (tmp_path / "baseline").exists()  # of an older run
    assert (tmp_path / "mine.txt").exists()
    assert [rounds.path(tmp_path, n).joinpath("model.safetensors").exists() for n in (1, 2, 3)] == [False, True, True]
    assert rounds.path(tmp_path, 1).joinpath("result.json").exists()
    assert rounds.finished(tmp_path) == [1, 2, 3]
    assert rounds.newest(tmp_path).model == "0003"
    (tmp_path / "model.safetensors").write_text("changed")  # a new file: the round's own is as it was
    half = rounds.path(tmp_path, 4)
    half.mkdir()
    (half / "config.json").touch()
    assert rounds.newest(tmp_path).model == "0003"
    assert rounds.begin(tmp_path) == 4
    assert not half.exists()


def test_the_step_of_a_training(tmp_path):
    path = tmp_path / "metrics.csv"
    assert last_step(path) == 0
    path.write_text("step,seconds\n1,0.1\n25,3.0\n30,")
    assert last_step(path) == 25
    path.write_text("step,seconds\n")
    assert last_step(path) == 0


def test_one_writer_for_many_threads(tmp_path, monkeypatch):
    store = Store.open(tmp_path / "labels.db")
    store.add_classes(["a"], "ann")
    writer, started, go = Writer(store), threading.Event(), threading.Event()
    sizes, real = [], store.add

    def add(*events):
        sizes.append(len(events))
        started.set()
        go.wait(10)
        return real(*events)

    monkeypatch.setattr(store, "add", add)
    one = Event("0" * 32, "label", "ann", item="0", label="a")
    results: dict[int, object] = {}

    def work(i):
        # number 7 answers an item that was answered before; number 8 names no class
        event = replace(one, id=f"{i:032x}", item=str(0 if i == 7 else i), label="?" if i == 8 else "a")
        try:
            results[i] = writer.add(event)[0].item
        except LeavenError as error:
            results[i] = type(error).__name__

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    threads[0].start()
    started.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(writer._waiting) < 9:
        pass
    go.set()
    for thread in threads:
        thread.join()
    assert sizes[:2] == [1, 9]  # the others waited together, and the two that do not fit spoilt nothing
    assert results == {i: str(i) for i in range(10)} | {7: "Conflict", 8: "LeavenError"}
    assert len(store.state().answers) == 8
    store.close()


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (("dog, elephant, guitar",), ["dog", "elephant", "guitar"]),
        (("dog\nelephant", "guitar"), ["dog", "elephant", "guitar"]),
        ((" dog ,, dog,\r\n,old shoe,",), ["dog", "old shoe"]),
        (("",), []),
    ],
)
def test_class_names_stand_in_lines_or_between_commas(texts, names):
    from leaven.label.session.class_names import parse_class_names

    assert parse_class_names(*texts) == names
