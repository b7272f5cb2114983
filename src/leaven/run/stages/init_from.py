"""Where a network starts, and who teaches it: another run, or an earlier stage of the same run."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from leaven.errors import LeavenError
from leaven.nn.build import Spec
from leaven.nn.network import Network
from leaven.nn.normalising import forget_domains, has_no_statistics
from leaven.run.trained.model import Model


@dataclass(frozen=True)
class InitFrom:
    """A trained network that a run begins with, or is taught by.

    Attributes
    ----------
    stage : str, optional
        The stage of the run that trains it; ``model`` is there once that is done.
    path : Path, optional
        The run folder that it comes from.
    model : Model, optional
        What was trained.
    whole : bool
        Begin with the whole network, as far as shapes agree; else with its backbone alone.
    network : str
        Of a stage that is not trained yet: the network that it is going to train, where it says so.
    """

    stage: str | None = None
    path: Path | None = None
    model: Model | None = None
    whole: bool = False
    network: str | None = None

    def network_for(self, asked: str) -> str:
        """The name of the network: the start's own, where it has one.

        Raises
        ------
        LeavenError
            Another one was asked for.
        """
        trained = self.model.spec.name if self.model is not None else self.network
        if trained is None:
            return asked
        if asked not in ("auto", trained):
            raise LeavenError(f"{self} has the network {trained!r}, not {asked!r}; leave --network out.")
        return trained

    def fit_to(self, spec: Spec) -> Spec:
        """``spec`` with the start's normalisation, for its weights know no other.

        Raises
        ------
        LeavenError
            The start takes items of another form, or cannot serve so.
        """
        if self.model is None or self.stage is not None:  # a stage has seen the same items
            return spec
        trained = self.model.spec
        self.require_shape(spec, "read them in that size, or start without --init")
        if trained.members > 1 and (spec.members != trained.members or spec.frozen):
            raise LeavenError(
                f"{self} trained {trained.members} networks side by side, from which only such a method can start, "
                "and not frozen; start from another run."
            )
        if spec.frozen and has_no_statistics(self.model.network):
            raise LeavenError(
                f"{self} kept no statistics for batch norm, so its backbone cannot serve as it is; leave --frozen out."
            )
        return replace(spec, mean=trained.mean, std=trained.std, pretrained=False, resolution=trained.resolution)

    def require_shape(self, spec: Spec, advice: str) -> None:
        """Raise where it takes items of another form.

        Raises
        ------
        LeavenError
            Says which it takes.
        """
        assert self.model is not None
        if (shape := self.model.spec.shape) != spec.shape:
            raise LeavenError(f"{self} takes items of shape {shape}, but these have {spec.shape}; {advice}.")

    def backbone(self) -> nn.Module:
        """A copy of the backbone."""
        return copy.deepcopy(self._network.backbone)

    def begin(self, network: Network, *, frozen: bool) -> None:
        """Set ``network``, the one to train, to where it starts.

        Parameters
        ----------
        network : Network
            The whole network, or the head over features where the backbone is ``frozen``.
        frozen : bool
            Whether the backbone keeps its weights.
        """
        if not frozen:
            backbone = self.backbone()
            alone = type(network.backbone) is type(backbone)
            for member in [network.backbone] if alone else network.backbone.members:  # type: ignore[union-attr]
                member.load_state_dict(backbone.state_dict())
            forget_domains(network)
        if self.whole:
            head = self._network.head
            there = head.head if frozen and isinstance(head, Network) else head
            state, into = there.state_dict(), network.head.state_dict()
            if {n: t.shape for n, t in state.items()} == {n: t.shape for n, t in into.items()}:
                network.head.load_state_dict(state)

    @property
    def _network(self) -> Network:
        assert self.model is not None
        assert isinstance(self.model.network, Network)
        return self.model.network

    def asdict(self) -> dict[str, Any]:
        """For ``config.json``: what it is, and a digest of weights that were there before the run."""
        takes = {"takes": "network"} if self.whole else {}
        if self.stage is not None or self.model is None:
            return {"stage": self.stage} | takes
        digest = hashlib.blake2b(digest_size=8)
        for weight in (self._network if self.whole else self._network.backbone).state_dict().values():
            digest.update(weight.contiguous().numpy().data)
        return {"path": str(self.path), "fingerprint": digest.hexdigest()} | takes

    def __str__(self) -> str:
        return f"The stage {self.stage}" if self.stage is not None else f"The run {self.path}"


def beside(teacher: InitFrom, chosen: Spec, backbone: nn.Module | None) -> nn.Module:
    """The network that stands beside the one to train: it takes what that takes.

    Parameters
    ----------
    teacher : InitFrom
        With its model.
    chosen : Spec
        Of the run.
    backbone : Module, optional
        The frozen backbone of the run, where it is not the one that ``chosen`` names.

    Raises
    ------
    LeavenError
        The run learns from features of a frozen backbone, and the teacher takes others.
    """
    model = teacher.model
    assert model is not None
    teacher.require_shape(chosen, "read them in that size, or take another teacher")
    if not chosen.frozen:
        return model.network
    spec = model.spec
    same = (spec.frozen, spec.name, spec.resolution) == (True, chosen.name, chosen.resolution)
    if same and backbone is not None:
        there, ours = teacher.backbone().state_dict(), backbone.state_dict()
        same = there.keys() == ours.keys() and all(torch.equal(there[name].cpu(), ours[name].cpu()) for name in ours)
    if not same:
        raise LeavenError(
            f"Over a frozen backbone a teacher must have the same one, which {str(teacher)[:1].lower()}"
            f"{str(teacher)[1:]} has not; train the backbone as well (--tuned), or take another teacher."
        )
    assert isinstance(model.network, Network)
    return model.network.head
