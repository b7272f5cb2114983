"""Trials are plain data, their log goes on where it stopped, and what fails in another process is a note."""

import json
from dataclasses import asdict, dataclass

import pytest

from leaven.errors import LeavenError
from leaven.run.options import Options
from leaven.study.executor import InProcess, Processes, run_trials
from leaven.study.trial import Trial
from leaven.utils.jsonl import Lines

TRIALS = [Trial({"method": "supervised", "seed": seed}, {"plan": {"seed": seed}}) for seed in range(3)]
NAMES = ("method", "seed")


@dataclass
class Counting:
    """A work of no time; ``made`` are the seeds that it was asked for."""

    made: list

    def __call__(self, trial):
        self.made.append(trial.about["seed"])
        yield trial.about | {"right": 10 * trial.about["seed"]}


def test_a_trial_is_plain_data():
    [again] = [Trial(**json.loads(json.dumps(asdict(trial)))) for trial in TRIALS[2:]]
    assert again == TRIALS[2]
    assert again.asked(Options("fixmatch", validation=0.5)) == Options("fixmatch", validation=0.5, plan={"seed": 2})


def test_what_is_in_the_log_is_not_made_again(tmp_path):
    work, path, told = Counting([]), tmp_path / "log.jsonl", []
    first = list(run_trials(work, TRIALS[:2], Lines(path, NAMES)))
    path.write_text(path.read_text() + '{"method": "superv')  # as a full disk leaves it
    again = list(run_trials(work, TRIALS, Lines(path, NAMES), tell=lambda *words: told.append(words)))
    assert work.made == [0, 1, 2]
    assert again == [*first, {"method": "supervised", "seed": 2, "right": 20}]
    assert [number for _, number in told] == ["", "", "3 of 3"]
    assert [json.loads(line) for line in path.read_text().splitlines()] == again


def test_a_failure_in_the_log_is_tried_again(tmp_path):
    log = Lines(tmp_path / "log.jsonl", NAMES)
    log.add(TRIALS[0].about | {"note": "The process was killed."})
    [record] = run_trials(Counting([]), TRIALS[:1], log)
    assert record["right"] == 0
    assert log.get("supervised", 0) == record


def test_who_stops_has_what_was_made(tmp_path):
    work, path = Counting([]), tmp_path / "log.jsonl"
    stopped = run_trials(work, TRIALS, Lines(path, NAMES))
    next(stopped)
    stopped.close()
    assert work.made == [0]
    assert len(path.read_text().splitlines()) == 1


def test_an_error_in_this_process_is_raised_as_it_is():
    def work(trial):
        raise LeavenError("There is no such thing; name another.")

    with pytest.raises(LeavenError, match="no such thing"):
        list(InProcess().run(work, TRIALS))


class Failing:
    """Sent to another process, which finds no module of this name."""


def test_what_cannot_be_made_elsewhere_is_a_note():
    [record] = Processes(1).run(Failing(), TRIALS[:1])  # type: ignore[arg-type]
    assert record["seed"] == 0
    assert "ended with exit code 1: ModuleNotFoundError" in record["note"]
