"""Several answers for each item: of one network by dropout, of its snapshots, or of a committee of runs."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data.storage import room
from leaven.errors import LeavenError
from leaven.inference.predict import pool_pass, predict, ready
from leaven.nn.heads import DroppedLinear
from leaven.nn.network import Network
from leaven.run import folder
from leaven.run.trained.model import Model
from leaven.train import checkpoint
from leaven.utils.reading import PathLike

DRAWS = 32  # of dropout
RATE = 0.2  # of features set to 0 where the network was trained without dropout


def dropout_votes(
    network: nn.Module, features: np.ndarray, *, draws: int = DRAWS, rate: float | None = None, seed: int = 0
) -> np.ndarray:
    """What the last layer says of ``features`` with some of them set to 0, float32 ``(draws, N, K)``.

    Monte-Carlo dropout (Gal & Ghahramani 2016) of the last layer: the features are computed once, so a draw costs a
    product with the last layer. A draw is one mask for all items, as one draw of the weights is, which joint measures
    (``batch_bald``) need; it depends on ``seed`` and its number and not on the items. What is kept is divided by the
    share kept.

    Parameters
    ----------
    network : Module
        What the features are of, see ``leaven.inference.predict.predict_with_features``; composed ones too.
    features : ndarray of float32, shape (N, D)
        Features as ``predict_with_features`` gives them.
    draws : int, optional
        How many draws.
    rate : float, optional
        Share set to 0; ``None``: that of the training (``--dropout``), or 0.2 where there was none, which is no
        posterior of the weights then but a measure of how much an answer hangs on few features.
    seed : int, optional
        Seed of the masks.
    """
    head = _last_layer(network)
    if rate is None:
        rate = head.rate if isinstance(head, DroppedLinear) else RATE
    where = ready(network, None)
    masks = torch.from_numpy(np.stack([_mask(features.shape[1], rate, seed, number) for number in range(draws)]))
    masks = masks.to(where)

    def sample(x: Tensor) -> Tensor:
        return torch.stack([head(x * mask).float().softmax(1) for mask in masks]).cpu()

    votes = np.zeros((draws, 0, 0), np.float32)
    for rows, sampled in pool_pass(sample, features, where):
        if not rows.start:
            votes = room((draws, len(features), sampled.shape[2]), np.dtype(np.float32))
        votes[:, rows] = sampled.numpy()
    return votes


def committee_votes(networks: Sequence[nn.Module], items: np.ndarray, *, device: str | None = None) -> np.ndarray:
    """What each of M networks says of ``items``, float32 ``(M, N, K)``; a pass over the items for each."""
    return _together(len(networks), (predict(network, items, device=device) for network in networks))


def snapshot_votes(
    network: Network,
    snapshots: Sequence[Mapping[str, Tensor]],
    items: np.ndarray,
    *,
    beneath: bool = False,
    device: str | None = None,
) -> np.ndarray:
    """What a network said of ``items`` at several moments of its training, float32 ``(M, N, K)``.

    A committee at the cost of one training (in the spirit of Huang et al., Snapshot Ensembles, ICLR 2017, without its
    restarts): its members are less different than those of several runs.

    Parameters
    ----------
    network : Network
        The trained network.
    snapshots : sequence of mapping of str to Tensor
        Weights of it, or with ``beneath`` of its head.
    items : ndarray
        Items as a ``Pool`` holds them.
    beneath : bool, optional
        The backbone is frozen, and is asked once for all.
    device : str, optional
        Where to compute; by default where the network is.
    """
    member: nn.Module = network
    if beneath:
        items, member = _beneath(network, items, device), network.head
    member = copy.deepcopy(member)

    def each() -> Iterator[np.ndarray]:
        for weights in snapshots:
            try:
                member.load_state_dict(weights)
            except RuntimeError as error:
                raise LeavenError("A snapshot is of another network than the model; train the run again.") from error
            yield predict(member, items, device=device)

    return _together(len(snapshots), each())


def load_snapshots(run: PathLike) -> list[dict[str, Tensor]]:
    """The weights that a run kept on the way (``leaven fit --snapshots``), in the order of their steps.

    Raises
    ------
    LeavenError
        There are fewer than two, or one is damaged.
    """
    files = sorted((Path(run) / folder.SNAPSHOTS).glob("*.safetensors"), key=lambda file: (len(file.stem), file.stem))
    if len(files) < 2:
        raise LeavenError(
            f"The run {run} kept no snapshots to vote; train it with --snapshots 8, name other runs with --committee, "
            "or choose bald, which asks dropout."
        )
    return [checkpoint.load_weights(file, "remove it, or train the run again") for file in files]


def same_classes(model: Model, other: Model, run: PathLike) -> np.ndarray:
    """Where the columns of ``model`` stand in what ``other``, the model of ``run``, says; int64 ``(K,)``.

    Raises
    ------
    LeavenError
        It tells other classes apart.
    """
    if other.spec.dense or sorted(model.classes) != sorted(other.classes):
        raise LeavenError(
            f"The run {run} tells {', '.join(other.classes) or 'no classes'} apart, expected "
            f"{', '.join(model.classes)}: a committee votes on the same classes; name other runs."
        )
    return np.array([other.classes.index(name) for name in model.classes], np.int64)


def _together(count: int, members: Iterable[np.ndarray]) -> np.ndarray:
    """One table of what ``count`` members say, each written to it as it comes."""
    votes = np.zeros((count, 0, 0), np.float32)
    for number, one in enumerate(members):
        if not number:
            votes = room((count, *one.shape), np.dtype(np.float32))
        votes[number] = one
    return votes


def _mask(size: int, rate: float, seed: int, number: int) -> np.ndarray:
    """What features are multiplied with in one draw, float32 ``(size,)``."""
    rng = np.random.default_rng((seed % 2**64, number))
    return ((rng.random(size) >= rate) / (1 - rate)).astype(np.float32)


def _last_layer(network: nn.Module) -> nn.Module:
    """What scores the features that ``predict_with_features`` gives; a head may be a network itself."""
    while isinstance(network, Network):
        network = network.head
    return network


def _beneath(network: Network, items: np.ndarray, device: str | None) -> np.ndarray:
    """What the head of a composed network is given, float32 ``(N, D)``."""
    where = ready(network, device)
    encoded = np.zeros((0, 0), np.float32)
    for rows, features in pool_pass(lambda x: network.features(x).float().cpu(), items, where):
        if not rows.start:
            encoded = room((len(items), features.shape[1]), np.dtype(np.float32))
        encoded[rows] = features.numpy()
    return encoded
