"""The commands of ``leaven labels`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.options import Json, Unlabelled

app = typer.Typer(help="What a label store holds, in and out.", no_args_is_help=True)

Store = Annotated[str, typer.Argument(help="Run folder, file, or postgresql:// URL.", metavar="STORE")]
Format = Annotated[str, typer.Option("--format", help="auto (by the name), csv, jsonl, label-studio, coco, masks.")]


@app.command()
def status(store: Store, as_json: Json = False) -> None:
    """Counts by class and by annotator, how far annotators agree, and on what they do not."""
    from leaven.cli.labels import status as command

    command(store, as_json)


@app.command("import")
def import_(
    store: Store,
    file: Annotated[Path, typer.Argument(help="File of labels, or folder of masks.", metavar="FILE")],
    form: Format = "auto",
    annotator: Annotated[str, typer.Option(help="Whose answers, where the file names nobody.")] = "import",
    images: Annotated[Path | None, typer.Option(help="Folder of images, to find those that the file names.")] = None,
    mask_values: Annotated[
        str | None,
        typer.Option(metavar="NUMBER=CLASS,...", help="What numbers in masks stand for: 0=background,255=object."),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Class of the pixels that nobody painted; else they do not count."),
    ] = None,
    unlabelled: Unlabelled = None,
    replace: Annotated[bool, typer.Option("--replace", help="Answers replace others of the same annotator.")] = False,
    as_json: Json = False,
) -> None:
    """Keep what a file says, all or nothing."""
    from leaven.cli.labels import import_ as command

    command(store, file, form, annotator, images, mask_values, background, unlabelled, replace, as_json)


@app.command()
def export(
    store: Store,
    out: Annotated[Path, typer.Argument(help="File to write; for masks, a folder.", metavar="OUT")],
    form: Format = "auto",
    by: Annotated[str, typer.Option(help="One class of several answers: majority or dawid_skene.")] = "majority",
    every: Annotated[bool, typer.Option("--all", help="Every annotator's answer in place of one class.")] = False,
    audit: Annotated[bool, typer.Option("--audit/--no-audit", help="Write items that judge the model too.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write the labels for leaven or for other programs."""
    from leaven.cli.labels import export as command

    command(store, out, form, by, every, audit, overwrite, as_json)


@app.command()
def history(
    store: Store,
    item: Annotated[str | None, typer.Argument(help="One item.", metavar="ITEM")] = None,
    as_json: Json = False,
) -> None:
    """Who said what, and when; of one item or of all."""
    from leaven.cli.labels import history as command

    command(store, item, as_json)
