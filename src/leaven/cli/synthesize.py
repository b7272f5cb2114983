"""``leaven synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.options import Json, OwnMethod, Run
from leaven.cli.show import tell
from leaven.errors import LeavenError
from leaven.utils.disks import unwritten

MADE, TABLE = "made", "made.csv"


def synthesize(
    run: Run,
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many images to make.")] = 20,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to; by default RUN/made.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Make images to label that the model is unsure about: for runs of aral."""
    from PIL import Image

    from leaven.query.synthesis import generate
    from leaven.run import folder
    from leaven.run.trained.run import load_method
    from leaven.utils.devices import best_device
    from leaven.utils.files import require_writable
    from leaven.utils.tables import write_table

    out = run / MADE if out is None else out
    config, trained = folder.read_config(run), load_method(run)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise LeavenError(f"{out} exists and is not an empty folder, so it is left alone; choose another -o.")
    require_writable(out / TABLE)
    made = generate(trained, n, seed, best_device())
    names = [f"{number:04d}.png" for number in range(1, n + 1)]
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, item in zip(names, made.items, strict=True):
            Image.fromarray(item[..., 0] if item.shape[2] == 1 else item).save(out / name)
    except OSError as error:
        why, do = unwritten(out / TABLE, error)
        raise LeavenError(f"The images cannot be written to {out} ({why}); {do}.") from error
    classes = config["classes"]
    write_table(
        out / TABLE,
        {
            "file": names,
            "made_for": [classes[k] for k in made.made_for],
            "predicted": [classes[k] for k in made.predicted],
            "entropy": [f"{value:.4f}" for value in made.entropy],
        },
    )
    tell(
        {"made": n, "out": str(out)},
        as_json,
        f"{n} images to label were made in {out}; {TABLE} there says what each was made for and taken for.",
    )
