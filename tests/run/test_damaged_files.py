"""Damaged files of a run: a sentence, always. ``python -m benchmarks.fuzz`` asks the commands a thousand times."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.nn.build import build
from leaven.nn.spec import Spec
from leaven.run.trained.model import Model, load_model
from leaven.study.round_log import RoundLog
from leaven.train import checkpoint, schemas
from leaven.train.log import read_table
from leaven.utils.archive import read_archive
from leaven.utils.jsonl import Lines
from leaven.utils.reading import read_bytes

sys.path.insert(0, str(Path(__file__).parents[2]))

CONFIG = {
    "leaven": "0",
    "method": "fixmatch",
    "hyperparameters": {"threshold": 0.9},
    "network": {"name": "cnn", "shape": [8, 8, 1], "classes": 2, "mean": [0.5], "std": [0.2]},
    "plan": {"steps": 3, "probes": 10},
    "flip": False,
    "validation": 0.0,
    "classes": ["a", "b"],
    "data": {"path": "here", "items": 5, "labelled": 2, "shape": [8, 8, 1]},
}


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "astray"])
def test_only_regular_files_are_opened(tmp_path, kind):
    from benchmarks.damage import WAYS

    path = tmp_path / "file"
    path.write_text("{}")
    WAYS[kind](path, np.random.default_rng(0))
    table = (
        read_bytes,
        lambda p, mend: read_archive(p, ["x"], mend),
        lambda p, _: checkpoint.load(p),
        lambda p, _: read_table(p),
        lambda p, _: RoundLog(p),
        lambda p, _: schemas.read_rows(p),
    )
    for read in table:
        if kind != "astray" or read is not table[4]:  # a link to itself exists no more than none
            with pytest.raises(LeavenError, match=r"expected|cannot be read"):
                read(path, "mend it")


def test_a_link_to_a_file_is_one(tmp_path):
    (tmp_path / "there").write_text("[]")
    (tmp_path / "link").symlink_to(tmp_path / "there")
    assert schemas.read_rows(tmp_path / "link") == []


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (("plan", "steps"), "three", r"plan\.steps: "),
        (("plan", "steps"), 0, r"plan\.steps: input should be greater than or equal to 1"),
        (("network", "members"), 10**9, r"members of the network is 1000000000"),
        (("network", "shape"), [10**6, 10**6, 3], r"shape of the network"),
        (("network", "mean"), None, r"network\.mean: "),
        (("network", "widht"), 3, r"network\.widht: "),
        (("data",), [], r"data: "),
        (("data", "items"), -1, r"data\.items: "),
        (("classes",), ["a", "a"], r"a name stands there twice"),
        (("hyperparameters", "threshold"), {}, r"hyperparameters\.threshold"),
        (("init",), {}, r"init: either a stage or a path"),
        (("validation",), 1.5, r"validation: "),
    ],
)
def test_a_configuration_says_where_it_is_damaged(tmp_path, place, value, says):
    config = json.loads(json.dumps(CONFIG))
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(LeavenError, match=rf"config\.json is damaged \(.*{says}.*train the run again"):
        schemas.read_config(tmp_path / "config.json")


def test_every_key_is_missed(tmp_path):
    for key in CONFIG:
        (tmp_path / "config.json").write_text(json.dumps({k: v for k, v in CONFIG.items() if k != key}))
        with pytest.raises(LeavenError, match=rf"{key}: field required"):
            schemas.read_config(tmp_path / "config.json")


def test_older_runs_are_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    found = schemas.read_config(tmp_path / "config.json")
    assert (found["task"], found["init"], found["data"]["dense"]) == ("classification", None, False)


def test_damaged_lines_of_a_table_are_dropped(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"step,loss\r\n1,0.5\r\n2,0.\xff4\r\n3,x\r\n4,0.2,7\r\n5,\x00\r\n6,0.1\r\n7,0")
    with pytest.warns(UserWarning, match=r"4 damaged lines are left out of .*metrics\.csv"):
        assert [row["step"] for row in read_table(path)] == ["1", "6"]
    path.write_bytes(b"st\xffp,loss\r\n1,0.5\r\n")
    with pytest.warns(UserWarning, match="its first line"):
        assert read_table(path) == []


def model(tmp_path: Path, **changes) -> Path:
    spec = Spec("mlp", (5,), 3, (0.4,) * 5, (0.7,) * 5)
    Model(build(spec), spec, ("a", "b", "c")).save(tmp_path / "model.safetensors")
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        header = json.loads(file.metadata()["leaven"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["network"] |= changes.pop("network", {})
    for name in changes.pop("flip", ()):
        weights[name].view(-1)[0] += 1e-4
    save_file(weights, tmp_path / "model.safetensors", metadata={"leaven": json.dumps(header | changes)})
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"network": {"members": 10**9}}, "members of the network"),
        ({"network": {"name": "wrn-999999994-2", "shape": [8, 8, 1], "mean": [0.5], "std": [0.5]}}, "larger than any"),
        ({"network": {"classes": 10**6}, "classes": [str(k) for k in range(10**6)]}, "weights, but"),
        ({"classes": ["a", "b"]}, "3 classes of different names"),
        ({"classes": None}, "classes: "),
        ({"flip": ["head.weight"]}, "not as they were written"),
    ],
)
def test_a_model_that_cannot_be(tmp_path, changes, says):
    assert load_model(model(tmp_path)).classes == ("a", "b", "c")
    with pytest.raises(LeavenError, match=rf"is not a model of leaven, or it is damaged \(.*{says}"):
        load_model(model(tmp_path, **changes))


def test_a_flipped_bit_of_a_checkpoint_is_found(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 1, "weights": torch.arange(5000.0)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LeavenError, match="not a checkpoint of leaven"):
        checkpoint.load(path)


@pytest.mark.parametrize("change", [{"step": -1}, {"step": None}, {"ema": {"w": 3}}, {"optimizer": None}])
def test_what_a_checkpoint_holds_has_its_form(tmp_path, change):
    state = {"step": 1, "seconds": 0.1, "method": {}, "ema": {}, "optimizer": {}, "sums": {}, "count": 0}
    checkpoint.save(tmp_path / "c.pt", state)
    assert checkpoint.load_state(tmp_path / "c.pt").step == 1
    checkpoint.save(tmp_path / "c.pt", state | change)
    with pytest.raises(LeavenError, match=r"c\.pt is damaged"):
        checkpoint.load_state(tmp_path / "c.pt")


def test_an_archive_takes_no_memory_for_what_it_does_not_hold(tmp_path):
    import zipfile
    from io import BytesIO

    made = BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x.npy", made.getvalue())
    with pytest.raises(LeavenError, match="tells of 40,000,000,000,000 bytes and has 0"):
        read_archive(tmp_path / "x.npz", ["x"], "mend it")


@pytest.mark.parametrize("change", [{"labels": np.array([0, 5])}, {"ids": np.array(["a"])}, {"classes": ("a",)}])
def test_predictions_that_do_not_fit_together(tmp_path, change):
    columns = {"probabilities": np.full((2, 2), 0.5, np.float32), "labels": np.array([0, -1])}
    columns |= {"ids": np.array(["x", "y"]), "classes": ("a", "b")}
    Evaluation(**columns).save(tmp_path / "e.npz")
    assert len(Evaluation.load(tmp_path / "e.npz").ids) == 2
    Evaluation(**columns | change).save(tmp_path / "e.npz")
    with pytest.raises(LeavenError, match=r"e\.npz is damaged"):
        Evaluation.load(tmp_path / "e.npz")


def test_a_line_of_another_form_is_named(tmp_path):
    (tmp_path / "rounds.jsonl").write_text('{"seed": 0}\n')
    with pytest.raises(LeavenError, match=r"Line 1 of .*rounds\.jsonl is damaged"):
        RoundLog(tmp_path / "rounds.jsonl")
    (tmp_path / "folds.jsonl").write_text('{"candidate": "x", "fold": 1, "predicted": [-3], "seconds": 1}\n')
    with pytest.raises(LeavenError, match=r"predicted\[0\]"):
        Lines(tmp_path / "folds.jsonl", ("candidate", "fold"), schemas.Fold)


@pytest.mark.skipif(os.name != "posix", reason="pipes, and a signal that ends what hangs")
def test_commands_answer_in_a_sentence(tmp_path, monkeypatch):
    """A few dozen damaged files, by the fuzz of ``benchmarks``: labelling, stream and lines of a bench."""
    from benchmarks import fuzz

    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))
    wanted = ("run", "stream", "bench")
    monkeypatch.setattr(fuzz, "scenes", lambda root, of=fuzz.scenes: [s for s in of(root) if s.name in wanted])
    fuzz.make(tmp_path)
    answers = list(fuzz.fuzz(tmp_path, 24, seed=5, limit=30))
    assert not [one for one in answers if one.outcome in ("traceback", "hang")]
    assert any(one.outcome == "sentence" for one in answers)
