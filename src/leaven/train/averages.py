"""The moving averages of a run: of the network, and of what a method trains beside it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from leaven.methods.base import Method
from leaven.nn.ema import EMA
from leaven.nn.normalising import norms_of


class Averages:
    """Averages of all that a method trains, parameters and the statistics of its norms; queues and banks are live.

    Parameters
    ----------
    method : Method
        The method, as it stands before the first step.
    decay : float
        As for `EMA`.
    """

    def __init__(self, method: Method, decay: float):
        self.method, self.names = method, tuple(_beside(method))
        self._ema = EMA(method.network, decay, self._live())

    @property
    def network(self) -> nn.Module:
        """The averaged network, in evaluation mode."""
        return self._ema.network

    @property
    def beside(self) -> dict[str, Tensor]:
        """Averages of what the method trains beside its network, by name."""
        return self._ema.beside

    def update(self, step: int) -> None:
        """Move one step towards what the method is now."""
        self._ema.update(self.method.network, step, self._live())

    @torch.no_grad()
    def restart(self, weights: Iterable[nn.Parameter]) -> None:
        """Begin the averages of these at what they are now: they were drawn anew."""
        renewed = {id(weight) for weight in weights}
        averages = {f"network.{name}": average for name, average in self.network.named_parameters()} | self.beside
        for name, weight in self.method.named_parameters():
            if id(weight) in renewed:
                averages[name].copy_(weight)

    def trained(self) -> Method:
        """The method as a run would end with here, a copy in evaluation mode: averages wherever it trains."""
        method = copy.deepcopy(self.method)
        method.load_state_dict(method.state_dict() | self.beside)
        method.network.load_state_dict(self.network.state_dict())
        return method.eval()

    def weights(self) -> dict[str, Tensor]:
        """Those of the averaged network as it is now."""
        return {name: tensor.cpu().clone() for name, tensor in self.network.state_dict().items()}

    def rest(self) -> dict[str, Tensor]:
        """All of the method but its network: averaged where it is trained, else as it is."""
        state = self.method.state_dict() | self.beside
        return {name: tensor.cpu() for name, tensor in state.items() if not name.startswith("network.")}

    @torch.no_grad()
    def restore(self, network: Mapping[str, Tensor], beside: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint, once the method is as it was then."""
        self.network.load_state_dict(network)
        for name, now in self._live().items():  # checkpoints of before have no average: it begins here
            self.beside[name].copy_(beside.get(name, now))

    def _live(self) -> dict[str, Tensor]:
        """What the method trains beside its network, as it is now."""
        if not self.names:
            return {}
        state = self.method.state_dict(keep_vars=True)
        return {name: state[name] for name in self.names}


def _beside(method: Method) -> Iterator[str]:
    """Names of what a method trains beside its network: parameters, and the statistics of the norms among them."""
    norms = {id(buffer) for norm in norms_of(method) for buffer in norm.buffers()}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad and not name.startswith("network."):
            yield name
    for name, buffer in method.named_buffers():
        if id(buffer) in norms and not name.startswith("network."):
            yield name
