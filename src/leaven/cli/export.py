"""``leaven export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.options import Json, Run
from leaven.cli.show import tell


def export(
    run: Run,
    form: Annotated[str, typer.Option("--format", help="onnx, safetensors or torch (torch.export).")] = "onnx",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else in the run folder.")] = None,
    as_json: Json = False,
) -> None:
    """Write the model for other programs; it takes pixels in 0..1 and gives scores."""
    from leaven.run.trained.export import export as write
    from leaven.run.trained.export import require_format
    from leaven.run.trained.model import load_model

    require_format(form)
    path = write(load_model(run), form, out, run)
    tell({"format": form, "out": str(path)}, as_json, f"Exported to {path}")
