"""Several who write at once, and one who is killed in the middle."""

import contextlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from leaven.labels import Conflict, Event, Store

# prints the id of an answer once it is kept, and goes on until it is killed
ENDLESS = """
import itertools, sys
from leaven.labels import Event, Store
store = Store.open(sys.argv[1])
for n in itertools.count():
    store.add(Event(f"ada{n}", "label", "ada", f"{n}.png", "cat"), Event(f"bob{n}", "skip", "bob", f"{n}.png"))
    print(f"ada{n}", flush=True)
"""
# answers the same items as others do, at once; tells how often it was not first
CROWD = """
import sys
from leaven.labels import Conflict, Event, Store
_, where, me, items = sys.argv
store = Store.open(where)
store.add_classes(["cat", "dog"], "all")
print("ready", flush=True)
sys.stdin.readline()
late = 0
for n in range(int(items)):
    store.add(Event(f"{me}-own-{n}", "label", me, f"{n}.png", "cat"))
    try:
        store.add(Event(f"{me}-shared-{n}", "label", "all", f"{n}.png", "cat"))
    except Conflict:
        late += 1
print(late)
"""
ITEMS = 40


def start(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_was_acknowledged_survives_kill_9(store, where, event):
    process = start(ENDLESS, where)
    acknowledged = [process.stdout.readline().strip() for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    rest, errors = process.communicate(timeout=30)
    acknowledged += rest.split()
    assert process.returncode == -signal.SIGKILL, errors
    with Store.open(where) as again:
        kept = {e.id for e in again.events()}
        assert len(acknowledged) >= 25
        assert set(acknowledged) <= kept
        ada, bob = ({one[3:] for one in kept if one.startswith(who)} for who in ("ada", "bob"))
        assert ada == bob  # of what was asked for together both are there, or none
        assert [e.seq for e in again.events()] == list(range(1, len(again.events()) + 1))
        assert len(again.state().answers) == len(ada)
        again.add(event("label", "after.png", "dog"))  # and nobody holds a lock
    assert store.state().labels()["after.png"] == "dog"


def test_processes_that_open_and_write_at_once_lose_nothing(where):
    """None of them made the store before: they make it and its classes at once, too."""
    processes = [start(CROWD, where, name, str(ITEMS)) for name in ("p0", "p1")]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [error for _, error in said] == ["", ""]
    late = [int(out) for out, _ in said]
    assert sum(late) == ITEMS  # of each item exactly one was first
    with Store.open(where) as store:
        events = store.events()
        assert [e.seq for e in events] == list(range(1, 2 + 3 * ITEMS + 1))
        assert store.state().classes == ("cat", "dog")
        assert all(by.keys() == {"p0", "p1", "all"} for by in store.state().answers.values())
        assert len(store.state().answers) == ITEMS
        assert store.rebuild() == 3 * ITEMS


def test_threads_of_one_store(store):
    """Writers, readers and people who answer the same items share one store."""
    errors, won = [], []

    def write(me):
        try:
            for n in range(ITEMS):
                store.add(Event(f"{me}-{n}", "label", me, f"{n}.png", "dog"))
                assert store.state().answers[f"{n}.png"][me].id == f"{me}-{n}"
                with contextlib.suppress(Conflict):  # another thread was first
                    won.extend(store.add(Event(f"{me}-all-{n}", "label", "all", f"{n}.png", "cat")))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("t0", "t1", "t2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert sorted(e.item for e in won) == sorted(f"{n}.png" for n in range(ITEMS))
    assert len(store.events()) == 2 + 4 * ITEMS
    assert [e.seq for e in store.events()] == list(range(1, 3 + 4 * ITEMS))


def test_a_writer_waits_for_another_that_takes_long(store, where, event):
    """And it sees then what the other wrote."""
    from leaven.labels.engine import writing

    with Store.open(where) as other:
        other.state()
        done = []
        thread = threading.Thread(target=lambda: done.append(other.add(event("label", "a.png", "cat"))))
        with writing(store._engine, store.name):
            thread.start()
            time.sleep(0.3)
            assert done == []
            assert store.state().answers == {}  # who reads does not wait
        thread.join(30)
        assert len(done) == 1
    with pytest.raises(Conflict):
        store.add(event("label", "a.png", "dog"))
