"""Meta-Learner LSTM (Ravi & Larochelle 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn
from torch.func import functional_call

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT, SHARE
from leaven.methods.ways import require_ways
from leaven.nn.network import Network
from leaven.nn.normalising import batch_statistics, by_running_statistics, fresh_statistics

SCALE = 10.0  # p of the preprocessing
SMALL = 0.01  # the meta-learner's weights start within this of 0
FORGET, INPUT = (4.0, 5.0), (-5.0, -4.0)  # where the gates' biases start: keep all, and take small steps


class State(NamedTuple):
    """What the meta-learner carries from pass to pass, a row for each weight of the learner.

    Attributes
    ----------
    cell : Tensor, shape (n, 1)
        c, the learner's weights themselves.
    forget, input : Tensor, shape (n, 1)
        The gates, before the sigmoid.
    hidden, inner : Tensor, shape (n, units)
        Of the LSTM that looks at losses and gradients.
    """

    cell: Tensor
    forget: Tensor
    input: Tensor
    hidden: Tensor
    inner: Tensor


class MetaLearner(nn.Module):
    """The LSTM whose cell state is the learner's weights, which all share it (section 3.2).

    Parameters
    ----------
    units : int
        Size of its first layer.
    """

    def __init__(self, units: int):
        super().__init__()
        self.lstm = nn.LSTMCell(4, units)
        self.forget = nn.Linear(units + 2, 1)
        self.input = nn.Linear(units + 2, 1)
        for weight in self.parameters():
            nn.init.uniform_(weight, -SMALL, SMALL)
        nn.init.uniform_(self.forget.bias, *FORGET)
        nn.init.uniform_(self.input.bias, *INPUT)

    def start(self, weights: Tensor) -> State:
        """Before the first pass of a task, from the learner's initial weights ``(n,)``."""
        gate, hidden = weights.new_zeros(len(weights), 1), weights.new_zeros(len(weights), self.lstm.hidden_size)
        return State(weights[:, None], gate, gate, hidden, hidden)

    def forward(self, loss: Tensor, gradient: Tensor, state: State) -> State:
        """c_t = σ(f)·c_{t−1} − σ(i)·∇ for the learner's loss, a number, and its gradient ``(n,)`` (eq. 2 and 3)."""
        inputs = torch.cat([preprocessed(loss.expand_as(gradient)), preprocessed(gradient)], 1)
        hidden, inner = self.lstm(inputs, (state.hidden, state.inner))
        forget = self.forget(torch.cat([hidden, state.cell, state.forget], 1))
        input_ = self.input(torch.cat([hidden, state.cell, state.input], 1))
        cell = forget.sigmoid() * state.cell - input_.sigmoid() * gradient[:, None]
        return State(cell, forget, input_, hidden, inner)


class MetaLearnerLSTM(Method):
    """Learn how to learn: an LSTM that updates a learner's weights, and the weights that it starts from (Algorithm 1).

    The learner is the network. In each pass over the support its loss and its gradient are handed, weight by weight, to
    the meta-learner, and are taken for constants (section 3.3). The queries' loss after the last pass trains the
    meta-learner and the initial weights.

    Batch norm forgets its running statistics at each task and gathers them from the passes over the support. Queries go
    by their own statistics in training, and by the gathered ones when a task is solved: that is not transductive
    (section 3.4). Logged are the mean gates, ``forget_gate_t`` and ``input_gate_t``, of pass t; `learn` has those of
    each weight.

    Defaults: those of the authors' code for 5 shots: 15 queries, 8 passes, a share of 0.95 in the statistics, the
    LSTM's 20 units, and Adam at 1e-3 with the gradient's norm clipped at 0.25; for 1 shot they have 12 passes and 0.9.
    Their learner has 32 filters (``conv4-32``).
    """

    settings = ("few-shot",)
    paper = "Ravi & Larochelle, Optimization as a Model for Few-Shot Learning, ICLR 2017"
    paper_plan: ClassVar = {"steps": 50_000, "batch_size": 1}
    tasks = ("episodes",)
    plan: ClassVar = {
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.0,
        "final_lr": 1.0,
        "batch_size": 1,
        "clip": 0.25,
    }

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "classes in an episode, and scores of the network", Interval(ge=2)] = 5,
        shots: Annotated[int, "labelled items of each class", COUNT] = 5,
        queries: Annotated[int, "items of each class that the meta-learner's loss is of", COUNT] = 15,
        passes: Annotated[int, "T, passes over the support, each an update of the learner", COUNT] = 8,
        units: Annotated[int, "size of the meta-learner's first layer", COUNT] = 20,
        norm_share: Annotated[float, "share of a pass in the statistics of batch norm", SHARE] = 0.95,
    ):
        super().__init__(network)
        self.episode = Episode(ways, shots, queries)
        self.passes, self.norm_share = passes, norm_share
        self.meta = MetaLearner(units)

    @classmethod
    def outputs(cls, classes: int, hyperparameters: Mapping[str, Any]) -> int:
        """One score for each class of an episode."""
        return int(hyperparameters["ways"])

    @property
    def most_ways(self) -> int:
        """As many as there are scores."""
        return self.episode.ways

    @property
    def streams(self) -> dict[str, Stream]:
        """Episodes of labelled items, seen as they are."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Mean over the episodes of the queries' cross-entropy after the last pass."""
        draw = batch["episodes"]
        parts = [part.flatten(1, 2) for x in (draw.plain, draw.labels) for part in self.episode.split(x)]
        losses, right, each = [], [], []
        with torch.autocast(draw.plain.device.type, enabled=False):  # gradients are looked at in their logarithm
            for support, query, labels, wanted in zip(*parts, strict=True):
                learner, gates = self.learn(support, labels, self.episode.ways)
                with batch_statistics(self.network):
                    scores = functional_call(self.network, learner, (query,))
                losses.append(F.cross_entropy(scores, wanted))
                right.append((scores.argmax(1) == wanted).float().mean())
                each.append(gates.mean(2))
        for number, (forget, input_) in enumerate(torch.stack(each).mean(0), 1):
            self.log(**{f"forget_gate_{number}": forget, f"input_gate_{number}": input_})
        self.log(accuracy=torch.stack(right).mean())
        return {"queries": torch.stack(losses).mean()}

    def predict_episode(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, W)`` of the queries, each by itself, by the learner as the passes over the support leave it.

        Of a task of fewer ways than the network was trained for, the first W scores are used.

        Raises
        ------
        LeavenError
            The task has more ways.
        """
        ways = require_ways(type(self).__name__, self.episode.ways, labels)
        with torch.autocast(support.device.type, enabled=False), torch.no_grad():
            learner, _ = self.learn(support, labels, ways)
            with by_running_statistics(self.network):
                return functional_call(self.network, learner, (query,))[:, :ways]

    def learn(self, x: Tensor, labels: Tensor, ways: int) -> tuple[dict[str, Tensor], Tensor]:
        """What the passes over a support ``(S, ...)`` with ``labels`` ``(S,)`` make of the learner.

        Parameters
        ----------
        x : Tensor of float, shape (S, ...)
            The support.
        labels : Tensor of int64, shape (S,)
            Its classes.
        ways : int
            How many of the scores take part.

        Returns
        -------
        dict of str to Tensor
            Weights and gathered statistics, by their names in the network.
        Tensor, shape (passes, 2, n)
            The forget and the input gate of each weight in each pass, without their graph.
        """
        statistics, gates = fresh_statistics(self.network), []
        state = self.meta.start(torch.cat([p.flatten() for p in self.network.parameters()]))
        for _ in range(self.passes):
            here = {name: weight.detach().requires_grad_() for name, weight in self._weights(state.cell).items()}
            with torch.enable_grad(), batch_statistics(self.network, self.norm_share):
                scores = functional_call(self.network, here | statistics, (x,))[:, :ways]
                loss = F.cross_entropy(scores, labels)
                gradients = torch.autograd.grad(loss, list(here.values()))
            state = self.meta(loss.detach(), torch.cat([g.flatten() for g in gradients]), state)
            gates.append(torch.stack([state.forget, state.input]).detach().sigmoid()[:, :, 0])
        return self._weights(state.cell) | statistics, torch.stack(gates)

    def _weights(self, cell: Tensor) -> dict[str, Tensor]:
        """The learner's weights, out of a column of all their numbers ``(n, 1)``."""
        named = dict(self.network.named_parameters())
        parts = cell.flatten().split([p.numel() for p in named.values()])
        return {name: part.view(p.shape) for (name, p), part in zip(named.items(), parts, strict=True)}


def preprocessed(x: Tensor) -> Tensor:
    """Size and sign of numbers ``(n,)``, each of the order of 1, ``(n, 2)`` (section 3.2, after Andrychowicz et al.).

    (log|x| / p, sign x) where |x| ≥ e^−p, else (−1, e^p · x).
    """
    large = x.abs() >= math.exp(-SCALE)
    size = torch.where(large, x.abs().clamp(min=math.exp(-SCALE)).log() / SCALE, -1.0)
    return torch.stack([size, torch.where(large, x.sign(), math.exp(SCALE) * x)], 1)
