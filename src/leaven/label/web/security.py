"""Who may talk to the page: a middleware that every request passes before anything else sees it.

The page runs on a person's own machine beside a browser that also shows the pages of strangers. So each request
must (1) name this server in ``Host`` (a stranger's name that was pointed at 127.0.0.1, DNS rebinding, does not),
(2) come from this page, by ``Sec-Fetch-Site`` and ``Origin``, and (3) carry the secret that only the printed link
had. No answer has a CORS header, so no other page can read one.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import ipaddress
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE = 60.0  # seconds without a byte of a request's body
MOST = 64 * 1024  # bytes of a request's body: 200 answers need a third of it
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>leaven</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/static/style.css">
<main class="closed"><h1>This page needs its link</h1>
<p>Open the link that <code>leaven label</code> printed in the terminal: it holds a key that is new at every start.</p>
<p>You came by that link? <a href="/">Go on</a></p></main></html>"""

ENTERED = '<!doctype html><title>leaven</title><meta http-equiv="refresh" content="0; url={0}"><a href="{0}">Go on</a>'


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """The middleware.

    Parameters
    ----------
    app : callable
        What is guarded.
    token : str
        The secret of the printed link.
    cookie : str
        Name of the cookie that it becomes; another one for every port, as cookies do not tell ports apart.
    host : str, optional
        Where the server listens. On loopback only loopback names are answered to; elsewhere also numeric addresses
        (which no rebinding can forge) and this machine's own name.
    names : iterable of str, optional
        Further names that the server is known by.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str, host: str = "127.0.0.1", names: Iterable[str] = ()):
        self.app, self.token, self.cookie = app, token, cookie
        self.local = is_loopback(host)
        self.names = {"localhost", *names}
        if not self.local:
            self.names |= {
                socket.gethostname().lower(),
                socket.getfqdn().lower(),
                f"{socket.gethostname().lower()}.local",
            }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on to the app."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        answer = self._refused(scope, headers) or self._entered(scope, headers) or self._unknown(scope, headers)
        if answer is not None:
            answer.headers["Connection"] = "close"  # who has no key takes up no connection
            await answer(scope, receive, send_guarded)
        elif scope["method"] == "POST":
            await self._read(scope, headers, receive, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """Not to this server, or not from its page."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_me(hosts[0]):
            return _no(421, "This server is not known by that name.")
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return _no(405, "Only GET and POST are answered.")
        site = headers.get("sec-fetch-site", "same-origin")
        # a link in a chat may lead here; all that it gets is the page itself, which then asks for the rest
        arriving = scope["path"] == "/" and scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if site not in ("same-origin", "none") and not arriving:
            return _no(403, "Only the labelling page itself may ask for this.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != hosts[0]:
            return _no(403, "Only the labelling page itself may ask for this.")
        if scope["method"] == "POST":
            if origin is None and "sec-fetch-site" not in headers and "x-leaven" not in headers:
                return _no(403, "Only the labelling page itself may ask for this.")
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return _no(415, "Expected JSON.")
        return None

    def _entered(self, scope: Scope, headers: Headers) -> Response | None:
        """The printed link: its key goes from the address bar into a cookie."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] != "/" or "token" not in query:
            return None
        if not self._is_token(query.pop("token")[-1]):
            return HTMLResponse(CLOSED, 403)
        rest = urlencode(query, doseq=True)
        page = f"/?{rest}" if rest else "/"
        answer: Response = RedirectResponse(page, 303)
        if headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            # from the file that the browser was given, or a chat: a redirect would still count as that one's step, and
            # go without the cookie
            answer = HTMLResponse(ENTERED.format(html.escape(page)))
        answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict", path="/")
        return answer

    def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """No key."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            morsel = None
        if morsel is not None and self._is_token(morsel.value):
            return None
        if scope["path"] == "/static/style.css":
            return None  # of the page that says what is missing
        if scope["path"] == "/":
            return HTMLResponse(CLOSED, 403)
        return _no(401, "The key of this page is not valid any more: open the link that `leaven label` printed.")

    async def _read(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Take the whole body in, if it is small enough, and pass it on."""
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST:
            await _no(413, f"More than {MOST} bytes are not taken at once.")(scope, receive, send)
            return
        content, more = b"", True
        while more:
            try:
                message = await asyncio.wait_for(receive(), PATIENCE)
            except TimeoutError:
                answer = _no(408, "The rest of the request did not come.")
                answer.headers["Connection"] = "close"
                await answer(scope, receive, send)
                return
            if message["type"] == "http.disconnect":
                return
            content += message.get("body", b"")
            more = message.get("more_body", False)
            if len(content) > MOST:
                await _no(413, f"More than {MOST} bytes are not taken at once.")(scope, receive, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": content, "more_body": False}

        await self.app(scope, again, send)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _is_me(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        name = name.lower().rstrip(".")
        if name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or not self.local


def _no(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
