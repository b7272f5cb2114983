import numpy as np
import pytest
import torch
from stubs import softmax

from leaven.errors import LeavenError
from leaven.methods.alignment import Alignment, shares_of
from leaven.methods.step import IGNORE, RunInfo

RUN = RunInfo(steps=60, batch_size=4, classes=3)  # a window of 3 batches
NONE = torch.zeros(2, dtype=torch.long)
RNG = np.random.default_rng(0)


def guesses(count: int) -> list[np.ndarray]:
    return [softmax(RNG.normal(size=(5, 3)) * 2) for _ in range(count)]


def scaled(p: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return p * ratio / (p * ratio).sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("prior", "wanted"), [("uniform", [1 / 3] * 3), ("0.5, 0.3,0.2", [0.5, 0.3, 0.2]), ("2,1,1", [0.5, 0.25, 0.25])]
)
def test_to_a_distribution_that_is_given(prior, wanted):
    """q · wanted / seen, seen the mean guess of the last three batches, this one too; labels are of no influence."""
    aligned = Alignment(prior, RUN)
    every = guesses(5)
    for step, p in enumerate(every):
        seen = np.mean([q.mean(0) for q in every[max(0, step - 2) : step + 1]], 0)
        found = aligned(torch.tensor(p, dtype=torch.float32), NONE)
        np.testing.assert_allclose(found, scaled(p, np.array(wanted) / seen), rtol=1e-3)


def test_to_the_labels():
    aligned = Alignment("labels", RUN)
    every = guesses(5)
    batches = [RNG.integers(0, 3, 4) for _ in every]
    for step, p in enumerate(every):
        last = range(max(0, step - 2), step + 1)
        seen = np.mean([every[i].mean(0) for i in last], 0)
        wanted = np.mean([np.bincount(batches[i], minlength=3) / 4 for i in last], 0)
        found = aligned(torch.tensor(p, dtype=torch.float32), torch.from_numpy(batches[step]))
        np.testing.assert_allclose(found, scaled(p, wanted / seen), rtol=1e-3, atol=1e-5)


def test_once_aligned_the_mean_is_nearer_to_what_is_wanted():
    aligned = Alignment("0.7,0.2,0.1", RUN)
    p = softmax(np.random.default_rng(1).normal(size=(400, 3)))
    found = aligned(torch.tensor(p).float(), NONE).mean(0).numpy()
    wanted = np.array([0.7, 0.2, 0.1])
    assert np.abs(found - wanted).max() < 0.3 * np.abs(p.mean(0) - wanted).max()


def test_the_estimate_by_hand():
    """First the prior is uniform, so guesses stay; then their mean is the prior (Saerens et al. 2002, eq. 2.9)."""
    aligned = Alignment("estimated", RUN)
    one, two, three = guesses(3)
    np.testing.assert_allclose(aligned(torch.tensor(one).float(), NONE), one, rtol=1e-4)
    second = scaled(two, one.mean(0) * 3)
    np.testing.assert_allclose(aligned(torch.tensor(two).float(), NONE), second, rtol=1e-3)
    decay = 1 - 1 / (4 * 3)  # a memory of four windows of three batches
    prior = (decay * one.mean(0) + second.mean(0)) / (decay + 1)
    np.testing.assert_allclose(aligned(torch.tensor(three).float(), NONE), scaled(three, prior * 3), rtol=1e-3)


def test_the_estimate_is_a_mean_in_long_runs_as_well():
    """A window of 128 batches: after one of (0.9, 0.1) alone, (0.5, 0.5) is scaled to it."""
    aligned = Alignment("estimated", RunInfo(steps=10**6, batch_size=4, classes=2))
    aligned(torch.tensor([[0.9, 0.1]]), NONE)
    np.testing.assert_allclose(aligned(torch.tensor([[0.5, 0.5]]), NONE), [[0.9, 0.1]], rtol=1e-4)


def toy(prior: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Guesses of a calibrated model of uniform prior: three normal distributions in the plane, drawn by ``prior``."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0], [2, 0], [0, 2]])
    x = centres[rng.choice(3, n, p=prior)] + rng.normal(size=(n, 2))
    return softmax(-0.5 * ((x[:, None] - centres) ** 2).sum(2))


@pytest.mark.parametrize("prior", [(0.75, 0.2, 0.05), (1 / 3, 1 / 3, 1 / 3), (0.1, 0.1, 0.8)])
def test_the_estimate_finds_an_unbalanced_pool(prior):
    """Step by step it comes to where the expectation-maximisation of all items at once does, and near the truth."""
    truth = np.array(prior)
    p = toy(truth, 64 * 300, 0)
    whole = np.full(3, 1 / 3)
    for _ in range(200):
        whole = scaled(p, whole * 3).mean(0)
    aligned = Alignment("estimated", RunInfo(300, 16, 3))
    for part in np.split(p, 300):
        aligned(torch.tensor(part, dtype=torch.float32), NONE)
    found = aligned.estimate.total.numpy() / aligned.estimate.weight.numpy()
    assert np.abs(whole - truth).max() < 0.015
    assert np.abs(found - whole).max() < 0.03
    if prior[0] != prior[1]:
        assert np.abs(p.mean(0) - truth).max() > 0.1  # the mean guess would not do


def test_the_estimate_is_calibrated():
    """With the true prior in, guesses are right as often as they say."""
    truth = np.array([0.75, 0.2, 0.05])
    aligned = Alignment("estimated", RunInfo(300, 16, 3))
    for part in np.split(toy(truth, 64 * 300, 0), 300):
        aligned(torch.tensor(part, dtype=torch.float32), NONE)
    found = aligned(torch.tensor(toy(truth, 20_000, 1), dtype=torch.float32), NONE)
    assert np.abs(found.mean(0).numpy() - truth).max() < 0.03


@pytest.mark.parametrize("prior", ["labels", "uniform", "estimated", "0.5,0.3,0.2"])
def test_pixels_are_items(prior):
    p = softmax(RNG.normal(size=(2, 4, 5, 3)))
    labels = RNG.integers(0, 3, (2, 4, 5))
    labels[0, 0] = IGNORE
    maps, flat = Alignment(prior, RUN), Alignment(prior, RUN)
    for _ in range(2):
        found = maps(torch.tensor(np.moveaxis(p, 3, 1)).float(), torch.from_numpy(labels))
        alone = flat(torch.tensor(p.reshape(-1, 3)).float(), torch.from_numpy(labels.reshape(-1)))
        np.testing.assert_allclose(np.moveaxis(found.numpy(), 1, 3).reshape(-1, 3), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("prior", ["labels", "uniform", "estimated", "1,1,2"])
def test_it_goes_on_from_its_state(prior):
    """Bit for bit, so a resumed run ends like an unbroken one."""
    one, two = Alignment(prior, RUN), Alignment(prior, RUN)
    batches = [torch.tensor(p).float() for p in guesses(5)]
    for p in batches[:3]:
        one(p, NONE)
    two.load_state_dict(one.state_dict())
    for p in batches[3:]:
        assert torch.equal(one(p, NONE), two(p, NONE))


def test_shares_add_up_to_one():
    np.testing.assert_allclose(shares_of("uniform", 4), [0.25] * 4)
    np.testing.assert_allclose(shares_of("2,1,0", 3), [2 / 3, 1 / 3, 0])  # a class may have none


@pytest.mark.parametrize("prior", ["", "balanced", "0.5,0.5", "1,1,1,1", "0.5,-0.1,0.6", "0,0,0", "nan,1,1", "inf,1,1"])
def test_a_prior_that_is_none(prior):
    with pytest.raises(LeavenError, match="labels, uniform, estimated or 3 shares with commas between"):
        Alignment(prior, RUN)
