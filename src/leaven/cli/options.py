"""Options that several commands have, with one text and one meaning."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Unlabelled = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Data",
        metavar="TEXT",
        help="What stands for no label; by default -1, nan, NA, None, unlabelled, ..., or as the run was told.",
    ),
]
