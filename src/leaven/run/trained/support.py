"""A model out of a run that learnt no classes, and of a few labelled items: what few-shot learning is for."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from leaven.augment.view import ItemViews
from leaven.data import Pool, require_trainable
from leaven.errors import LeavenError
from leaven.inference.copies import sees_again, views_of, weak_again, weak_copies
from leaven.inference.items import ItemLoader, to_float
from leaven.inference.predict import predict_with_features
from leaven.methods.base import Method
from leaven.methods.registry import find_class
from leaven.nn.heads import class_means, set_to_means
from leaven.nn.network import Network
from leaven.run import folder
from leaven.run.trained.model import Model
from leaven.run.trained.run import load_method
from leaven.utils.reading import PathLike

TEMPERATURE = 0.1  # of features that were not trained to lie near their class's mean, as ``nearest`` has it


class Solved(nn.Module):
    """A method with the support of one task: scores ``(N, K)`` of a batch ``(N, ...)``, see ``Method.predict_episode``.

    Parameters
    ----------
    method : Method
        The method, trained.
    support : Tensor of float, shape (S, ...)
        The labelled items, as the network takes them.
    labels : Tensor of int64, shape (S,)
        Number of each one's class.
    views : object, optional
        How items are seen anew, by a method that asks for it while it solves a task; by default none are.
    """

    support: Tensor
    labels: Tensor

    def __init__(self, method: Method, support: Tensor, labels: Tensor, views: ItemViews | None = None):
        super().__init__()
        self.method = method
        self.solve = cast("Callable[..., Tensor]", method.predict_episode)
        if views is not None and sees_again(method):
            self.solve = partial(self.solve, again=weak_again(views))
        self.register_buffer("support", support)
        self.register_buffer("labels", labels)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        with torch.inference_mode(False):  # a method may take gradients on the support
            return self.solve(self.support, self.labels, x.clone())


def solved(run: PathLike, model: Model, support: Pool) -> Model:
    """The model by which a run tells the classes of ``support``: by nearest class mean, or as its method solves tasks.

    Parameters
    ----------
    run : path-like
        The run folder.
    model : Model
        The run's model, without classes.
    support : Pool
        Its labelled items; one of each class at least.

    Raises
    ------
    LeavenError
        ``support`` lacks labels or has masks, or the method cannot tell so many classes apart.
    """
    run = Path(run)
    config = folder.read_config(run)
    if support.dense:
        raise LeavenError("The labelled items to go by have masks, expected a class each; leave the masks out.")
    require_trainable(support)
    support = support.subset(support.labels >= 0)
    kind = find_class(config["method"])
    spec = replace(model.spec, classes=support.num_classes)
    hooks = (kind.predict_episode, kind.predict_from_features)
    if hooks != (Method.predict_episode, Method.predict_from_features):
        method = load_method(run)
        if (ways := method.most_ways) is not None and ways < support.num_classes:
            raise LeavenError(
                f"{kind.__name__} in {run} has {ways} ways, but {support.num_classes} classes are to be told apart; "
                f"train it with --ways {support.num_classes}, or start from it: leaven fit DATA --init {run} "
                "--method nearest."
            )
        stored = ItemLoader(support.items, torch.device("cpu"))[np.arange(len(support))]
        x, labels = to_float(stored), torch.from_numpy(support.labels)
        views = views_of(support.items, bool(config["flip"]))
        if method.copies:
            x = torch.cat([x, weak_copies(stored, method.copies, views, (0,))])
        labels = labels.repeat(1 + method.copies)
        return Model(Solved(method, x, labels, views), spec, support.classes, model.white)
    _, features = predict_with_features(model.network, support.items)
    network = copy.deepcopy(model.network)
    assert isinstance(network, Network)
    network.head = nn.Linear(features.shape[1], support.num_classes)
    means = class_means(torch.from_numpy(features), torch.from_numpy(support.labels), support.num_classes)
    set_to_means(network.head, means, None if kind.serves("episodes") else TEMPERATURE)
    return Model(network, spec, support.classes, model.white)
