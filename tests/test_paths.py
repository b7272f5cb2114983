"""Whatever takes a path takes text: every public function, by its signature, so that a new one is caught."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

ROOMS = ("run", "evaluation", "query", "train")  # all that is public in them; of the others what they export
NAMED = ("leaven", "leaven.data", "leaven.labels", "leaven.estimators", "leaven.labels.formats.transfer")
ALONE = re.compile(r"(?<![\w.])Path(?![\w(])")  # in an annotation
TEXT = re.compile(r"(?<![\w.])(str|PathLike)(?!\w)")
CALLS = re.compile(r"Callable\[\[[^\]]*\][^\]]*\]")  # is given a path, and takes none


def public() -> Iterator[Any]:
    """Public functions and classes."""
    for room in ROOMS:
        package = importlib.import_module(f"leaven.{room}")
        for found in pkgutil.walk_packages(package.__path__, f"leaven.{room}."):
            module = importlib.import_module(found.name)
            yield from (one for one in vars(module).values() if getattr(one, "__module__", "") == found.name)
    for name in NAMED:
        module = importlib.import_module(name)
        exported = getattr(module, "__all__", None)
        named = [getattr(module, inner) for inner in exported or vars(module)]
        yield from (one for one in named if exported or getattr(one, "__module__", "") == name)


def functions() -> dict[str, Callable[..., Any]]:
    """Those of them that take paths, methods among them; what makes a dataclass is its fields."""
    found = {}
    for one in public():
        inner = [one]
        if inspect.isclass(one):
            inner = [getattr(method, "__func__", method) for method in vars(one).values()]
        for function in inner:
            if not inspect.isfunction(function) or function.__qualname__.startswith("_"):
                continue
            name = function.__qualname__.rpartition(".")[2]
            written = name == "__init__" and "def __init__" in inspect.getsource(one)
            if "Path" in str(function.__annotations__) and (written or not name.startswith("_")):
                found[f"{function.__module__}.{function.__qualname__}"] = function
    return found


@pytest.mark.parametrize("name", sorted(functions()))
def test_who_takes_a_path_takes_text(name):
    kinds = functions()[name].__annotations__.items()
    taken = {key: CALLS.sub("", str(kind)) for key, kind in kinds if key != "return"}
    strict = [key for key, kind in taken.items() if ALONE.search(kind) and not TEXT.search(kind)]
    assert not strict, f"{name} takes {', '.join(strict)} as a Path only: annotate it with PathLike, and take text"


def test_text_serves_from_training_to_export(tmp_path):
    """What a script does with a run, all paths as text, in the current folder or not."""
    from leaven.data import read_npz
    from leaven.evaluation.classification import Evaluation
    from leaven.labels.inputs import read_data, read_like
    from leaven.query.votes import load_snapshots
    from leaven.report import write_report
    from leaven.run import folder
    from leaven.run.fit import fit
    from leaven.run.options import Options
    from leaven.run.trained.export import export
    from leaven.run.trained.model import load_model
    from leaven.run.trained.run import load_method
    from leaven.train import checkpoint
    from leaven.train.log import read_table
    from leaven.utils.files import require_writable
    from leaven.utils.tables import write_table

    place = str(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(f"{place}/data.npz", x=rng.normal(size=(12, 4)).astype(np.float32), y=np.arange(12) % 2)
    pool = read_data(f"{place}/data.npz")
    plan = {"steps": 4, "accelerator": "cpu", "precision": "32-true", "batch_size": 4, "snapshots": 2}
    run = f"{place}/run"
    fit(pool, run, Options("supervised", plan=plan), test=read_npz(f"{place}/data.npz"), progress=False)
    model = load_model(run)
    model.save(f"{place}/m.safetensors")
    assert load_model(f"{place}/m.safetensors").classes == model.classes
    assert export(model, "safetensors", f"{place}/again.safetensors", run).exists()
    assert len(read_like(f"{place}/data.npz", (4,))) == 12
    assert folder.read_config(run)["method"] == "supervised"
    assert folder.read_rows(run)
    assert write_report(run).exists()
    assert load_method(run).network is not None
    assert len(load_snapshots(run)) == 2
    assert checkpoint.load_state(f"{run}/checkpoint.pt").step == 4
    assert len(read_table(f"{run}/metrics.csv")) == 4
    Evaluation.load(f"{run}/evaluations/test.npz").save(f"{place}/e.npz")
    write_table(f"{place}/t.csv", {"a": [1]})
    require_writable(f"{place}/x/y")
    folder.clear(run)
