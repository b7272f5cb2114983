"""Mixes of a batch against numbers worked out by hand, and against what the papers ask of their draws."""

import pytest
import torch

from leaven.methods.mix import Mix, class_mix, cut_mix, mix_up
from leaven.methods.step import IGNORE

CPU = torch.device("cpu")


def test_items_and_their_distributions():
    mix = Mix(torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    x = torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    assert mix.images(x).tolist() == [[3.0, 2.0], [0.0, 8.0]]
    assert mix.labels(torch.eye(2)).tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_pixels_and_what_is_said_of_them():
    """The left half of each image is its own."""
    share = torch.tensor([1.0, 0.0]).expand(2, 2, 2)
    mix, x = Mix(torch.tensor([1, 0]), share), torch.tensor([1.0, 5.0]).view(2, 1, 1, 1).expand(2, 3, 2, 2)
    assert mix.images(x)[0, 0].tolist() == [[1.0, 5.0], [1.0, 5.0]]
    assert mix.images(x)[1, 2].tolist() == [[5.0, 1.0], [5.0, 1.0]]
    numbers = torch.tensor([[[0, 1], [2, IGNORE]], [[3, 4], [5, 6]]])
    assert mix.labels(numbers).tolist() == [[[0, 4], [2, 6]], [[3, 1], [5, IGNORE]]]
    whole = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert mix.labels(whole).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    soft = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert mix.labels(soft)[0, 0].flatten().tolist() == pytest.approx([0.2, 0.8, 0.2, 0.8])


def test_mix_up_draws_a_share_for_each():
    torch.manual_seed(0)
    share = mix_up(4000, 0.75, CPU).share
    assert float(share.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(share.var()) == pytest.approx(1 / (4 * (2 * 0.75 + 1)), abs=0.005)  # of Beta(α, α)
    assert float(mix_up(4000, 0.75, CPU, nearer=True).share.min()) >= 0.5
    assert mix_up(50, 1.0, CPU).other.sort().values.tolist() == list(range(50))


def test_a_cut_is_one_box_of_the_share_that_was_drawn():
    torch.manual_seed(0)
    mix = cut_mix(500, 40, 60, 1.0, CPU)
    assert set(mix.share.unique().tolist()) == {0.0, 1.0}
    for own in mix.share[:50]:
        rows, columns = (own == 0).any(1).nonzero().flatten(), (own == 0).any(0).nonzero().flatten()
        if len(rows):
            box = own[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            assert bool((box == 0).all())
            assert int((own == 0).sum()) == box.numel()
    # of λ uniform the box has half of the image, less what lies outside: a side s keeps s − s²/4 of itself
    s = torch.rand(200_000).sqrt()
    expected = float((s - s.square() / 4).square().mean())
    assert float(1 - mix.share.mean()) == pytest.approx(expected, abs=0.03)


def test_half_of_the_classes_stay():
    torch.manual_seed(0)
    labels = torch.arange(4).view(1, 2, 2).repeat(200, 1, 1)
    labels[:, 0, 0] = IGNORE
    mix = class_mix(labels)
    assert bool((mix.share[:, 0, 0] == 0).all())  # it does not count
    assert set(mix.share.flatten(1).sum(1).tolist()) == {2.0}  # of three classes two
    assert mix.share.mean(0).flatten()[1:].tolist() == pytest.approx([2 / 3] * 3, abs=0.12)
