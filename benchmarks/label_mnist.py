"""What 60 key presses on the labelling page are worth, end to end.

``python -m benchmarks.label_mnist --json`` writes 5,000 images of MNIST as files without labels, starts the real
``leaven label``, and lets Chromium press the key of the digit that each shown file has, as a person would who waits
for the model between rounds. When 60 answers are given and the last training has ended, ``leaven evaluate`` tells the
accuracy of the run's model on the 10,000 test images. The same with ``--strategy random``. In a run test labels choose
nothing. Data: ``LEAVEN_DATA`` (default ``../shared/data``), as torchvision lays MNIST out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from leaven.label.session.items import item_id
from leaven.label.session.training_scheduler import PAUSE

from .label_page import chromium, command, labelling

STATUS = "async () => (await fetch('/api/status', {headers: {'X-Leaven': '1'}})).json()"
WORKING = ("training", "running", "starting", "scoring", "ranking", "preparing", "waiting")


def write_images(root: Path, count: int, test: int) -> dict[str, str]:
    """``root/pool`` of unlabelled files, ``root/test`` in folders of classes; the digit of each file of the pool."""
    from torchvision import datasets

    data = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
    if not (data / "MNIST").exists():
        raise SystemExit(f"MNIST is not in {data}; set LEAVEN_DATA to a folder that torchvision reads it from.")
    (root / "pool").mkdir()
    digits = {}
    train = datasets.MNIST(data, train=True, download=False)
    for i in range(count):
        image, digit = train[i]
        image.save(root / "pool" / f"{i:05}.png")
        digits[f"{i:05}.png"] = str(digit)
    tests = datasets.MNIST(data, train=False, download=False)
    for digit in range(10):
        (root / "test" / str(digit)).mkdir(parents=True)
    for i in range(test):
        image, digit = tests[i]
        image.save(root / "test" / str(digit) / f"{i:05}.png")
    return digits


def idle(page: Any, patience: float) -> dict[str, Any]:
    """Wait until nothing is trained or ranked; what the page's server then says."""
    end = time.monotonic() + patience
    quiet = 0
    while time.monotonic() < end:
        status: dict[str, Any] = page.evaluate(STATUS)
        working = [status.get(part, {}).get("state") for part in ("training", "ranking")]
        quiet = 0 if any(state in WORKING for state in working) else quiet + 1
        if quiet == 3:
            return status
        page.wait_for_timeout(250)
    raise SystemExit(f"The model was not ready after {patience:.0f} s: {page.evaluate(STATUS)}")


def press_keys(page: Any, digits: dict[str, str], answers: int, patience: float) -> dict[str, Any]:
    """Answer so many questions rightly, waiting for the model before each."""
    names = {item_id(name): name for name in digits}
    status = idle(page, patience)
    for _ in range(answers):
        item = page.evaluate("document.querySelector('#frame').dataset.painted")
        page.keyboard.press(digits[names[item]])
        page.wait_for_function("old => document.querySelector('#frame').dataset.painted !== old", arg=item)
        before, status = status.get("version"), idle(page, patience)
        if status.get("version") != before:
            page.wait_for_timeout(2500)  # the page looks every two seconds whether there is a better model
    page.wait_for_timeout(1000 * (PAUSE + 5))  # the last answers are learnt from when no more come
    return idle(page, patience)


def one(
    root: Path, digits: dict[str, str], browser: Any, options: argparse.Namespace, extra: list[str]
) -> dict[str, Any]:
    """Label with one strategy and evaluate."""
    run = root / ("run-" + "-".join(extra or ["default"]).strip("-"))
    classes = ",".join(str(i) for i in range(10))
    start = time.perf_counter()
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    with labelling(root / "pool", run, "--classes", classes, *extra) as served:
        page.goto(served.url)
        page.wait_for_selector("#frame[data-painted]")
        status = press_keys(page, digits, options.labels, options.patience)
        seconds = time.perf_counter() - start
        page.close()
    told = subprocess.run(
        [command(), "evaluate", str(run), str(root / "test"), "--json"], capture_output=True, text=True, check=True
    ).stdout
    [found] = [row for row in json.loads(told)["rows"] if row["method"] != "supervised"]
    audit = status["audit"]
    return {
        "labels": status["labelled"],
        "rounds": status["training"].get("round"),
        **{key: found[key] for key in ("accuracy", "low", "high", "n")},
        "estimate": audit["accuracy"],
        "estimate_low": audit["low"],
        "estimate_high": audit["high"],
        "audited": audit["n"],
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Label, train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--patience", type=float, default=900, help="seconds to wait for one training")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as where, chromium() as browser:
        root = Path(where)
        digits = write_images(root, options.images, options.test)
        rows = [
            {"strategy": name} | one(root, digits, browser, options, extra)
            for name, extra in (("default", []), ("random", ["--strategy", "random"]))
        ]
    print(json.dumps(rows) if options.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
