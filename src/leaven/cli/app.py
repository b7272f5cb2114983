"""The commands and their options; what they do lies in the modules beside this one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli.hyper import FOUND, FitCommand
from leaven.cli.labels_app import app as labels_app
from leaven.cli.options import Json, OwnMethod, Unlabelled

app = typer.Typer(
    name="leaven",
    help="A few labels raise the whole batch: learn from many images and few labels.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Of = partial(typer.Option, rich_help_panel="Data")
Net = partial(typer.Option, rich_help_panel="Network")
Train = partial(typer.Option, rich_help_panel="Training")
Where = partial(typer.Option, rich_help_panel="Machine")


def _labels(text: str) -> Any:
    """A path, or the URL of a label store as it is."""
    from leaven.labels.location import place

    return place(text)


Run = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]
Labels = Annotated[
    Any, Of(parser=_labels, metavar="PATH", help="CSV of file name and label, label store, or folder of masks.")
]
MaskValues = Annotated[
    str | None, Of(metavar="NUMBER=CLASS,...", help="What numbers in masks stand for: 0=background,255=object.")
]
Background = Annotated[
    str | None, Of(metavar="CLASS", help="Class of the pixels that no mask paints (255); else they do not count.")
]
Support = Annotated[
    Path | None,
    Of(help="For few-shot runs: labelled images (a subfolder a class) of the classes to tell; else the run's own."),
]
Strict = Annotated[bool, Of("--strict", help="An image that cannot be read is an error, not a warning.")]
# what trains is told alike by `fit` and `simulate`
Size = Annotated[int | None, Of(help="Pixels a side to keep of each image.")]
Channels = Annotated[int | None, Of(help="1 grey, 3 colour; by default what the images are.")]
White = Annotated[float | None, Of(help="What is white in images of over 8 bits (the range in use).")]
Flip = Annotated[
    bool | None, Of("--flip/--no-flip", help="Mirror images; by default unless classes are digits, letters.")
]
NetworkName = Annotated[str, Net(help="auto, cnn, wrn-28-2, mlp, linear, or a timm model.")]
Pretrained = Annotated[bool | None, Net("--pretrained/--no-pretrained", help="Load pretrained weights.")]
Frozen = Annotated[bool | None, Net("--frozen/--tuned", help="Keep the backbone's weights.")]
Dropout = Annotated[float, Net(help="Share of the features before the last layer that training sets to 0.")]
Resolution = Annotated[int | None, Net(min=1, help="Pixels a side that a timm model sees.")]
MethodName = Annotated[str | None, Train(help="See `leaven methods`; its hyper-parameters are options.")]
BatchSize = Annotated[int | None, Train(help="Labelled items a step (64).")]
Rate = Annotated[float | None, Train(help="Learning rate (0.03).")]
Precision = Annotated[str | None, Where(help="auto, 32-true, bf16-mixed, 16-mixed.")]
Accelerator = Annotated[str | None, Where(help="auto, cpu, gpu.")]


app.add_typer(labels_app, name="labels")


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


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report and result.json.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(min=1, help="Splits; 5 for the figures of the README.")] = 1,
    as_json: Json = False,
) -> None:
    """Show what unlabelled items are worth, on embedded data: no download, a few minutes on two cores."""
    from leaven.cli.demo import run

    run(out, seeds, as_json)


@app.command(cls=FitCommand)
def fit(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Images (a subfolder a class, images/ and masks/, or --labels), or .npz.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder to make (runs/NAME).")] = None,
    labels: Labels = None,
    source: Annotated[Path | None, Of(help="Labelled folder of another domain to learn from.")] = None,
    test: Annotated[Path | None, Of(help="Labelled folder to report on; it chooses nothing.")] = None,
    validation: Annotated[float | None, Of(help="Share of the labels to hold out.")] = None,
    per_class: Annotated[int | None, Of(help="Use only so many labels a class, or masks, and hide the rest.")] = None,
    mask_values: MaskValues = None,
    background: Background = None,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    flip: Flip = None,
    strict: Strict = False,
    unlabelled: Unlabelled = None,
    network: NetworkName = "auto",
    pretrained: Pretrained = None,
    frozen: Frozen = None,
    resolution: Resolution = None,
    dropout: Dropout = 0.0,
    init: Annotated[str | None, Net(help="Backbone to start from: a run folder, or moco or rotation first.")] = None,
    init_steps: Annotated[int | None, Net(min=1, help="Steps of that first training (as many as --steps).")] = None,
    teacher: Annotated[
        str | None, Net(help="Network that teaches a method which asks for one: a run folder, or a method first.")
    ] = None,
    recipe: Annotated[
        Path | None, Train(metavar="FILE", help="TOML of [[stage]]s, trained one after the other; the last is the run.")
    ] = None,
    method: Annotated[
        str | None, Train(help="See `leaven methods`; its hyper-parameters are options. auto: by evidence.")
    ] = None,
    minutes: Annotated[float | None, Train(help="Train as many steps as so many minutes allow here.")] = None,
    budget: Annotated[str | None, Train(help="paper: steps and batch as the method's paper has them.")] = None,
    steps: Annotated[int | None, Train(help="Optimiser steps (1000).")] = None,
    batch_size: BatchSize = None,
    optimizer: Annotated[str | None, Train(help="sgd or adamw (sgd).")] = None,
    lr: Rate = None,
    weight_decay: Annotated[float | None, Train(help="Weight decay of kernels.")] = None,
    ema: Annotated[float | None, Train(help="Decay of the weights' average (follows the steps).")] = None,
    norm: Annotated[str | None, Train(help="Batch norm by: joint, source, per_domain, frozen (joint).")] = None,
    augment: Annotated[str | None, Train(help="Strong views by randaugment or ctaugment (the method's own).")] = None,
    outliers: Annotated[
        bool, Train("--outliers", help="Draw unlabelled items the less, the less they seem of the labelled kind.")
    ] = False,
    clip: Annotated[float | None, Train(help="Largest norm of the gradient.")] = None,
    snapshots: Annotated[int | None, Train(help="Moments at which weights are kept, to vote in a query (0).")] = None,
    seed: Annotated[int | None, Train(help="Seed of everything random (0).")] = None,
    baseline: Annotated[bool, Train("--baseline/--no-baseline", help="Train the supervised baseline too.")] = True,
    precision: Precision = None,
    accelerator: Accelerator = None,
    compile: Annotated[bool, Where("--compile", help="Compile the backbone first (torch.compile).")] = False,
    devices: Annotated[int | None, Where(help="Processes on this machine (1).")] = None,
    nodes: Annotated[int | None, Where(help="Machines (with torchrun or SLURM).")] = None,
    checkpoint_every: Annotated[float | None, Where(help="Seconds between checkpoints (60).")] = None,
    logger: Annotated[list[str] | None, Where(metavar="NAME", help="tensorboard or wandb, beside the CSV.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a run is.")] = False,
    as_json: Json = False,
) -> None:
    """Learn from a folder with a few labels; any hyper-parameter of the method is an option too."""
    from leaven.cli.fit import run

    raise typer.Exit(run(context.params, context.meta.get(FOUND, {})))


@app.command()
def evaluate(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Images (a subfolder a class, or --labels), or .npz.", metavar="DATA")],
    labels: Labels = None,
    mask_values: MaskValues = None,
    background: Background = None,
    unlabelled: Unlabelled = None,
    name: Annotated[str, typer.Option(help="What the report calls this data.")] = "test",
    support: Support = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a run's model, and of its baseline, on labelled data; the report is made anew with it."""
    from leaven.cli.use import evaluate as command

    command(run, data, labels, mask_values, background, unlabelled, name, support, strict, as_json)


@app.command()
def predict(
    run: Run,
    data: Annotated[
        list[Path], typer.Argument(help="Folder of images, .npz, or image files; - reads names.", metavar="DATA...")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Table to write: .parquet or .csv (else printed); for pixels, a folder."),
    ] = None,
    support: Support = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Class and confidence of every image, as a table; for models of pixels, masks as PNG files."""
    from leaven.cli.use import predict as command

    command(run, data, out, support, strict, as_json)


@app.command()
def report(run: Run, as_json: Json = False) -> None:
    """Make the report of a run anew: one HTML file that needs no network."""
    from leaven.cli.use import report as command

    command(run, as_json)


@app.command()
def export(
    run: Run,
    form: Annotated[str, typer.Option("--format", help="onnx, safetensors or torch (torch.export).")] = "onnx",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else in the run folder.")] = None,
    as_json: Json = False,
) -> None:
    """Write the model for other programs; it takes pixels in 0..1 and gives scores."""
    from leaven.cli.use import export as command

    command(run, form, out, as_json)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with its hyper-parameters.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """List every method: setting, paper, hyper-parameters with their defaults."""
    from leaven.cli.methods import run

    run(name, as_json)


def _strategies(listed: bool) -> None:
    if listed:
        from leaven.cli.query import strategies

        strategies()
        raise typer.Exit


@app.command()
def query(
    run: Run,
    pool: Annotated[Path, typer.Argument(help="Folder of images to choose from, or .npz.", metavar="POOL")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .csv of file and empty label.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many items to choose.")] = 50,
    strategy: Annotated[str, typer.Option(help="See --list; default: typical items, later unsure ones.")] = "default",
    listed: Annotated[
        bool, typer.Option("--list", help="List the strategies by family.", is_eager=True, callback=_strategies)
    ] = False,
    committee: Annotated[
        list[Path] | None, typer.Option(help="Further run that votes (may be given again).", metavar="RUN")
    ] = None,
    labels: Annotated[
        Any, Of(parser=_labels, metavar="PATH", help="CSV or store of what is labelled; else what the run learnt from.")
    ] = None,
    unlabelled: Unlabelled = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Choose the items to label next: a table to fill in, which `leaven fit --labels` reads."""
    from leaven.cli.query import query as command

    command(run, pool, n, strategy, out, labels, unlabelled, committee or [], seed, strict, as_json)


@app.command()
def stream(
    run: Run,
    budget: Annotated[float, typer.Option(help="Share of the items to label, above 0 and under 1.")] = 0.05,
    score: Annotated[str, typer.Option(help="margin, entropy or least_confident.")] = "margin",
    limit: Annotated[int | None, typer.Option(min=0, help="Labels to ask for at most.")] = None,
    state: Annotated[Path | None, typer.Option(help="File that keeps where the stream stands, to go on later.")] = None,
    as_json: Json = False,
) -> None:
    """Read names of image files from standard input, and print those to label, as they come."""
    from leaven.cli.stream import stream as command

    command(run, budget, score, limit, state, as_json)


@app.command()
def synthesize(
    run: Run,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many images to make.")] = 20,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; by default RUN/made.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Make images to label that the model is unsure about: for runs of aral."""
    from leaven.cli.synthesize import synthesize as command

    command(run, n, out, seed, as_json)


@app.command(cls=FitCommand)
def simulate(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Labelled images or .npz; the labels are hidden.", metavar="DATA")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and all rounds.")],
    strategies: Annotated[
        str, typer.Option(help="By comma, see `leaven query --list`; random, the control, is always played.")
    ] = "random,margin",
    start: Annotated[int | None, typer.Option(min=0, help="Labels at first (one a class; 0 with --source).")] = None,
    begin: Annotated[str, typer.Option(help="What chooses them: random, typiclust, ... (no classifier).")] = "random",
    budget: Annotated[int, typer.Option(min=1, help="Labels to ask for each round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="How often to ask.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How often to play; intervals need two.")] = 3,
    labels: Annotated[
        Any, Of(parser=_labels, metavar="PATH", help="CSV or label store, where subfolders are no classes.")
    ] = None,
    source: Annotated[Path | None, Of(help="Labelled folder of another domain, known from the start.")] = None,
    test: Annotated[Path | None, Of(help="Labelled folder to report on; it chooses nothing.")] = None,
    test_share: Annotated[float, Of(help="Without --test: share of the items to hold out.")] = 0.2,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    flip: Flip = None,
    strict: Strict = False,
    unlabelled: Unlabelled = None,
    network: NetworkName = "auto",
    pretrained: Pretrained = None,
    frozen: Frozen = None,
    resolution: Resolution = None,
    dropout: Dropout = 0.0,
    init: Annotated[str | None, Net(help="Run folder whose backbone every training starts from.")] = None,
    method: MethodName = None,
    steps: Annotated[int | None, Train(help="Optimiser steps of each training (1000).")] = None,
    minutes: Annotated[float | None, Train(help="Of all trainings together, in place of steps.")] = None,
    batch_size: BatchSize = None,
    lr: Rate = None,
    precision: Precision = None,
    accelerator: Accelerator = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped, or with more rounds.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a simulation is.")] = False,
    as_json: Json = False,
) -> None:
    """Play active learning on labelled data: what would labels chosen by each strategy have been worth?"""
    from leaven.cli.simulate import run

    raise typer.Exit(run(context.params, context.meta.get(FOUND, {})))


@app.command(cls=FitCommand)
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
        str | None, Of(help="What is known: a CSV, folders (subfolders are classes), none. An .npz has its own.")
    ] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    flip: Flip = None,
    network: Annotated[str | None, Net(help="auto, cnn, wrn-28-2, mlp, linear, or a timm model (auto).")] = None,
    pretrained: Pretrained = None,
    frozen: Frozen = None,
    resolution: Resolution = None,
    train: Annotated[bool | None, Train("--train/--no-train", help="Learn meanwhile, or only label.")] = None,
    method: MethodName = None,
    steps: Annotated[int | None, Train(min=1, help="Optimiser steps of each training (200).")] = None,
    minutes: Annotated[float | None, Train(help="Of each training, in place of steps.")] = None,
    batch_size: Annotated[int | None, Train(min=1, help="Labelled items a step (16).")] = None,
    lr: Rate = None,
    seed: Annotated[int | None, Train(min=0, help="Seed of everything random (0).")] = None,
    host: Annotated[str, Where(help="Address to serve at; 0.0.0.0: for others in your network.")] = "127.0.0.1",
    port: Annotated[int, Where(min=0, max=65535, help="0: the run's own, or a free one.")] = 0,
    no_browser: Annotated[bool, Where("--no-browser", help="Open no browser.")] = False,
    as_json: Json = False,
) -> None:
    """Label on a page in your browser, while a model learns from it and asks for what it needs."""
    from leaven.cli.label import run

    raise typer.Exit(run(context.params, context.meta.get(FOUND, {})))


@app.command()
def episodes(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Images of other classes, a subfolder each, or .npz.", metavar="DATA")],
    ways: Annotated[int, typer.Option(min=2, help="Classes in a task.")] = 5,
    shots: Annotated[int, typer.Option(min=1, help="Labelled items of each.")] = 1,
    queries: Annotated[int, typer.Option(min=1, help="Items of each to be told apart.")] = 15,
    count: Annotated[int, typer.Option("--episodes", min=2, help="Tasks to solve.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the tasks.")] = 0,
    labels: Labels = None,
    unlabelled: Unlabelled = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a run in small tasks of classes that it has not seen, as a mean over many tasks."""
    from leaven.cli.episodes import run as command
    from leaven.methods.step import Episode

    command(run, data, labels, unlabelled, Episode(ways, shots, queries), count, seed, strict, as_json)


@app.command()
def probe(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Labelled images (a subfolder a class), or .npz.", metavar="DATA")],
    test: Annotated[Path | None, Of(help="Labelled folder to predict; else a quarter of DATA.")] = None,
    labels: Labels = None,
    unlabelled: Unlabelled = None,
    per_class: Annotated[int, typer.Option(min=1, help="Labels of a class for fine-tuning.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="How often to fine-tune, with other labels.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Steps of fine-tuning.")] = 300,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """What a run's features are worth: linear probe, neighbours, fine-tuning, each beside what they were before it."""
    from leaven.cli.probe import run as command

    command(run, data, labels, unlabelled, test, per_class, seeds, steps, strict, as_json)


@app.command()
def worth(
    run: Run,
    test: Annotated[Path | None, Of(help="Labelled data to judge by; else the run's own test or validation.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Draws of labels for each number of them (3).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of all trainings, in place of --seeds.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Most labels to train with, where more are known.")] = None,
    method_curve: Annotated[
        bool, typer.Option("--method-curve/--no-method-curve", help="Train the method with fewer labels too.")
    ] = True,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """What the unlabelled items were worth to a run, in labels; and what more labels would be worth."""
    from leaven.cli.worth import run as command

    raise typer.Exit(command(run, test, seeds, minutes, most, method_curve, strict, as_json))


@app.command()
def bench(
    context: typer.Context,
    suite: Annotated[str | None, typer.Argument(help="A suite, or a .toml; none: list them.", metavar="SUITE")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the table (runs/bench/SUITE).")] = None,
    only: Annotated[str | None, typer.Option(help="Methods, by comma.")] = None,
    labels: Annotated[str | None, typer.Option(help="Numbers of labels, by comma.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How often to run each; intervals need two.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of every method.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of each training, in place of steps: equal time.")] = None,
    data: Annotated[Path | None, Of(help="Folder of the data sets ($LEAVEN_DATA, else ../shared/data).")] = None,
    jobs: Annotated[int | None, Where(min=1, help="Trainings at a time (1 on a GPU, else the cores).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped; what changed is run anew.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a table is.")] = False,
    as_json: Json = False,
) -> None:
    """Run a table of a paper: methods with the same few labels, several times, with intervals."""
    from leaven.cli.bench import run

    raise typer.Exit(run(context.params))
