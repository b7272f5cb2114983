"""The page's app: a small Starlette app over a `Session` and its pictures."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
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
from leaven.labels import Conflict, Unavailable

from .entries import apply_entries
from .messages import BadRequest, annotator_name, ids, read_entries, read_json, text, whole_number
from .pictures import Picture
from .security import Guard
from .thumbs import GRID, VIEW, Replaced, Thumbs, Unreadable

if TYPE_CHECKING:
    from leaven.label.session.session import Session

STATIC = Path(__file__).with_name("static")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SIDES = {"grid": GRID, "view": VIEW}
RETRY = 1  # seconds after which the page may ask a store again that was out of reach


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
    session : Session
        The labelling.
    thumbs : Thumbs
        Its pictures.
    token : str
        The secret that a browser must have.
    host : str, optional
        Address that it is served at, see `Guard`.
    port : int, optional
        Port that it is served at.
    annotator : str, optional
        Who labels where the page does not say.
    ask : bool, optional
        Ask for a name before the first question.
    run : str, optional
        Name of the run, for the page's title.
    """
    files = {file.name: (TYPES[file.suffix], file.read_bytes()) for file in STATIC.iterdir() if file.suffix in TYPES}
    stamp = secrets.token_hex(4)  # of this start: pictures that a browser kept of another run are not taken for ours
    place = hashlib.blake2b(run.encode(), digest_size=6).hexdigest()

    async def page(request: Request) -> Response:
        return Response(files["index.html"][1], media_type="text/html")

    async def static(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        return Response(file[1], media_type=file[0]) if file else _error(404, "There is no such file.")

    async def image(request: Request) -> Response:
        id_, kind = request.path_params["id"], request.path_params["kind"]
        if kind != "whole" and kind not in SIDES:
            return _error(404, "There is no such picture.")
        version = request.query_params.get("v", "")
        try:
            if kind == "whole":
                picture = await _threaded(thumbs, thumbs.whole, id_, version)
            else:
                cached = thumbs.cached(id_, SIDES[kind], version) if version else None
                picture = cached or await _threaded(thumbs, thumbs.make, id_, SIDES[kind], version)
        except Unreadable as error:
            await run_in_threadpool(session.broken, id_, str(error))  # nobody is asked about it again
            raise
        headers = {"Cache-Control": "private, max-age=86400, immutable"} if version else {}
        return Response(picture.content, media_type=picture.type, headers=headers)

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
        message = await read_json(request)
        who, n = _who(request, annotator), whole_number(message, "n", 1, 64)
        picked = await run_in_threadpool(session.questions, who, n, ids(message, "held", 256))
        return JSONResponse({"questions": [asdict(question) for question in picked]})

    async def grid(request: Request) -> Response:
        message = await read_json(request)
        who, n = _who(request, annotator), whole_number(message, "n", 1, 200)
        label = text(message, "label", 200) or None
        offered = dict(await run_in_threadpool(session.grid, who, label, n, ids(message, "held", 3000)))
        offered["questions"] = [asdict(question) for question in offered["questions"]]
        return JSONResponse(offered)

    async def send(request: Request) -> Response:
        entries = read_entries(await read_json(request))
        results, stopped = await run_in_threadpool(apply_entries, session, entries)
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
        BadRequest: _told(400),
        Conflict: _told(409),
        LeavenError: _told(400),
        Unreadable: _told(422),
        KeyError: _missing,
        Unavailable: _unavailable,
        Replaced: _told(410),
    }
    guard = Middleware(Guard, token=token, cookie=f"leaven_{port}", host=host)
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)


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
