"""Processes forked from a clean one that has the libraries loaded: to import them takes longer than most tests."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from typing import IO, Any

LOADED = [
    "torch",
    "lightning_fabric",  # and with it torch._dynamo
    "scipy.stats",
    "sklearn.linear_model",
    "sklearn.semi_supervised",
    "sqlalchemy",
    "leaven.train.engine",
    "leaven.run.fit",
    "leaven.report",
    "leaven.labels.inputs",
]


def server() -> ForkServerContext:
    """The clean process, which runs nothing itself, is started here and once; its children have a thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    context.Process(target=int).start()
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = before
    return context


class Descriptor:
    """A file descriptor that travels to the new process."""

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self):
        return _received, (DupFd(self.number),)


def _received(duplicate: Any) -> int:
    return duplicate.detach()


class Forked:
    """What ``subprocess.Popen`` is for ``python -m MODULE``, of a process that is forked.

    ``before`` is called in it first. Its descriptors are those that are given, else this process's.
    """

    def __init__(
        self,
        context: ForkServerContext,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        start_new_session: bool = False,
        before: Callable[[], object] = int,
    ):
        theirs, inherited = [], []
        for number, (name, one) in enumerate({"stdin": stdin, "stdout": stdout, "stderr": stderr}.items()):
            ours, there = None, number if one is None else one
            if one == subprocess.PIPE:
                read, write = os.pipe()
                ours, there = (os.fdopen(read, "rb"), write) if number else (os.fdopen(write, "wb"), read)
            elif one == subprocess.DEVNULL:
                there = os.open(os.devnull, os.O_RDWR)
            if one in (subprocess.PIPE, subprocess.DEVNULL):
                theirs.append(there)
            setattr(self, name, ours)
            inherited.append(Descriptor(there if isinstance(there, int) else there.fileno()))
        environment = os.environ | dict(variables or {})
        words = [module, *map(str, arguments)]
        self._process = context.Process(
            target=_run,
            args=(words, environment, os.getcwd(), inherited, start_new_session, before),
            daemon=True,  # where a test fails before it ends it, nobody waits for it
        )
        self._process.start()
        for number in theirs:
            os.close(number)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _run(words, environment, folder, inherited, alone, before) -> None:
    if alone:
        os.setsid()
    for number, descriptor in enumerate(inherited):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = words
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    before()
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
