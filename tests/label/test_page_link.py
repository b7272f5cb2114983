"""How the browser gets the key: not by a command line, which everybody on the machine can read."""

import os
import stat
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from fake_session import FakeSession, paint

from leaven.label.web import server
from leaven.label.web.link import link_file


def path_of(uri):
    return Path(url2pathname(urlsplit(uri).path))


def test_the_browser_is_given_a_file_of_its_owner_s_and_no_key(tmp_path, monkeypatch, capsys):
    import uvicorn

    paint(tmp_path / "images", 1)
    given, there = [], threading.Event()

    def show(uri):
        file = path_of(uri)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)]
        given.append((uri, file, modes, file.read_text()))
        there.set()

    monkeypatch.setattr(server.webbrowser, "open", show)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: there.wait(20))
    (tmp_path / "link-old").mkdir()
    (tmp_path / "link-old" / "open.html").touch()  # of a server that was killed
    assert server.serve(FakeSession(tmp_path / "images", tmp_path), browser=True) == 0
    [(uri, file, modes, page)] = given
    link = capsys.readouterr().out.split()[2]
    key = link.partition("token=")[2]
    assert len(key) == 32
    assert uri.startswith("file:")
    assert key not in uri
    assert link in page
    assert file.is_relative_to(tmp_path)  # a browser in a sandbox sees no /tmp
    if os.name == "posix":
        assert modes == [0o600, 0o700]
    assert not list(tmp_path.glob("link-*"))


@pytest.mark.skipif(os.name != "posix", reason="there are no modes")
def test_on_a_disk_without_permissions_the_link_lies_elsewhere(tmp_path, monkeypatch):
    run, temporary = tmp_path / "run", tmp_path / "temporary"
    run.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    plain = Path.stat

    def shared(path, **options):
        found = plain(path, **options)
        if path.is_relative_to(run):
            return os.stat_result((found.st_mode | 0o077, *found[1:]))
        return found

    monkeypatch.setattr(Path, "stat", shared)
    with link_file(run, "http://x/?token=y") as uri:
        assert path_of(uri).is_relative_to(temporary)
        assert not list(run.iterdir())
    assert not list(temporary.iterdir())
    with link_file(tmp_path / "none", "http://x/") as uri:
        assert path_of(uri).is_relative_to(temporary)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with link_file(tmp_path / "none", "http://x/") as uri:
        assert uri == ""


def test_the_file_opens_the_page_in_a_browser(served, visit):
    """With the cookie, which a redirect after a file would lose, and without the key in the address bar."""
    server = served()
    with link_file(server.folder, server.url) as uri:
        page = visit(uri)
        assert page.url == f"http://127.0.0.1:{server.port}/"
        assert "token" not in page.evaluate("document.referrer + performance.getEntriesByType('navigation')[0].name")
