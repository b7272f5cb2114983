"""The command: each of its parts is a module beside this one, whose heavy imports wait until it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from leaven.cli.bench import bench
from leaven.cli.demo import demo
from leaven.cli.episodes import episodes
from leaven.cli.evaluate import evaluate
from leaven.cli.export import export
from leaven.cli.fit import fit
from leaven.cli.hyper import FitCommand
from leaven.cli.label import label
from leaven.cli.labels import app as labels
from leaven.cli.methods import methods
from leaven.cli.predict import predict
from leaven.cli.probe import probe
from leaven.cli.query import query
from leaven.cli.report import report
from leaven.cli.simulate import simulate
from leaven.cli.stream import stream
from leaven.cli.synthesize import synthesize
from leaven.cli.worth import worth

TRAIN = (fit, simulate, label)  # and take the hyper-parameters of their method

app = typer.Typer(
    name="leaven",
    help="A few labels raise the whole batch: learn from many images and few labels.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Learn from many images and few labels."""
    if version:
        import leaven

        typer.echo(leaven.__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def evaluated(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with its annotations evaluated: typer does so four times over, while a person waits."""
    command.__signature__ = inspect.signature(command, eval_str=True)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


for command in (
    demo,
    fit,
    evaluate,
    predict,
    report,
    export,
    methods,
    query,
    stream,
    synthesize,
    simulate,
    label,
    episodes,
    probe,
    worth,
    bench,
):
    app.command(cls=FitCommand if command in TRAIN else None)(evaluated(command))
app.add_typer(labels, name="labels")
