"""How well a method solves small tasks of classes that it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from leaven.data.readers.decode import bar
from leaven.evaluation.intervals import Interval, mean_of_runs
from leaven.evaluation.probe import features
from leaven.inference.items import ItemLoader, to_float
from leaven.methods.base import Episode, Method
from leaven.train.episodes import EpisodeSampler

if TYPE_CHECKING:
    from leaven.data import Pool


def evaluate_episodes(
    method: Method,
    pool: Pool,
    episode: Episode,
    count: int = 600,
    seed: int = 0,
    *,
    device: str | None = None,
    progress: bool = True,
) -> Interval:
    """Mean accuracy over ``count`` episodes with the 95 % interval of that mean; ``n`` is the number of episodes.

    Every episode is solved with ``method.predict_episode``. Where that goes by features of the network, as it does by
    default, the features of the whole pool are computed once.

    Parameters
    ----------
    method : Method
        A trained method; it is put into evaluation mode.
    pool : Pool
        Labelled items of classes that were not trained on.
    episode : Episode
        Ways, shots and queries of a task.
    count : int, optional
        How many tasks.
    seed : int, optional
        What they are drawn with: every method is given the same.
    device : str, optional
        Where to compute; by default where the method is.
    progress : bool, optional
        Show a progress bar on a terminal.

    Raises
    ------
    LeavenError
        The pool has too few classes with enough items, or the method cannot solve such tasks.
    ValueError
        ``count`` is under two.
    """
    sampler = EpisodeSampler(pool.labels, pool.rows("labelled"), episode, 1, seed, 0)
    where = torch.device(device) if device else next(method.parameters()).device
    method.eval().to(where)
    by_features = type(method).predict_episode is Method.predict_episode
    items = features(method.network, pool.items, device=str(where)) if by_features else pool.items
    gather = ItemLoader(items, where)
    solve = method.predict_from_features if by_features else method.predict_episode
    shares = []
    with bar(count, progress, "Episodes") as advance, torch.no_grad():
        for number in range(count):
            rows, numbers = sampler.at(number)
            support, query = _parts(episode, _plain(gather[rows]))
            labels, wanted = _parts(episode, torch.from_numpy(numbers).to(where))
            shares.append((solve(support, labels, query).argmax(1) == wanted).double().mean())
            advance(1)
    return mean_of_runs(torch.stack(shares).tolist())


def _parts(episode: Episode, x: Tensor) -> tuple[Tensor, Tensor]:
    """Support ``(S, ...)`` and query ``(Q, ...)`` of one episode."""
    support, query = episode.split(x)
    return support.flatten(0, 2), query.flatten(0, 2)


def _plain(x: Tensor) -> Tensor:
    """Items as a network takes them; of several cached views of each the plain one."""
    return to_float(x[:, 0] if x.ndim == 3 else x)
