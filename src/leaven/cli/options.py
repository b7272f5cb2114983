"""Options that several commands have, with one text and one meaning."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _method(name: str | None) -> str | None:
    if name is not None:
        from leaven.methods.registry import get

        get(name)  # from here on it is known; nothing in a run folder makes leaven import anything
    return name


OwnMethod = Annotated[
    str | None,
    typer.Option("--method", help="The run's method, where it is one's own: module:Class.", callback=_method),
]
Unlabelled = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Data",
        metavar="TEXT",
        help="What stands for no label; by default -1, nan, NA, None, unlabelled, ..., or as the run was told.",
    ),
]
