"""The names that people type from memory."""

import subprocess
import sys

import numpy as np
import pytest

import leaven
from leaven.errors import LeavenError


def test_every_name_is_there():
    assert set(leaven.__all__) <= set(dir(leaven))
    assert all(getattr(leaven, name) is not None for name in leaven.__all__)
    with pytest.raises(AttributeError, match="'leaven' has no attribute 'fitt'"):
        leaven.fitt  # noqa: B018


def test_importing_it_loads_nothing():
    code = "import sys, leaven; leaven.methods.list(); print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_run_in_memory_and_in_a_folder(tmp_path):
    pool = leaven.data.few_labels(leaven.data.digits(), 4, 0)
    told = {"network": "cnn", "steps": 4, "batch_size": 8, "accelerator": "cpu", "precision": "32-true"}
    run = leaven.fit(pool, method="fixmatch", threshold=0.3, progress=False, **told)
    assert run.path is None
    assert run.method.threshold == 0.3
    assert set(run.predict(pool.items[:9])) <= set(pool.classes)
    again = leaven.fit(pool, "fixmatch", threshold=0.3, out=tmp_path / "run", progress=False, **told)
    kept = leaven.load(str(tmp_path / "run"))
    for other in (again, kept):
        np.testing.assert_array_equal(other.predict_proba(pool), run.predict_proba(pool))
        assert other.classes == pool.classes
    assert [row["method"] for row in kept.figures] == []  # nothing was held out
    for name, tensor in run.method.state_dict().items():
        assert (kept.method.state_dict()[name] == tensor).all(), name
    whole = leaven.data.digits()
    assert leaven.evaluate(tmp_path / "run", whole).accuracy().n == len(whole)
    model = leaven.load(tmp_path / "run" / "model.safetensors")
    np.testing.assert_array_equal(model.predict_proba(pool), run.predict_proba(pool))
    with pytest.raises(LeavenError, match="A model file alone has no method"):
        model.method  # noqa: B018


def test_mistakes_are_sentences():
    pool = leaven.data.few_labels(leaven.data.digits(), 2, 0)
    with pytest.raises(LeavenError, match="FixMatch has no hyper-parameter 'treshold'; did you mean 'threshold'"):
        leaven.fit(pool, "fixmatch", treshold=0.3)
    with pytest.raises(LeavenError, match="There is no method 'fixmach'"):
        leaven.fit(pool, "fixmach")
    with pytest.raises(LeavenError, match="cannot be imported"):
        leaven.fit(pool, "nowhere:Method")
    with pytest.raises(LeavenError, match=r"leaven\.data\.pool:Pool is not a method"):
        leaven.fit(pool, "leaven.data.pool:Pool")
