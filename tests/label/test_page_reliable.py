"""What a person pressed is what is kept, whatever the speed, the network or the server does."""

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_session import paint

# Written without the page's own code: what was on the screen when (the picture in the document as each frame is
# drawn), when each key went down, and which event id was made while it was being handled.
WITNESS = """
const seen = window.witness = { frames: [], keys: [], made: {}, sent: [], kept: [] };
(function frame() {
  const image = document.querySelector("#frame img"), last = seen.frames.at(-1)?.[1] ?? "";
  const item = image ? image.src.match(/[0-9a-f]{16}/)[0] : "";
  if (item !== last) seen.frames.push([performance.now(), item]);
  requestAnimationFrame(frame);
})();
let now = null;
addEventListener("keydown", (event) => { now = seen.keys.push([event.timeStamp, event.key]) - 1; }, true);
addEventListener("keydown", () => { now = null; });
const random = crypto.getRandomValues.bind(crypto);
crypto.getRandomValues = (array) => {
  const given = random(array);
  if (now !== null) seen.made[[...given].map((b) => b.toString(16).padStart(2, "0")).join("")] = now;
  return given;
};
const fetched = window.fetch;
window.fetch = async (path, options) => {
  const sends = String(path).endsWith("/api/send");
  if (sends) seen.sent.push(...JSON.parse(options.body).entries.map((entry) => entry.event));
  const answer = await fetched(path, options);
  if (sends && answer.ok) (await answer.clone().json()).results.forEach((r) => r.receipt && seen.kept.push(r.receipt));
  return answer;
};
"""


@pytest.mark.parametrize(("many", "keys"), [(500, "123456789"), (150, "123z456z7zz89")])
def test_of_500_keys_5_ms_apart_every_label_is_of_what_was_on_the_screen(served, visit, hand, many, keys):
    classes = [f"c{i}" for i in range(9)]
    server = served(classes=classes, count=600)
    page = visit(server.url, script=WITNESS)
    keyboard = page.context.new_cdp_session(page)
    start = time.perf_counter()
    for i, key in zip(range(many), itertools.cycle(keys), strict=False):
        while time.perf_counter() < start + 0.005 * i:
            pass
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "text": key})
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key})
    h = hand(page)
    h.settled(lambda: page.evaluate("!Object.keys(localStorage).some(k => k.includes('outbox'))"))
    witness = page.evaluate("witness")
    labels = [event for event in server.session.store.events() if event.kind == "label"]
    undone = {event.undoes for event in server.session.store.events() if event.kind == "undo"}
    assert bool(undone) == ("z" in keys)
    assert len(witness["keys"]) == many
    assert 5 <= len(labels) < many  # the rest came before a picture was there
    assert {event.id for event in labels} == {receipt["event"] for receipt in witness["kept"]} <= set(witness["made"])
    standing = [event for event in labels if event.id not in undone]
    assert len({event.item for event in standing}) == len(standing) == len(server.answers)
    for event in labels:
        at, key = witness["keys"][witness["made"][event.id]]
        assert event.label == classes[int(key) - 1]
        on_screen = [item for shown, item in witness["frames"] if shown <= at][-1]
        assert server.session.items.name(on_screen) == event.item


def test_a_key_that_went_down_before_the_picture_was_there_is_not_for_it(served, visit, hand):
    """The browser tells of the key late, when the next picture is on the screen already."""
    server = served()
    page = visit(server.url)
    h = hand(page)
    before = page.evaluate("performance.now()")
    h.press("1")
    late = (
        "at => { const e = new KeyboardEvent('keydown', {key: '2', bubbles: true}); "
        "Object.defineProperty(e, 'timeStamp', {value: at}); document.body.dispatchEvent(e); }"
    )
    page.evaluate(late, before)
    h.press("3")
    h.settled(lambda: len(server.answers) == 2)
    assert [label for _, _, label in server.answers.values()] == ["cat", "bird"]
    page.evaluate(late, page.evaluate("performance.now()"))
    h.settled(lambda: len(server.answers) == 3)


def test_what_is_answered_without_a_connection_arrives_once_it_is_back_in_its_order(served, visit, hand):
    server = served(count=60)
    page = visit(server.url)
    h = hand(page)
    h.press("1")
    h.settled(lambda: len(server.answers) == 1)
    server.stop()
    h.press("2")
    h.press("3")
    h.press("z")
    h.press("1")
    page.wait_for_selector("#banner:not([hidden])")
    h.settled(lambda: "4 answers kept here" in page.inner_text("#banner"))
    server.start()
    page.wait_for_selector("#banner", state="hidden")
    h.settled(lambda: len(server.kinds) == 5)
    assert server.kinds == [
        ("label", "00000.png", "cat"),
        ("label", "00001.png", "dog"),
        ("label", "00002.png", "bird"),
        ("undo", "00002.png", ""),
        ("label", "00002.png", "cat"),
    ]


def test_an_answer_whose_receipt_was_lost_counts_once(served, visit, hand):
    server = served()
    page = visit(server.url)
    lost = []

    def swallow(route):
        answer = route.fetch()  # the server has it
        if len(lost) < 2:
            lost.append(answer.status)
            route.abort()
        else:
            route.fulfill(response=answer)

    page.route("**/api/send", swallow)
    h = hand(page)
    h.press("1")
    h.press("2")
    h.settled(lambda: len(lost) == 2 and len(server.answers) == 2)
    page.wait_for_selector("#banner", state="hidden")
    assert server.kinds == [("label", "00000.png", "cat"), ("label", "00001.png", "dog")]


def test_while_too_many_are_unsent_keys_are_refused(served, visit, hand):
    server = served(count=100)
    page = visit(server.url)
    page.route("**/api/send", lambda route: route.abort())
    h = hand(page)
    for _ in range(40):
        h.press("1")
    stays = h.item()
    page.keyboard.press("1")
    h.settled(lambda: "no more are taken" in page.inner_text("#banner"))
    assert h.item() == stays
    assert "40 answers" in page.inner_text("#banner")
    assert not server.answers
    page.unroute("**/api/send")
    h.settled(lambda: len(server.answers) == 40)
    page.wait_for_selector("#banner", state="hidden")
    h.press("1")


def test_answers_of_a_page_that_was_closed_are_sent_when_it_is_opened_again(served, visit, hand):
    server = served()
    page = visit(server.url)
    page.route("**/api/send", lambda route: route.abort())
    h = hand(page)
    h.press("2")
    h.press("3")
    page.close()
    assert not server.answers
    waits = []
    page.context.route("**/api/send", lambda route: waits.append(route))
    again = visit(server.url, context=page.context)
    for route in waits:
        route.continue_()
    page.context.unroute("**/api/send")
    hand(again).settled(lambda: len(server.answers) == 2)
    assert list(server.answers.values()) == [("ann", "label", "dog"), ("ann", "label", "bird")]
    assert again.inner_text(".file") == "00002.png"  # what waits to be sent is not asked again


def test_a_server_killed_while_labelling_loses_nothing_that_it_took(tmp_path, visit, hand):
    paint(tmp_path / "images", 300)
    process, url = _serve(tmp_path)
    try:
        page = visit(url, script=WITNESS)
        h = hand(page)
        for i in range(25):
            h.press("123"[i % 3])
            if i == 20:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        page.wait_for_selector("#banner:not([hidden])")
        witness = page.evaluate("witness")
        taken = {receipt["event"] for receipt in witness["kept"]}
        assert 15 <= len(taken) < 25
        assert taken <= {event["id"] for event in _events(tmp_path)}
        process, url = _serve(tmp_path)
        page.goto(url)  # the same port; the new link has a new key
        page.wait_for_selector("#frame[data-painted]")
        pressed = set(witness["made"])
        assert len(pressed) == 25
        h.settled(lambda: pressed <= {event["id"] for event in _events(tmp_path)})
        items = [event["item"] for event in _events(tmp_path)]
        assert len(items) == len(set(items)) == 25
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("real", [False, True])
def test_two_who_label_at_once_never_get_or_overwrite_the_same_item(served, visit, hand, real):
    server = served(count=60, ask=True, real=real)
    pages = []
    for name in ("Ada", "Ben"):
        page = visit(server.url, ready="#who[open]")
        page.fill("#who-name", name)
        page.keyboard.press("Enter")
        page.wait_for_selector("#frame[data-painted]")
        pages.append((hand(page), page))
    for _ in range(12):
        for key, (_, page) in zip("12", pages, strict=True):
            page.keyboard.press(key)
        for _, page in pages:
            page.wait_for_function("() => document.querySelector('#frame').dataset.painted")
    for h, page in pages:
        h.settled(lambda page=page: page.evaluate("!Object.keys(localStorage).some(k => k.includes('outbox'))"))
    answers = server.answers  # fails where an item has two
    by = {who: [a for a in answers.values() if a[0] == who] for who in ("Ada", "Ben")}
    assert all(label == "cat" for _, _, label in by["Ada"])
    assert all(label == "dog" for _, _, label in by["Ben"])
    assert min(map(len, by.values())) >= 2
    assert len([e for e in server.session.store.events() if e.kind == "label"]) == len(answers)


def test_the_same_person_in_two_windows_keeps_the_first_answer(served, visit, hand):
    server = served()
    first = visit(server.url)
    second = visit(server.url, context=first.context)
    one, two = hand(first), hand(second)
    assert one.item() == two.item()
    one.press("1")
    one.settled(lambda: len(server.answers) == 1)
    second.keyboard.press("2")
    second.wait_for_selector("#toast:not([hidden])")
    assert "first answer stands" in second.inner_text("#toast")
    assert server.answers["00000.png"] == ("ann", "label", "cat")


def _serve(folder):
    script = Path(__file__).with_name("serve_page.py")
    process = subprocess.Popen([sys.executable, script, folder], stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split()[-1]


def _events(folder):
    """Read apart from the server, as another program would."""
    import sqlite3

    connection = sqlite3.connect(f"file:{folder / 'run' / 'labels.db'}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        table = next(
            row["name"]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if "event" in row["name"]
        )
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}") if row["kind"] == "label"]
    finally:
        connection.close()
