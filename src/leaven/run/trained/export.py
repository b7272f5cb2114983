"""A model for other programs: ONNX, ``torch.export``, safetensors."""

from __future__ import annotations

import difflib
import io
import json
import warnings
from pathlib import Path

import torch

from leaven.errors import LeavenError
from leaven.run.folder import MODEL
from leaven.run.trained.model import Model
from leaven.utils.files import require_writable, whole
from leaven.utils.reading import PathLike

FORMATS = {"onnx": "model.onnx", "torch": "model.pt2", "safetensors": MODEL}


def require_format(form: str) -> None:
    """Raise unless the format is known.

    Raises
    ------
    LeavenError
        The format is unknown; the nearest is suggested.
    """
    if form not in FORMATS:
        close = difflib.get_close_matches(form, FORMATS, n=1)
        hint = f"did you mean {close[0]}" if close else f"choose {', '.join(FORMATS)}"
        raise LeavenError(f"There is no format {form!r}; {hint}.")


def export(model: Model, form: str, out: PathLike | None, run: PathLike) -> Path:
    """Write ``model`` in a format; the exported graph takes any number of items at once.

    Input ``input``: float32 ``(N, C, H, W)`` pixels in 0..1, or ``(N, D)``, float64 where the network is
    ``precise``. Output ``scores``: float32 ``(N, K)``.
    The names of the classes and the size, channels and range of the input stand in the file (``Model.about``, as JSON):
    in ONNX as the metadata ``classes`` and ``input``, in ``torch.export`` as the extra file ``about.json``, in the
    header of safetensors under ``leaven``.

    Raises
    ------
    LeavenError
        The format is unknown, its packages are missing, or the file cannot be written.
    """
    out = None if out is None else Path(out)
    run = Path(run)
    require_format(form)
    path = out or run / FORMATS[form]
    if path.is_dir():
        raise LeavenError(f"{path} is a folder; name a file, such as {path / FORMATS[form]}.")
    require_writable(path)
    if form == "safetensors":
        if path.resolve() != (run / MODEL).resolve():
            model.save(path)
        return path
    shape = model.spec.shape
    example = (
        torch.rand(2, shape[2], *shape[:2])
        if len(shape) == 3
        else torch.rand(2, *shape, dtype=torch.float64 if model.spec.precise else torch.float32)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = _onnx(model, example) if form == "onnx" else _program(model, example)
    with whole(path) as part:
        part.write_bytes(content)
    return path


def _program(model: Model, example: torch.Tensor) -> bytes:
    file = io.BytesIO()
    program = torch.export.export(model.network, (example,), dynamic_shapes=({0: _batch()},))
    torch.export.save(program, file, extra_files={"about.json": json.dumps(model.about())})
    return file.getvalue()


def _onnx(model: Model, example: torch.Tensor) -> bytes:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise LeavenError("ONNX needs packages: pip install 'leaven-learn[onnx]'.") from error
    program = torch.onnx.export(
        model.network,
        (example,),
        dynamo=True,
        dynamic_shapes=({0: _batch()},),
        input_names=["input"],
        output_names=["scores"],
        verbose=False,
    )
    assert program is not None
    content = program.model_proto
    for name, value in model.about().items():
        content.metadata_props.add(key=name, value=json.dumps(value, ensure_ascii=False))
    return content.SerializeToString()


def _batch() -> torch.export.Dim:
    return torch.export.Dim("batch", min=1)
