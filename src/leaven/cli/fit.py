"""``leaven fit``."""

from __future__ import annotations

import difflib
from dataclasses import fields
from pathlib import Path
from typing import Any

from leaven.cli.show import emit
from leaven.errors import LeavenError

FORM = ("size", "channels", "strict")


def run(given: dict[str, Any]) -> None:
    """Read the data, train, print the figures."""
    from leaven.data import few_labels
    from leaven.methods.registry import get
    from leaven.run.fit import figures, fit
    from leaven.run.options import Options
    from leaven.train.log import LOGGERS
    from leaven.train.plan import Plan

    loggers = tuple(given["logger"] or ())
    for logger in loggers:
        if logger not in LOGGERS:
            raise LeavenError(f"There is no logger {logger!r}; choose {' or '.join(LOGGERS)}.")
    method = given["method"] or ("adamatch" if given["source"] else "fixmatch")
    hyperparameters = options(given["extra"], list(get(method).hyperparameters()), list(given))
    pool, where = _pools(given)
    if given["per_class"]:
        pool = few_labels(pool, given["per_class"], given["seed"] or 0)
    test = _like(pool, given["test"], given["strict"]) if given["test"] else None
    out = Path(given["out"])
    alike = ("network", "pretrained", "frozen", "resolution", "flip", "validation", "baseline")
    fitted = fit(
        pool,
        out,
        Options(
            method=method,
            hyperparameters=hyperparameters,
            plan={f.name: given[f.name] for f in fields(Plan) if given.get(f.name) is not None},
            **{k: given[k] for k in alike},
        ),
        test=test,
        source=where,
        resume=given["resume"],
        overwrite=given["overwrite"],
        loggers=loggers,
    )
    rows = [row for f in fitted for row in figures(f, int((pool.labels >= 0).sum()))]
    note = None if rows else (
        "No accuracy can be stated: every label was trained on. Give --test or --validation, or run "
        f"`leaven evaluate {out} FOLDER`."
    )  # fmt: skip
    emit(rows, given["as_json"], f"{method} in {out}", note, report=out / "report.html")


def _pools(given: dict[str, Any]) -> tuple[Any, str]:
    """The pool to train on: one domain, or target and source together."""
    from leaven.data import adaptation, read

    data, form = Path(given["data"]), {k: given[k] for k in FORM if given[k] is not None}
    if given["source"] is None:
        return read(data, labels=given["labels"], **form) if data.is_dir() else read(data), str(data)
    source = read(given["source"], **form) if Path(given["source"]).is_dir() else read(given["source"])
    if data.is_dir():
        # the target's subfolders are no labels: what is known of it, --labels says
        labels = given["labels"] if given["labels"] is not None else False
        height, width, channels = source.items.shape[1:]
        target = read(data, labels=labels, **{**form, "size": (height, width), "channels": channels})
    else:
        target = read(data)
    return adaptation(source, target), f"{given['source']} → {data}"


def _like(pool: Any, path: Path, strict: bool) -> Any:
    """Held-out data in the form of the pool, its labels as the pool's classes."""
    from leaven.run.model import read_like

    return read_like(path, pool.items.shape[1:], pool.classes, strict=strict)


def options(extra: list[str], hyperparameters: list[str], own: list[str]) -> dict[str, str]:
    """``--name value``, ``--name=value``, ``--name`` and ``--no-name`` of the method's hyper-parameters.

    Raises
    ------
    LeavenError : a name is neither a hyper-parameter nor an option of ``leaven fit``; the nearest is suggested
    """
    found: dict[str, str] = {}
    words = list(extra)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise LeavenError(f"leaven fit takes one folder, but {word!r} was given too.")
        name, equals, value = word[2:].partition("=")
        key = name.replace("-", "_")
        if key not in hyperparameters and key.removeprefix("no_") in hyperparameters:
            found[key.removeprefix("no_")] = "false"
            continue
        if key not in hyperparameters:
            known = [n.replace("_", "-") for n in (*hyperparameters, *own) if n not in ("extra", "as_json")]
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean --{close[0]}" if close else "`leaven methods` lists those of each method"
            raise LeavenError(f"There is no option or hyper-parameter --{name}; {hint}.")
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("--") else "true"
        found[key] = value
    return found
