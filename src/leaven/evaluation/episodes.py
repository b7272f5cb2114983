"""How well a method solves small tasks of classes that it never saw."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from leaven.data.readers.decode import bar
from leaven.evaluation.intervals import Interval, mean_of_runs
from leaven.evaluation.probe import features
from leaven.inference.copies import sees_again, views_of, weak_again, weak_copies
from leaven.inference.items import ItemLoader, plain_items
from leaven.methods.base import Episode, Method
from leaven.train.episodes import EXTRA, QUERY, SUPPORT, EpisodeSampler
from leaven.train.uneven import Uneven

if TYPE_CHECKING:
    from leaven.data import Pool

Solve = Callable[[Tensor, Tensor, Tensor], Tensor]


def evaluate_episodes(
    method: Method,
    pool: Pool,
    episode: Episode,
    count: int = 600,
    seed: int = 0,
    *,
    uneven: Uneven | None = None,
    flip: bool = False,
    device: str | None = None,
    progress: bool = True,
) -> Interval:
    """Mean accuracy over ``count`` episodes with the 95 % interval of that mean; ``n`` is the number of episodes.

    Every episode is solved with ``method.predict_episode``. Where that goes by features of the network, as it does by
    default, the features of the whole pool are computed once. Unlabelled items are handed to a method that takes them
    (`takes_unlabelled`); to any other the task is one without.

    Parameters
    ----------
    method : Method
        A trained method; it is put into evaluation mode.
    pool : Pool
        Labelled items of classes that were not trained on.
    episode : Episode
        Ways, shots and queries of a task, and its unlabelled items.
    count : int, optional
        How many tasks.
    seed : int, optional
        What they are drawn with: every method is given the same.
    uneven : Uneven, optional
        How many shots and queries the classes of a task have, where that is not the same for all.
    flip : bool, optional
        Whether items that a method sees anew while it solves a task are mirrored too.
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
    shares = []
    tasks = _tasks(method, pool, episode, count, seed, uneven, flip, device)
    with bar(count, progress, "Episodes") as advance, torch.no_grad():
        for solve, support, labels, query, wanted in tasks:
            shares.append((solve(support, labels, query).argmax(1) == wanted).double().mean())
            advance(1)
    return mean_of_runs(torch.stack(shares).tolist())


def evaluate_curve(
    method: Method,
    pool: Pool,
    episode: Episode,
    count: int = 600,
    seed: int = 0,
    *,
    uneven: Uneven | None = None,
    device: str | None = None,
    progress: bool = True,
) -> dict[str, Interval]:
    """What else a method tells of how it solves tasks (``Method.episode_curve``), by name; the tasks are the same.

    Accuracy after each inner step, or by instance: of what all of them tell, the mean over the episodes with its 95 %
    interval. Parameters and errors are those of `evaluate_episodes`.
    """
    curves = []
    tasks = _tasks(method, pool, episode, count, seed, uneven, False, device)
    with bar(count, progress, "Curve") as advance, torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        for _, support, labels, query, wanted in tasks:
            curves.append(method.episode_curve(support, labels, query, wanted))
            advance(1)
    everywhere = [name for name in curves[0] if all(name in curve for curve in curves)]
    return {name: mean_of_runs([float(curve[name]) for curve in curves]) for name in everywhere}


def _tasks(
    method: Method,
    pool: Pool,
    episode: Episode,
    count: int,
    seed: int,
    uneven: Uneven | None,
    flip: bool,
    device: str | None,
) -> Iterator[tuple[Solve, Tensor, Tensor, Tensor, Tensor]]:
    """Of each task: what solves it, support, labels, queries, and the queries' classes."""
    sampler = EpisodeSampler(pool.labels, pool.rows("labelled"), episode, 1, seed, 0, uneven=uneven)
    where = torch.device(device) if device else next(method.parameters()).device
    method.eval().to(where)
    by_features = type(method).predict_episode is Method.predict_episode
    items = features(method.network, pool.items, device=str(where)) if by_features else pool.items
    gather, stored = ItemLoader(items, where), ItemLoader(pool.items, where)
    solve: Callable[..., Tensor] = method.predict_from_features if by_features else method.predict_episode
    with_extra = bool(episode.unlabelled) and takes_unlabelled(method)
    views = views_of(pool.items, flip)
    if sees_again(method):
        solve = partial(solve, again=weak_again(views))

    def task(number: int) -> tuple[Solve, Tensor, Tensor, Tensor, Tensor]:
        rows, numbers, parts = sampler.task(number)
        support, query, extra = (plain_items(gather[rows[parts == part]]) for part in (SUPPORT, QUERY, EXTRA))
        labels, wanted = (torch.from_numpy(numbers[parts == part]).to(where) for part in (SUPPORT, QUERY))
        if method.copies:
            copies = weak_copies(stored[rows[parts == SUPPORT]], method.copies, views, (seed, number))
            support = torch.cat([support, method.network.features(copies) if by_features else copies])
            labels = labels.repeat(1 + method.copies)
        return partial(solve, unlabelled=extra) if with_extra else solve, support, labels, query, wanted

    return map(task, range(count))


def takes_unlabelled(method: Method) -> bool:
    """Whether the method makes use of the unlabelled items of a task."""
    by_features = type(method).predict_episode is Method.predict_episode
    solve = method.predict_from_features if by_features else method.predict_episode
    return "unlabelled" in inspect.signature(solve).parameters
