"""Options that several commands have, with one text and one meaning; those of a run are in `leaven.cli.run_options`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

Data = partial(typer.Option, rich_help_panel="Data")
Network = partial(typer.Option, rich_help_panel="Network")
Training = partial(typer.Option, rich_help_panel="Training")
Machine = partial(typer.Option, rich_help_panel="Machine")


def labels_of(text: str) -> Any:
    """A path, or the URL of a label store as it is."""
    from leaven.labels.location import place

    return place(text)


def _method(name: str | None) -> str | None:
    if name is not None:
        from leaven.methods.registry import get

        get(name)  # from here on it is known; nothing in a run folder makes leaven import anything
    return name


Run = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]
Labels = Annotated[
    Any,
    Data(parser=labels_of, metavar="PATH", help="CSV of file name and label, label store, or folder of masks."),
]
MaskValues = Annotated[
    str | None, Data(metavar="NUMBER=CLASS,...", help="What numbers in masks stand for: 0=background,255=object.")
]
Background = Annotated[
    str | None, Data(metavar="CLASS", help="Class of the pixels that no mask paints (255); else they do not count.")
]
Support = Annotated[
    Path | None,
    Data(help="For few-shot runs: labelled images (a subfolder a class) of the classes to tell; else the run's own."),
]
Strict = Annotated[bool, Data("--strict", help="An image that cannot be read is an error, not a warning.")]
Size = Annotated[int | None, Data(help="Pixels a side to keep of each image.")]
Channels = Annotated[int | None, Data(help="1 grey, 3 colour; by default what the images are.")]
White = Annotated[float | None, Data(help="What is white in images of over 8 bits (the range in use).")]
Unlabelled = Annotated[
    str | None,
    Data(
        metavar="TEXT",
        help="What stands for no label; by default -1, nan, NA, None, unlabelled, ..., or as the run was told.",
    ),
]
Test = Annotated[Path | None, Data(help="Labelled folder to report on; it chooses nothing.")]
OwnMethod = Annotated[
    str | None,
    typer.Option("--method", help="The run's method, where it is one's own: module:Class.", callback=_method),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
