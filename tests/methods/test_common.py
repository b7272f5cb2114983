import numpy as np
import pytest
import torch

from leaven.methods.base import IGNORE
from leaven.methods.common import DecayingMean, WindowMean, align, cross_entropy, masked_cross_entropy, window_for


def test_align_by_hand():
    """(0.6, 0.4) · (0.5, 0.5) / (0.75, 0.25) = (0.4, 0.8), normalised (1/3, 2/3)."""
    aligned = align(torch.tensor([[0.6, 0.4]]), torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25]))
    np.testing.assert_allclose(aligned, [[1 / 3, 2 / 3]], atol=1e-5)


def test_align_where_a_class_was_never_seen():
    aligned = align(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([0.5, 0.5, 0.0]), torch.tensor([1.0, 0.0, 0.0]))
    assert aligned.isfinite().all()
    assert aligned.sum().item() == pytest.approx(1)


def test_cross_entropy_is_of_the_pixels_that_count():
    scores = torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]]).log().T.view(1, 2, 1, 3).requires_grad_()
    loss = cross_entropy(scores, torch.tensor([[[0, 1, IGNORE]]]))
    assert loss.item() == pytest.approx((np.log(4) + np.log(2)) / 2)
    loss = cross_entropy(scores, torch.full((1, 1, 3), IGNORE))  # a batch of masks that say nothing
    assert loss.item() == 0
    loss.backward()
    assert (scores.grad == 0).all()


def test_masked_cross_entropy_is_a_mean_over_all_items():
    scores = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    loss = masked_cross_entropy(scores, torch.tensor([0, 1]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(np.log(4) / 2)
    soft = masked_cross_entropy(scores, torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([1.0, 1.0]))
    assert soft.item() == pytest.approx((0.5 * np.log(4) + 0.5 * np.log(4 / 3) + np.log(2)) / 2)


def test_window_mean_forgets():
    vectors = np.random.default_rng(0).random((7, 3)).astype(np.float32)
    mean = WindowMean(3, 3)
    for i, vector in enumerate(vectors):
        found = mean(torch.from_numpy(vector))
        np.testing.assert_allclose(found, vectors[max(0, i - 2) : i + 1].mean(0), rtol=1e-5)


def test_decaying_mean_by_hand():
    """Decay ½: 4; (½·4 + 1·8) / 1.5; (¼·4 + ½·8 + 1·0) / 1.75."""
    mean = DecayingMean(0.5, 1)
    found = [mean(torch.tensor([v])).item() for v in (4.0, 8.0, 0.0)]
    assert found == pytest.approx([4, 20 / 3, 5 / 1.75], rel=1e-5)


def test_moving_averages_go_on_from_their_state():
    vectors = torch.rand(5, 2)
    for make in (lambda: WindowMean(2, 2), lambda: DecayingMean(0.9, 2)):
        one, two = make(), make()
        for vector in vectors[:3]:
            one(vector)
        two.load_state_dict(one.state_dict())
        for vector in vectors[3:]:
            assert torch.equal(one(vector), two(vector))


@pytest.mark.parametrize(("steps", "window"), [(1, 1), (20, 1), (100, 5), (560, 28), (2560, 128), (10**6, 128)])
def test_window_follows_the_length_of_the_run(steps, window):
    assert window_for(steps) == window
