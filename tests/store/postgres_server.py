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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60  # seconds to start
OTHERS = ("postgres", "nobody")  # who runs it where we are root, whom PostgreSQL refuses


class Missing(OSError):
    """There is no server here, and why."""


@contextlib.contextmanager
def server(*settings: str, folder: Path | None = None) -> Iterator[str]:
    """URL of a new server's database ``postgres``, whose user may make others.

    Parameters
    ----------
    settings : such as ``fsync=off``
    folder : where its temporary folder is made; others than we must be able to enter it

    Raises
    ------
    Missing
        PostgreSQL is not installed, or does not start.
    """
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="leaven-postgresql-", dir=folder))
    try:
        who = _owner(folder)
        data, log = folder / "data", folder / "log"
        make = [binaries / "initdb", "-D", data, "-U", "leaven", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(make, cwd=folder, capture_output=True, text=True, check=False, **who)
        if made.returncode:
            raise Missing(f"initdb failed: {made.stderr.strip()[-300:]}")
        port = _free_port()
        command = [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
        for setting in settings:
            command += ["-c", setting]
        if dying := shutil.which("setpriv"):  # the server goes even when this process is killed
            command = [dying, "--pdeathsig", "INT", *command]
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **who)
        try:
            url = f"postgresql://leaven@127.0.0.1:{port}/postgres"
            _await(url, process, log)
            yield url
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)  # at once: its data go anyway
    process.wait(60)
