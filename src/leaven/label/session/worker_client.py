"""The worker as the server sees it: a process that is started, told to train, listened to, and started again."""

from __future__ import annotations

import json
import platform
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import leaven
from leaven.run.folder import METRICS
from leaven.utils import children

LOG = "worker.log"
PATIENCE = 5.0  # seconds that a worker is given to go


class WorkerClient:
    """One worker at a time; nothing that becomes of it raises here.

    Parameters
    ----------
    run : Path
        The run folder.
    store : str
        Where the labels are, a path or a URL; told through a pipe, for it may hold a password.
    strategy : str
        What chooses the questions.
    receive : callable
        Called, on a thread of its own, with everything that the worker says.
    """

    def __init__(self, run: Path, store: str, strategy: str, receive: Callable[[dict[str, Any]], None]):
        self.run, self._receive = run, receive
        self._first = {"store": store, "strategy": strategy}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closing = False
        self.training: dict[str, Any] = {"state": "starting"}
        self.ranking: dict[str, Any] = {"state": "starting", "done": 0, "of": 0}
        self._began = 0.0
        self._metrics: Path | None = None

    @property
    def idle(self) -> bool:
        """Whether it could begin to train."""
        return self.training["state"] in ("idle", "failed")

    def start(self) -> None:
        """Start the process."""
        with open(self.run / LOG, "ab") as log:
            process = children.start(  # a session of its own: Ctrl-C at the terminal is the server's to answer
                "leaven.label.worker.process",
                str(self.run),
                variables={"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._log(f"started as process {process.pid}: {leaven.__version__}, Python {platform.python_version()}")
        self._process = process
        self._send(self._first)
        assert process.stdout is not None
        threading.Thread(target=self._listen, args=(process, process.stdout), name="worker", daemon=True).start()

    def train(self, number: int) -> None:
        """Have it train, on all labels that there are when it begins."""
        with self._lock:
            if self._closing or not self.idle:
                return
            self.training = {"state": "training", "round": number}
            self._began, self._metrics = time.monotonic(), None
            if self._process is None or self._process.poll() is not None:
                self.start()
            self._log(f"told to train round {number}")
            self._send({"train": number})

    def status(self) -> dict[str, Any]:
        """What it is doing, with the step that a training is at."""
        now = self.training
        busy = now["state"] in ("training", "scoring")
        step = now.get("steps", 0) if now["state"] == "scoring" else last_step(self._metrics) if self._metrics else 0
        return {
            "state": now["state"],
            "step": step if busy else 0,
            "steps": now.get("steps", 0),
            "round": now.get("round", 0),
            "seconds": round(time.monotonic() - self._began, 1) if busy else now.get("seconds", 0),
            "error": now.get("error", ""),
        }

    def close(self) -> None:
        """Let it go: it ends when its pipe does, and is killed where it does not."""
        with self._lock:
            self._closing = True
            process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError, ValueError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended: `_listen` says so
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _log(self, words: str) -> None:
        """A line among those that the worker's libraries write."""
        with suppress(OSError), open(self.run / LOG, "a", encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(sep=' ', timespec='seconds')} worker {words}\n")

    def _listen(self, process: subprocess.Popen[bytes], pipe: IO[bytes]) -> None:
        for line in pipe:
            with suppress(ValueError, KeyError, TypeError):
                self._update(json.loads(line))
        code = process.wait()
        if self._closing or self._process is not process:
            return
        how, peak = children.ended(code), children.peak_of_children()
        memory = f", at most {peak / 1e9:.1f} GB held" if peak else ""
        self._log(f"{how}{memory}, while {self.training['state']}")
        error = (
            f"The worker {how}{memory}; {self.run / LOG} says more. Labels are kept, and the next training starts it "
            "again."
        )
        self.training = {"state": "failed", "error": error, "round": self.training.get("round", 0)}
        if self.ranking["state"] not in ("done", "failed"):
            self.ranking = self.ranking | {"state": "failed"}
        self._receive({"failed": error})

    def _update(self, message: dict[str, Any]) -> None:
        if "ranking" in message:
            self.ranking = message["ranking"]
        if "training" in message:
            before = self.training
            self.training = message["training"]
            self._log(f"says {', '.join(f'{key} {value}' for key, value in self.training.items() if value)}")
            if self.training["state"] == "training":
                self._metrics = Path(self.training["folder"]) / METRICS
            elif before["state"] in ("training", "scoring") and self.idle:
                self.training.setdefault("seconds", round(time.monotonic() - self._began, 1))
        self._receive(message)


def last_step(path: Path) -> int:
    """The newest step in a table of metrics; 0 where there is none yet."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().split(b"\n")[:-1]  # the last one may not be whole
        return int(lines[-1].split(b",")[0])
    except (OSError, ValueError, IndexError):
        return 0
