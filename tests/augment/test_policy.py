"""The distribution of RandAugment's draws."""

import pytest
import torch

from leaven.augment import OPERATIONS, RandAugment

CPU = torch.device("cpu")


def test_operations_are_equally_frequent():
    torch.manual_seed(0)
    draw = RandAugment(2).draw(20_000, CPU)
    for column in draw.operation.T:
        counts = torch.bincount(column, minlength=14).double()
        expected = len(column) / 14
        # Chi-square with 13 degrees of freedom is above 34.5 once in a thousand draws.
        assert ((counts - expected) ** 2 / expected).sum() < 34.5
    # The second operation does not depend on the first: 195 degrees of freedom, once in a thousand.
    pairs = torch.bincount(draw.operation[:, 0] * 14 + draw.operation[:, 1], minlength=196).double()
    assert ((pairs - 20_000 / 196) ** 2 / (20_000 / 196)).sum() < 263


def test_strengths_are_uniform_and_signs_even():
    torch.manual_seed(0)
    draw = RandAugment(2, magnitude=10).draw(20_000, CPU)
    assert draw.strength.min() >= 0
    assert draw.strength.max() <= 1
    counts = draw.strength.flatten().histc(9, 0, 1)  # all of each range of table 12
    assert ((counts - 40_000 / 9) ** 2 / (40_000 / 9)).sum() < 26.1  # 8 degrees of freedom
    assert set(draw.sign.unique().tolist()) == {-1.0, 1.0}
    assert abs(draw.sign.mean()) < 0.02
    correlation = torch.corrcoef(torch.stack([*draw.strength.T, *draw.sign.T, *draw.operation.T.float()]))
    assert (correlation - torch.eye(6)).abs().max() < 0.03


def test_magnitude_and_exclude():
    torch.manual_seed(0)
    draw = RandAugment(3, magnitude=4, exclude=("Rotate", "Solarize")).draw(4000, CPU)
    assert draw.operation.shape == (4000, 3)
    assert draw.strength.max() <= 0.4
    assert len(draw.operation.unique()) == 12
    drawn = {OPERATIONS[number] for number in draw.operation.unique().tolist()}
    assert not drawn & {"Rotate", "Solarize"}


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="Twirl"):
        RandAugment(exclude=("Twirl",))
    with pytest.raises(ValueError, match="magnitude is 11"):
        RandAugment(magnitude=11)
    with pytest.raises(ValueError, match="magnitude is -1"):
        RandAugment(magnitude=-1)
    with pytest.raises(ValueError, match="operations is -1"):
        RandAugment(operations=-1)
    with pytest.raises(ValueError, match="leaves no operation"):
        RandAugment(exclude=OPERATIONS)
