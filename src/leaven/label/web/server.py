"""The page's server: uvicorn on a socket of the run's own, until it is interrupted."""

from __future__ import annotations

import getpass
import hashlib
import secrets
import socket
import sys
import threading
import webbrowser
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.errors import LeavenError

from .app import create_app
from .link import link_file
from .prefetch import Prefetch
from .security import is_loopback
from .thumbs import Thumbs

if TYPE_CHECKING:
    from leaven.label.session.session import Session

PORTS = range(20_000, 30_000)  # a run has one of its own, so that a page that was left open finds it again


def listen(host: str, port: int, run: str) -> socket.socket:
    """A socket that listens; of port 0 the run's own port, so that its page finds it after a restart, or a free one.

    Raises
    ------
    LeavenError
        The address is not this machine's, or the port is taken.
    """
    usual = PORTS[int.from_bytes(hashlib.blake2b(run.encode(), digest_size=4).digest(), "big") % len(PORTS)]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for choice in (port,) if port else (usual, 0):
        # the protocol must be named: asyncio sends small answers at once (TCP_NODELAY) only on sockets that say TCP
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, choice))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if choice == usual and not port:
                continue
            why = error.strerror or str(error)
            raise LeavenError(f"The page cannot be served at {host}:{port} ({why}): choose another --port.") from None
        return listener
    raise AssertionError("port 0 is always free")


def serve(
    session: Session,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    annotator: str = "",
    folder: str | Path | None = None,
) -> int:
    """Serve the page until it is interrupted; the answer is the exit code.

    ``folder`` is the run's, where ``thumbs.db`` is kept; by default ``session.folder``.
    """
    import uvicorn

    from .connections import AT_ONCE, Connection, Server

    folder = Path(session.folder if folder is None else folder)
    listener = listen(host, port, str(folder.resolve()))
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    thumbs = Thumbs(session.items, folder / "thumbs.db")
    local = is_loopback(host)
    name = annotator or _login()
    app = create_app(
        session,
        thumbs,
        token,
        host=host,
        port=port,
        annotator=name,
        ask=not (local or annotator),
        run=str(folder.resolve()),
    )
    shown = "127.0.0.1" if local else socket.gethostname() if host in ("0.0.0.0", "::") else host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={token}"
    if not local:
        print(
            f"Warning: {host} lets every machine of your network reach this page. Whoever has the link can see all "
            "images and label them, and it travels unencrypted.",
            file=sys.stderr,
        )
    print(f"Label at {url}\nStop with Ctrl-C; labels are kept as they come.", flush=True)
    config = uvicorn.Config(
        app,
        http=Connection,
        backlog=AT_ONCE,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )
    prefetch = Prefetch(session.items, thumbs.path)
    try:
        with suppress(KeyboardInterrupt), link_file(folder, url) if browser else nullcontext("") as link:
            if link:
                threading.Thread(target=_show, args=(link,), daemon=True).start()
            Server(config).run(sockets=[listener])
    finally:
        prefetch.close()
        thumbs.close()
        listener.close()
    return 0


def _show(url: str) -> None:
    with suppress(webbrowser.Error):
        webbrowser.open(url)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"
