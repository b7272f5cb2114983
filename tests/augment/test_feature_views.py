"""Views of feature vectors."""

import pytest
import torch

from leaven.augment import FeatureViews


def test_cached_views_are_picked_evenly():
    torch.manual_seed(0)
    x = torch.arange(4.0)[None, :, None].expand(8000, -1, 5).contiguous()
    views = FeatureViews(noise=0, weak_noise=0, dropout=0)
    assert torch.equal(views.plain(x), x[:, 0])
    for picked in (views.weak(x), views.strong(x)):
        assert picked.shape == (8000, 5)
        counts = torch.bincount(picked[:, 0].long(), minlength=4).double()
        assert ((counts - 2000) ** 2 / 2000).sum() < 16.3  # 3 degrees of freedom, one in a thousand


def test_noise_has_the_scale_of_its_column():
    torch.manual_seed(0)
    x = torch.zeros(20_000, 2)
    views = FeatureViews(scale=torch.tensor([1.0, 10.0]), noise=0.5, weak_noise=0.1, dropout=0)
    assert torch.allclose(views.weak(x).std(0), torch.tensor([0.1, 1.0]), rtol=0.05)
    assert torch.allclose(views.strong(x).std(0), torch.tensor([0.5, 5.0]), rtol=0.05)
    assert torch.equal(x, torch.zeros(20_000, 2))
    assert torch.equal(views.plain(x), x)


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    y = FeatureViews(noise=0, dropout=0.25).strong(torch.ones(1000, 100))
    assert abs((y == 0).float().mean() - 0.25) < 0.01
    assert abs(y.mean() - 1) < 0.02


def test_what_drops_out_becomes_the_center():
    torch.manual_seed(0)
    center = torch.tensor([5.0, -300.0])
    y = FeatureViews(noise=0, dropout=0.25, center=center).strong(center + torch.ones(20_000, 2))
    gone = (y - center).abs() < 1e-3
    assert abs(gone.float().mean() - 0.25) < 0.01
    assert torch.allclose((y - center).mean(0), torch.ones(2), atol=0.03)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="float16"):
        FeatureViews().weak(torch.zeros(2, 3, dtype=torch.float16))
    with pytest.raises(ValueError, match="dropout is 1"):
        FeatureViews(dropout=1)
