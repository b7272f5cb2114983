"""Silent connections do not use up the page's, and nobody slow who has the key is cut off."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fake_session import FakeSession, paint

from leaven.label.web import connections, security
from leaven.label.web.app import create_app
from leaven.label.web.connections import Connection
from leaven.label.web.server import listen
from leaven.label.web.thumbs import Thumbs

TOKEN = "t" * 32
FILES = 256  # that a process may have open: what macOS grants
POST = b"POST /api/send HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\nContent-Type: application/json\r\n\r\n"
SAID = (b"", b"GET / HTTP/1.1\r\nHost: 127", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", POST)


def few_files():
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


@pytest.mark.skipif(os.name != "posix", reason="there are no limits of open files")
def test_three_hundred_connections_of_nobody_do_not_starve_the_page(tmp_path):
    paint(tmp_path / "images", 1)
    command = [sys.executable, Path(__file__).with_name("serve_page.py"), tmp_path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=few_files)
    with contextlib.ExitStack() as open_:
        open_.callback(process.wait)
        open_.callback(process.send_signal, signal.SIGINT)
        link = process.stdout.readline().split()[-1]
        there = (urlsplit(link).hostname, urlsplit(link).port)
        with httpx.Client(base_url=f"http://{there[0]}:{there[1]}") as browser:
            assert browser.get(link).status_code == 303
        for said in SAID:
            for _ in range(300):
                one = open_.enter_context(socket.create_connection(there))
                with contextlib.suppress(OSError):
                    one.sendall(said)
            with httpx.Client(cookies=dict(browser.cookies), timeout=10) as another:
                assert another.get(f"http://{there[0]}:{there[1]}/api/status").status_code == 200, said


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The page with little patience, and a client that is let in."""
    monkeypatch.setattr(connections, "HEAD", 0.4)
    monkeypatch.setattr(security, "PATIENCE", 0.8)
    paint(tmp_path / "images", 1)
    session = FakeSession(tmp_path / "images", tmp_path, ("cat",))
    thumbs = Thumbs(session.items, tmp_path / "thumbs.db")
    listener = listen("127.0.0.1", 0, str(tmp_path))
    app = create_app(session, thumbs, TOKEN, port=listener.getsockname()[1], annotator="ann", run="x")
    config = uvicorn.Config(app, http=Connection, log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    made = []

    def connect():
        made.append(socket.create_connection(listener.getsockname()))
        made[-1].settimeout(10)
        return made[-1]

    connect.session, connect.port = session, listener.getsockname()[1]
    yield connect
    server.should_exit = server.force_exit = True
    for one in made:
        one.close()
    thread.join(20)
    thumbs.close()
    session.close()


def head(site, path, body=b""):
    method = "POST" if body else "GET"
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{site.port}",
        f"Cookie: leaven_{site.port}={TOKEN}",
        "X-Leaven: 1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def test_a_slow_upload_and_a_slow_answer_are_waited_for(site):
    body = json.dumps({"n": 1, "held": []}).encode()
    one = site()
    one.sendall(head(site, "/api/questions", body))
    for letter in body:
        time.sleep(0.06)  # 1.5 seconds in all
        one.sendall(bytes([letter]))
    assert answer(one) == 200
    slow = site.session.status
    site.session.status = lambda who: (time.sleep(1.0), slow(who))[1]
    one.sendall(head(site, "/api/status"))
    assert answer(one) == 200
    time.sleep(0.9)
    one.sendall(head(site, "/api/status"))  # the same connection, after a rest
    assert answer(one) == 200


def test_what_does_not_come_is_not_waited_for(site):
    one = site()
    for letter in head(site, "/")[:12]:  # a byte now and then does not help
        time.sleep(0.06)
        with contextlib.suppress(OSError):
            one.sendall(bytes([letter]))
    assert cut(one)
    one = site()
    one.sendall(head(site, "/api/status"))
    assert answer(one) == 200
    one.sendall(b"GET /")  # of a second request on a good connection as well
    assert cut(one)
    one = site()
    one.sendall(head(site, "/api/send", b"{}"))
    assert answer(one) == 408
    assert cut(one)


def test_of_many_silent_ones_the_oldest_goes(site, monkeypatch):
    monkeypatch.setattr(connections, "HEAD", 60.0)
    monkeypatch.setattr(connections, "MANY", 3)
    busy = site()
    busy.sendall(head(site, "/api/status"))
    assert answer(busy) == 200
    many = [site() for _ in range(8)]
    assert [cut(one) for one in many[:5]] == [True] * 5
    for one in (busy, *many[5:]):
        one.sendall(head(site, "/api/status"))
        assert answer(one) == 200


def answer(one):
    response = HTTPResponse(one)
    response.begin()
    response.read()
    return response.status


def cut(one):
    try:
        return one.recv(4096) == b""
    except ConnectionError:
        return True
