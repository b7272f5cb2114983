"""Every attack on a local page that is named in ``docs/labelling.md`` is tried."""

import json

import pytest
from fake_session import FakeSession, paint
from starlette.testclient import TestClient

from leaven.label.web.app import create_app
from leaven.label.web.thumbs import Thumbs

TOKEN = "t" * 32
EVENT = "0123456789abcdef" * 2


@pytest.fixture
def site(tmp_path):
    """``site(host=...)``: a client that is not let in yet, and the session."""
    made = []

    def make(host="127.0.0.1", inside=True):
        folder = tmp_path / str(len(made))
        paint(folder / "images", 3)
        session = FakeSession(folder / "images", folder, ("cat", "dog"))
        thumbs = Thumbs(session.items, folder / "thumbs.db")
        app = create_app(session, thumbs, TOKEN, host=host, port=8000, annotator="ann", run="x")
        client = TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)
        client.session = session
        made.append((session, thumbs))
        if inside:
            assert client.get(f"/?token={TOKEN}").status_code == 303
        return client

    yield make
    for session, thumbs in made:
        thumbs.close()
        session.close()


def answer(client, **changes):
    entry = {
        "type": "answer",
        "annotator": "ann",
        "event": EVENT,
        "kind": "label",
        "item": client.session.items.ids[0],
        "label": "cat",
    }
    return {"entries": [entry | changes]}


HERE = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}


def test_the_key_goes_from_the_link_into_a_cookie_that_no_script_reads(site):
    client = site(inside=False)
    first = client.get(f"/?token={TOKEN}")
    assert first.status_code == 303
    assert first.headers["location"] == "/"
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/?token=", "/static/app.js", "/api/open", "/api/status", "/image/view/" + "0" * 16]
)
def test_without_the_key_there_is_nothing(site, path):
    client = site(inside=False)
    found = client.get(path)
    assert found.status_code in (401, 403)
    assert "cat" not in found.text
    assert "set-cookie" not in found.headers
    client.cookies.set("leaven_8000", "guess")
    assert client.get(path).status_code in (401, 403)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "10.0.0.5:8000",
        "",
        "localhost.evil",
        "[::2]:8000",
    ],
)
def test_a_stranger_s_name_that_points_here_is_refused(site, host):
    """DNS rebinding: the browser believes that it talks to evil.example, and sends that name."""
    client = site()
    assert client.get("/api/status", headers={"Host": host}).status_code == 421
    assert client.get(f"/?token={TOKEN}", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "localhost:9999", "[::1]:8000", "LOCALHOST"])
def test_this_machine_s_own_names_are_answered_to_through_a_forwarded_port_too(site, host):
    assert site().get("/api/status", headers={"Host": host}).status_code == 200


def test_on_a_network_addresses_are_answered_to_and_strangers_names_are_not(site):
    client = site(host="0.0.0.0")
    assert client.get("/api/status", headers={"Host": "192.168.1.7:8000"}).status_code == 200
    assert client.get("/api/status", headers={"Host": "evil.example:8000"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9000"},  # another program's page on this machine
        {"Origin": "http://127.0.0.1:8000.evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-site"},
        {},  # a form of an old browser
    ],
)
def test_another_page_cannot_post_answers_even_with_the_cookie(site, headers):
    client = site()
    assert client.post("/api/send", json=answer(client), headers=headers).status_code == 403
    assert not client.session.store.state().answers
    assert client.post("/api/send", json=answer(client), headers=HERE).json()["results"][0]["ok"] is True


def test_another_page_cannot_read_and_no_answer_invites_it(site):
    client = site()
    image = f"/image/view/{client.session.items.ids[0]}"
    for path in ("/api/status", image, "/static/app.js"):
        for site_ in ("cross-site", "same-site"):
            assert client.get(path, headers={"Sec-Fetch-Site": site_, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    for path in ("/", "/api/status", image, "/nothing", "/?token=wrong"):
        headers = client.get(path, headers={"Sec-Fetch-Site": "same-origin"}).headers
        assert not [name for name in headers if name.startswith("access-control")]
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert client.options("/api/send", headers={"Origin": "http://evil.example"}).status_code in (403, 405)


def test_a_form_cannot_pretend_to_be_json(site):
    client = site()
    body = json.dumps(answer(client))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        found = client.post("/api/send", content=body, headers=HERE | {"Content-Type": kind})
        assert found.status_code == 415
    assert not client.session.store.state().answers


@pytest.mark.parametrize(
    "id_",
    ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "00000.png", "%2e%2e/labels.db", "0" * 16, "", "%00", "0" * 4000],
)
def test_images_are_had_by_their_ids_only(site, id_):
    client = site()
    for kind in ("view", "grid", "whole"):
        assert client.get(f"/image/{kind}/{id_}").status_code == 404
    assert client.get(f"/image/{id_}/{client.session.items.ids[0]}").status_code == 404
    assert client.get(f"/static/{id_}").status_code == 404
    assert client.get("/static/..%2fserver.py").status_code == 404


def test_too_much_is_not_taken(site):
    client = site()
    large = b'{"entries": [' + b" " * 70_000 + b"]}"
    headers = HERE | {"Content-Type": "application/json"}
    assert client.post("/api/send", content=large, headers=headers).status_code == 413
    assert client.post("/api/send", content=iter([large[:40_000], large[40_000:]]), headers=headers).status_code == 413
    entries = answer(client)["entries"] * 101
    assert client.post("/api/send", json={"entries": entries}, headers=HERE).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b"\xff",
        b"[" * 30_000,
        b'{"entries": 1}',
        b'{"entries": []}',
        b'{"entries": [1]}',
        b'{"entries": [{"type": "close"}]}',
        b'{"entries": [{"type": "__class__", "annotator": "a"}]}',
    ],
)
def test_json_of_another_shape_is_refused(site, body):
    client = site()
    found = client.post("/api/send", content=body, headers=HERE | {"Content-Type": "application/json"})
    assert found.status_code == 400
    assert found.json()["error"]


@pytest.mark.parametrize(
    "changes",
    [
        {"event": "x"},
        {"event": EVENT + "0"},
        {"event": 5},
        {"item": "../secret"},
        {"item": None},
        {"kind": "mask"},
        {"kind": ["label"]},
        {"label": ""},
        {"label": "a" * 201},
        {"label": "a\nb"},
        {"label": "\ud800"},
        {"label": {}},
        {"annotator": ""},
        {"annotator": "a" * 65},
        {"annotator": 1},
        {"seconds": "5"},
        {"seconds": -1},
        {"seconds": True},
        {"seconds": 1e999},
        {"shown": 1},
        {"type": "accept", "items": [["a"]]},
        {"type": "class", "kind": "label"},
        {"type": "class", "kind": "class_rename", "old": ""},
    ],
)
def test_a_field_of_another_shape_is_refused(site, changes):
    client = site()
    body = json.dumps(answer(client, **changes)).encode()
    found = client.post("/api/send", content=body, headers=HERE | {"Content-Type": "application/json"})
    assert found.status_code == 400
    assert not client.session.store.state().answers


def test_a_known_shape_that_makes_no_sense_is_told_and_the_others_are_kept(site):
    client = site()
    ids = client.session.items.ids
    entries = [
        *answer(client, event="1" * 32, label="no such class")["entries"],
        *answer(client, event="2" * 32, item="f" * 16)["entries"],
        *answer(client, event="3" * 32)["entries"],
        *answer(client, event="4" * 32, label="dog")["entries"],
        *answer(client, event="3" * 32)["entries"],
        *answer(client, event="5" * 32, item=ids[1])["entries"],
    ]
    results = client.post("/api/send", json={"entries": entries}, headers=HERE).json()["results"]
    assert [result["ok"] for result in results] == [False, False, True, False, True, True]
    assert [result.get("conflict", False) for result in results] == [False, False, False, True, False, False]
    assert results[2]["receipt"] == results[4]["receipt"] | {"labelled": 1}
    assert {name: by["ann"].label for name, by in client.session.store.state().answers.items()} == {
        "00000.png": "cat",
        "00001.png": "cat",
    }


def test_what_cannot_be_written_is_not_said_to_be_kept(site, monkeypatch):
    client = site()
    real = client.session.answer
    monkeypatch.setattr(
        client.session, "answer", lambda who, **said: real(who, **said) if said["event"] == "1" * 32 else 1 / 0
    )
    ids = client.session.items.ids
    entries = [e for i in range(3) for e in answer(client, event=str(i + 1) * 32, item=ids[i])["entries"]]
    found = client.post("/api/send", json={"entries": entries}, headers=HERE)
    assert found.status_code == 503
    assert len(found.json()["results"]) == 1
    assert "cannot be kept at the moment" in found.json()["error"]
