"""Checkpoints, tables and models on the disk: whole or not there, and never a program."""

import errno
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_train import feature_pool, job, network

from leaven.errors import LeavenError
from leaven.methods.semi.supervised import Supervised
from leaven.train import checkpoint
from leaven.train.engine import train
from leaven.train.log import CsvLog, read_table

STATE = {"step": 3, "weights": torch.arange(1000.0)}


class Program:
    """What it is pickled as touches a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_written_and_read(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE)
    checkpoint.save(path, {**STATE, "step": 4})
    found = checkpoint.load(path)
    assert found["step"] == 4
    assert torch.equal(found["weights"], STATE["weights"])
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


@pytest.mark.parametrize("kind", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("unexpected pos 64")])
def test_full_disk_keeps_the_checkpoint_before(kind, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"

    def torn(state, file):
        file.write(b"half of it")
        raise kind

    checkpoint.save(path, STATE)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", torn)
        with pytest.raises(LeavenError, match=r"checkpoint.pt could not be written .*the one before it is kept"):
            checkpoint.save(path, {**STATE, "step": 4})
        with pytest.raises(LeavenError, match="there is none before it"):
            checkpoint.save(tmp_path / "first.pt", STATE)
    assert os.listdir(tmp_path) == ["checkpoint.pt"]
    assert checkpoint.load(path)["step"] == 3


def save_within_limits(path: Path) -> None:
    """The second checkpoint is larger than the system lets a file be."""
    import resource

    checkpoint.save(path, {"step": 1, "weights": torch.zeros(1000)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        checkpoint.save(path, {"step": 2, "weights": torch.zeros(100_000)})
    except LeavenError as error:
        path.with_name("said").write_text(str(error))


def test_real_short_write(processes, tmp_path):
    """The system refuses to let the file grow, in the middle of PyTorch's own writer."""
    path = tmp_path / "checkpoint.pt"
    process = processes.Process(target=save_within_limits, args=(path,))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert "the one before it is kept" in (tmp_path / "said").read_text()
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "said"]
    assert checkpoint.load(path)["step"] == 1


def test_full_disk_ends_a_run_and_the_run_goes_on(tmp_path, monkeypatch):
    """The third checkpoint does not fit; with room again, the run ends as one that was never stopped."""
    pool = feature_pool()

    def run(folder, resume=False):
        one = job(Supervised(network("mlp", pool)), pool, folder, steps=8, checkpoint_every=0.0)
        one.resume = resume
        return train(one)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = run(whole).weights
    write, calls = torch.save, []

    def full(state, file):
        calls.append(1)
        if len(calls) > 2:
            file.write(b"x" * 100)
            raise OSError(errno.ENOSPC, "No space left on device")
        write(state, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(LeavenError, match="No space left"):
            run(broken)
    assert sorted(os.listdir(broken)) == ["checkpoint.pt", "metrics.csv"]
    assert checkpoint.load(broken / "checkpoint.pt")["step"] == 2
    found = run(broken, resume=True).weights
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [row["step"] for row in read_table(broken / "metrics.csv")] == [str(n) for n in range(1, 9)]


def damaged() -> list[bytes]:
    rng = np.random.default_rng(0)
    whole = pickle.dumps({"step": 1, "weights": list(range(50))})
    return [b"", b"x", b"\x80", b"PK\x03\x04", b"step,loss\n1,2\n", whole[:30], *(rng.bytes(60) for _ in range(60))]


def test_damaged_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, STATE)
    content = path.read_bytes()
    for bad in [content[: len(content) // 2], content[:-30], *damaged()]:
        path.write_bytes(bad)
        with pytest.raises(LeavenError, match="is not a checkpoint of leaven"):
            checkpoint.load(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(LeavenError, match="is not a checkpoint of leaven"):
        checkpoint.load(path)


@pytest.mark.parametrize("write", ["torch", "old torch", "pickle"])
def test_checkpoint_that_is_a_program_is_not_run(write, tmp_path):
    path, touched = tmp_path / "checkpoint.pt", tmp_path / "touched"
    state = {"step": 1, "weights": Program(touched)}
    if write == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=write == "torch")
    with pytest.raises(LeavenError, match="is not a checkpoint of leaven"):
        checkpoint.load(path)
    assert not touched.exists()
    pickle.loads(pickle.dumps(Program(touched)))
    assert touched.exists()  # so the file would have been there


@pytest.mark.parametrize("content", ["program", "text", "empty", "other safetensors", "cut", "header of another"])
def test_model_that_is_none(content, tmp_path):
    from safetensors.torch import save_file

    from leaven.nn.build import Spec
    from leaven.run.trained.model import Model, load_model

    path, touched = tmp_path / "model.safetensors", tmp_path / "touched"
    pool = feature_pool()
    spec = Spec("mlp", (5,), 3, (0.4,) * 5, (0.7,) * 5)
    Model(network("mlp", pool), spec, pool.classes).save(path)
    assert load_model(path).classes == pool.classes
    whole = path.read_bytes()
    if content == "program":
        torch.save({"weights": Program(touched)}, path)
    elif content == "other safetensors":
        save_file({"w": torch.zeros(3)}, path)
    elif content == "header of another":
        Model(network("linear", pool), spec, pool.classes).save(path)
    else:
        path.write_bytes({"text": b"hello\n" * 50, "empty": b"", "cut": whole[:-100]}[content])
    with pytest.raises(LeavenError, match="is not a model of leaven"):
        load_model(path)
    assert not touched.exists()


def test_checkpoint_of_another_network(tmp_path):
    pool = feature_pool()
    train(job(Supervised(network("mlp", pool)), pool, tmp_path, steps=2))
    other = job(Supervised(network("linear", pool)), pool, tmp_path, steps=2)
    other.resume = True
    with pytest.raises(LeavenError, match="of another method or network"):
        train(other)


# -- tables ---------------------------------------------------------------------------------------------------


def write(path: Path, steps: range, after: int = 0) -> None:
    table = CsvLog(path, after=after)
    for step in steps:
        table.write({"step": step, "loss": step / 3, "split": "x"})


def test_table_goes_on_after_a_step(tmp_path):
    path = tmp_path / "metrics.csv"
    write(path, range(1, 8))
    before = path.read_text().splitlines()
    write(path, range(5, 10), after=4)
    after = path.read_text().splitlines()
    assert after[:8] == before
    assert [row["step"] for row in read_table(path)] == [str(n) for n in range(1, 10)]
    assert read_table(path)[0] == {"step": "1", "loss": "0.333333", "split": "x"}
    assert os.listdir(tmp_path) == ["metrics.csv"]
    write(path, range(1, 3))
    assert len(read_table(path)) == 2  # a new run, a new table


def test_torn_line_is_dropped(tmp_path):
    """What a full disk left of line 13 is no line 1."""
    path = tmp_path / "metrics.csv"
    write(path, range(1, 13))
    with open(path, "a") as file:
        file.write("1")
    write(path, range(13, 15), after=12)
    assert [row["step"] for row in read_table(path)] == [str(n) for n in range(1, 15)]


def test_table_on_a_full_disk(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    table = CsvLog(tmp_path / "metrics.csv")
    table.path = Path("/dev/full")
    with pytest.raises(LeavenError, match=r"/dev/full could not be written .*--resume"):
        table.write({"step": 1})


def test_columns_are_those_of_the_first_line(tmp_path):
    table = CsvLog(tmp_path / "metrics.csv")
    table.write({"step": 1, "a": 1.0})
    table.write({"step": 2, "a": 2.0, "b": 3.0})
    assert read_table(table.path) == [{"step": "1", "a": "1"}, {"step": "2", "a": "2"}]


def test_a_run_whose_folder_is_removed_says_so(tmp_path):
    pool, folder = feature_pool(), tmp_path / "run"
    folder.mkdir()
    one = job(Supervised(network("linear", pool)), pool, folder, steps=40, probes=4)
    one = replace(one, probe=lambda *_: shutil.rmtree(folder, ignore_errors=True))
    with pytest.raises(LeavenError, match=r"run/\w+.\w+ could not be written \(its folder is gone.*start anew"):
        train(one)
