"""CTAugment by itself: what it draws, and how its rates move."""

import numpy as np
import pytest
import torch

from leaven.augment import OPERATIONS, CTAugment, ImageViews

CPU = torch.device("cpu")
TWO_WAYS = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


def bin_of(operation: int, strength: float, sign: float, bins: int = 17) -> int:
    """Which bin a drawn operation lies in, from -1..1 or 0..1 back to bins."""
    place = (1 + sign * strength) / 2 if OPERATIONS[operation] in TWO_WAYS else strength
    return min(int(place * bins), bins - 1)


def bins_of(draw) -> np.ndarray:
    columns = (draw.operation.flatten(), draw.strength.double().flatten(), draw.sign.flatten())
    found = [bin_of(*one) for one in zip(*(c.tolist() for c in columns), strict=True)]
    return np.array(found).reshape(draw.operation.shape)


def chi_square(counts: np.ndarray, expected: np.ndarray) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


def test_at_first_and_while_probing_every_bin_is_as_likely():
    torch.manual_seed(0)
    policy = CTAugment()
    assert torch.equal(policy.rates, torch.ones(14, 17))
    uneven = CTAugment()
    uneven.rates.uniform_()  # a probing view does not look at the rates
    for draw in (policy.draw(20_000, CPU), uneven.probe(20_000, CPU)):
        assert draw.operation.shape == (20_000, 2)
        cells = (draw.operation.numpy() * 17 + bins_of(draw)).ravel()
        # Chi-square with 237 degrees of freedom is above 309 once in a thousand draws.
        assert chi_square(np.bincount(cells, minlength=238), np.full(238, 40_000 / 238)) < 309
        pairs = draw.operation[:, 0].numpy() * 14 + draw.operation[:, 1].numpy()
        assert chi_square(np.bincount(pairs, minlength=196), np.full(196, 20_000 / 196)) < 263


def test_strengths_are_uniform_and_only_some_have_a_direction():
    torch.manual_seed(0)
    draw = CTAugment().draw(40_000, CPU)
    for number, name in enumerate(OPERATIONS):
        mine = draw.operation == number
        strength, sign = draw.strength[mine], draw.sign[mine]
        counts = strength.histc(10, 0, 1).double().numpy()
        assert chi_square(counts, np.full(10, len(strength) / 10)) < 27.9, name  # 9 degrees of freedom
        assert set(sign.tolist()) == ({-1.0, 1.0} if name in TWO_WAYS else {1.0}), name
        if name in TWO_WAYS:
            assert abs(sign.mean()) < 4 / len(sign) ** 0.5, name


def test_bins_are_drawn_by_their_rates_and_those_below_the_threshold_not_at_all():
    torch.manual_seed(0)
    policy = CTAugment(depth=1, bins=4)
    # With 0.01 added, (1 - decay), and divided by the largest: 1, 0.824, 0.788 (without it, 0.784), 0.902
    rates = np.array([0.5, 0.41, 0.392, 0.45])
    policy.rates[:] = torch.tensor(rates)
    policy.rates[OPERATIONS.index("Rotate")] = torch.tensor([0.1, 0.9, 0.9, 0.1])
    draw = policy.draw(60_000, CPU)
    found = bins_of_four(draw)
    rotated = draw.operation[:, 0].numpy() == OPERATIONS.index("Rotate")
    kept = rates + 0.01
    kept = np.where(kept / kept.max() < 0.8, 0, kept)
    counts = np.bincount(found[~rotated], minlength=4)
    assert counts[2] == 0
    expected = kept / kept.sum() * (~rotated).sum()
    assert chi_square(counts[[0, 1, 3]], expected[[0, 1, 3]]) < 13.8  # 2 degrees of freedom
    assert set(found[rotated]) == {1, 2}
    assert draw.strength[torch.tensor(rotated)].max() <= 0.5  # the middle bins: rotations by up to half


def bins_of_four(draw) -> np.ndarray:
    columns = (draw.operation[:, 0], draw.strength[:, 0].double(), draw.sign[:, 0])
    return np.array([bin_of(*one, bins=4) for one in zip(*(c.tolist() for c in columns), strict=True)])


def test_rates_of_nothing_are_still_drawn():
    policy = CTAugment()
    policy.rates.zero_()
    draw = policy.draw(100, CPU)
    assert draw.strength.isfinite().all()
    assert len(np.unique(bins_of(draw))) > 10


def test_what_is_added_to_every_rate_decides_while_rates_are_small():
    """Two rates of 0.01 and 0.03: with 0.01 added the smaller has half the larger's share, not a third, by hand."""
    policy = CTAugment(bins=2, threshold=0.4)
    policy.rates[:] = torch.tensor([0.01, 0.03])
    assert policy.weights().tolist() == [[0.5, 1.0]] * len(OPERATIONS)


def sequential(rates: np.ndarray, cells: np.ndarray, p: np.ndarray, labels: np.ndarray, decay: float) -> np.ndarray:
    """The paper's update, one image after another and of each one operation after another."""
    rates = rates.astype(np.float64).copy()
    for drawn, of_image, label in zip(cells, p, labels, strict=True):
        y = np.zeros(p.shape[1])
        y[label] = 1
        closeness = 1 - 0.5 * np.abs(of_image - y).sum()
        for operation, chosen in drawn:
            rates[operation, chosen] = decay * rates[operation, chosen] + (1 - decay) * closeness
    return rates


def probe(policy: CTAugment, n: int) -> np.ndarray:
    """Draw; the pairs of operation and bin, ``(n, depth, 2)``."""
    draw = policy.probe(n, CPU)
    return np.stack([draw.operation.numpy(), bins_of(draw)], 2)


def test_rates_move_as_in_the_paper():
    """Where no bin is hit twice, whatever the images; here 6 images a step in 238 bins, those with pairs left out."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    policy, expected, steps = CTAugment(), np.ones((14, 17)), 0
    for _ in range(60):
        cells = probe(policy, 6)
        if len(np.unique(cells.reshape(-1, 2), axis=0)) < 12:
            continue
        p, labels = rng.dirichlet(np.ones(5), 6), rng.integers(0, 5, 6)
        policy.learn(torch.tensor(p), torch.tensor(labels))
        expected = sequential(expected, cells, p, labels, 0.99)
        steps += 1
    assert steps > 20
    np.testing.assert_allclose(policy.rates, expected, rtol=1e-5)
    assert policy.rates.min() < 0.97


def test_several_hits_of_a_bin_are_one_after_another():
    """With equal ω the order cannot count, and many images in few bins agree with the loop."""
    torch.manual_seed(0)
    policy, expected = CTAugment(), np.ones((14, 17))
    for p_of_label in (0.3, 0.9, 0.05):
        cells = probe(policy, 500)
        p = np.tile([p_of_label, (1 - p_of_label) / 4, 3 * (1 - p_of_label) / 4], (500, 1))
        policy.learn(torch.tensor(p), torch.zeros(500, dtype=torch.long))
        expected = sequential(expected, cells, p, np.zeros(500, int), 0.99)
    np.testing.assert_allclose(policy.rates, expected, rtol=1e-5)


def test_the_order_of_a_batch_is_averaged():
    """Two images hit one bin: halfway between the one order and the other."""
    policy = CTAugment(depth=1, bins=1, decay=0.9)
    policy.probe(2, CPU)
    policy.probed = torch.tensor([[3], [3]])
    policy.learn(torch.tensor([[1.0, 0.0], [0.2, 0.8]]), torch.tensor([0, 0]))
    orders = [0.9 * (0.9 + 0.1 * a) + 0.1 * b for a, b in ((1.0, 0.2), (0.2, 1.0))]
    assert float(policy.rates[3]) == pytest.approx(sum(orders) / 2)
    assert torch.equal(policy.rates[[2, 4]], torch.ones(2, 1))


def test_an_image_that_cannot_be_told_counts_as_not_recognised():
    policy = CTAugment(depth=1, bins=1, decay=0.9)
    policy.probe(1, CPU)
    cell = int(policy.probed)
    policy.learn(torch.full((1, 3), float("nan")), torch.tensor([1]))
    assert float(policy.rates.view(-1)[cell]) == pytest.approx(0.9)


def test_a_probing_view_is_what_was_drawn_and_nothing_is_cut_out():
    x = torch.full((400, 3, 16, 16), 200, dtype=torch.uint8)
    torch.manual_seed(0)
    views = ImageViews(policy=CTAugment(depth=1))
    seen = views.probe(x)
    operation = views.learner.probed[:, 0] // 17
    darker = operation == OPERATIONS.index("Brightness")
    same = operation == OPERATIONS.index("Identity")
    assert (seen[same] == 200).all()
    assert (seen[darker] < 200).all()
    assert (seen[darker].flatten(1).amax(1) == seen[darker].flatten(1).amin(1)).all()
    chosen = views.learner.probed[darker, 0] % 17
    level = (200 * (0.95 - 0.9 * (chosen + 0.5) / 17)).round()  # in the middle of the bin
    assert (seen[darker][:, 0, 0, 0] - level).abs().max() <= 0.5 * 200 * 0.9 / 17 + 1
    assert ImageViews().learner is None


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="depth is 0"):
        CTAugment(depth=0)
    with pytest.raises(ValueError, match="bins 0"):
        CTAugment(bins=0)
    with pytest.raises(ValueError, match="decay is 1"):
        CTAugment(decay=1)
    with pytest.raises(ValueError, match=r"threshold 1\.5"):
        CTAugment(threshold=1.5)
