import pytest
import torch
import torch.nn.functional as F

from leaven.errors import LeavenError
from leaven.nn.backbones.conv4 import Conv4
from leaven.nn.build import Spec, build


def spec(name: str, shape: tuple[int, ...], classes: int = 5) -> Spec:
    return Spec(name, shape, classes, (0.5,) * shape[-1], (0.25,) * shape[-1])


@pytest.mark.parametrize(
    ("name", "size", "features"),
    [("conv4", 28, 64), ("conv4", 84, 1600), ("conv4", 16, 64), ("conv4-32", 28, 32), ("conv4-32", 84, 800)],
)
def test_features_are_what_is_left_of_the_image(name, size, features):
    """84 → 42 → 21 → 10 → 5 pixels: 5 · 5 · 64 = 1,600, the papers' figure for miniImageNet."""
    network = build(spec(name, (size, size, 3)))
    assert network.backbone.num_features == features
    assert network.features(torch.rand(2, 3, size, size)).shape == (2, features)
    assert network(torch.rand(2, 3, size, size)).shape == (2, 5)


@pytest.mark.parametrize(("name", "features"), [("conv4-pooled", 64), ("conv4-32-pooled", 32)])
@pytest.mark.parametrize("size", [16, 28, 84])
def test_pooled_features_are_as_many_whatever_the_size(name, features, size):
    """The mean over the places of what the network of the same weights lays flat."""
    pooled, flat = (build(spec(n, (size, size, 3))).eval() for n in (name, name.removesuffix("-pooled")))
    assert pooled.num_features == features
    pooled.backbone.load_state_dict(flat.backbone.state_dict())
    x = torch.rand(2, 3, size, size)
    torch.testing.assert_close(pooled.features(x), flat.feature_map(x).mean((2, 3)))
    assert pooled(x).shape == (2, 5)


@pytest.mark.parametrize("size", [5, 20, 28, 84])
def test_strided_is_mamls_network_for_omniglot(size):
    """Four blocks of a convolution of stride 2, norm and ReLU, and the mean over places; 28 → 14 → 7 → 4 → 2."""
    torch.manual_seed(0)
    network = build(spec("conv4-strided", (size, size, 1))).eval()
    assert network.num_features == 64
    x = torch.rand(3, 1, size, size)
    out, side = (x - 0.5) / 0.25, size
    for convolution, norm in zip(network.backbone.convolutions, network.backbone.norms, strict=True):
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.5, 2)
        out, side = F.conv2d(out, convolution.weight, stride=2, padding=1), (side + 1) // 2
        assert out.shape[2:] == (side, side)
        mean, var = (b.view(1, -1, 1, 1) for b in (norm.running_mean, norm.running_var))
        out = ((out - mean) / (var + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(network.features(x), out.mean((2, 3)))
    assert network.feature_map(x).shape == (3, 64, side, side)


@pytest.mark.parametrize(("name", "channels", "width"), [("conv4", 1, 64), ("conv4", 3, 64), ("conv4-32", 3, 32)])
def test_size(name, channels, width):
    """Kernels of 3x3 and two numbers for each channel of a norm; no bias before a norm."""
    count = sum(p.numel() for p in build(spec(name, (28, 28, channels))).backbone.parameters())
    assert count == 9 * width * channels + 3 * 9 * width * width + 4 * 2 * width


def papers(network: Conv4, x: torch.Tensor) -> torch.Tensor:
    """The blocks as the papers have them: convolution, norm, ReLU, pool; in plain operations."""
    for convolution, norm in zip(network.convolutions, network.norms, strict=True):
        x = F.conv2d(x, convolution.weight, padding=1)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        x = (x - mean) / (var + 1e-5).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        x = F.max_pool2d(torch.where(x > 0, x, 0), 2)
    return x.flatten(1)


def test_function_and_gradient_are_the_papers():
    """With weights of both signs in the norms: pooling first is the same for these too."""
    torch.manual_seed(0)
    network = Conv4((28, 28), 1, 8).double().train()
    with torch.no_grad():
        for norm in network.norms:
            norm.weight.normal_()
            norm.bias.normal_()
    x, weights = torch.rand(6, 1, 28, 28).double(), torch.randn(6, 8).double()
    gradients = []
    for function in (network, lambda x: papers(network, x)):
        network.zero_grad()
        out = function(x)
        (out * weights).sum().backward()
        gradients.append([out.detach(), *(p.grad.clone() for p in network.parameters())])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert gradients[0][0].min() == 0
    assert gradients[0][0].max() > 0


def test_second_derivatives():
    """MAML differentiates twice: against finite differences, in float64."""
    torch.manual_seed(1)
    network = Conv4((16, 16), 1, 2).double().train()
    x = torch.rand(3, 1, 16, 16).double()

    def of_first_kernel(kernel):
        moved = dict(network.named_parameters()) | {"convolutions.0.weight": kernel}
        return torch.func.functional_call(network, moved, (x,)).square().sum()

    kernel = network.convolutions[0].weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(of_first_kernel, (kernel,))
    assert torch.autograd.gradgradcheck(of_first_kernel, (kernel,))


@pytest.mark.parametrize(("shape", "says"), [((15, 28, 1), "16 pixels a side, but these are 15x28"), ((9,), "images")])
def test_items_that_do_not_fit(shape, says):
    with pytest.raises(LeavenError, match=says):
        build(spec("conv4", shape))


def test_channels_last_and_bfloat16():
    torch.manual_seed(0)
    network = build(spec("conv4", (28, 28, 1))).to(memory_format=torch.channels_last)
    x = torch.rand(4, 1, 28, 28).to(memory_format=torch.channels_last)
    exact = network(x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network(x)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0.1)
