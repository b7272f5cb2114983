import copy

import torch
from torch import nn

from leaven.nn.fuse import fused


class Swapped(nn.Module):
    """The norm is registered behind the convolution, but applied before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(x))


def ready(module: nn.Module) -> nn.Module:
    """In eval mode, with statistics that say something."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return module.eval()


def test_norms_go_into_convolutions():
    torch.manual_seed(0)
    network = ready(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4))
    )
    before = copy.deepcopy(network.state_dict())
    x = torch.randn(2, 3, 8, 8)
    quick = fused(network, x)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in quick.modules())
    other = torch.randn(5, 3, 8, 8)
    # outside of inference mode as well as inside, in 32 bit as well as in 16
    torch.testing.assert_close(quick(other), network(other), rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        torch.testing.assert_close(quick(other), network(other), rtol=1e-4, atol=1e-4)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


def test_norm_that_is_applied_elsewhere():
    torch.manual_seed(0)
    network = ready(Swapped())
    assert fused(network, torch.randn(2, 3, 8, 8)) is network
