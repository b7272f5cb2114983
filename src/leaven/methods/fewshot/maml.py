"""MAML (Finn et al. 2017)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor
from torch.func import functional_call

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.methods.ways import require_ways
from leaven.nn.network import Network
from leaven.nn.normalising import batch_statistics

PRINTED = 10  # inner steps at test of which the authors' code prints the accuracy


class MAML(Method):
    """Learn an initialisation from which a few gradient steps on a new task's support solve it (Algorithm 2).

    The gradient flows through the inner steps; ``first_order`` takes their gradients for constants (section 5.2).
    Batch norm takes the statistics of each pass, at test too, as the paper's code does. So all queries of a task are
    looked at together: the results are transductive.

    Defaults: α, one step, 32 tasks a batch, as many queries as shots and Adam at a constant 1e-3 are the authors' for
    Omniglot with 5 ways; with 20 ways they have α 0.1, 5 steps and 16 tasks; on miniImageNet α 0.01, 5 steps, 4 tasks
    and each number of the outer gradient cut off at 10 (the plan's ``clip_value``). Their network for Omniglot is
    ``conv4-strided``. ``test_steps`` is ours: their code takes 10; ``leaven episodes --curve`` shows all of these.
    """

    settings = ("few-shot",)
    paper = "Finn et al., Model-Agnostic Meta-Learning, ICML 2017, arXiv 1703.03400"
    paper_plan: ClassVar = {"steps": 60_000, "batch_size": 32}
    tasks = ("episodes",)
    transductive = True
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 1.0, "batch_size": 32}

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "classes in an episode, and scores of the network", Interval(ge=2)] = 5,
        shots: Annotated[int, "labelled items of each class", COUNT] = 1,
        queries: Annotated[int, "items of each class that the outer loss is of", COUNT] = 1,
        inner_lr: Annotated[float, "α, step size on the support", POSITIVE] = 0.4,
        inner_steps: Annotated[int, "gradient steps on the support", COUNT] = 1,
        test_steps: Annotated[int, "the same when a new task is solved", COUNT] = 3,
        first_order: Annotated[bool, "take the inner gradients for constants"] = False,
    ):
        super().__init__(network)
        self.episode = Episode(ways, shots, queries)
        self.inner_lr, self.inner_steps, self.test_steps = inner_lr, inner_steps, test_steps
        self.first_order = first_order

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
        """Mean over the episodes of the queries' cross-entropy after the inner steps (eq. 1)."""
        draw = batch["episodes"]
        parts = [part.flatten(1, 2) for x in (draw.plain, draw.labels) for part in self.episode.split(x)]
        start: dict[str, Tensor] = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        losses, right = [], []
        with self._exactly(draw.plain):
            for support, query, labels, wanted in zip(*parts, strict=True):  # no vmap: it is wrong over batch norm
                task = (support, labels, self.episode.ways)
                weights = self._adapted(start, *task, self.inner_steps, create_graph=not self.first_order)
                scores = functional_call(self.network, weights, (query,))
                losses.append(F.cross_entropy(scores, wanted))
                right.append((scores.argmax(1) == wanted).float().mean())
        self.log(accuracy=torch.stack(right).mean())
        return {"queries": torch.stack(losses).mean()}

    def predict_episode(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, W)`` of the queries, looked at together, after ``test_steps`` steps on the support.

        Of a task of fewer ways than the network was trained for, the first W scores are used.

        Raises
        ------
        LeavenError
            The task has more ways.
        """
        ways = require_ways("MAML", self.episode.ways, labels)
        start = {name: p.detach().requires_grad_() for name, p in self.network.named_parameters()}
        with torch.enable_grad(), self._exactly(support):
            weights = self._adapted(start, support, labels, ways, self.test_steps, create_graph=False)
            return functional_call(self.network, weights, (query,))[:, :ways].detach()

    def episode_curve(self, support: Tensor, labels: Tensor, query: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Accuracy after each inner step, ``step_0`` to ``step_10`` at least, as the authors' code prints it."""
        ways = require_ways("MAML", self.episode.ways, labels)
        start = {name: p.detach().requires_grad_() for name, p in self.network.named_parameters()}
        with torch.enable_grad(), self._exactly(support):
            path = self._path(start, support, labels, ways, max(PRINTED, self.test_steps), create_graph=False)
            scores = (functional_call(self.network, weights, (query,))[:, :ways].detach() for weights in path)
            return {f"step_{i}": (each.argmax(1) == wanted).float().mean() for i, each in enumerate(scores)}

    def _adapted(
        self, weights: dict[str, Tensor], x: Tensor, labels: Tensor, ways: int, steps: int, create_graph: bool
    ) -> dict[str, Tensor]:
        """θ' = θ − α ∇ loss(θ; x, labels), ``steps`` times."""
        return deque(self._path(weights, x, labels, ways, steps, create_graph), maxlen=1).pop()

    def _path(
        self, weights: dict[str, Tensor], x: Tensor, labels: Tensor, ways: int, steps: int, create_graph: bool
    ) -> Iterator[dict[str, Tensor]]:
        """θ, and what it is after each step."""
        yield weights
        for _ in range(steps):
            loss = F.cross_entropy(functional_call(self.network, weights, (x,))[:, :ways], labels)
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=create_graph)
            weights = {n: w - self.inner_lr * g for (n, w), g in zip(weights.items(), gradients, strict=True)}
            yield weights

    @contextmanager
    def _exactly(self, x: Tensor) -> Iterator[None]:
        """By the statistics of each pass, and in float32.

        After five inner steps in bfloat16 the outer gradient points elsewhere, and it comes no faster.
        """
        with torch.autocast(x.device.type, enabled=False), batch_statistics(self.network):
            yield
