"""How much memory a laptop must have: labelling 500 photos, and predictions for 2,000, with the default encoder.

``python -m benchmarks.memory --json`` prints, for real commands on photos of PACS,

* ``label``: 500 photos of 96 pixels from the first question to the first model, over HTTP as the page does it;
* ``predict``, ``evaluate``, ``query``: 2,000 photos of 224 pixels (the same, enlarged) by a run of ``leaven fit``;
* ``label of large images``: the same labelling of photos among which two are PNGs of 81 megapixels.

``largest`` is what the largest process ever had resident (imports and mapped files included), ``together`` the most
that all processes of the command had at a time, the files that they map (libraries) counted once; megabytes of 10**6
bytes. Nothing is cached beforehand. Data: ``LEAVEN_DATA`` (default ``../shared/data``). Linux. Needs the extra
``imagenet``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from .label_page import command, labelling
from .pacs import unpack

GOAL = 1300.0  # MB
CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")
LARGE = (9000, 9000)
WORKING = ("starting", "training", "scoring")


class Watch(threading.Thread):
    """Memory of a process and of all that it starts, until it ends or ``stop`` is called."""

    def __init__(self, root: int):
        super().__init__(daemon=True)
        self.root, self.largest, self.together = root, 0, 0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Look every tenth of a second."""
        while not self._stopped.wait(0.1):
            tree = _tree(self.root)
            self.largest = max([self.largest, *(_figure(pid, "VmHWM") for pid in tree)])
            own = sum(_figure(pid, "RssAnon") + _figure(pid, "RssShmem") for pid in tree)
            self.together = max(self.together, own + max([0, *(_figure(pid, "RssFile") for pid in tree)]))

    def stop(self) -> dict[str, float]:
        """What was seen, MB."""
        self._stopped.set()
        self.join()
        return {"largest": self.largest / 1e6, "together": self.together / 1e6}


def _tree(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        below = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (OSError, ValueError):  # it has ended
        return []
    return [pid, *(one for child in below for one in _tree(child))]


def _figure(pid: int, name: str) -> int:
    """Bytes; 0 where the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


class Client:
    """The page, as far as the server sees it."""

    def __init__(self, url: str):
        self.base = url.partition("/?")[0]
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self._opener.open(url).read()

    def ask(self, path: str, body: Any = None) -> Any:
        """A question to the server."""
        headers = {"X-Leaven": "1", "X-Annotator": "me", "Content-Type": "application/json", "Origin": self.base}
        data = None if body is None else json.dumps(body).encode()
        return json.load(self._opener.open(urllib.request.Request(self.base + path, data, headers)))

    def look(self, item: str) -> None:
        """Have a picture sent."""
        self._opener.open(f"{self.base}/image/view/{item}").read()


def label(photos: Path, run: Path, answers: int) -> dict[str, float]:
    """Answer so many questions, by the names of the files, and wait for the model."""
    start = time.perf_counter()
    with labelling(photos, run, "--classes", ",".join(CLASSES)) as served:
        watch = Watch(served.process.pid)
        watch.start()
        page = Client(served.url)
        done = 0
        while done < answers:
            questions = page.ask("/api/questions", {"n": 1, "held": []})["questions"]
            if not questions:
                time.sleep(0.2)
                continue
            [one] = questions
            page.look(one["item"])
            answer = {
                "type": "answer",
                "annotator": "me",
                "event": uuid.uuid4().hex,
                "kind": "label",
                "item": one["item"],
                "label": one["name"].partition("_")[0],
                "seconds": 1.0,
            }
            [result] = page.ask("/api/send", {"entries": [answer]})["results"]
            if not result["ok"]:
                raise SystemExit(f"An answer was not taken: {result}")
            done += 1
        while True:
            training = page.ask("/api/status")["training"]
            if training["state"] == "failed":
                raise SystemExit(training["error"])
            if training["state"] not in WORKING and training["round"] >= 1:
                break
            time.sleep(0.5)
        return watch.stop() | {"seconds": time.perf_counter() - start}


def measured(*arguments: str) -> dict[str, float]:
    """One command from its start to its end."""
    start = time.perf_counter()
    process = subprocess.Popen([command(), *arguments], stdout=subprocess.DEVNULL)
    watch = Watch(process.pid)
    watch.start()
    _, status, usage = os.wait4(process.pid, 0)
    found = watch.stop()
    if status:
        raise SystemExit(f"leaven {' '.join(arguments)} ended with exit code {os.waitstatus_to_exitcode(status)}.")
    found["largest"] = max(found["largest"], 1024 * usage.ru_maxrss / 1e6)  # between two looks it may have had more
    return found | {"seconds": time.perf_counter() - start}


def write_photos(sources: list[Path], root: Path, count: int, side: int, flat: bool) -> None:
    """The first ``count`` photos, ``side`` pixels a side: ``CLASS_number.jpg``, or in folders of classes."""
    from PIL import Image

    for number, source in enumerate(sources[:count]):
        name = source.parent.name
        path = root / (f"{name}_{number:04}.jpg" if flat else f"{name}/{number:04}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as image:
            image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC).save(path, quality=92)


def spread(root: Path) -> list[Path]:
    """Photos and, where these are not enough, pictures of other domains, the classes in turn."""
    found = []
    for domain in ("photo", "art_painting", "cartoon"):
        of_class = [sorted((root / domain / name).iterdir()) for name in CLASSES]
        for number in range(max(map(len, of_class))):
            found += [files[number] for files in of_class if number < len(files)]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--labelled", type=int, default=500, help="photos to label")
    parser.add_argument("--photos", type=int, default=2000, help="photos to predict")
    parser.add_argument("--answers", type=int, default=30)
    parser.add_argument("--only", help="names by comma")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else None
    rows: list[dict[str, Any]] = []

    def row(name: str, photos: int, side: int, found: dict[str, float]) -> None:
        rows.append(
            {"command": name, "photos": photos, "side": side, "goal": GOAL}
            | {key: round(value, 1) for key, value in found.items()}
            | {"reached": found["largest"] < GOAL}
        )
        if not options.json:
            print(rows[-1], flush=True)

    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        os.environ["LEAVEN_CACHE"] = str(root / "cache")
        sources = spread(unpack(where))
        for name in ("label", "label of large images"):
            if only and name not in only:
                continue
            folder = root / name.replace(" ", "-")
            write_photos(sources, folder, options.labelled, 96, flat=True)
            if name != "label":
                _large(folder)
            row(name, options.labelled, 96, label(folder, root / f"run-{folder.name}", options.answers))
        if not only or {"predict", "evaluate", "query"} & set(only):
            write_photos(sources, root / "few", 70, 224, flat=False)
            write_photos(sources[70:], root / "many", options.photos, 224, flat=False)
            write_photos(sources[70:], root / "pool", options.photos, 224, flat=True)  # folders would be labels
            fit = ("fit", str(root / "few"), "-o", str(root / "run"), "--method", "supervised", "--steps", "50")
            subprocess.run([command(), *fit], check=True, stdout=subprocess.DEVNULL)
            run, many = str(root / "run"), str(root / "many")
            for name, arguments in (
                ("predict", (run, many, "-o", str(root / "predicted.csv"))),
                ("evaluate", (run, many)),
                ("query", (run, str(root / "pool"), "-n", "50", "-o", str(root / "query.csv"))),
            ):
                if not only or name in only:
                    os.environ["LEAVEN_CACHE"] = str(root / f"cache-{name}")
                    row(name, options.photos, 224, measured(name, *arguments))
    result = {"benchmark": "memory", "rows": rows, "reached": all(one["reached"] for one in rows)}
    print(json.dumps(result) if options.json else f"under {GOAL:.0f} MB each: {result['reached']}")


def _large(folder: Path) -> None:
    """Two PNGs in place of two photos."""
    from PIL import Image

    for path in sorted(folder.iterdir())[:2]:
        path.unlink()
        Image.new("RGBA", LARGE, (200, 30, 30, 128)).save(path.with_suffix(".png"), compress_level=9)


if __name__ == "__main__":
    main()
