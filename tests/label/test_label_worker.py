"""The worker, a process of its own: it ranks, learns, publishes; and what becomes of its end, and of the server's."""

import csv
import json
import os
import queue
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers_label import begin, event, say, until, write_digits

from leaven.data import read_folder
from leaven.errors import LeavenError
from leaven.label.session import rounds
from leaven.label.session.opening import open_session
from leaven.label.session.ranking import Ranking
from leaven.label.worker.process import Worker
from leaven.labels import Store
from leaven.run.fit import fit
from leaven.run.folder import read_config
from leaven.run.options import Options
from leaven.run.trained.model import load_model

CLASSES = ("0", "1", "2")
SHORT = {"steps": 30, "batch_size": 8, "probes": 0, "accelerator": "cpu", "precision": "32-true"}
REST = ("idle", "failed")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path_factory.getbasetemp() / "label-cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def answer(session, truth, count):
    for _ in range(count):
        (question,) = until(lambda: session.questions("ann", 1))
        say(session, "ann", question, label=truth[question.name], shown=True)


def rested(session, number):
    until(lambda: max(rounds.finished(session.folder), default=0) >= number)
    until(lambda: session.status("ann")["training"]["state"] in REST)
    return session.status("ann")


@pytest.mark.usefixtures("planted")
def test_a_labelling_from_nothing(tmp_path):
    truth = write_digits(tmp_path / "images")
    (tmp_path / "images" / "torn.png").write_bytes(b"no image")
    session = begin(tmp_path, classes=CLASSES, train=True, every=15, plan=SHORT)
    assert len(until(lambda: session.questions("bob", 2))) == 2  # at once, before anything was ranked
    until(lambda: session.status("ann")["ranking"]["state"] == "done")
    cold = Ranking.load(rounds.cold(session.folder))
    assert cold.model == ""
    audits = {session.items.names[row] for row in session._picker.audit.rows}
    assert not audits & set(cold.names.tolist())
    first = [q for q in session.questions("ann", 4) if q.strategy == "default"]
    assert [q.name for q in first] == cold.names[cold.ranking][: len(first)].tolist()
    session.broken(session.items.id("torn.png"), "no image")
    answer(session, truth, 15)
    until(lambda: rounds.path(session.folder, 1).joinpath("config.json").exists())
    session.change_class("bob", event=event(), kind="class_add", label="owl")  # while it trains
    session.change_class("bob", event=event(), kind="class_rename", label="zero", old="0")
    status = rested(session, 1)
    assert status["training"]["error"] == ""
    assert status["training"]["seconds"] > 0

    run = session.folder
    with open(rounds.path(run, 1) / "labels.csv") as file:
        learnt = {row["file"]: row["label"] for row in csv.DictReader(file)}
    assert not audits & set(learnt)
    assert 9 <= len(learnt) <= 15
    assert all(truth[name] == label for name, label in learnt.items())
    config = read_config(rounds.path(run, 1))  # the run's own may be the next round's: a renamed class is a new one
    assert config["labelling"]["round"] == 1
    assert (config["data"]["labelled"], config["init"]) == (len(learnt), None)
    # the first training may begin before the fifteenth answer: as soon as every class has a label
    assert len(learnt) <= status["curve"][0]["labels"] == config["labelling"]["labelled"] <= 15

    while session.status("ann")["labelled"] < 30:
        (question,) = session.questions("ann", 1)
        label = truth[question.name].replace("0", "zero")
        say(session, "ann", question, label=label)
        assert (question.suggestion != "") == (question.strategy != "audit")
        assert question.suggestion in ("", "zero", "1", "2")
    rested(session, 2)
    config = read_config(run)
    assert config["init"]["path"].endswith(f"{config['labelling']['round'] - 1:04}")  # not from scratch
    assert config["classes"] == ["1", "2", "zero"]
    model = load_model(run)
    with pytest.warns(UserWarning, match="torn"):
        pool = read_folder(tmp_path / "images", False)
    names = np.array(model.classes)[model.predict_proba(pool.items).argmax(1)]
    right = np.mean([name == truth[id_].replace("0", "zero") for id_, name in zip(pool.ids, names, strict=True)])
    assert right > 0.6  # a third by chance; how many labels a round finds depends on the machine
    found = session.grid("ann", None, 5)
    assert found["questions"]
    session.close()

    session = open_session(run, train=False)  # its model suggests at once
    assert all(q.suggestion for q in session.questions("ann", 4) if q.strategy != "audit")
    session.close()


def test_the_end_of_the_worker_is_a_sentence(tmp_path):
    truth = write_digits(tmp_path / "images", 60)
    session = begin(tmp_path, classes=CLASSES, train=True, every=12, plan=SHORT | {"steps": 100_000})
    answer(session, truth, 12)
    until(lambda: session.status("ann")["training"]["steps"] == 100_000)
    os.kill(session._scheduler.worker._process.pid, signal.SIGKILL)
    status = until(lambda: s if (s := session.status("ann"))["training"]["state"] == "failed" else None)
    assert "was killed (signal 9, SIGKILL), probably because memory ran out" in status["training"]["error"]
    log = (session.folder / "worker.log").read_text()
    assert re.search(r"worker started as process \d+: \S+, Python 3", log)
    assert "worker told to train round 1" in log
    assert "worker says state training, round 1, steps 100000" in log
    assert re.search(r"worker was killed \(signal 9, SIGKILL\).*, at most \d+\.\d GB held, while training", log)
    answer(session, truth, 3)  # the page goes on
    assert session.status("ann")["labelled"] == 15
    assert session.status("ann")["training"]["state"] == "failed"  # no training every other moment
    answer(session, truth, 9)
    until(lambda: session.status("ann")["training"]["state"] == "training")  # a new one
    session.close()
    assert not rounds.finished(session.folder)


class Ended(BaseException):
    """Stands for the end of the process."""


def trained_and_not_scored(session, monkeypatch, pool):
    """A round whose process ended when its training was whole on the disk."""
    from leaven.label.worker import learn

    def end(*_):
        raise Ended

    with monkeypatch.context() as patch:
        patch.setattr(learn, "finish", end)
        with pytest.raises(Ended):
            learn.train(session.folder, session.settings, session.items, pool, {}, session.store.state(), lambda **_: 0)


def test_a_round_that_was_trained_is_taken_up_after_the_end(tmp_path, monkeypatch):
    from leaven.label.worker import learn
    from leaven.label.worker.pools import read_pool

    names = sorted(write_digits(tmp_path / "images", 40))
    session = begin(tmp_path, classes=CLASSES, audit=0.0, plan=SHORT | {"steps": 3})
    for i, name in enumerate(names[:9]):
        question = session._picker.question(session.items.rows[name], "random")
        say(session, "ann", question, label=CLASSES[i % 3])
    pool = read_pool(session.settings)
    trained_and_not_scored(session, monkeypatch, pool)
    say(session, "ann", session._picker.question(session.items.rows[names[9]], "random"), label="1")  # after it
    model = (rounds.path(session.folder, 1) / "model.safetensors").read_bytes()
    assert not rounds.finished(session.folder)
    monkeypatch.setattr(learn, "fit", None)  # nothing is trained again
    heard = []
    worker = Worker(session.folder, str(session.folder / "labels.db"), "margin", None, queue.SimpleQueue())
    worker.tell = lambda **message: heard.append(message)
    worker.begin()
    assert {"ranked": 1} in heard
    assert rounds.finished(session.folder) == [1]
    assert (session.folder / "model.safetensors").read_bytes() == model
    said = Ranking.load(rounds.path(session.folder, 1))
    assert (said.model, said.labelled, said.seq) == ("0001", 9, session.store.state().seq - 1)
    assert not set(said.names[said.ranking].tolist()) & set(names[:10])

    monkeypatch.undo()
    trained_and_not_scored(session, monkeypatch, pool)
    where = rounds.path(session.folder, 2)
    (where / rounds.TRIED).touch()  # the scoring ended the process a second time: it does not a third time
    worker.begin()
    assert not where.exists()
    trained_and_not_scored(session, monkeypatch, pool)
    (where / "model.safetensors").write_bytes(b"damaged")
    worker.begin()
    assert not where.exists()
    session.close()


def test_a_round_has_the_steps_that_its_minutes_allow(tmp_path, monkeypatch):
    """Two minutes, nine tenths of them, of steps of 20 s: 5."""
    from leaven.label.worker import learn
    from leaven.label.worker.pools import read_pool

    monkeypatch.setattr(learn, "seconds_a_step", lambda pool, options, progress: 20.0)
    names = sorted(write_digits(tmp_path / "images", 40))
    plan = {name: value for name, value in SHORT.items() if name != "steps"}
    session = begin(tmp_path, classes=CLASSES, audit=0.0, plan=plan, minutes=2.0)
    for i, name in enumerate(names[:9]):
        say(session, "ann", session._picker.question(session.items.rows[name], "random"), label=CLASSES[i % 3])
    told = []
    settings = type(session.settings).load(session.folder)
    learn.train(
        session.folder,
        settings,
        session.items,
        read_pool(settings),
        {},
        session.store.state(),
        lambda **message: told.append(message),
    )
    assert [message["training"]["steps"] for message in told] == [5, 5]
    assert read_config(rounds.path(session.folder, 1))["plan"]["steps"] == 5
    session.close()

    again = open_session(tmp_path / "run", options={"plan": {"steps": 7}})  # the last word counts
    assert again.settings.minutes is None
    again.close()
    with pytest.raises(LeavenError, match="give one"):
        open_session(tmp_path / "run", options={"plan": {"steps": 7}, "minutes": 1.0})
    with pytest.raises(LeavenError, match="minutes is 0"):
        open_session(tmp_path / "run", options={"minutes": 0.0})


@pytest.mark.usefixtures("forked")
def test_what_cannot_be_trained_is_a_sentence(tmp_path):
    names = sorted(write_digits(tmp_path / "images", 40))
    truth = {name: CLASSES[i % len(CLASSES)] for i, name in enumerate(names)}  # whatever is asked, of several classes
    session = begin(tmp_path, classes=CLASSES, train=True, every=12, plan=SHORT | {"lr": 1e20})
    answer(session, truth, 12)
    status = until(lambda: s if (s := session.status("ann"))["training"]["state"] == "failed" else None)
    assert "NaN or infinite" in status["training"]["error"]
    session.close()


SERVER = """
import sys, time
from pathlib import Path
from helpers_label import say
from leaven.label.session.opening import open_session
folder = Path(sys.argv[1])
session = open_session(folder / "images", folder / "run", classes=("a", "b"), annotator="ann",
                       options={"plan": {"steps": 100_000, "probes": 0}, "every": 6})
until = time.monotonic() + 60
while session._scheduler.worker.training["state"] == "starting" and time.monotonic() < until:
    time.sleep(0.05)
print(session._scheduler.worker._process.pid, flush=True)
for i in range(10_000):
    for question in session.questions("ann", 1):
        print(say(session, "ann", question, label="ab"[i % 2])["event"], flush=True)
    time.sleep(0.02 if i < 12 else 1.0)
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.usefixtures("forked")
def test_a_server_that_is_killed_takes_its_worker_along_and_loses_nothing(tmp_path):
    write_digits(tmp_path / "images", 300, ("0", "1"))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    worker = int(process.stdout.readline())
    told = [process.stdout.readline().strip()]
    while not rounds.path(tmp_path / "run", 1).joinpath("config.json").exists():  # until it is in the middle of a round
        told.append(process.stdout.readline().strip())
    process.kill()
    told += process.stdout.read().split("\n")[:-1]
    process.wait()
    until(lambda: not _alive(worker), 10)
    with Store.open(tmp_path / "run") as store:
        kept = {e.id for e in store.events()}
    assert told
    assert all(one in kept for one in told if len(one) == 32)
    assert rounds.path(tmp_path / "run", 1).exists()  # half of a round
    session = open_session(tmp_path / "run", options={"plan": SHORT})
    assert session.status("ann")["labelled"] >= len([t for t in told if len(t) == 32])
    assert session.questions("ann", 1)  # at once
    until(lambda: not rounds.path(tmp_path / "run", 1).exists())  # discarded
    session.close()


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.usefixtures("forked")
def test_a_run_of_fit_suggests_at_once(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own_way.py").write_text("from leaven.query.strategies.uncertainty import margin\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    monkeypatch.syspath_prepend(tmp_path / "code")
    truth = write_digits(tmp_path / "all", 90)
    for number, (name, label) in enumerate(truth.items()):
        where = tmp_path / "images" / (label if number < 12 else "unlabelled")
        where.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).rename(where / name)
    inputs = {
        "data": str(tmp_path / "images"),
        "labels": None,
        "source": None,
        "test": None,
        "size": None,
        "channels": None,
        "strict": False,
        "per_class": None,
        "seed": None,
    }
    options = Options("fixmatch", plan=SHORT, baseline=False)
    pool = read_folder(tmp_path / "images", progress=False)
    fit(pool, tmp_path / "run", options, source=inputs["data"], record={"inputs": inputs}, progress=False)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    session = open_session(tmp_path / "run", options={"plan": SHORT, "every": 8, "strategy": "own_way:margin"})
    assert session.classes == CLASSES
    assert session.status("ann")["items"] == 78
    until(lambda: rounds.finished(session.folder) == [0])
    until(lambda: session._picker.live is not None)
    asked = session.questions("ann", 8)
    assert all(q.name.startswith("unlabelled/") for q in asked)
    assert all(q.suggestion in CLASSES for q in asked if q.strategy != "audit")
    assert "own_way:margin" in {q.strategy for q in asked}  # told to this start, so the worker was told too
    for question in asked:
        say(session, "ann", question, label=truth[Path(question.name).name])
    rested(session, 1)
    with open(rounds.path(session.folder, 1) / "labels.csv") as file:
        assert len(list(csv.DictReader(file))) == 12 + sum(q.strategy != "audit" for q in asked)
    assert (rounds.path(session.folder, 0) / "model.safetensors").read_bytes() == before
    assert (session.folder / "model.safetensors").read_bytes() != before
    session.close()
    assert json.loads((session.folder / "label.json").read_text())["labels"] == "run"
    open_session(session.folder, train=False, options={"strategy": "default"}).close()
