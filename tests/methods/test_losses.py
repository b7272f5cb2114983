import numpy as np
import pytest
import torch

from leaven.methods import losses as common
from leaven.methods.losses import (
    DecayingMean,
    WindowMean,
    align,
    class_mean,
    counted_mean,
    cross_entropy,
    decay_for,
    guessed,
    label_shares,
    masked_cross_entropy,
    mean_confidence,
    mean_guess,
    of_items,
    uniform,
    window_for,
)
from leaven.methods.step import IGNORE


def test_labels_are_of_items_or_of_pixels():
    assert of_items(torch.zeros(3))
    assert not of_items(torch.zeros(3, 2, 2))


def test_a_guess_is_not_learnt_by():
    scores = torch.tensor([[0.25, 0.75]]).log().requires_grad_()
    np.testing.assert_allclose(guessed(scores), [[0.25, 0.75]], rtol=1e-6)
    assert not guessed(scores).requires_grad


def test_guesses_of_two_views_by_hand():
    one, other = torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.75, 0.25]]).log()
    np.testing.assert_allclose(mean_guess([one, other]), [[0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(uniform(torch.zeros(4)), [0.25] * 4)


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


def test_a_class_neither_seen_nor_wanted_stays_as_it_is():
    aligned = align(torch.tensor([[0.5, 0.5]]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(aligned, [[0.5, 0.5]])


def test_cross_entropy_of_one_pixel_among_two_processes(monkeypatch):
    """The other process has none: this one's loss is twice the pixel's, for the gradients of both are averaged."""
    monkeypatch.setattr(common, "global_mean", lambda x: x.detach() / 2)
    scores = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log().T.view(1, 2, 1, 2)
    loss = cross_entropy(scores, torch.tensor([[[0, IGNORE]]]))
    assert loss.item() == pytest.approx(2 * np.log(4))


def test_means_of_classes_by_hand():
    """Items (0.8, 0.2) and (0.4, 0.6); as pixels, with one beside them that does not count, and without labels."""
    p = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    np.testing.assert_allclose(class_mean(p), [0.6, 0.4])
    np.testing.assert_allclose(class_mean(p, torch.tensor([0, 1])), [0.6, 0.4])
    maps = torch.tensor([[0.8, 0.2], [0.4, 0.6], [0.0, 1.0]]).T.view(1, 2, 1, 3)
    np.testing.assert_allclose(class_mean(maps), [0.4, 0.6], rtol=1e-6)
    labels = torch.tensor([[[0, 1, IGNORE]]])
    np.testing.assert_allclose(class_mean(maps, labels), [0.6, 0.4], rtol=1e-6)
    assert mean_confidence(p, torch.tensor([0, 1])).item() == pytest.approx(0.7)
    assert mean_confidence(maps, labels).item() == pytest.approx(0.7)
    nothing = torch.full((1, 1, 3), IGNORE)
    assert mean_confidence(maps, nothing).item() == 1
    assert counted_mean(maps[:, 0], nothing).item() == 0


def test_shares_of_labels_by_hand():
    np.testing.assert_allclose(label_shares(torch.tensor([0, 2, 2, 2]), 3), [0.25, 0, 0.75])
    np.testing.assert_allclose(label_shares(torch.tensor([[[1, IGNORE, IGNORE]]]), 2), [0, 1])
    assert label_shares(torch.full((1, 1, 2), IGNORE), 2).tolist() == [0, 0]


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


def test_decaying_mean_from_a_start_by_hand():
    """½: (½ + 4) / 2, and half of that with 0."""
    mean = DecayingMean(0.5, 1, 0.5)
    assert [mean(torch.tensor([v])).item() for v in (4.0, 0.0)] == pytest.approx([2.25, 1.125])


def test_decaying_mean_from_a_start_of_zero():
    assert DecayingMean(0.5, 1, 0.0)(torch.tensor([4.0])).item() == 2


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


@pytest.mark.parametrize(("steps", "decay"), [(1, 0.5), (40, 0.5), (400, 0.95), (20_000, 0.999), (10**6, 0.999)])
def test_decay_follows_the_length_of_the_run(steps, decay):
    assert decay_for(steps) == pytest.approx(decay)
