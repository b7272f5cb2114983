"""The tables of ``docs/results.md``, made of what the benchmarks printed with ``--json``.

``python -m benchmarks.tables`` reads ``docs/measured/NAME.json`` (the command that printed it, and its rows) and writes
the table between ``<!-- NAME -->`` and ``<!-- end -->``; ``--check`` says whether all are as they should be.
``python -m benchmarks.tables --keep NAME -- COMMAND...`` runs a command and keeps what it prints first.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"
RESULTS, MEASURED = DOCS / "results.md", DOCS / "measured"

OVER_VAAL = ("over_vaal", "over_vaal_low", "over_vaal_high")

Row = dict[str, Any]
Columns = dict[str, Callable[[Row], str]]


def share(key: str, digits: int = 1) -> Callable[[Row], str]:
    """A share as per cent with its interval."""

    def cell(row: Row) -> str:
        at, low, high = (f"{100 * row[name]:.{digits}f}" for name in (key, "low", "high"))
        return f"{at} % ({low} to {high})"

    return cell


def text(key: str) -> Callable[[Row], str]:
    """A word, or nothing."""
    return lambda row: str("" if row.get(key) is None else row[key])


def seconds(key: str = "seconds") -> Callable[[Row], str]:
    """A time."""
    return lambda row: "" if row.get(key) is None else f"{row[key]:.0f} s"


def published(row: Row) -> str:
    """A figure of a paper, in per cent or as a share."""
    value = row.get("published")
    return "" if value is None else f"{value if value > 1 else 100 * value:.1f} %"


def gain(row: Row) -> str:
    """Over random at as many labels."""
    if row.get("difference") is None:
        return ""
    at, low, high = (f"{100 * row[key]:+.1f}" for key in ("difference", "difference_low", "difference_high"))
    return f"{at} ({low} to {high})"


def estimate(row: Row) -> str:
    """What the labelling page said of its model."""
    at, low, high = (f"{100 * row[key]:.0f}" for key in ("estimate", "estimate_low", "estimate_high"))
    return f"{at} % ({low} to {high})"


def over_vaal(row: Row) -> str:
    """Over VAAL at as many labels."""
    return gain({key.replace("over_vaal", "difference"): row.get(key) for key in OVER_VAAL})


def known(cell: Callable[[Row], str]) -> Callable[[Row], str]:
    """What ``cell`` says where the row has an accuracy; else nothing, and its note says why."""
    return lambda row: "" if row["accuracy"] is None else cell(row)


def points(row: Row) -> str:
    """A paired difference; of a single seed without an interval."""
    if row.get("difference") is not None and row["difference_low"] is None:
        return f"{100 * row['difference']:+.1f}"
    return gain(row)


def rate(row: Row) -> str:
    """Images a second."""
    return "" if row.get("images_per_second") is None else f"{row['images_per_second']:,.0f}"


TABLES: dict[str, Columns] = {
    "omniglot": {
        "method": text("method"),
        "task": lambda row: f"{row['ways']}-way {row['shots']}-shot",
        "accuracy, 95 % interval over 600 tasks": share("value", 2),
        "published, on an easier split": published,
        "steps": text("steps"),
        "training": seconds("train_seconds"),
    },
    "digits_adapt": {
        "source → target": lambda row: f"{row['source']} → {row['target']}",
        "method": text("method"),
        "accuracy, 95 % interval": share("accuracy"),
        "published": published,
        "seeds": text("seeds"),
        "training": seconds(),
    },
    "camvid": {
        "data": text("data"),
        "method": text("method"),
        "mIoU, 95 % interval": share("miou"),
        "pixels right": lambda row: f"{100 * row['pixel_accuracy']:.1f} %",
        "seeds": text("seeds"),
        "training": seconds(),
    },
    "learning_curves": {
        "strategy": text("strategy"),
        "labels": text("labels"),
        "accuracy, 95 % interval": share("accuracy"),
        "over random, points": gain,
        "seeds": text("seeds"),
    },
    "combinations": {
        "combination": text("combination"),
        "what": text("what"),
        "accuracy, 95 % interval": share("accuracy"),
        "over": text("over"),
        "whole command": seconds(),
    },
    "bench_digits": {
        "labels": text("labels"),
        "method": text("method"),
        "accuracy, 95 % interval": known(share("accuracy")),
        "over supervised, points": points,
        "seeds": text("seeds"),
        "training": seconds(),
        "images/s": rate,
        "peak memory": known(lambda row: f"{row['memory'] / 1e9:.2f} GB"),
        "note": text("note"),
    },
    "foreign": {
        "unlabelled pool": text("pool"),
        "method": text("method"),
        "accuracy, 95 % interval": share("accuracy"),
        "foreign items told (ROC area)": lambda row: "" if row["told"] is None else f"{row['told']:.3f}",
        "seeds": text("seeds"),
        "training": seconds(),
    },
    "hard_labels": {
        "task": text("task"),
        "learns from": text("learns from"),
        "accuracy, 95 % interval": share("accuracy"),
        "hard over soft, points": gain,
        "seeds": text("seeds"),
    },
    "aral": {
        "row": text("row"),
        "labels": text("labels"),
        "accuracy, 95 % interval": share("accuracy"),
        "over random, points": gain,
        "over VAAL, points": over_vaal,
        "seeds": text("seeds"),
        "training": seconds(),
    },
    "label_mnist": {
        "questions by": text("strategy"),
        "answers": text("labels"),
        "accuracy on 10,000 test images, 95 % interval": share("accuracy"),
        "the page's own estimate": estimate,
        "audit items": text("audited"),
        "whole labelling": seconds(),
    },
    "memory": {
        "command": text("command"),
        "photos": lambda row: f"{row['photos']:,} of {row['side']} px",
        "largest process": lambda row: f"{row['largest'] / 1000:.2f} GB",
        "all processes": lambda row: f"{row['together'] / 1000:.2f} GB",
        "goal": lambda row: f"{row['goal'] / 1000:.1f} GB",
        "seconds": seconds(),
    },
    "query": {
        "strategy": text("strategy"),
        "seconds": lambda row: f"{row['seconds']:.2f}",
        "goal": seconds("goal_seconds"),
        "peak memory over the features": lambda row: f"{row['memory']:.2f}",
        "goal of that": text("goal_memory"),
    },
}


def table(name: str) -> str:
    """The command and the table of one benchmark, Markdown."""
    kept = json.loads((MEASURED / f"{name}.json").read_text())
    columns = TABLES[name]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell(row) for cell in columns.values()) for row in kept["rows"]]
    return f"`{kept['command']}`\n\n" + "\n".join(f"| {line} |" for line in lines)


def written(page: str) -> str:
    """The page with every table as it should be."""
    for name in TABLES:
        found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", page, re.S)
        if found and (MEASURED / f"{name}.json").exists():
            page = f"{page[: found.start()]}{table(name)}\n{page[found.end() :]}"
    return page


def keep(name: str, command: list[str]) -> None:
    """Run a benchmark and keep its rows."""
    printed = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    rows = printed["rows"] if isinstance(printed, dict) else printed
    words = " ".join("python" if word == sys.executable else word for word in command)
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / f"{name}.json").write_text(json.dumps({"command": words, "rows": rows}, indent=1) + "\n")


def main() -> None:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", choices=tuple(TABLES))
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    if options.keep:
        keep(options.keep, options.command)
    page = RESULTS.read_text()
    if options.check:
        raise SystemExit(page != written(page))
    RESULTS.write_text(written(page))


if __name__ == "__main__":
    main()
