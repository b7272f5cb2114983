"""The label store: milliseconds of an answer that is on the disk, and seconds to open a store of 100,000 events.

``python -m benchmarks.store --json`` keeps answers one at a time, as the page does, in a new SQLite file and in a new
PostgreSQL server with its own settings (None where PostgreSQL is not installed), both in ``--folder``; the milliseconds
are from the call to its return, when the answer is durable, beside the bare time of a write and an ``fsync`` of the
same disk. Then it opens a store that holds as many events as ``--events`` says, one answer an item, and folds them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from leaven.labels import Event, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "labels"))
from postgres_server import Missing, server

WARM = 20  # inserts that are not counted
BATCH = 5000


def answer(number: int) -> Event:
    """An answer as the page gives it."""
    return Event(
        f"{number:032x}",
        "label",
        "ada",
        f"photos/{number:06d}.png",
        "cat",
        strategy="margin",
        score=0.125,
        model="round-3",
        suggestion="dog",
        confidence=0.75,
        shown=True,
        seconds=1.5,
    )


def insert(where: str, count: int) -> dict[str, float]:
    """Milliseconds of single answers."""
    taken = []
    with Store.open(where) as store:
        store.add_classes(["cat", "dog"], "ada")
        for number in range(WARM + count):
            start = time.perf_counter()
            store.add(answer(number))
            taken.append(1000 * (time.perf_counter() - start))
    return summary(taken[WARM:])


def bare(folder: Path, count: int) -> dict[str, float]:
    """Milliseconds of a write of one page and an fsync: what no durable insert can be quicker than."""
    taken = []
    with (folder / "bare").open("wb", buffering=0) as file:
        for _ in range(WARM + count):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            taken.append(1000 * (time.perf_counter() - start))
    return summary(taken[WARM:])


def summary(taken: list[float]) -> dict[str, float]:
    """Median and the 95th of a hundred."""
    return {"median_ms": round(statistics.median(taken), 2), "p95_ms": round(statistics.quantiles(taken, n=20)[-1], 2)}


def opened(where: str, events: int, repeats: int) -> dict[str, float]:
    """Seconds to open a store of so many events and have its state; the median of ``repeats``."""
    with Store.open(where) as store:
        store.add_classes(["cat", "dog"], "ada")
        start = time.perf_counter()
        for first in range(2, events, BATCH):
            store.add(*map(answer, range(first, min(events, first + BATCH))))
        filled = time.perf_counter() - start
    taken, computed = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), time.process_time()
        with Store.open(where, create=False) as store:
            state = store.state()
        taken.append(time.perf_counter() - start)
        computed.append(time.process_time() - before)
        assert state.seq == events
        assert len(state.answers) == events - 2
    start = time.perf_counter()
    labels = state.labels()
    consensus = time.perf_counter() - start
    assert len(labels) == events - 2
    return {
        "open_s": round(statistics.median(taken), 2),
        "open_cpu_s": round(statistics.median(computed), 2),  # of this process alone; others may want the same cores
        "labels_s": round(consensus, 3),
        "fill_s": round(filled, 2),
    }


def main() -> None:
    """Measure and print."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inserts", type=int, default=300)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; by default the temporary folder")
    options = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "store", "inserts": options.inserts, "events": options.events}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found["fsync"] = bare(Path(folder), options.inserts)
        found["sqlite"] = insert(f"{folder}/inserts.db", options.inserts)
        found["sqlite"] |= opened(f"{folder}/events.db", options.events, options.repeats)
    try:
        with server(folder=options.folder) as url:
            found["postgresql"] = insert(url, options.inserts)
            found["postgresql"] |= opened(another(url), options.events, options.repeats)
    except Missing as error:
        print(error, file=sys.stderr)
        found["postgresql"] = None
    if options.json:
        print(json.dumps(found))
        return
    print(f"write + fsync  {found['fsync']['median_ms']:7.2f} ms")
    for name in ("sqlite", "postgresql"):
        row = found[name]
        if row is None:
            print(f"{name:11} is not here")
            continue
        insert_ms = f"{row['median_ms']:7.2f} ms an answer (95%: {row['p95_ms']:.2f})"
        print(f"{name:11} {insert_ms}   {row['open_s']:.2f} s to open {options.events:,} events")


def another(url: str) -> str:
    """A new database of the same server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE events")
    return url.rsplit("/", 1)[0] + "/events"


if __name__ == "__main__":
    main()
