"""Many trials, one after the other or several at a time, and a log of what came of them, so that they can go on."""

from __future__ import annotations

import json
import pickle
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import IO, Protocol

from leaven.study.trial import Record, Trial, Work
from leaven.utils import children
from leaven.utils.countdown import Countdown
from leaven.utils.jsonl import Lines

PAUSE = 0.05  # seconds between two checks whether a process has ended

Tell = Callable[[Record, str], None]


class Executor(Protocol):
    """Who makes trials: this process, processes of their own, or a cluster's (Ray: ``work`` as a remote function).

    An error that a user can mend may be raised, or be a record of its own: what the trial is about, and a ``note``.
    """

    def run(self, work: Work, trials: Iterable[Trial]) -> Generator[Record]:
        """The records as they come, those of one trial in order. Who closes the iterator stops all trials."""
        ...


class InProcess:
    """One trial after the other, in this process."""

    def run(self, work: Work, trials: Iterable[Trial]) -> Generator[Record]:
        """The records as they come; an error is raised as it is."""
        for trial in trials:
            yield from work(trial)


def run_trials(
    work: Work, trials: Sequence[Trial], log: Lines, executor: Executor | None = None, tell: Tell | None = None
) -> Generator[Record]:
    """The records of all trials: first those that stand in the log, then the others as they come, each logged at once.

    A trial whose record in the log has a ``note`` of a failure is made again.

    Parameters
    ----------
    work : Work
        What makes a trial, of one record.
    trials : sequence of Trial
        All of a study, or those of them that are next.
    log : Lines
        What its lines are about are entries of ``Trial.about``.
    executor : Executor, optional
        By default this process.
    tell : callable, optional
        Called with each record and how many there are by now (``3 of 10 (12 min left)``, see `Countdown`); nothing
        where it stood in the log.

    Raises
    ------
    LeavenError
        The log cannot be written, or as the work raises it.
    """
    records = [logged(log, trial) for trial in trials]
    for record in filter(None, records):
        if tell is not None:
            tell(record, "")
        yield record
    missing = [trial for trial, record in zip(trials, records, strict=True) if record is None]
    countdown = Countdown(len(trials), len(trials) - len(missing))
    with closing((executor or InProcess()).run(work, missing)) as fresh:
        for record in fresh:
            log.add(record)
            if tell is not None:
                tell(record, countdown.one_more())
            yield record


def logged(log: Lines, trial: Trial) -> Record | None:
    """The record of a trial, if it is in the log and tells of no failure."""
    record = log.get(*(trial.about[name] for name in log.names))
    return None if record is None or record.get("note") else record


@dataclass
class Processes:
    """Trials in processes of their own, ``jobs`` at a time; where these are several, with one thread each.

    A trial that fails, or whose process is lost, is a record with a ``note``, and the others go on. Where the caller
    stops (Ctrl-C, an error, no more wanted), every training on the way writes a checkpoint and ends.
    """

    jobs: int

    def run(self, work: Work, trials: Iterable[Trial]) -> Generator[Record]:
        """The records of a trial as soon as its process has ended."""
        waiting, running = deque(trials), list[_Running]()
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    running.append(_start(work, waiting.popleft(), threads=1 if self.jobs > 1 else None))
                for one in [one for one in running if one.process.poll() is not None]:
                    running.remove(one)
                    records = one.records()
                    one.close()
                    yield from records
                time.sleep(PAUSE)
        finally:
            for one in running:
                one.stop()
            for one in running:
                one.process.wait()
                one.close()


@dataclass
class _Running:
    """A process and its trial; what it answers, and its standard error, go to nameless files."""

    trial: Trial
    process: subprocess.Popen[bytes]
    answers: IO[bytes]
    errors: IO[bytes]

    def records(self) -> list[Record]:
        """What it answered; what became of it where that is nothing."""
        self.answers.seek(0)
        lines = [line for line in self.answers if line.endswith(b"\n")]  # one without an end was torn
        if lines:
            return [json.loads(line) for line in lines]
        self.errors.seek(0)
        words = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
        note = f"The process {children.ended(self.process.returncode)}{': ' + words[0] if words else ''}."
        return [self.trial.about | {"note": note}]

    def stop(self) -> None:
        """Let it end after a checkpoint: it lives as long as its standard input is open."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()

    def close(self) -> None:
        """Let go of its files."""
        self.stop()
        self.answers.close()
        self.errors.close()


def _start(work: Work, trial: Trial, threads: int | None) -> _Running:
    answers, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
    process = children.start(
        "leaven.study.process",
        variables={} if threads is None else {"OMP_NUM_THREADS": str(threads)},
        stdin=subprocess.PIPE,
        stdout=answers,
        stderr=errors,
        start_new_session=True,  # Ctrl-C goes to the parent alone, which tells its children once
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended already; what became of it is noted where it is waited for
        pickle.dump((work, trial), process.stdin)
        process.stdin.flush()
    return _Running(trial, process, answers, errors)
