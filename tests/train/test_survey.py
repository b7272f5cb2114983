"""When a method is shown the whole pool, and what it sees of it."""

import copy
from typing import ClassVar

import numpy as np
import pytest
import torch
from helpers_train import feature_pool, job, network
from torch import Tensor

from leaven.augment import FeatureViews, ImageViews
from leaven.data import Pool
from leaven.methods.base import Batch, Method, Stream, Survey
from leaven.methods.losses import cross_entropy
from leaven.nn.build import Spec, build
from leaven.train.engine import train


class Watching(Method):
    """Learns from the labels, and notes every survey and where in the run it came."""

    def __init__(self, network, times: int, pool: Pool):
        super().__init__(network)
        self.surveys = times
        self.items = torch.from_numpy(pool.items if pool.items.ndim == 2 else pool.items[:, 0])
        self.steps, self.at, self.surveyed, self.expected, self.live = 0, [], [], [], []

    @property
    def streams(self) -> dict[str, Stream]:
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled")}

    def survey(self, survey: Survey) -> None:
        self.at.append(self.steps)
        self.surveyed.append(survey)

    @torch.no_grad()
    def _note(self, batch: Batch) -> None:
        averaged = batch.averaged
        z = (self.items - averaged.mean) / averaged.std
        features = averaged.backbone(z)
        scores = averaged.head(features)
        self.expected.append((scores.softmax(1).numpy(), features.numpy()))
        self.live.append(self.network.head.weight.detach().numpy().copy())

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        if self.at and self.at[-1] == self.steps:
            self._note(batch)
        self.steps += 1
        return {"labelled": cross_entropy(self.network(batch["labelled"].weak), batch["labelled"].labels)}


def watched(steps: int, times: int, pool: Pool | None = None, **plan: object) -> Watching:
    pool = pool or feature_pool()
    method = Watching(network("mlp", pool), times, pool)
    train(job(method, pool, steps=steps, **{"lr": 0.3, **plan}))
    return method


@pytest.mark.parametrize(
    ("steps", "times", "at"),
    [(12, 3, [0, 4, 8]), (10, 1, [0]), (6, 6, range(6)), (3, 20, range(3)), (9, 0, []), (100, 20, range(0, 100, 5))],
)
def test_surveys_come_evenly_from_the_first_step_on(steps, times, at):
    assert watched(steps, times).at == list(at)


@pytest.mark.parametrize(("steps", "times"), [(11, 10), (100, 30), (21, 20), (7, 4)])
def test_there_are_as_many_as_were_asked_for(steps, times):
    """Whether or not they divide the steps."""
    found = watched(steps, times).at
    assert found[0] == 0
    assert len(found) == times
    gaps = np.diff(found)
    assert gaps.max() - gaps.min() <= 1


def test_it_sees_what_the_averaged_network_says_of_every_item():
    """In the pool's order: its probabilities, and the features under its last layer; in evaluation mode."""
    method = watched(12, 3)
    assert len(method.surveyed) == len(method.expected) == 3
    for seen, (probabilities, features) in zip(method.surveyed, method.expected, strict=True):
        assert seen.probabilities.dtype == seen.features.dtype == np.float32
        np.testing.assert_allclose(seen.probabilities, probabilities, atol=1e-5)
        np.testing.assert_allclose(seen.features, features, atol=1e-4)
    first, last = method.surveyed[0], method.surveyed[-1]
    assert np.abs(first.probabilities - last.probabilities).max() > 0.05  # it is a new look each time


def test_it_sees_the_labels_that_were_given_and_no_others():
    pool = feature_pool(n=40, labelled=12)
    [seen] = watched(4, 1, pool).surveyed
    assert (seen.labels >= 0).tolist() == [True] * 12 + [False] * 28
    np.testing.assert_array_equal(seen.labels, pool.labels)


def test_of_cached_views_the_plain_one_is_seen():
    one = feature_pool()
    rng = np.random.default_rng(0)
    several = one.with_items(np.stack([one.items, rng.normal(size=one.items.shape).astype(np.float32)], 1))

    class First:
        def weak(self, x: Tensor) -> Tensor:
            return x[:, 0]

    method = Watching(network("mlp", one), 2, several)
    train(job(method, several, views=First(), steps=4))
    for seen, (probabilities, _) in zip(method.surveyed, method.expected, strict=True):
        np.testing.assert_allclose(seen.probabilities, probabilities, atol=1e-5)


def test_a_survey_changes_nothing_that_is_random():
    """Nor the mode of the network, nor its statistics: a method that does not look at it trains as without."""
    found = [watched(8, times).network.state_dict() for times in (0, 4)]
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name


def test_of_two_domains_the_whole_pool_is_seen():
    pool = feature_pool(n=40, labelled=0, source=15)
    [seen] = watched(2, 1, pool).surveyed
    assert seen.features.shape[0] == 40
    assert (seen.labels >= 0).sum() == 15


def test_what_a_survey_draws_does_not_change_what_a_step_sees():
    """A step is seeded after it: the views are those of a run without."""

    class Drawing(Watching):
        def survey(self, survey: Survey) -> None:
            torch.rand(5)

    found = []
    for kind, times in ((Drawing, 0), (Drawing, 4)):
        pool = feature_pool()
        method = kind(network("mlp", pool), times, pool)
        train(job(method, pool, views=FeatureViews(), steps=8))
        found.append(method.network.state_dict())
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name


class Prototypes(Method):
    """Sums up, pixel by pixel, the features of what the network takes for each class."""

    tasks = ("classification", "segmentation")
    streams: ClassVar = {"labelled": Stream("labelled")}

    def survey(self, survey: Survey) -> None:
        assert len(survey.probabilities) == len(survey.features) == 0  # maps are not kept whole
        self.rows, self.sums = [], 0
        for rows, features, probabilities in survey.batches():
            self.rows += range(rows.start, rows.stop)
            self.sums = self.sums + torch.einsum("bkhw,bdhw->kd", probabilities, features)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        drawn = batch["labelled"]
        return {"labelled": cross_entropy(self.network(drawn.weak).float(), drawn.labels)}


def test_of_pixels_the_pool_passes_by():
    """A pool with masks is seen batch by batch, at the places that the last layer sees."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (10, 16, 20)).astype(np.uint8)
    pool = Pool((120 * masks)[..., None], np.where(np.arange(10) < 6, 0, -1), classes=("a", "b"), masks=masks)
    method = Prototypes(build(Spec("deeplab", (16, 20, 1), 2, (0.2,), (0.3,))))
    network = copy.deepcopy(method.network).eval()  # as it is at the first step
    method.surveys = 1
    train(job(method, pool, steps=3, views=ImageViews(flip=False)))
    assert method.rows == list(range(10))
    with torch.no_grad():
        features = network.features(torch.from_numpy(pool.items).permute(0, 3, 1, 2) / 255)
        probabilities = network.head(features).softmax(1)
    expected = (probabilities.flatten(2) @ features.flatten(2).transpose(1, 2)).sum(0)
    torch.testing.assert_close(method.sums, expected, rtol=1e-3, atol=1e-3)
