"""The commands and their options; what they do lies in the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="leaven",
    help="A few labels raise the whole batch: learn from many images and few labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Run = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Labels = Annotated[Path | None, typer.Option(help="CSV of file name and label; an empty label is unlabelled.")]
Strict = Annotated[bool, typer.Option(help="An image that cannot be read is an error, not a warning.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False) -> None:
    """Learn from many images and few labels."""
    if version:
        import leaven

        typer.echo(leaven.__version__)
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report and result.json.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(min=1, help="Splits; 5 for the figures of the README.")] = 1,
    as_json: Json = False,
) -> None:
    """Show what unlabelled items are worth, on embedded data: no download, a few minutes on two cores."""
    from leaven.cli.demo import run

    run(out, seeds, as_json)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def fit(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Folder of images (a subfolder a class, or with --labels), or .npz.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder to make.")],
    labels: Labels = None,
    source: Annotated[Path | None, typer.Option(help="Labelled folder of another domain to learn from.")] = None,
    test: Annotated[Path | None, typer.Option(help="Labelled folder to report on; it chooses nothing.")] = None,
    method: Annotated[str | None, typer.Option(help="See `leaven methods`; its hyper-parameters are options.")] = None,
    network: Annotated[str, typer.Option(help="auto, cnn, wrn-28-2, mlp, linear, or a timm model.")] = "auto",
    pretrained: Annotated[bool | None, typer.Option(help="Pretrained weights (timm models).")] = None,
    frozen: Annotated[bool | None, typer.Option("--frozen/--tuned", help="Keep the backbone's weights.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels a side that a timm model sees.")] = None,
    size: Annotated[int | None, typer.Option(help="Pixels a side to keep of each image.")] = None,
    channels: Annotated[int | None, typer.Option(help="1 grey, 3 colour; by default what the images are.")] = None,
    per_class: Annotated[int | None, typer.Option(help="Use only so many labels a class, and hide the others.")] = None,
    validation: Annotated[float | None, typer.Option(help="Share of the labels to hold out.")] = None,
    flip: Annotated[bool | None, typer.Option(help="Mirror images; by default colour ones.")] = None,
    steps: Annotated[int | None, typer.Option(help="Optimiser steps [1000].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Labelled items a step [64].")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd or adamw [sgd].")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate [0.03].")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay of kernels.")] = None,
    ema: Annotated[float | None, typer.Option(help="Decay of the weights' average [from the steps].")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, 32-true, bf16-mixed, 16-mixed.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="auto, cpu, gpu.")] = None,
    devices: Annotated[int | None, typer.Option(help="Processes on this machine.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Machines (with torchrun or SLURM).")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    checkpoint_every: Annotated[float | None, typer.Option(help="Seconds between checkpoints [60].")] = None,
    logger: Annotated[list[str] | None, typer.Option(help="tensorboard or wandb, beside the CSV.")] = None,
    baseline: Annotated[bool, typer.Option(help="Train the supervised baseline beside it.")] = True,
    strict: Strict = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a run is.")] = False,
    as_json: Json = False,
) -> None:
    """Learn from a folder with a few labels; any hyper-parameter of the method is an option too."""
    from leaven.cli import fit as command

    command.run({**context.params, "extra": context.args})


@app.command()
def evaluate(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Labelled folder (a subfolder a class, or with --labels), or .npz.")],
    labels: Labels = None,
    name: Annotated[str, typer.Option(help="What the report calls this data.")] = "test",
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Accuracy of a run's model, and of its baseline, on labelled data; the report is made anew with it."""
    from leaven.cli.use import evaluate as command

    command(run, data, labels, name, strict, as_json)


@app.command()
def predict(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Folder of images, or .npz.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .parquet or .csv.")],
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Class and confidence of every image, as a table."""
    from leaven.cli.use import predict as command

    command(run, data, out, strict, as_json)


@app.command()
def report(run: Run, as_json: Json = False) -> None:
    """Make the report of a run anew: one HTML file that needs no network."""
    from leaven.cli.use import report as command

    command(run, as_json)


@app.command()
def export(
    run: Run,
    form: Annotated[str, typer.Option("--format", help="onnx, safetensors or torch (torch.export).")] = "onnx",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write [in the run folder].")] = None,
    as_json: Json = False,
) -> None:
    """Write the model for other programs; it takes pixels in 0..1 and gives scores."""
    from leaven.cli.use import export as command

    command(run, form, out, as_json)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with its hyper-parameters.")] = None,
    as_json: Json = False,
) -> None:
    """List every method: setting, paper, hyper-parameters with their defaults."""
    from leaven.cli.methods import run

    run(name, as_json)
