"""The server as the command starts it."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fake_session import FakeSession, paint

from leaven.errors import LeavenError
from leaven.label.web.server import listen, serve


def test_the_network_is_warned_of_and_the_link_names_the_machine(tmp_path, monkeypatch, capsys):
    import uvicorn

    paint(tmp_path / "images", 1)
    served = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: served.append(sockets[0].getsockname()))
    assert serve(FakeSession(tmp_path / "images", tmp_path), host="0.0.0.0", browser=False) == 0
    told = capsys.readouterr()
    assert "every machine of your network" in told.err
    assert re.search(rf"http://{re.escape(socket.gethostname())}:{served[0][1]}/\?token=[\w-]{{32}}", told.out)
    assert serve(FakeSession(tmp_path / "images", tmp_path), browser=False) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "http://127.0.0.1:" in told.out
    assert served[1][0] == "127.0.0.1"


def test_a_run_has_its_own_port_and_another_where_that_is_taken():
    first = listen("127.0.0.1", 0, "/some/run")
    second = listen("127.0.0.1", 0, "/some/run")
    try:
        port = first.getsockname()[1]
        assert second.getsockname()[1] != port
        with pytest.raises(LeavenError, match=f"127.0.0.1:{port} .*choose another --port"):
            listen("127.0.0.1", port, "/some/run")
    finally:
        first.close()
        second.close()
    again = listen("127.0.0.1", 0, "/some/run")
    assert again.getsockname()[1] == port
    again.close()


def test_ctrl_c_ends_it_without_a_trace(tmp_path):
    paint(tmp_path / "images", 1)
    script = Path(__file__).with_name("serve_page.py")
    process = subprocess.Popen(
        [sys.executable, script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        link = process.stdout.readline().split()[-1]
        httpx.get(link)  # waits in the socket until the server takes it
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "Traceback" not in error
    assert process.returncode == 0


def test_the_page_s_files_are_part_of_the_package():
    """What ``pyproject.toml`` packs is the whole folder; a file that the page names must be in it."""
    static = Path(__file__).parents[2] / "src" / "leaven" / "label" / "web" / "static"
    page = (static / "index.html").read_text()
    named = set(re.findall(r'"/static/([\w.]+)"', page))
    for script in static.glob("*.js"):
        named |= set(re.findall(r'from "\./([\w.]+)"', script.read_text()))
    assert named
    assert {name for name in named if not (static / name).is_file()} == set()
    # nothing is asked from anywhere else
    for file in static.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
