"""Checkpoints that are whole or not there."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch

from leaven.errors import LeavenError
from leaven.utils.disks import unwritten
from leaven.utils.files import replacing
from leaven.utils.reading import PathLike, damaged, from_python, require_regular

AGAIN = "remove it, or start anew with --overwrite"


@dataclass(frozen=True)
class State:
    """What a run goes on from; the form of ``checkpoint.pt``.

    Attributes
    ----------
    step : int
        Steps done so far.
    seconds : float
        Seconds that they took.
    method : dict
        State of the method.
    ema : dict of str to Tensor
        Averages of the network.
    optimizer, precision, views : dict
        States of these.
    sums : dict of str to Tensor
        Sums of the losses over the steps since the last line of the log.
    count : int
        How many steps that are.
    beside : dict of str to Tensor
        Averages of what the method trains beside its network, by name.
    belonging : Tensor of shape (N,), or None
        How much each item of the pool seems of the labelled items' kind, where it is asked for.
    """

    step: int
    seconds: float
    method: dict[str, Any]
    ema: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    sums: dict[str, torch.Tensor]
    count: int
    precision: dict[str, Any] = field(default_factory=dict)
    views: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, torch.Tensor] = field(default_factory=dict)
    belonging: torch.Tensor | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = {"arbitrary_types_allowed": True, "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if self.step < 0 or self.seconds < 0 or self.count < 0:
            raise ValueError("step, seconds and count cannot be negative")


def save(path: PathLike, state: dict[str, Any]) -> None:
    """Write ``state`` to ``path`` atomically: under another name, flushed to the disk, then renamed.

    Raises
    ------
    LeavenError
        It could not be written (the disk is full, say); the checkpoint that was there survives.
    """
    _write(path, lambda file: torch.save(state, file))


def save_weights(path: PathLike, weights: Mapping[str, torch.Tensor]) -> None:
    """The same for weights alone, as safetensors; the folder is made where it is missing."""
    from safetensors.torch import save as dump

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in weights.items()}
    content = dump(weights, metadata={"digest": digest(weights)})
    _write(path, lambda file: file.write(content))


def load_weights(path: PathLike, mend: str) -> dict[str, torch.Tensor]:
    """What ``save_weights`` wrote.

    Raises
    ------
    LeavenError
        The file is damaged.
    """
    from safetensors import safe_open

    require_regular(path, mend)
    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            require_digest((file.metadata() or {}).get("digest", ""), weights)
    except Exception as error:  # a damaged file raises whatever its parser trips over
        raise damaged(path, error, mend) from error
    return weights


def digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Of weights, for safetensors has no checksum: a flipped bit would give another network without a word."""
    hasher = hashlib.blake2b(digest_size=8)
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return hasher.hexdigest()


def require_digest(written: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise unless the digest that was written with weights, if one was, is theirs.

    Raises
    ------
    ValueError
        The digest is another one.
    """
    if written and written != digest(weights):
        raise ValueError("its weights are not as they were written")


def _write(path: PathLike, dump: Callable[[BinaryIO], object]) -> None:
    path = Path(path)
    try:
        with replacing(path) as part, open(part, "wb") as file:
            dump(file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:  # torch reports a short write as RuntimeError
        earlier = "the one before it is kept" if path.exists() else "there is none before it"
        why, do = unwritten(path, error, "go on with --resume")
        raise LeavenError(f"The checkpoint {path} could not be written ({why}), {earlier}; {do}.") from error


def load(path: PathLike) -> dict[str, Any]:
    """Read a checkpoint; no code in it is ever run.

    Raises
    ------
    LeavenError
        The file is no checkpoint or is damaged.
    """
    require_regular(path, AGAIN)
    try:
        _require_intact(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file raises whatever its parser trips over
        raise LeavenError(f"{path} is not a checkpoint of leaven; {AGAIN}.") from error


def _require_intact(path: PathLike) -> None:
    """Raise where a byte is not as it was written, which PyTorch does not look at: it would train on from there."""
    with zipfile.ZipFile(path) as archive:
        if (bad := archive.testzip()) is not None:
            raise ValueError(f"{bad} is not as it was written")


def load_state(path: PathLike) -> State:
    """Read the checkpoint of a run.

    Raises
    ------
    LeavenError
        As ``load``, or it holds something else.
    """
    content = load(path)
    names = {one.name for one in fields(State)}
    state: State = from_python({name: value for name, value in content.items() if name in names}, State, path, AGAIN)
    return state
