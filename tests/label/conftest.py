"""A server of the page in a thread, and one Chromium for all tests of it."""

import secrets
import threading

import pytest
import uvicorn
from browser import CHROMIUM, FLAGS
from fake_session import FakeSession, paint

from leaven.label.web.app import create_app
from leaven.label.web.server import listen
from leaven.label.web.thumbs import Thumbs


class Served:
    """The page over a session; stopped and started again at the same address."""

    def __init__(self, session, folder, ask=False, annotator="ann"):
        self.session, self.folder, self.ask, self.annotator = session, folder, ask, annotator
        self.token, self.port = secrets.token_urlsafe(16), 0
        self.start()

    def start(self):
        listener = listen("127.0.0.1", self.port, str(self.folder))
        self.port = listener.getsockname()[1]
        self.thumbs = Thumbs(self.session.items, self.folder / "thumbs.db")
        app = create_app(
            self.session,
            self.thumbs,
            self.token,
            port=self.port,
            annotator=self.annotator,
            ask=self.ask,
            run=str(self.folder),
        )
        config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", ws="none")
        self.server = uvicorn.Server(config)
        self.server.install_signal_handlers = lambda: None
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)
        self.thumbs.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def answers(self):
        """Standing answers: name → (annotator, kind, label); an item of two annotators fails."""
        found = {}
        for name, by in self.session.store.state().answers.items():
            ((who, event),) = by.items()
            found[name] = (who, event.kind, event.label)
        return found

    @property
    def kinds(self):
        return [
            (event.kind, event.item, event.label) for event in self.session.store.events() if "class" not in event.kind
        ]


def real_session(folder, classes, store=None):
    """The session that the command has, without its worker."""
    from leaven.label.session.opening import open_session

    settings = {"train": False, "labels": "none"}
    return open_session(folder / "images", folder / "run", classes=classes, store=store, train=False, options=settings)


@pytest.fixture
def served(tmp_path):
    """Make a server: ``served(classes, count=20)``."""
    made = []

    def make(classes=("cat", "dog", "bird"), count=20, size=(28, 28), real=False, store=None, **options):
        folder = tmp_path / f"run{len(made)}"
        folder.mkdir()
        paint(folder / "images", count, size)
        session = real_session(folder, classes, store) if real else FakeSession(folder / "images", folder, classes)
        made.append(Served(session, folder, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()
        server.session.close()


@pytest.fixture(scope="session")
def chromium():
    """One browser for all."""
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: the page is not tested in a browser")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install leaven-learn[dev]")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Open a page; errors of its scripts fail the test."""
    contexts, errors = [], []

    def go(url, script="", ready="#frame[data-painted]", context=None, **options):
        if context is None:
            context = chromium.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
        if script:
            page.add_init_script(script)
        page.goto(url)
        if ready:
            page.wait_for_selector(ready)
        return page

    yield go
    for context in contexts:
        context.close()
    assert not errors


class Hand:
    """Presses keys as a person does: the next one when the next picture is there."""

    def __init__(self, page):
        self.page = page

    def item(self):
        return self.page.evaluate("document.querySelector('#frame').dataset.painted")

    def press(self, key, moves=True):
        before = self.item()
        self.page.keyboard.press(key)
        if moves:
            self.page.wait_for_function("old => document.querySelector('#frame').dataset.painted !== old", arg=before)

    def settled(self, what, *arguments):
        """Wait until a function of the server's side is true; the page runs on meanwhile."""
        for _ in range(600):
            if what(*arguments):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError("it did not come about within 30 seconds")


@pytest.fixture
def hand():
    return Hand
