"""Classes held out of a run that learns to solve small tasks, and the curve of it on them."""

import csv
import json

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool, hold_out_classes
from leaven.errors import LeavenError
from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.episode import Episode
from leaven.methods.fewshot.prototypical import Prototypical
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.run import load_method


def pool(classes: int = 10, each: int = 6) -> Pool:
    rng = np.random.default_rng(0)
    labels = np.append(np.repeat(np.arange(classes), each), [-1] * 5)
    items = rng.normal(size=(len(labels), 4)).astype(np.float32)
    items[:, 0] += labels
    return Pool(items, labels, classes=tuple(f"class {k}" for k in range(classes)))


def named(part: Pool) -> set:
    return {part.classes[k] for k in part.labels if k >= 0}


def test_no_class_is_in_two_parts():
    """Base, validation and novel classes, all items of each with its own name."""
    whole = pool()
    rest, novel = hold_out_classes(whole, 0.2, seed=1)
    base, validation = hold_out_classes(rest, 0.25, seed=1)
    parts = (base, validation, novel)
    assert [part.num_classes for part in parts] == [6, 2, 2]
    assert [len(part) for part in parts] == [41, 12, 12]  # what has no label is learnt from
    assert set.union(*map(named, parts)) == set(whole.classes)
    assert sum(len(named(part)) for part in parts) == 10
    names = {item: whole.classes[k] for item, k in zip(whole.ids, whole.labels, strict=True) if k >= 0}
    for part in parts:
        assert set(part.classes) == named(part)
        assert all(part.classes[k] == names[i] for i, k in zip(part.ids, part.labels, strict=True) if k >= 0)
    again, other = (hold_out_classes(whole, 0.2, seed)[1].classes for seed in (1, 2))
    assert again == novel.classes != other


@pytest.mark.parametrize(("fraction", "classes", "says"), [(1.0, 4, "between 0 and 1"), (0.5, 1, "expected two")])
def test_what_cannot_be_held_out(fraction, classes, says):
    with pytest.raises(LeavenError, match=says):
        hold_out_classes(pool(classes), fraction)


def options(**changes) -> Options:
    plan = {"steps": 6, "probes": 3, "accelerator": "cpu", "precision": "32-true"}
    given = {"method": "prototypical", "network": "mlp", "hyperparameters": {"ways": 3, "queries": 2}, "plan": plan}
    return Options(**given | {"validation": 0.4} | changes)


def test_the_curve_is_of_classes_that_are_not_trained_on(tmp_path, monkeypatch):
    trained = []
    forward = Prototypical.forward
    monkeypatch.setattr(
        Prototypical, "forward", lambda self, batch: (trained.append(batch["episodes"].rows), forward(self, batch))[1]
    )
    fit(pool(), tmp_path / "run", options(), progress=False)
    base, held = hold_out_classes(pool(), 0.4, seed=0)
    assert torch.cat(trained).max() < len(base)
    assert not named(base) & named(held)
    with open(tmp_path / "run" / "curve.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4, 6]
    # the last point once more: four classes of six items, the method's one shot, three ways
    last = evaluate_episodes(load_method(tmp_path / "run"), held, Episode(3, 1, 5), 100, progress=False)
    assert float(rows[-1]["accuracy"]) == pytest.approx(last.value, abs=1e-5)
    assert {row["split"] for row in rows} == {"validation"}
    assert {row["n"] for row in rows} == {"100"}
    assert "in small tasks of held-out classes" in (tmp_path / "run" / "report.html").read_text()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["validation"] == 0.4


def test_it_chooses_nothing_and_is_off_unless_asked_for(tmp_path):
    """The same base classes end at the same weights, however many points the curve has."""
    fits = [fit(pool(), tmp_path / "a", options(), progress=False)[0].model.network]
    few = options(plan=options().plan | {"probes": 1})
    fits.append(fit(pool(), None, few, progress=False)[0].model.network)
    fit(pool(), tmp_path / "b", options(validation=None), progress=False)
    weights = [nn.utils.parameters_to_vector(network.parameters()) for network in fits]
    assert torch.equal(weights[0], weights[1])
    assert not (tmp_path / "b" / "curve.csv").exists()


def test_what_a_method_trains_beside_its_network_is_averaged_there_too():
    from leaven.nn.build import build, spec_for
    from leaven.train.averages import Averages

    method = Prototypical(build(spec_for("mlp", pool().items, 0)))
    method.scale = nn.Parameter(torch.tensor(0.0))
    averages = Averages(method, 0.5)
    with torch.no_grad():
        method.scale.fill_(8.0)
    averages.update(100)
    trained = averages.trained()
    assert trained.scale == averages.beside["scale"]
    assert 0 < trained.scale < 8
    assert method.scale == 8
    assert not trained.training


def test_classes_too_few_for_a_curve_are_a_sentence(tmp_path):
    with pytest.raises(LeavenError, match="needs two held-out classes of 2 items or more, but 1 of 1 have them"):
        fit(pool(), tmp_path / "run", options(validation=0.1), progress=False)
    assert not (tmp_path / "run").exists()
    with pytest.raises(LeavenError, match=r"share of classes to hold out is 1\.5"):
        fit(pool(), tmp_path / "run", options(validation=1.5), progress=False)
