"""Who is asked about what, and what comes of the answers; without a worker and without a browser."""

import sys
import threading
from collections import Counter

import numpy as np
import pytest
from helpers_label import begin, blank, event, half, say, tell

from leaven.data import LeavenWarning
from leaven.errors import LeavenError
from leaven.label.session.lock import Lock
from leaven.label.session.opening import open_session
from leaven.label.session.queue import Changed
from leaven.label.session.session import Session
from leaven.labels import Conflict, Unavailable


@pytest.fixture
def session(tmp_path):
    made = begin(tmp_path)
    yield made
    made.close()


def test_questions_are_held_and_not_repeated(session):
    first = session.questions("ann", 6)
    assert len({q.item for q in first}) == 6
    assert [q.name for q in first] == [session.items.name(q.item) for q in first]
    assert all((q.model, q.suggestion, q.confidence) == ("", "", None) for q in first)
    others = session.questions("bob", 94)
    assert not {q.item for q in first} & {q.item for q in others}
    assert len(others) == 94
    assert not session.questions("bob", 1, in_page=[q.item for q in others])
    receipt = say(session, "ann", first[0])
    assert receipt["item"] == first[0].item
    assert (receipt["label"], receipt["labelled"], receipt["seq"]) == ("cat", 1, session.store.state().seq)
    again = session.questions("ann", 10, in_page=[q.item for q in first[1:3]])
    assert {q.item for q in again} == {q.item for q in first[3:]}


def test_a_hold_ends(tmp_path):
    session = begin(tmp_path, 3)
    now = [0.0]
    session._picker.queue.clock = lambda: now[0]
    mine = session.questions("ann", 3)
    assert not session.questions("bob", 1)
    now[0] = 500.0
    session.questions("ann", 0, in_page=[mine[0].item])  # ann still has it
    now[0] = 700.0
    assert {q.item for q in session.questions("bob", 3)} == {q.item for q in mine[1:]}
    session.close()


def test_the_same_event_twice_is_one_answer(session):
    (question,) = session.questions("ann", 1)
    id_ = event()
    one = session.answer("ann", event=id_, kind="label", item=question.item, label="dog")
    session.change_class("ann", event=event(), kind="class_rename", label="wolf", old="dog")
    assert session.answer("ann", event=id_, kind="label", item=question.item, label="dog") == one
    with pytest.raises(Conflict):
        say(session, "ann", question)
    with pytest.raises(KeyError):
        session.answer("ann", event=event(), kind="label", item="0" * 16, label="cat")
    with pytest.raises(LeavenError, match="dog"):
        session.answer("bob", event=event(), kind="label", item=session.items.ids[5], label="dog")
    assert session.store.state().labels() == {question.name: "wolf"}


def test_the_same_event_with_other_content_is_a_conflict(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    one, two = session.questions("ann", 2)
    id_, back, pair, name = event(), event(), event(), event()
    said = {"event": id_, "kind": "label", "item": one.item, "label": "dog"}
    receipt = session.answer("ann", **said)
    for who, other in (
        ("ann", {"label": "cat"}),
        ("ann", {"item": two.item}),
        ("ann", {"kind": "skip"}),
        ("bob", {}),
    ):
        with pytest.raises(Conflict, match=f"{id_} was given to another one"):
            session.answer(who, **said | other)
    with pytest.raises(Conflict):
        session.undo("ann", event=id_)
    with pytest.raises(Conflict):
        session.change_class("ann", event=id_, kind="class_add", label="owl")
    with pytest.raises(Conflict):
        session.accept("ann", label="cat", items=[(id_, one.item)])
    assert session.answer("ann", **said) == receipt
    session.accept("ann", label="cat", items=[(pair, two.item)])
    with pytest.raises(Conflict):
        session.accept("ann", label="dog", items=[(pair, two.item)])
    session.change_class("ann", event=name, kind="class_add", label="owl")
    with pytest.raises(Conflict):
        session.change_class("ann", event=name, kind="class_add", label="wolf")
    session.undo("ann", event=back)
    with pytest.raises(Conflict):
        session.undo("bob", event=back)
    assert session.store.state().labels() == {one.name: "dog"}


def test_an_answer_that_is_kept_although_its_receipt_was_lost_is_ok_whatever_the_model_says_by_now(
    session, monkeypatch
):
    (question,) = session.questions("ann", 1)
    said = {"event": event(), "kind": "label", "item": question.item, "label": "dog", "seconds": 0.25}
    dialect = session.store._engine.dialect
    commit = dialect.do_commit

    def lost(connection):
        commit(connection)
        raise dialect.loaded_dbapi.OperationalError("the connection broke")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", lost)
        with pytest.raises(Unavailable):
            session.answer("ann", **said)
    refresh = session._client.refresh
    monkeypatch.setattr(session._client, "refresh", lambda: None)  # nobody has read it yet
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    session._picker.queue.holds.clear()
    monkeypatch.setattr(session._client, "refresh", refresh)
    assert session.answer("ann", **said)["labelled"] == 1
    assert [e.label for e in session.store.events() if e.kind == "label"] == ["dog"]


def test_every_fifth_is_an_audit_item_of_a_random_sample(tmp_path):
    session = begin(tmp_path, 100)
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    asked = []
    for _ in range(60):
        (question,) = session.questions("ann", 1)
        asked.append(question)
        say(session, "ann", question, shown=True)
    audits = [i for i, q in enumerate(asked) if q.strategy == "audit"]
    assert audits == [4, 9, 14, 19, 24, 29, 34, 39, 44, 49, 54, 59]
    assert all(asked[i].suggestion == "" and asked[i].confidence is None for i in audits)
    assert all(q.suggestion and q.strategy == "margin" for q in asked if q.strategy != "audit")
    kept = {e.item: e for e in session.store.events() if e.kind == "label"}
    for question in asked:
        one = kept[question.name]
        judged = question.strategy == "audit"
        assert (one.audit, one.shown) == (judged, not judged)
        assert one.suggestion in ("cat", "dog")  # kept of an audit item too, though nobody saw it
    session.close()
    other = begin(tmp_path, 100)  # the sample does not depend on what was labelled
    assert set(other._picker.audit.rows) == set(session._picker.audit.rows)
    assert len(other._picker.audit.rows) == 20
    other.close()


def test_audit_estimate_by_hand(tmp_path):
    session = begin(tmp_path, 200, every=1000)
    tell(session, 1, ("cat", "dog"), half(session), labelled=0)
    right = 0
    judged = 0
    while judged < 10:
        (question,) = session.questions("ann", 1)
        model = ("cat", "dog")[session.items.rows[question.name] % 2]
        wrong = {"cat": "dog", "dog": "cat"}[model]
        if question.strategy == "audit":
            judged += 1
            label = model if judged <= 7 else wrong
            right += label == model
        else:
            label = wrong  # what was not drawn at random says nothing of the accuracy
        say(session, "ann", question, label=label)
    found = session.status("ann")["audit"]
    assert (found["n"], found["right"], found["accuracy"]) == (10, 7, 0.7)
    # Wilson by hand: centre (0.7 + z²/20) / (1 + z²/10), z = 1.96
    z2 = 1.959964**2
    centre, wide = (0.7 + z2 / 20) / (1 + z2 / 10), (z2 * 0.7 * 0.3 / 10 + z2 * z2 / 400) ** 0.5 / (1 + z2 / 10)
    assert found["low"] == pytest.approx(centre - wide, abs=1e-6)
    assert found["high"] == pytest.approx(centre + wide, abs=1e-6)
    session.close()


def test_undo(session):
    assert session.undo("ann", event=event()) is None
    one, two = session.questions("ann", 2)
    say(session, "ann", one)
    say(session, "ann", two, label="dog")
    id_ = event()
    back = session.undo("ann", event=id_)
    assert back["item"] == two.item
    assert (back["undone"]["label"], back["question"].name, back["labelled"]) == ("dog", two.name, 1)
    assert session.undo("ann", event=id_)["item"] == two.item  # sent twice, undone once
    assert session.store.state().labels() == {one.name: "cat"}
    assert two.item not in {q.item for q in session.questions("bob", 99)}  # ann has it again
    say(session, "ann", two)
    assert session.status("ann")["labelled"] == 2


def test_skip_passes_on_and_unsure_is_an_answer(tmp_path):
    session = begin(tmp_path, 4, audit=0.0)
    a, b, c, d = session.questions("ann", 4)
    say(session, "ann", a, "skip")
    say(session, "ann", b, "unsure")
    say(session, "ann", c)
    assert {q.item for q in session.questions("bob", 4)} == {a.item, b.item}
    status = session.status("ann")
    assert (status["labelled"], status["skipped"], status["unsure"]) == (1, 1, 1)
    say(session, "ann", d)
    assert session.store.state().labels() == {c.name: "cat", d.name: "cat"}
    say(session, "bob", b)
    assert session.status("bob")["unsure"] == 0
    session._picker.queue.holds.clear()  # bob went away
    (again,) = session.questions("ann", 4)  # nothing else is left: what was skipped comes back, the unsure one does not
    assert again.item == a.item
    say(session, "ann", again, label="dog")
    assert session.store.state().labels()[a.name] == "dog"
    assert not session.questions("ann", 4)
    session.close()


def test_two_annotators_at_once_never_get_the_same(tmp_path):
    session = begin(tmp_path, 300)
    got = {"ann": [], "bob": [], "cy": []}

    def work(who):
        while questions := session.questions(who, 3):
            for question in questions:
                got[who].append(question.item)
                say(session, who, question)

    threads = [threading.Thread(target=work, args=(who,)) for who in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(item for items in got.values() for item in items) == Counter(session.items.ids)
    assert all(got.values())
    session.close()


def test_overlap(tmp_path):
    session = begin(tmp_path, 200, overlap=0.3, audit=0.0)
    for who in ("ann", "bob", "cy"):
        while questions := session.questions(who, 5):
            assert len({q.item for q in questions}) == len(questions)
            for question in questions:
                say(session, who, question)
    answers = session.store.state().answers
    assert len(answers) == 200
    twice = [name for name, by in answers.items() if len(by) == 2]
    assert max(len(by) for by in answers.values()) == 2
    assert 40 <= len(twice) <= 80  # 60 are expected, give or take 3 standard deviations of 6.5
    session.close()


def test_suggestions_follow_the_classes(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    before = session.status("ann")["version"]
    session.change_class("ann", event=event(), kind="class_rename", label="wolf", old="dog")
    assert session.status("ann")["version"] != before
    assert {q.suggestion for q in session.questions("ann", 30) if q.strategy != "audit"} == {"cat", "wolf"}
    id_ = event()
    session.change_class("ann", event=id_, kind="class_remove", label="", old="wolf")
    assert {q.suggestion for q in session.questions("bob", 30) if q.strategy != "audit"} == {"cat"}
    session.change_class("ann", event=event(), kind="class_add", label="owl")
    assert session.change_class("ann", event=event(), kind="class_add", label="owl") == ["cat", "owl"]  # there already
    with pytest.raises(LeavenError):
        session.change_class("ann", event=event(), kind="class_rename", label="x", old="nothing")


def test_grid_of_the_surest_and_never_of_audit_items(session):
    assert session.grid("ann", None, 5)["questions"] == []
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    found = session.grid("ann", "dog", 5)
    assert {q.suggestion for q in found["questions"]} == {"dog"}
    sure = [q.confidence for q in found["questions"]]
    assert sure == sorted(sure, reverse=True)
    audits = {session.items.ids[row] for row in session._picker.audit.rows}
    assert not audits & {q.item for q in session.grid("ann", "dog", 100)["questions"]}
    open_ = {c["label"]: c["count"] for c in found["choices"]}
    assert sum(open_.values()) == 80
    pairs = [(event(), q.item) for q in found["questions"]]
    one = session.accept("ann", label="dog", items=pairs)
    assert [r["item"] for r in one] == [item for _, item in pairs]
    assert session.accept("ann", label="dog", items=pairs) == one
    kept = [e for e in session.store.events() if e.kind == "label"]
    assert {(e.strategy, e.shown, e.audit) for e in kept} == {("grid", True, False)}
    assert len(kept) == 5
    assert {c["label"]: c["count"] for c in session.grid("ann", "dog", 5)["choices"]}["dog"] == open_["dog"] - 5
    others = session.grid("bob", "dog", 5)  # ann has all other dogs before her
    assert [c["label"] for c in others["choices"]] == [others["label"]] == ["cat"]


def test_an_acceptance_is_undone_as_a_whole_and_another_one_is_not(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    (single,) = session.questions("ann", 1)
    say(session, "ann", single)
    grids = []
    for _ in range(2):
        shown = session.grid("ann", "dog", 6)["questions"]
        grids.append([(event(), q.item, q.version) for q in shown[:4]])
        session.accept("ann", label="dog", items=grids[-1], left_out=[q.item for q in shown[4:]])
    session.change_class("ann", event=event(), kind="class_rename", label="wolf", old="dog")
    say(session, "bob", session.questions("bob", 1)[0])
    id_ = event()
    back = session.undo("ann", event=id_)
    assert set(back["items"]) == {item for _, item, _ in grids[1]}
    assert (back["question"], back["undone"]["label"], back["labelled"]) == (None, "wolf", 6)
    assert session.undo("ann", event=id_)["items"] == back["items"]  # sent again
    assert sum(e.kind == "undo" for e in session.store.events()) == 4
    named = session.undo("ann", event=event(), undoes=[one for one, _, _ in grids[0]])
    assert len(named["items"]) == 4
    assert session.undo("ann", event=event(), undoes=[grids[0][0][0]]) is None  # it does not stand any more
    assert session.undo("bob", event=event(), undoes=[grids[0][0][0]]) is None
    last = session.undo("ann", event=event())
    assert last["item"] == single.item
    assert session.undo("ann", event=event()) is None


def test_what_was_left_out_of_a_class_is_offered_again_by_another_model_only(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    shown = session.grid("ann", "dog", 3)["questions"]
    out = [q.item for q in shown[:2]]
    session.accept("ann", label="dog", items=[(event(), shown[2].item)], left_out=out)
    for who in ("ann", "bob"):
        found = session.grid(who, "dog", 100)
        assert not set(out) & {q.item for q in found["questions"]}
        session._picker.queue.holds.clear()
    left = {c["label"]: c["count"] for c in found["choices"]}
    assert left["dog"] == len(found["questions"])
    tell(session, 2, ("cat", "dog"), half(session), range(100))
    assert {q.item for q in session.grid("ann", "dog", 2)["questions"]} == set(out)
    alone = event()
    assert session.accept("ann", label="dog", items=[], left_out=out, event=alone) == []
    assert not set(out) & {q.item for q in session.grid("ann", "dog", 100)["questions"]}
    assert session.undo("ann", event=event(), undoes=[alone])["items"] == []
    assert {q.item for q in session.grid("ann", "dog", 2)["questions"]} == set(out)


def test_what_was_left_out_stays_so_over_a_restart(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    shown = session.grid("ann", "dog", 4)["questions"]
    out, other = [[q.item for q in part] for part in (shown[:2], shown[2:])]
    alone = event()
    session.accept("ann", label="dog", items=[], left_out=out, event=alone)
    session.accept("ann", label="dog", items=[], left_out=other, event=event())
    session.undo("ann", event=event(), undoes=[alone])

    def offered():
        session.close()
        again = Session(session.folder, items=session.items, train=False)
        try:
            return {q.item for q in again.grid("ann", "dog", 100)["questions"]}
        finally:
            again.close()

    assert set(out) <= (found := offered())
    assert not set(other) & found
    (session.folder / "left_out.json").write_text("{")  # it may be lost without harm
    with pytest.warns(LeavenWarning, match="left_out.json is damaged .*offered once more"):
        assert {*out, *other} <= offered()


def test_the_next_class_opens_when_one_is_done(session):
    tell(session, 1, ("cat", "dog"), half(session), range(100))
    held = [q.item for q in session.grid("ann", "dog", 100)["questions"]]
    assert session.grid("ann", "dog", 5, held)["label"] == "cat"  # those are on their way
    session.accept("ann", label="dog", items=[(event(), item) for item in held])
    found = session.grid("ann", "dog", 5)
    assert (found["label"], len(found["questions"])) == ("cat", 5)
    assert [c["label"] for c in found["choices"]] == ["cat"]


def test_an_answer_to_a_picture_that_is_not_there_any_more_is_refused(session, tmp_path):
    one, two, three = session.questions("ann", 3)
    path = tmp_path / "images" / one.name
    said = {"event": event(), "kind": "label", "item": one.item, "label": "cat", "version": one.version}
    path.write_bytes(b"another picture")
    with pytest.raises(Changed, match=f"{one.name} was changed after its picture was shown") as caught:
        session.answer("ann", **said)
    assert caught.value.question.item == one.item
    assert caught.value.question.version != one.version
    receipt = session.answer("ann", **said | {"version": caught.value.question.version})
    path.write_bytes(b"and another one, when the answer was there already")
    assert session.answer("ann", **said | {"version": caught.value.question.version}) == receipt
    (tmp_path / "images" / two.name).unlink()
    with pytest.raises(LeavenError, match="is not there any more"):
        say(session, "ann", two, version=two.version)
    (tmp_path / "images").rename(tmp_path / "away")  # a drive that is gone: nothing is wrong with the answer
    with pytest.raises(Unavailable, match="cannot be reached"):
        say(session, "ann", three, version=three.version)
    (tmp_path / "away").rename(tmp_path / "images")
    say(session, "ann", three, version=three.version)
    assert set(session.store.state().answers) == {one.name, three.name}


def test_an_npz_that_was_written_anew_takes_no_answers_for_what_nobody_saw(tmp_path):
    path = tmp_path / "pool.npz"
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    np.savez(path, images=images)
    session = open_session(path, tmp_path / "run", classes=["cat"], train=False)
    one, two = session.questions("ann", 2)
    say(session, "ann", one, version=one.version)
    np.savez(path, images=images[::-1].copy())
    with pytest.raises(LeavenError, match="was changed since it was read: start"):
        say(session, "ann", two, version=two.version)
    session.close()
    session = open_session(tmp_path / "run", train=False)
    assert session._picker.question(session.items.row(two.item), "x").version != two.version
    session.close()


def test_labels_are_counted_by_class(session):
    a, b, c = session.questions("ann", 3)
    say(session, "ann", a)
    say(session, "ann", b, label="dog")
    say(session, "ann", c, "unsure")
    assert session.status("ann")["counts"] == {"cat": 1, "dog": 1}
    say(session, "bob", b)  # the two do not agree
    found = session.status("ann")
    assert (found["counts"], found["divided"], found["labelled"]) == ({"cat": 1, "dog": 0}, 1, 2)
    session.change_class("ann", event=event(), kind="class_rename", label="lion", old="cat")
    session.undo("bob", event=event())
    assert session.status("ann")["counts"] == {"lion": 1, "dog": 1}


def test_made_items_come_soon_and_are_no_audit(tmp_path):
    made = tmp_path / "run" / "made"
    blank(tmp_path / "images", 30)
    session = begin(tmp_path)
    session.close()
    blank(made, 4)
    session = begin(tmp_path)
    asked = session.questions("ann", 12)
    assert sum(q.strategy == "synthesis" for q in asked) == 4
    assert all(q.name.startswith("made/") == (q.strategy == "synthesis") for q in asked)
    session.close()


def test_what_cannot_be_read_is_passed_over_with_a_note(session):
    (question,) = session.questions("ann", 1)
    session.broken(question.item, "truncated")
    assert "truncated" in session.status("ann")["notes"][0]
    assert session.status("ann")["items"] == 99
    assert question.item not in {q.item for q in session.questions("ann", 100)}
    session._listener.receive({"unreadable": {session.items.names[7]: "no image", "gone.png": "x"}})
    assert session.status("ann")["items"] == (98 if session.items.ids[7] != question.item else 99)


def test_closed_and_opened_again(tmp_path):
    session = begin(tmp_path, 50)
    for question in session.questions("ann", 10):
        say(session, "ann", question)
    held = session.questions("ann", 4)
    with pytest.raises(LeavenError, match="another process"):
        begin(tmp_path)
    labels = session.store.state().labels()
    session.close()
    session = open_session(tmp_path / "run", train=False)
    assert session.store.state().labels() == labels
    assert session.status("ann")["labelled"] == 10
    assert not {q.item for q in session.questions("bob", 50)} & {session.items.id(name) for name in labels}
    session.close()
    session = open_session(tmp_path / "run", train=False)
    session.questions("ann", 0, in_page=[q.item for q in held])  # the page stayed open: what it shows is still ann's
    assert not {q.item for q in held} & {q.item for q in session.questions("bob", 50)}
    say(session, "ann", held[0])
    session.close()


def test_known_labels(tmp_path):
    images = tmp_path / "images"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "new/1.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()
    session = begin(tmp_path, classes=(), audit=0.0)
    assert (session.status("a")["items"], session.classes) == (4, ())  # subfolders are parts of paths
    session.close()
    (images / "new").rename(images / "unlabelled")
    session = open_session(images, tmp_path / "run2", train=False, options={"audit": 0.0})
    assert session.classes == ("cat", "dog")
    assert [q.name for q in session.questions("a", 9)] == ["unlabelled/1.png"]
    session.close()
    (tmp_path / "l.csv").write_text("file,label\ncat/1.png,bird\n")
    options = {"labels": str(tmp_path / "l.csv"), "audit": 0.0}
    session = open_session(images, tmp_path / "run3", train=False, options=options)
    assert session.classes == ("bird",)
    assert {q.name for q in session.questions("a", 9)} == {"cat/2.png", "dog/1.png", "unlabelled/1.png"}
    session.close()


def test_what_cannot_be_opened(tmp_path):
    images = blank(tmp_path / "images", 3)
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").touch()
    for target, out, options, words in (
        (tmp_path / "none", None, {}, "does not exist"),
        (images, other, {}, "is no labelling"),
        (images, None, {"strategy": "margni"}, "margin"),
        (images, None, {"strategy": "bald"}, "committee"),
        (images, None, {"audit": 1.5}, "audit"),
        (images, None, {"method": "moco"}, "moco"),
        (images, None, {"method": "fixmatch", "hyperparameters": {"threshold": "x"}}, "threshold"),
    ):
        with pytest.raises(LeavenError, match=words):
            open_session(target, out or tmp_path / "run", train=False, options=options)
        assert not (tmp_path / "run").exists()


def test_two_servers_do_not_share_a_labelling_on_windows_either(session, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as there
    lock = session._folder_lock
    for _ in range(2):
        with pytest.raises(LeavenError, match="is being labelled by another process already"):
            Lock(session.folder)
    closing = threading.Thread(target=lock.release)  # by whichever thread
    closing.start()
    closing.join()
    another = Lock(session.folder)
    another.release()
