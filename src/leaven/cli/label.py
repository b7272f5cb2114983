"""``leaven label``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli.hyper import GIVEN
from leaven.cli.options import Channels, Data, Json, Machine, Size, Training, Unlabelled, White
from leaven.cli.run_options import RunOptions, takes

PLAIN = ("train", "labels", "unlabelled", "every", "audit", "overlap", "strategy", "method", "minutes", "seed")


@takes(
    "flip",
    "network",
    "pretrained",
    "frozen",
    "resolution",
    "method",
    "minutes",
    "steps",
    "batch_size",
    "lr",
    "seed",
    unset=True,
    network={"help": "auto, cnn, wrn-28-2, mlp, linear, or a timm model (auto)."},
    resolution={"min": 1},
    minutes={"help": "Of each training, in place of steps."},
    steps={"min": 1, "help": "Optimiser steps of each training (200)."},
    batch_size={"min": 1, "help": "Labelled items a step (16)."},
    seed={"min": 0},
)
def label(
    context: typer.Context,
    target: Annotated[
        Path, typer.Argument(help="Folder of images, an .npz, or a run folder.", metavar="RUN_OR_FOLDER")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder to make (runs/NAME).")] = None,
    classes: Annotated[str | None, typer.Option(help="Names by comma; more can be added on the page.")] = None,
    annotator: Annotated[str | None, typer.Option(help="Who labels (your login).")] = None,
    store: Annotated[str | None, typer.Option(help="postgresql://..., or a file (RUN/labels.db).")] = None,
    strategy: Annotated[str | None, typer.Option(help="What chooses the questions (default).")] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Labels from one training to the next (20).")] = None,
    audit: Annotated[float | None, typer.Option(help="Share of random items that judge the model (0.2).")] = None,
    overlap: Annotated[float | None, typer.Option(help="Share of items that two people are asked about (0).")] = None,
    labels: Annotated[
        str | None, Data(help="What is known: a CSV, folders (subfolders are classes), none. An .npz has its own.")
    ] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    *,
    options: RunOptions,
    train: Annotated[bool | None, Training("--train/--no-train", help="Learn meanwhile, or only label.")] = None,
    host: Annotated[str, Machine(help="Address to serve at; 0.0.0.0: for others in your network.")] = "127.0.0.1",
    port: Annotated[int, Machine(min=0, max=65535, help="0: the run's own, or a free one.")] = 0,
    no_browser: Annotated[bool, Machine("--no-browser", help="Open no browser.")] = False,
    as_json: Json = False,
) -> None:
    """Label on a page in your browser, while a model learns from it and asks for what it needs."""
    raise typer.Exit(_label(context.params, options, context.meta.get(GIVEN, {})))


def _label(given: dict[str, Any], options: RunOptions, hyperparameters: dict[str, str]) -> int:
    """Open the labelling, serve its page until Ctrl-C, and say how to go on; the answer is the exit code."""
    import getpass

    from leaven.cli.show import print_json
    from leaven.label.session.class_names import parse_class_names
    from leaven.label.session.opening import open_session
    from leaven.label.session.settings import Network
    from leaven.label.web.server import serve
    from leaven.train.plan import Plan

    stated = {name: value for name, value in options.items() if value is not None}
    plan = {one.name: stated[one.name] for one in fields(Plan) if one.name in stated and one.name != "seed"}
    asked = {
        **{name: given[name] for name in PLAIN},
        "network": {one.name: stated[one.name] for one in fields(Network) if one.name in stated} or None,
        "form": {name: given[name] for name in ("size", "channels", "white") if given[name] is not None} or None,
        "plan": ({"probes": 0} | plan) if plan else None,
        "hyperparameters": hyperparameters or None,
    }
    classes = parse_class_names(given["classes"] or "")
    try:
        annotator = given["annotator"] or getpass.getuser()
    except (KeyError, OSError):
        annotator = "me"
    session = open_session(
        given["target"], given["out"], classes=classes, annotator=annotator, store=given["store"], options=asked
    )
    try:
        code = serve(
            session,
            host=given["host"],
            port=given["port"],
            browser=not given["no_browser"],
            annotator=given["annotator"] or "",
        )
        labelled = session.status(annotator)["labelled"]
        where: Path = session.folder
    except KeyboardInterrupt:
        labelled, where, code = session.status(annotator)["labelled"], session.folder, 0
    finally:
        session.close()
    if given["as_json"]:
        print_json({"run": str(where), "labelled": labelled})
    else:
        print(f"{labelled} items have labels in {where}; `leaven label {where}` goes on.")
    return code
