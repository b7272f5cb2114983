"""A model for other programs: ONNX, ``torch.export``, safetensors."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import torch

from leaven.errors import LeavenError
from leaven.run.folder import MODEL
from leaven.run.model import Model

FORMATS = {"onnx": "model.onnx", "torch": "model.pt2", "safetensors": "model.safetensors"}


def export(model: Model, form: str, out: Path | None, run: Path) -> Path:
    """Write ``model`` in a format; the exported graph takes any number of items at once.

    Input ``input``: float32 ``(N, C, H, W)`` pixels in 0..1, or ``(N, D)``. Output ``scores``: float32 ``(N, K)``.

    Raises
    ------
    LeavenError : the format is unknown, or its packages are missing
    """
    if form not in FORMATS:
        raise LeavenError(f"There is no format {form!r}; choose {', '.join(FORMATS)}.")
    path = out or run / FORMATS[form]
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "safetensors":
        if path.resolve() != (run / MODEL).resolve():
            shutil.copyfile(run / MODEL, path)
        return path
    shape = model.spec.shape
    example = torch.rand(2, shape[2], *shape[:2]) if len(shape) == 3 else torch.rand(2, *shape)
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "torch":
            program = torch.export.export(model.network, (example,), dynamic_shapes=({0: batch},))
            torch.export.save(program, path)
            return path
        try:
            import onnx  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise LeavenError("ONNX needs packages: pip install 'leaven[onnx]'.") from error
        torch.onnx.export(
            model.network, (example,), str(path), dynamo=True, dynamic_shapes=({0: batch},), input_names=["input"],
            output_names=["scores"], external_data=False, verbose=False,
        )  # fmt: skip
    return path
