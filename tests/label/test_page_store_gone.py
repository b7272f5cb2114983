"""While the store is out of reach the page keeps what was answered, says so, and sends it when the store is back."""

import secrets

import pytest
from helpers_label import begin, event, half, tell
from postgres_server import new_place
from starlette.testclient import TestClient

from leaven.label.web.app import create_app
from leaven.label.web.thumbs import Thumbs


@pytest.fixture
def client(tmp_path):
    """``client(session)``: one that is let in."""
    made = []

    def make(session):
        token = secrets.token_urlsafe(16)
        made.append(Thumbs(session.items, tmp_path / "thumbs.db"))
        app = create_app(session, made[-1], token, port=8000, annotator="ann", run="x")
        found = TestClient(app, base_url="http://127.0.0.1:8000", headers={"X-Leaven": "1"})
        found.get(f"/?token={token}")
        return found

    yield make
    for thumbs in made:
        thumbs.close()


def label(item, name="cat", id_=None):
    return {
        "type": "answer",
        "annotator": "ann",
        "event": id_ or event(),
        "kind": "label",
        "item": item,
        "label": name,
        "seconds": 0.5,
    }


def undo(**more):
    return {"type": "undo", "annotator": "ann", "event": event(), **more}


def test_answers_undo_and_grid_while_postgresql_is_dead_arrive_in_their_order(served, visit, hand, mortal):
    server = served(count=40, real=True, store=new_place(mortal.url))
    page = visit(server.url)
    tell(server.session, 1, ("cat", "dog", "bird"), half(server.session, 3), range(40))
    h = hand(page)
    h.press("1")
    h.settled(lambda: len(server.answers) == 1)
    mortal.kill()
    h.press("2")
    h.press("3")
    h.press("z")
    h.press("1")
    page.wait_for_selector("#banner:not([hidden])")
    h.settled(lambda: "4 answers kept here" in page.inner_text("#banner"))
    assert "cannot be reached" in page.inner_text("#banner")
    page.wait_for_timeout(1500)  # the poll comes by, and finds the server there
    assert "cannot be reached" in page.inner_text("#banner")
    mortal.start()
    page.wait_for_selector("#banner", state="hidden")
    h.settled(lambda: len(server.kinds) == 5)
    items = [item for _, item, _ in server.kinds]
    assert [(kind, name) for kind, _, name in server.kinds] == [
        ("label", "cat"),
        ("label", "dog"),
        ("label", "bird"),
        ("undo", ""),
        ("label", "cat"),
    ]
    assert items[2] == items[3] == items[4]
    assert len(set(items)) == 3
    page.keyboard.press("g")
    page.wait_for_selector("#accept:enabled")
    shown = page.locator(".cells button").count()
    mortal.kill()
    page.keyboard.press("Enter")
    page.wait_for_selector("#banner:not([hidden])")
    mortal.start()
    h.settled(lambda: len(server.kinds) == 5 + shown)
    page.wait_for_selector("#banner", state="hidden")
    assert len(server.answers) == 3 + shown


def test_what_a_full_disk_does_not_take_is_taken_when_there_is_room(tmp_path, disk, client):
    session = begin(tmp_path, 200, store=str(disk.path / "labels.db"))
    page = client(session)
    asked = [label(question.item) for question in session.questions("ann", 150)]
    first = page.post("/api/send", json={"entries": asked[:10]})
    assert first.status_code == 200
    disk.fill()
    sent, kept = 10, 10
    while sent < 150:  # the log has some pages left
        answer = page.post("/api/send", json={"entries": asked[sent : sent + 20]})
        sent += 20
        kept += len(answer.json()["results"])
        if answer.status_code != 200:
            break
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert "make room" in answer.json()["error"]
    assert all(result["ok"] for result in answer.json()["results"])
    for entry in (*asked[kept:sent], undo()):
        found = page.post("/api/send", json={"entries": [entry]})
        assert (found.status_code, found.json()["results"]) == (503, [])
    status = page.get("/api/status").json()  # looking works on
    assert status["labelled"] == kept
    assert page.post("/api/questions", json={"n": 4}).json()["questions"]
    disk.empty()
    results = page.post("/api/send", json={"entries": asked[:sent]}).json()["results"]
    assert [result["ok"] for result in results] == [True] * sent
    kinds = [one.kind for one in session.store.events() if "class" not in one.kind]
    assert kinds == ["label"] * sent
    session.close()


def test_a_status_says_that_the_store_cannot_be_read_and_the_page_opens_all_the_same(tmp_path, mortal, client):
    session = begin(tmp_path, 20, store=new_place(mortal.url))
    page = client(session)
    assert page.get("/api/status").json()["store"] == ""
    mortal.kill()
    opened = page.get("/api/open")
    assert opened.status_code == 200
    assert "cannot be reached" in opened.json()["status"]["store"]
    assert opened.json()["status"]["classes"] == ["cat", "dog"]
    assert len(page.post("/api/questions", json={"n": 5}).json()["questions"]) == 5
    session._listener.receive({"training": {"state": "idle"}})  # the thread that listens to the worker lives on
    change = {"type": "class", "annotator": "ann", "event": event(), "kind": "class_add", "label": "owl", "old": ""}
    assert page.post("/api/send", json={"entries": [change]}).status_code == 503
    mortal.start()
    assert page.post("/api/send", json={"entries": [change]}).json()["results"][0]["classes"] == ["cat", "dog", "owl"]
    session.close()
