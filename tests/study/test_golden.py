"""``python -m benchmarks.golden`` sees a run that computes something else, and no other."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def golden(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    from benchmarks import golden

    def called(*words):
        monkeypatch.setattr("sys.argv", ["golden", "--only", "method supervised", *map(str, words)])
        golden.main()

    monkeypatch.setattr(golden.torch, "set_num_threads", lambda n: None)
    return called


def test_the_same_is_the_same_and_another_is_named(golden, tmp_path, capsys, monkeypatch):
    kept = tmp_path / "golden.json"
    golden("--keep", kept)
    [parts] = json.loads(kept.read_text()).values()
    assert set(parts) == {"weights", "predictions", "figures"}
    with pytest.raises(SystemExit) as same:
        golden("--check", kept)
    assert (same.value.code, capsys.readouterr().out) == (0, "All 1 are the same.\n")
    monkeypatch.setattr("leaven.train.plan.Plan.lr_at", lambda plan, step: 0.029)  # where the cosine begins at 0.03
    with pytest.raises(SystemExit) as other:
        golden("--check", kept)
    assert other.value.code == 1
    assert f"method supervised: weights {parts['weights']} → " in capsys.readouterr().out
    kept.write_text(json.dumps({"method supervised before": parts}))
    with pytest.raises(SystemExit):
        golden("--check", kept)
    assert capsys.readouterr().out.endswith("method supervised before: gone\n")
