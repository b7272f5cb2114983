"""What follows from events: one standing answer of each annotator, undo, and classes that change."""

from dataclasses import replace
from itertools import count

import pytest

from leaven.errors import LeavenError
from leaven.labels import Conflict, Event, Store
from leaven.labels.fold import Fold


def folded(*events):
    """A fold with the classes cat and dog and these events, and what each of them changed."""
    fold, seq = Fold(), count(1)
    given = (Event("1", "class_add", "ada", label="cat"), Event("2", "class_add", "ada", label="dog"), *events)
    return fold, [fold.apply(replace(event, seq=next(seq))) for event in given][2:]


def test_an_event_says_what_it_changed(event):
    """The id of the answer that stood and of the one that stands; nothing where the same one does."""
    pair = ("ada", "a.png")
    fold, changed = folded(
        event("label", "a.png", "cat", id="a"),
        event("class_rename", label="tiger", old="cat"),
        event("label", "a.png", "dog", id="b", replaces="a"),
        event("class_remove", old="tiger"),  # of an answer below the one that stands
        event("class_remove", old="dog", id="gone"),
        event("undo", undoes="gone"),
        event("undo", undoes="b"),
    )
    assert changed == [
        {pair: ("", "a")},
        {},
        {pair: ("a", "b")},
        {},
        {pair: ("b", "")},
        {pair: ("", "b")},
        {pair: ("b", "")},
    ]
    assert fold.state().answers == {}  # the answer that stood before is of a class that is gone
    assert fold.state().seq == 9


def test_the_newest_answer_is_the_newest_that_stands(event):
    """Of three the first is undone, and then the class of the last is gone."""
    fold, _ = folded(
        event("label", "a.png", "dog", id="a"),
        event("label", "b.png", "dog", id="b"),
        event("label", "c.png", "cat", id="c"),
        event("undo", undoes="a"),
    )
    assert fold.state().last("ada").id == "c"
    fold.apply(event("class_remove", old="cat"))
    assert fold.state().last("ada").id == "b"


def test_a_second_answer_is_a_conflict_unless_it_says_what_it_replaces(store, event):
    (first,) = store.add(event("label", "a.png", "cat"))
    for other in (event("label", "a.png", "dog"), event("label", "a.png", "cat"), event("skip", "a.png")):
        with pytest.raises(Conflict, match=f"ada answered a.png before.*{first.id}"):
            store.add(other)
    with pytest.raises(Conflict):
        store.add(event("label", "a.png", "dog", replaces="nonsense"))
    with pytest.raises(Conflict, match="does not stand"):
        store.add(event("label", "b.png", "dog", replaces=first.id))
    store.add(event("label", "a.png", "dog", by="bob"))  # somebody else may
    store.add(event("unsure", "a.png", replaces=first.id))
    assert {who: e.kind for who, e in store.state().answers["a.png"].items()} == {"ada": "unsure", "bob": "label"}
    assert len(store.events()) == 5


def test_before_the_first_event():
    state = Fold().state()
    assert (state.seq, state.classes, dict(state.answers)) == (0, (), {})


def test_an_undo_stands_in_the_history_of_its_item(store, event):
    """Unless it names an item itself, or undoes a change of classes."""
    store.add(event("label", "a.png", "cat", id="a"), event("label", "b.png", "cat", id="b"))
    store.add(event("class_add", label="bird", id="c"))
    store.add(event("undo", undoes="a"), event("undo", "of b", undoes="b"), event("undo", undoes="c"))
    assert [e.item for e in store.events() if e.kind == "undo"] == ["a.png", "of b", ""]
    assert [e.item for e in store.events() if e.kind == "label"] == ["a.png", "b.png"]


def test_undo_brings_back_what_was_replaced(store, event):
    one, two, three = event("label", "a.png", "cat"), event("label", "b.png", "dog"), event("skip", "a.png", id="three")
    store.add(one, two)
    store.add(event("skip", "a.png", id="three", replaces=one.id))
    state = store.state()
    assert state.last("ada").id == three.id
    with pytest.raises(Conflict, match="does not stand"):
        store.add(event("undo", undoes=one.id))
    store.add(event("undo", undoes="three"))
    assert store.state().labels() == {"a.png": "cat", "b.png": "dog"}
    assert store.state().last("ada").id == two.id  # given after the first to a.png
    with pytest.raises(Conflict, match="no event three"):
        store.add(event("undo", undoes="three"))
    store.add(event("undo", undoes=two.id), event("undo", undoes=one.id))
    assert store.state().answers == {}
    assert store.state().last("ada") is None
    assert state.labels() == {"b.png": "dog"}  # a snapshot does not change
    assert state.answers["a.png"]["ada"].kind == "skip"


def test_after_an_undo_an_item_can_be_answered_anew(store, event):
    one = event("label", "a.png", "cat")
    store.add(one)
    store.add(event("undo", undoes=one.id), event("label", "a.png", "dog"))
    assert store.state().labels() == {"a.png": "dog"}


def test_nobody_undoes_the_answer_of_another(store, event):
    store.add(event("label", "a.png", "cat", id="x"))
    with pytest.raises(LeavenError, match="bob cannot undo it"):
        store.add(event("undo", undoes="x", by="bob"))
    assert store.state().labels() == {"a.png": "cat"}


def test_renaming_a_class_renames_its_answers(store, event):
    store.add(event("label", "a.png", "cat"), event("class_rename", label="tiger", old="cat", id="r"))
    assert store.state().classes == ("tiger", "dog")
    assert store.state().labels() == {"a.png": "tiger"}
    assert [e.label for e in store.events() if e.kind == "label"] == ["cat"]  # what was said stays as it was
    with pytest.raises(LeavenError, match=r"no class cat that b\.png could have, expected one of dog, tiger"):
        store.add(event("label", "b.png", "cat"))
    store.add(event("class_add", label="cat", id="c"), event("label", "b.png", "cat", id="b"))  # a new one of that name
    assert store.state().labels() == {"a.png": "tiger", "b.png": "cat"}
    with pytest.raises(Conflict, match="another class cat"):
        store.add(event("undo", undoes="r"))
    store.add(event("undo", undoes="b"), event("undo", undoes="c"), event("undo", undoes="r"))
    assert store.state().classes == ("cat", "dog")
    assert store.state().labels() == {"a.png": "cat"}


def test_a_renaming_is_not_undone_once_the_class_was_changed_again(store, event):
    store.add(event("class_rename", label="tiger", old="cat", id="first"))
    store.add(event("class_rename", label="lion", old="tiger", id="second"))
    with pytest.raises(Conflict, match="was changed since"):
        store.add(event("undo", undoes="first"))
    store.add(event("class_remove", old="lion", id="gone"))
    with pytest.raises(Conflict, match="was changed since"):
        store.add(event("undo", undoes="second"))
    store.add(event("undo", undoes="gone"), event("undo", undoes="second"), event("undo", undoes="first"))
    assert store.state().classes == ("cat", "dog")


def test_removing_a_class_opens_its_items_and_undo_brings_the_answers_back(store, event):
    store.add(
        event("label", "a.png", "cat", id="a"), event("label", "b.png", "cat", id="b"), event("label", "c.png", "dog")
    )
    store.add(event("class_remove", old="cat", id="gone"))
    assert store.state().classes == ("dog",)
    assert store.state().labels() == {"c.png": "dog"}
    assert store.state().last("ada").item == "c.png"
    store.add(event("label", "b.png", "dog", id="b2"))  # open again, so it replaces nothing
    store.add(event("undo", undoes="gone"))
    assert store.state().classes == ("cat", "dog")
    assert store.state().labels() == {"a.png": "cat", "b.png": "dog", "c.png": "dog"}
    store.add(event("undo", undoes="b2"))
    assert store.state().labels()["b.png"] == "cat"
    with pytest.raises(Conflict, match="no event gone"):
        store.add(event("undo", undoes="gone"))


def test_adding_a_class_can_be_undone_while_nobody_used_it(store, event):
    store.add(event("class_add", label="bird", id="b"))
    assert store.state().classes == ("cat", "dog", "bird")
    store.add(event("label", "a.png", "bird", id="a"))
    with pytest.raises(LeavenError, match="remove it"):
        store.add(event("undo", undoes="b"))
    store.add(event("undo", undoes="a"), event("undo", undoes="b"))
    assert store.state().classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("kind", "names", "words"),
    [
        ("class_add", {"label": "cat"}, "is a class cat already"),
        ("class_add", {"label": " cat"}, "begins or ends with a space"),
        ("class_rename", {"label": "dog", "old": "cat"}, "is a class dog already"),
        ("class_rename", {"label": "bird", "old": "cow"}, "no class cow"),
        ("class_remove", {"old": "cow"}, "no class cow"),
    ],
)
def test_a_change_of_classes_that_cannot_be_is_refused(store, event, kind, names, words):
    with pytest.raises(LeavenError, match=words):
        store.add(event(kind, **names))
    assert store.state().classes == ("cat", "dog")
    assert len(store.events()) == 2


def test_adding_classes_twice_adds_them_once(store):
    assert store.add_classes(["dog", "bird", "bird"], "bob") == ("cat", "dog", "bird")
    assert store.add_classes([], "bob") == ("cat", "dog", "bird")
    assert len(store.events()) == 3


def test_masks_follow_their_classes(store, event):
    mask = '{"counts":{"cat":[0,2,2],"dog":[2,1,1]},"size":[2,2]}'
    store.add(event("mask", "a.png", mask=mask), event("class_rename", label="ape", old="dog"))
    assert store.state().answers["a.png"]["ada"].mask == '{"counts":{"ape":[2,1,1],"cat":[0,2,2]},"size":[2,2]}'
    store.add(event("class_remove", old="cat", id="r"))
    assert store.state().answers["a.png"]["ada"].mask == '{"counts":{"ape":[2,1,1]},"size":[2,2]}'
    store.add(event("undo", undoes="r"))
    assert store.state().answers["a.png"]["ada"].mask == '{"counts":{"ape":[2,1,1],"cat":[0,2,2]},"size":[2,2]}'
    assert store.state().labels() == {}
    for wrong in ('{"counts":{"ape":[1]},"size":[2,2]}', "no mask", '{"counts":{"cow":[4]},"size":[2,2]}'):
        with pytest.raises(LeavenError):
            store.add(event("mask", "b.png", mask=wrong))


def test_majority_ties_and_audit(store, event):
    for item, given in {"a": "cat cat dog", "b": "cat dog", "c": "dog", "d": "dog dog"}.items():
        for who, label in zip(("ada", "bob", "eve"), given.split(), strict=False):
            store.add(event("label", item, label, by=who, audit=item == "d"))
    store.add(event("skip", "e"), event("unsure", "f"), event("skip", "c", by="bob"))
    state = store.state()
    assert state.labels() == {"a": "cat", "c": "dog", "d": "dog"}
    assert state.labels(audit=False) == {"a": "cat", "c": "dog"}
    assert state.consensus().ties == ["b"]
    assert state.audit == {"d"}
    assert set(state.answers) == set("abcdef")
    assert state.votes["c"] == {"ada": "dog"}
    with pytest.raises(LeavenError, match="majority or dawid_skene"):
        state.labels("magic")


def test_another_reader_and_a_reopened_store_see_the_same(store, where, event):
    with Store.open(where) as other:
        assert other.state().labels() == {}
        store.add(event("label", "a.png", "cat", id="a"), event("class_rename", label="tiger", old="cat"))
        assert other.state().labels() == {"a.png": "tiger"}
        other.add(event("undo", undoes="a"), event("label", "a.png", "dog"))
        assert store.state() == other.state()
        with Store.open(where) as new:
            assert new.state() == store.state()
    assert store.state().labels() == {"a.png": "dog"}
    assert store.state() is store.state()  # nothing came, so nothing is made anew
