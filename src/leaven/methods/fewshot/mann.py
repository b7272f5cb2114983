"""Memory-augmented neural networks, MANN (Santoro et al. 2016)."""

from __future__ import annotations

from typing import Annotated, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor, nn

from leaven.methods.base import Batch, Episode, Method, Stream
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, UNDER_ONE
from leaven.methods.sequences import drawn_order, fixed_order, ordered
from leaven.methods.ways import require_ways
from leaven.nn.heads import wide
from leaven.nn.network import Network

START = 1e-6  # of every number of the memory, so that the first cosines exist
LEAST = 1e-8  # the length that a vector of a cosine has at least


class State(NamedTuple):
    """What is carried from step to step, of E sequences.

    Attributes
    ----------
    hidden, cell : Tensor, shape (E, units)
        The controller's.
    reads : Tensor, shape (E, heads * width)
        What was read, the next step's input.
    memory : Tensor, shape (E, slots, width)
        M, the stored vectors.
    read_weights : Tensor, shape (E, heads, slots)
        w_r, where each head read.
    usage : Tensor, shape (E, slots)
        w_u, how much and how lately a slot was read or written.
    """

    hidden: Tensor
    cell: Tensor
    reads: Tensor
    memory: Tensor
    read_weights: Tensor
    usage: Tensor


class Memory(nn.Module):
    """An external memory with least recently used access (section 3.2 of the paper).

    Parameters
    ----------
    inputs : int
        Size of the controller's output.
    slots, width : int
        Vectors in the memory, and the size of each.
    heads : int
        Keys a step; each reads and writes.
    decay : float
        What is left of the usage after a step, γ.
    """

    def __init__(self, inputs: int, slots: int, width: int, heads: int, decay: float):
        super().__init__()
        self.slots, self.width, self.heads, self.decay = slots, width, heads, decay
        self.key = nn.Linear(inputs, heads * width)
        self.gate = nn.Linear(inputs, heads)

    def start(self, episodes: int) -> tuple[Tensor, Tensor, Tensor]:
        """Memory, read weights and usage: nothing is stored, and slot 0 counts as the one that was used."""
        first = self.gate.weight.new_zeros(self.slots)
        first[:1] = 1
        memory = torch.full_like(first, START)[:, None].expand(episodes, -1, self.width)
        return memory, first.expand(episodes, self.heads, -1), first.expand(episodes, -1)

    def forward(
        self, hidden: Tensor, memory: Tensor, read_weights: Tensor, usage: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is read ``(E, heads * width)`` for the controller's output ``(E, inputs)``; and the state after it.

        The read weights are the softmax of the cosines of the keys with the memory before the step (eq. 2, 3). A head
        writes where it read before, or to the least used slots, as its gate says (eq. 5 to 7); the least used of all is
        emptied first, and what is read is of the memory after the writing (eq. 4, 8).
        """
        key = self.key(hidden).unflatten(1, (self.heads, self.width)).tanh()
        now = (F.normalize(key, dim=2, eps=LEAST) @ F.normalize(memory, dim=2, eps=LEAST).mT).softmax(2)
        rarest = usage.argsort(dim=1, stable=True)[:, : self.heads]
        least = torch.zeros_like(usage).scatter(1, rarest, 1.0)
        gate = self.gate(hidden).sigmoid()[:, :, None]
        write = gate * read_weights + (1 - gate) * least[:, None]
        emptied = memory.scatter(1, rarest[:, :1, None].expand(-1, -1, self.width), 0.0)
        memory = emptied + write.mT @ key
        usage = self.decay * usage + (now + write).detach().sum(1)  # slots are sorted by it: there is no gradient
        return (now @ memory).flatten(1), memory, now, usage


class MANN(Method):
    """Bind items to labels in an external memory while a sequence of them goes by (section 2).

    Each item comes with the label of the *one before*, so that the network must keep it until its class comes again.
    Every step has a loss; classes, their numbers and the order are drawn anew for each sequence. A task is solved by
    showing its support as a sequence, in one order for all tasks, and then each query by itself as the next item.
    Accuracy is logged by *instance*: ``instance_k`` is that of items whose class is seen for the k-th time; the first
    is a guess among the labels that have not come up.

    Items are features of the network: ``--network pixels`` is the paper's input. With 0 ``slots`` nothing is ever read:
    the LSTM by itself, the paper's baseline.

    Defaults: 5 classes of 10 items, the controller's 200 units, 128 slots of 40 numbers, 4 heads and γ = 0.95 are the
    paper's; Adam at 1e-3 and 16 sequences a batch are those of public code. Items are seen as they are, where the paper
    turns and shifts them a little.
    """

    settings = ("few-shot",)
    paper = "Santoro et al., Meta-Learning with Memory-Augmented Neural Networks, ICML 2016, arXiv 1605.06065"
    paper_plan: ClassVar = {"steps": 100_000, "batch_size": 16}
    tasks = ("episodes",)
    plan: ClassVar = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0, "final_lr": 1.0, "batch_size": 16}

    def __init__(
        self,
        network: Network,
        *,
        ways: Annotated[int, "classes in a sequence, and scores of a step", Interval(ge=2)] = 5,
        items: Annotated[int, "items of each class in a sequence", Interval(ge=2)] = 10,
        units: Annotated[int, "size of the controller, an LSTM", COUNT] = 200,
        slots: Annotated[int, "N, vectors in the memory; 0: an LSTM alone", NOT_NEGATIVE] = 128,
        width: Annotated[int, "M, size of such a vector", COUNT] = 40,
        heads: Annotated[int, "keys a step, each of which reads and writes", COUNT] = 4,
        decay: Annotated[float, "γ, what is left of a slot's usage after a step", UNDER_ONE] = 0.95,
    ):
        super().__init__(network)
        self.episode = Episode(ways, 1, items - 1)
        self.memory = Memory(units, slots, width, heads, decay)
        self.controller = nn.LSTMCell(network.num_features + ways + heads * width, units)
        self.output = nn.Linear(units + heads * width, ways)

    @property
    def most_ways(self) -> int:
        """As many as there are scores."""
        return self.episode.ways

    @property
    def streams(self) -> dict[str, Stream]:
        """Sequences of labelled items, seen as they are."""
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Mean cross-entropy of all steps of all sequences (eq. 1)."""
        draw = batch["episodes"]
        features = wide(self.network.features(draw.plain, draw.domain))
        features, labels = (x.unflatten(0, (-1, self.episode.items)) for x in (features, draw.labels))
        order = drawn_order(labels)
        labels = ordered(labels, order)
        with torch.autocast(features.device.type, enabled=False):  # an error would go through fifty steps
            scores, _ = self._sequence(ordered(features, order), labels)
        self.log(**by_instance(scores, labels))
        return {"steps": F.cross_entropy(scores.flatten(0, 1), labels.flatten())}

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, W)`` of each query ``(Q, D)`` by itself as the item after the support ``(S, D)``.

        Of a task of fewer ways than the network was trained for, the first W scores are used.

        Raises
        ------
        LeavenError
            The task has more ways.
        """
        ways = require_ways(type(self).__name__, self.episode.ways, labels)
        order = fixed_order(labels)
        shown = labels[order][None]
        _, state = self._sequence(support[order][None].float(), shown)
        state = State(*(x.expand(len(query), *x.shape[1:]) for x in state))
        last = self._onehot(shown[:, -1]).expand(len(query), -1)
        return self._step(query.float(), last, state)[0][:, :ways]

    def episode_curve(self, support: Tensor, labels: Tensor, query: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """Accuracy by instance, ``instance_k``, of a sequence of all items of a task in an order that is drawn anew."""
        require_ways(type(self).__name__, self.episode.ways, labels)
        labels, features = torch.cat([labels, wanted]), torch.cat([support, query]).float()
        order = torch.randperm(len(labels)).to(labels.device)
        scores, _ = self._sequence(features[order][None], labels[order][None])
        return by_instance(scores, labels[order][None])

    def _sequence(self, features: Tensor, labels: Tensor) -> tuple[Tensor, State]:
        """Scores ``(E, T, ways)`` of features ``(E, T, D)`` of sequences with labels ``(E, T)``; the state after it."""
        state = self._start(len(features))
        before = F.pad(self._onehot(labels), (0, 0, 1, 0))  # labels come a step late; the first step has none
        scores = []
        for x, label in zip(features.unbind(1), before.unbind(1), strict=False):
            one, state = self._step(x, label, state)
            scores.append(one)
        return torch.stack(scores, 1), state

    def _start(self, episodes: int) -> State:
        zeros = self.output.weight.new_zeros(episodes, self.controller.hidden_size)
        reads = zeros.new_zeros(episodes, self.memory.heads * self.memory.width)
        return State(zeros, zeros, reads, *self.memory.start(episodes))

    def _step(self, x: Tensor, label: Tensor, state: State) -> tuple[Tensor, State]:
        """Scores ``(E, ways)`` of the items ``(E, D)``, each with the label ``(E, ways)`` of the one before."""
        given = torch.cat([x, label, state.reads], 1)
        hidden, cell = self.controller(given, (state.hidden, state.cell))
        reads, *stored = self.memory(hidden, *state[3:])
        return self.output(torch.cat([hidden, reads], 1)), State(hidden, cell, reads, *stored)

    def _onehot(self, labels: Tensor) -> Tensor:
        return F.one_hot(labels, self.episode.ways).to(self.output.weight.dtype)


def by_instance(scores: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Accuracy of the items whose class is seen for the k-th time: ``instance_k``, of scores ``(E, T, ways)``."""
    right = (scores.argmax(2) == labels).float()
    times = F.one_hot(labels).cumsum(1).gather(2, labels[:, :, None])[:, :, 0]
    return {f"instance_{k}": right[times == k].mean() for k in range(1, int(times.max()) + 1)}
