"""Checkpoints that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from leaven.errors import LeavenError


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` atomically: under another name, flushed to the disk, then renamed.

    Raises
    ------
    LeavenError : it could not be written (the disk is full, say); the checkpoint that was there survives
    """
    _write(path, lambda file: torch.save(state, file))


def save_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """The same for weights alone, as safetensors; the folder is made where it is missing."""
    from safetensors.torch import save as dump

    path.parent.mkdir(parents=True, exist_ok=True)
    content = dump({name: tensor.contiguous() for name, tensor in weights.items()})
    _write(path, lambda file: file.write(content))


def _write(path: Path, dump: Callable[[BinaryIO], object]) -> None:
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "wb") as file:
            dump(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch reports a short write as RuntimeError
        part.unlink(missing_ok=True)
        kept = "the one before it is kept" if path.exists() else "there is none before it"
        raise LeavenError(
            f"The checkpoint {path} could not be written ({error}), {kept}; free some space and go on with --resume."
        ) from error


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint; no code in it is ever run.

    Raises
    ------
    LeavenError : the file is no checkpoint or is damaged
    """
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file raises whatever its parser trips over
        raise LeavenError(f"{path} is not a checkpoint of leaven; start anew with --overwrite.") from error
