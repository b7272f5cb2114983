"""Who was audited under an earlier sample still judges: every round says what it takes those items for."""

import json

import pytest
from helpers_label import event, write_digits

from leaven.data import read_folder
from leaven.label.session import audit, rounds
from leaven.label.session.items import ItemIndex
from leaven.label.session.settings import Settings
from leaven.label.worker import learn
from leaven.labels import Event, Store
from leaven.nn.build import build, spec_for
from leaven.run.trained.model import Model

CLASSES = ("0", "1", "2")


@pytest.fixture
def labelling(tmp_path, monkeypatch):
    """Forty digits, what was audited of them under a share of 0.5, the sample of 0.1 now, and what labels there are."""
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    truth = write_digits(tmp_path / "images", 40)
    items = ItemIndex(tmp_path / "images")
    before, now = ({items.names[i] for i in audit.draw_sample(items.names, share, 0)} for share in (0.5, 0.1))
    assert len(before) == 20
    assert len(now) == 4
    with Store.open(tmp_path / "labels.db") as store:
        store.add_classes(CLASSES, "ann")
        store.add(*(Event(event(), "label", "ann", name, label=truth[name], audit=True) for name in sorted(before)))
        learnt = sorted(set(items.names) - before)[:3]
        store.add(*(Event(event(), "label", "ann", name, label=truth[name]) for name in learnt))
        yield tmp_path, items, store.state(), before, now, set(learnt)


def test_a_round_predicts_what_was_ever_audited(labelling):
    folder, items, state, before, now, learnt = labelling
    pool = read_folder(folder / "images", labels=False, progress=False)
    spec = spec_for("cnn", pool.items, len(CLASSES))
    model = Model(build(spec), spec, CLASSES)
    settings = Settings(data=str(folder / "images"), audit=0.1, strategy="random")
    learn.finish(folder / "run", 1, settings, items, pool, model, state, set(), {"seq": 0, "labelled": 3})
    found = json.loads((rounds.path(folder / "run", 1) / rounds.PREDICTED).read_text())
    assert set(found["predicted"]) == before | now
    assert not learnt & set(found["predicted"])  # what is learnt from judges nothing
    expected = dict(zip(pool.ids.tolist(), model.predict_proba(pool.items).argmax(1).tolist(), strict=True))
    assert found["predicted"] == {name: expected[name] for name in before | now}
