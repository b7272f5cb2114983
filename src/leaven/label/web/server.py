"""The page's server: a small Starlette app over a `Session` and its pictures, and uvicorn to run it."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from leaven.errors import LeavenError
from leaven.label.session.queue import Changed
from leaven.labels import Conflict, Unavailable

from .link import link_file
from .messages import Bad, annotator_name, ids, read_entries, read_json, text, whole_number
from .prefetch import Prefetch
from .security import Guard, is_loopback
from .thumbs import GRID, VIEW, Picture, Replaced, Thumbs, Unreadable

if TYPE_CHECKING:
    from leaven.label.session.session import Session

STATIC = Path(__file__).with_name("static")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SIDES = {"grid": GRID, "view": VIEW}
RETRY = 1  # seconds after which the page may ask a store again that was out of reach
PORTS = range(20_000, 30_000)  # a run has one of its own, so that a page that was left open finds it again


def create_app(
    session: Session,
    thumbs: Thumbs,
    token: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    annotator: str = "",
    ask: bool = False,
    run: str = "",
) -> Starlette:
    """The app.

    Parameters
    ----------
    session : the labelling
    thumbs : its pictures
    token : the secret that a browser must have
    host, port : where it is served, see `Guard`
    annotator : who labels where the page does not say
    ask : ask for a name before the first question
    run : name of the run, for the page's title
    """
    files = {file.name: (TYPES[file.suffix], file.read_bytes()) for file in STATIC.iterdir() if file.suffix in TYPES}
    stamp = secrets.token_hex(4)  # of this start: pictures that a browser kept of another run are not taken for ours
    place = hashlib.blake2b(run.encode(), digest_size=6).hexdigest()

    async def page(request: Request) -> Response:
        return Response(files["index.html"][1], media_type="text/html")

    async def static(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        return Response(found[1], media_type=found[0]) if found else _error(404, "There is no such file.")

    async def image(request: Request) -> Response:
        id_, kind = request.path_params["id"], request.path_params["kind"]
        if kind != "whole" and kind not in SIDES:
            return _error(404, "There is no such picture.")
        version = request.query_params.get("v", "")
        try:
            if kind == "whole":
                picture = await _threaded(thumbs, thumbs.whole, id_, version)
            else:
                kept = thumbs.kept(id_, SIDES[kind], version) if version else None
                picture = kept or await _threaded(thumbs, thumbs.make, id_, SIDES[kind], version)
        except Unreadable as error:
            await run_in_threadpool(session.broken, id_, str(error))  # nobody is asked about it again
            raise
        headers = {"Cache-Control": "private, max-age=86400, immutable"} if version else {}
        return Response(picture.body, media_type=picture.type, headers=headers)

    async def opened(request: Request) -> Response:
        who = annotator_name(unquote(request.headers.get("x-annotator", "")) or annotator)
        status = await run_in_threadpool(session.status, who)
        asked = ask and not request.headers.get("x-annotator")
        return JSONResponse(
            {"run": Path(run).name or "leaven", "place": place, "stamp": stamp, "annotator": who, "ask": asked}
            | {"status": status}
        )

    async def status(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(session.status, _who(request, annotator)))

    async def questions(request: Request) -> Response:
        body = await read_json(request)
        who, n = _who(request, annotator), whole_number(body, "n", 1, 64)
        found = await run_in_threadpool(session.questions, who, n, ids(body, "held", 256))
        return JSONResponse({"questions": [asdict(question) for question in found]})

    async def grid(request: Request) -> Response:
        body = await read_json(request)
        who, n = _who(request, annotator), whole_number(body, "n", 1, 200)
        label = text(body, "label", 200) or None
        found = dict(await run_in_threadpool(session.grid, who, label, n, ids(body, "held", 3000)))
        found["questions"] = [asdict(question) for question in found["questions"]]
        return JSONResponse(found)

    async def send(request: Request) -> Response:
        entries = read_entries(await read_json(request))
        results, stopped = await run_in_threadpool(_take, session, entries)
        return _later(stopped, results) if stopped else JSONResponse({"results": results})

    routes = [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/image/{kind}/{id}", image),
        Route("/api/open", opened),
        Route("/api/status", status),
        Route("/api/questions", questions, methods=["POST"]),
        Route("/api/grid", grid, methods=["POST"]),
        Route("/api/send", send, methods=["POST"]),
    ]
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        Bad: _told(400),
        Conflict: _told(409),
        LeavenError: _told(400),
        Unreadable: _told(422),
        KeyError: _missing,
        Unavailable: _unavailable,
        Replaced: _told(410),
    }
    guard = Middleware(Guard, token=token, cookie=f"leaven_{port}", host=host)
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)


def _take(session: Session, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """What the page did, in its order: what became of each, up to the first that cannot be kept yet, and why not.

    An answer that is refused is refused for good. Where the store is out of reach nothing is wrong with the answer: the
    page keeps it and all that follow, and sends them again.
    """
    results: list[dict[str, Any]] = []
    for entry in entries:
        try:
            results.append({"ok": True} | _do(session, **entry))
        except Unavailable as error:
            return results, str(error)
        except Changed as error:
            results.append({"ok": False, "error": str(error), "question": asdict(error.question)})
        except Conflict as error:
            results.append({"ok": False, "conflict": True, "error": str(error)})
        except KeyError:
            results.append({"ok": False, "error": "There is no such item any more."})
        except LeavenError as error:
            results.append({"ok": False, "error": str(error)})
        except Exception as error:
            print(f"not kept, it will be sent again: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return results, f"Answers cannot be kept at the moment ({type(error).__name__}): see the terminal."
    return results, ""


def _do(session: Session, *, type: str, annotator: str, **said: Any) -> dict[str, Any]:
    if type == "answer":
        return {"receipt": session.answer(annotator, **said)}
    if type == "undo":
        return {"undone": _plain(session.undo(annotator, **said))}
    if type == "accept":
        return {"receipts": session.accept(annotator, **said)}
    if type == "classes":
        return {"classes": session.add_classes(annotator, **said)}
    return {"classes": list(session.change_class(annotator, **said))}


def _plain(undone: dict[str, Any] | None) -> dict[str, Any] | None:
    if undone is None:
        return None
    question = undone.get("question")
    plain = {} if question is None or isinstance(question, dict) else {"question": asdict(question)}
    return undone | plain


async def _threaded(thumbs: Thumbs, call: Callable[..., Picture], *arguments: Any) -> Picture:
    return await asyncio.get_running_loop().run_in_executor(thumbs.makers, call, *arguments)


def _who(request: Request, default: str) -> str:
    return annotator_name(unquote(request.headers.get("x-annotator", "")) or default)


def _error(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _told(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(request: Request, error: Exception) -> Response:
        return _error(status, str(error))

    return handler


def _later(why: str, results: Sequence[dict[str, Any]] = ()) -> Response:
    """Not now: what became of the first entries, and when to send the others again."""
    return JSONResponse({"error": why, "results": list(results)}, 503, {"Retry-After": str(RETRY)})


async def _unavailable(request: Request, error: Exception) -> Response:
    return _later(str(error))


async def _missing(request: Request, error: Exception) -> Response:
    return _error(404, "There is no such item.")


def listen(host: str, port: int, run: str) -> socket.socket:
    """A socket that listens; of port 0 the run's own port, so that its page finds it after a restart, or a free one.

    Raises
    ------
    LeavenError : the address is not this machine's, or the port is taken
    """
    own = PORTS[int.from_bytes(hashlib.blake2b(run.encode(), digest_size=4).digest(), "big") % len(PORTS)]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for choice in (port,) if port else (own, 0):
        # the protocol must be named: asyncio sends small answers at once (TCP_NODELAY) only on sockets that say TCP
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, choice))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if choice == own and not port:
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
    ahead = Prefetch(session.items, thumbs.path)
    try:
        with suppress(KeyboardInterrupt), link_file(folder, url) if browser else nullcontext("") as link:
            if link:
                threading.Thread(target=_show, args=(link,), daemon=True).start()
            Server(config).run(sockets=[listener])
    finally:
        ahead.close()
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
