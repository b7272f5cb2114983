"""A PostgreSQL server of one's own, for as long as a test or a benchmark runs.

It is made of the binaries that are on this machine, listens on a free port of 127.0.0.1, keeps its data in a temporary
folder, and is stopped and removed at the end, also when what used it failed or was killed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

PATIENCE = 60  # seconds to start
OTHERS = ("postgres", "nobody")  # who runs it where we are root, whom PostgreSQL refuses


class Missing(OSError):
    """There is no server here, and why."""


class Server:
    """One that can be killed and started again, over the same data and at the same port.

    Parameters
    ----------
    folder : Path
        A folder of its own.
    settings : sequence of str, optional
        Settings such as ``fsync=off``.
    """

    def __init__(self, folder: Path, settings: Sequence[str] = ()):
        binaries = _binaries()
        self._who, self._folder, self._log = _owner(folder), folder, folder / "log"
        data = folder / "data"
        make = [binaries / "initdb", "-D", data, "-U", "leaven", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(make, cwd=folder, capture_output=True, text=True, check=False, **self._who)
        if made.returncode:
            raise Missing(f"initdb failed: {made.stderr.strip()[-300:]}")
        port = _free_port()
        self._command = [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
        for setting in settings:
            self._command += ["-c", setting]
        if dying := shutil.which("setpriv"):  # the server goes even when this process is killed
            self._command = [dying, "--pdeathsig", "INT", *self._command]
        self.url = f"postgresql://leaven@127.0.0.1:{port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it where it does not run, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        until = time.monotonic() + PATIENCE
        while True:
            with self._log.open("a") as out:
                self._process = subprocess.Popen(
                    self._command, cwd=self._folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **self._who
                )
            try:
                return _await(self.url, self._process, self._log)
            except Missing:  # one that was killed may have left processes that are still on their way out
                if self._process.poll() is None or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def kill(self) -> None:
        """As a crash: it has no time to do anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it at once: its data go anyway."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)


@contextlib.contextmanager
def running(*settings: str, folder: Path | None = None) -> Iterator[Server]:
    """A new server, whose user may make databases.

    Parameters
    ----------
    *settings : str
        Settings such as ``fsync=off``.
    folder : Path, optional
        Where its temporary folder is made; others than we must be able to enter it.

    Raises
    ------
    Missing
        PostgreSQL is not installed, or does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="leaven-postgresql-", dir=folder))
    try:
        one = Server(folder, settings)
        one.start()
        try:
            yield one
        finally:
            one.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server(*settings: str, folder: Path | None = None) -> Iterator[str]:
    """URL of a new server's database ``postgres``; raises as `running` does."""
    with running(*settings, folder=folder) as one:
        yield one.url


def new_place(url: str) -> str:
    """URL of a new schema of a server: much quicker than a new database."""
    import psycopg

    schema = f"s{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}?options=-csearch_path%3D{schema}"


def _binaries() -> Path:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("postgres"):
        places.append(Path(found).resolve().parent)
    for place in places:
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise Missing("PostgreSQL is not installed: no /usr/lib/postgresql/*/bin with initdb and postgres")


def _owner(folder: Path) -> dict[str, Any]:
    """Arguments of `subprocess` that make it another user's process, where we are root; the folder is theirs then."""
    if os.geteuid():
        return {}
    for name in OTHERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Missing(f"PostgreSQL does not run as root, and there is no user {' or '.join(OTHERS)}")


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        import psycopg
    except ImportError:
        raise Missing("psycopg is not installed") from None
    until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise Missing(f"PostgreSQL does not start: {log.read_text()[-300:] or error}") from None
            time.sleep(0.05)
