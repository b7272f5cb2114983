"""Where a backbone starts: from another run, or from a method that learns features of the same pool first."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from leaven.errors import LeavenError
from leaven.methods.registry import get, names
from leaven.nn.build import Spec
from leaven.nn.network import Network
from leaven.nn.norm import has_no_statistics
from leaven.run.model import Model, load_model


@dataclass(frozen=True)
class InitFrom:
    """A start as it was asked for: ``method`` names what is trained first, or ``model`` comes from ``path``."""

    method: str | None = None
    path: Path | None = None
    model: Model | None = None

    @classmethod
    def named(cls, init: str | Path | InitFrom) -> InitFrom:
        """A start itself, a run folder (or its model file), or else the name of a method that learns features.

        Raises
        ------
        LeavenError : it is neither, or the run cannot be read
        """
        if isinstance(init, InitFrom):
            return init
        path = Path(init)
        if path.exists():
            return cls(path=path, model=load_model(path))
        teachers = [name for name in names() if get(name).learns == "features"]
        key = str(init).lower().replace("-", "_")
        if key not in teachers:
            raise LeavenError(
                f"There is no run {init} to start from, and no method of that name that learns features; give a run "
                f"folder, or one of {', '.join(teachers)}."
            )
        return cls(method=key)

    def network(self, asked: str) -> str:
        """The name of the network: the start's own, where it has one.

        Raises
        ------
        LeavenError : another one was asked for
        """
        if self.model is None:
            return asked
        own = self.model.spec.name
        if asked not in ("auto", own):
            raise LeavenError(f"The run {self.path} has the network {own!r}, not {asked!r}; leave --network out.")
        return own

    def fit_to(self, spec: Spec) -> Spec:
        """``spec`` with the start's normalisation, for its weights know no other.

        Raises
        ------
        LeavenError : the start takes items of another form
        """
        if self.model is None:
            return spec
        own = self.model.spec
        if own.shape != spec.shape:
            raise LeavenError(
                f"The run {self.path} takes items of shape {own.shape}, but these have {spec.shape}; "
                "read them in that size, or start without --init."
            )
        if own.members > 1 and (spec.members != own.members or spec.frozen):
            raise LeavenError(
                f"The run {self.path} trained {own.members} networks side by side, from which only such a method can "
                "start, and not frozen; start from another run."
            )
        if spec.frozen and has_no_statistics(self.model.network):
            raise LeavenError(
                f"The run {self.path} kept no statistics for batch norm, so its backbone cannot serve as it is; leave "
                "--frozen out."
            )
        return replace(spec, mean=own.mean, std=own.std, pretrained=False, resolution=own.resolution)

    def backbone(self) -> nn.Module:
        """A copy of the backbone.

        Raises
        ------
        LeavenError : the model takes feature vectors through a head and has no backbone of its own to give
        """
        assert self.model is not None
        assert isinstance(self.model.network, Network)
        return copy.deepcopy(self.model.network.backbone)

    def asdict(self) -> dict[str, Any]:
        """For ``config.json``: what it is, and a digest of weights that were there before the run."""
        if self.model is None:
            return {"method": self.method}
        digest = hashlib.blake2b(digest_size=8)
        for weight in self.backbone().state_dict().values():
            digest.update(weight.contiguous().numpy().data)
        return {"path": str(self.path), "fingerprint": digest.hexdigest()}
