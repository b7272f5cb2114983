"""How quick the labelling page is, by the real command and a real browser.

``python -m benchmarks.label_page --json`` prints

* ``opening_seconds``: from the start of ``leaven label`` on a pool of 100,000 images, nothing cached, to the first
  image painted (Chromium is running already, as a person's browser is);
* ``key_to_painted_ms``: from a key going down to the next image painted, by the page's own clock, median and 95th
  percentile, on that pool and on photos of 1600 x 1200 pixels;
* ``thumbs_per_second``: cached thumbnails of photos served over 8 connections that are kept open.

Images are made here: 100,000 names are hard links to 500 small PNG files.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "label"))
from browser import CHROMIUM, FLAGS

from leaven.label.session.items import ItemIndex

CLOCK = """
const took = window.took = [];
let down = null;
addEventListener("keydown", (event) => { down = event.timeStamp; }, true);
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  if (down !== null) took.push(performance.now() - down);
  down = null;
}).observe(document.querySelector("#frame"), { attributes: true, attributeFilter: ["data-painted"] }));
"""


class Page(NamedTuple):
    """The command that serves, and the link that it printed."""

    process: subprocess.Popen[str]
    url: str


def command() -> str:
    """The ``leaven`` of this interpreter."""
    beside = Path(sys.executable).with_name("leaven")
    return str(beside) if beside.exists() else shutil.which("leaven") or "leaven"


@contextmanager
def labelling(folder: Path, run: Path, *options: str) -> Iterator[Page]:
    """``leaven label`` until the block ends."""
    process = subprocess.Popen(
        [command(), "label", str(folder), "-o", str(run), "--no-browser", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "?token=" in line:
                yield Page(process, next(word for word in line.split() if "?token=" in word))
                break
        else:
            raise SystemExit(f"leaven label ended with exit code {process.wait()} and printed no link.")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        raise SystemExit(f"There is no {CHROMIUM}; the page is measured in Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def small_images(folder: Path, count: int) -> None:
    """``count`` names of at most 500 images of 28 x 28 pixels."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        if i < 500:
            Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8)).save(folder / f"{i:06}.png")
        else:
            os.link(folder / f"{i % 500:06}.png", folder / f"{i:06}.png")


def photos(folder: Path, count: int) -> None:
    """Images of 1600 x 1200 pixels with something of the detail of photos."""
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize(
            (1600, 1200), Image.Resampling.BICUBIC
        )
        noise = rng.integers(-12, 13, (1200, 1600, 1))
        Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(
            folder / f"{i:04}.jpg", quality=88
        )


def key_times(page: Any, keys: int) -> dict[str, float]:
    """Press keys at a person's irregular pace; milliseconds from key down to painted."""
    rng = random.Random(0)
    page.evaluate("took.length = 0")
    for i in range(keys):
        page.keyboard.press("123"[i % 3])
        page.wait_for_function("n => took.length > n", arg=i)
        page.wait_for_timeout(rng.uniform(60, 140))
    took = sorted(page.evaluate("took"))
    return {
        "median": round(statistics.median(took), 1),
        "p95": round(took[int(0.95 * (len(took) - 1))], 1),
        "keys": len(took),
    }


async def fetch_all(url: str, cookie: str, paths: list[str], connections: int = 8) -> int:
    """Every path once; bytes read."""
    parts = urllib.parse.urlsplit(url)
    waiting = iter(paths)
    read = 0

    async def one() -> None:
        nonlocal read
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for path in waiting:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith("http/1.1 200"):
                raise SystemExit(f"{path}: {head.splitlines()[0]} {body!r}")
            read += length
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return read


def thumbs_rate(url: str, cookie: str, items: ItemIndex, times: int) -> dict[str, float]:
    """Thumbnails a second, once all are made; asked for as the page does, by version."""
    paths = [f"/image/grid/{id_}?v={items.version(id_)}" for id_ in items.ids]
    with ThreadPoolExecutor(1) as other:  # this thread has Playwright's own event loop
        start = time.perf_counter()
        other.submit(asyncio.run, fetch_all(url, cookie, paths)).result()
        made = time.perf_counter() - start
        start = time.perf_counter()
        read = other.submit(asyncio.run, fetch_all(url, cookie, paths * times)).result()
    seconds = time.perf_counter() - start
    return {
        "per_second": round(times * len(paths) / seconds),
        "mean_bytes": round(read / times / len(paths)),
        "first_time_per_second": round(len(paths) / made, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=250)
    parser.add_argument("--keys", type=int, default=200)
    options = parser.parse_args()
    found: dict[str, Any] = {"images": options.images}
    with tempfile.TemporaryDirectory() as where, chromium() as browser:
        root = Path(where)
        small_images(root / "small", options.images)
        photos(root / "photos", options.photos)
        for name in ("small", "photos"):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.add_init_script(CLOCK)
            start = time.perf_counter()
            with labelling(root / name, root / f"run-{name}", "--classes", "a one,b two,c three") as served:
                told = time.perf_counter() - start
                page.goto(served.url)
                page.wait_for_selector("#frame[data-painted]", timeout=120_000)
                found[f"opening_seconds_{name}"] = {
                    "link": round(told, 2),
                    "painted": round(time.perf_counter() - start, 2),
                }
                found[f"key_to_painted_ms_{name}"] = key_times(page, min(options.keys, options.photos - 20))
                cookie = "; ".join(f"{c['name']}={c['value']}" for c in page.context.cookies())
                page.close()
                if name == "photos":
                    found["thumbs"] = thumbs_rate(served.url, cookie, ItemIndex(root / name), 60)
    print(json.dumps(found) if options.json else "\n".join(f"{name}: {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
