from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from leaven.errors import LeavenError
from leaven.nn.backbones.cnn import SmallCNN
from leaven.nn.backbones.wideresnet import WideResNet
from leaven.nn.build import Spec, build, spec_for, statistics
from leaven.nn.network import Network, joint


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def spec(name: str, shape: tuple[int, ...], classes: int = 10) -> Spec:
    return Spec(name, shape, classes, (0.5,) * shape[-1], (0.25,) * shape[-1])


def count_wide_resnet(depth: int, width: int, classes: int, channels: int) -> int:
    """Weights of a Wide ResNet, counted from its table in the paper: no code of leaven's."""
    blocks = (depth - 4) // 6
    total, inputs = 9 * channels * 16, 16
    for stage in range(3):
        outputs = 16 * width * 2**stage
        for block in range(blocks):
            total += 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs
            if block == 0 and (stage > 0 or inputs != outputs):
                total += inputs * outputs
            inputs = outputs
    return total + 2 * inputs + (inputs + 1) * classes


def test_wide_resnet_28_2_is_the_reference_size():
    """1,467,610: what FixMatch's reimplementations print for ten classes of colour images."""
    assert count_wide_resnet(28, 2, 10, 3) == 1_467_610
    assert parameters(build(spec("wrn-28-2", (32, 32, 3)))) == 1_467_610


@pytest.mark.parametrize(("depth", "width", "channels"), [(10, 1, 1), (16, 2, 3), (28, 2, 1), (16, 4, 3)])
def test_sizes_of_the_family(depth, width, channels):
    network = build(spec(f"wrn-{depth}-{width}", (8, 8, channels), 7))
    assert parameters(network) == count_wide_resnet(depth, width, 7, channels)


def test_wide_resnet_is_the_papers_function():
    """WRN-10-1 in training, written out once more in plain operations."""
    torch.manual_seed(0)
    network = WideResNet(10, 1, 3).train()
    x = torch.randn(4, 3, 8, 8)
    layers = network.layers

    def act(x, norm):
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        x = (x - mean) / (var + 1e-5).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        return torch.where(x > 0, x, 0.1 * x)

    with torch.no_grad():
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm1d):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.normal_()
        h = F.conv2d(x, layers[0].weight, padding=1)
        for block, (stride, activated) in zip(layers[1:4], ((1, True), (2, False), (2, False)), strict=True):
            y = act(h, block.norm1)
            h = y if activated else h  # the first block's shortcut is activated as well
            y = F.conv2d(
                act(F.conv2d(y, block.conv1.weight, stride=stride, padding=1), block.norm2),
                block.conv2.weight,
                padding=1,
            )
            h = y + (h if block.shortcut is None else F.conv2d(h, block.shortcut.weight, stride=stride))
        expected = act(h, layers[4]).mean((2, 3))
        torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=1e-4)


def test_wide_resnet_start():
    """Convolutions from a normal distribution of variance 2 / (k² · outputs)."""
    torch.manual_seed(0)
    last = WideResNet(16, 4, 3).layers[-2].conv2.weight
    assert last.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", ["wrn-10-1", "cnn"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (12, 9), (28, 28), (32, 32), (96, 96)])
def test_shapes(name, channels, size):
    network = build(spec(name, (*size, channels), 4))
    x = torch.rand(2, channels, *size).to(memory_format=torch.channels_last)
    assert network.features(x).shape == (2, network.backbone.num_features)
    scores = network(x)
    assert scores.shape == (2, 4)
    assert scores.isfinite().all()
    assert network.eval()(x[:1]).shape == (1, 4)


@pytest.mark.parametrize(
    ("size", "stages", "left"), [(8, 2, 4), (12, 3, 3), (16, 3, 4), (28, 4, 3), (32, 4, 4), (64, 5, 4), (96, 6, 3)]
)
def test_small_cnn_sees_about_four_by_four_positions_last(size, stages, left):
    network = SmallCNN((size, size), 1)
    seen = []
    network.layers.register_forward_hook(lambda _m, _i, out: seen.append(out.shape))
    network(torch.rand(2, 1, size, size))
    assert sum(isinstance(m, nn.MaxPool2d) for m in network.layers) == stages - 1
    assert seen[0][2:] == (left, left)
    assert network.num_features == seen[0][1]


@pytest.mark.parametrize("name", ["cnn", "wrn-10-1", "conv4", "resnet10t"])
def test_features_are_of_the_map(name):
    """Pooled over its places, or of Conv-4 laid flat."""
    if name == "resnet10t":
        pytest.importorskip("timm")
    network = build(spec(name, (32, 32, 3)), load=False).eval()
    x = torch.rand(2, 3, 32, 32)
    of_places = network.feature_map(x)
    assert of_places.ndim == 4
    flat = of_places.flatten(1) if name == "conv4" else of_places.mean((2, 3))
    torch.testing.assert_close(flat, network.features(x))
    assert network.num_features == flat.shape[1]


def test_vectors_have_no_map():
    with pytest.raises(LeavenError, match="The network MLP has no maps of features; choose cnn"):
        build(spec("mlp", (7,))).feature_map(torch.rand(2, 7))


LAYERS = {
    ("cnn", (16, 16, 3)): {"stage1": (32, 16), "stage2": (64, 8), "stage3": (128, 4)},
    ("wrn-10-1", (32, 32, 3)): {"stage1": (16, 32), "stage2": (32, 16), "stage3": (64, 8)},
    ("conv4", (32, 32, 3)): {"block1": (64, 16), "block2": (64, 8), "block3": (64, 4), "block4": (64, 2)},
    ("deeplab", (32, 32, 3)): {"fine": (32, 8), "coarse": (128, 4), "decoder": (64, 8)},
    ("mlp", (7,)): {"layer1": (128, None), "layer2": (128, None)},
    ("resnet10t", (32, 32, 3)): {"act1": (64, 16), "layer1": (64, 8), "layer2": (128, 4), "layer3": (256, 2)},
}


@pytest.mark.parametrize(("name", "shape"), LAYERS)
def test_features_at_a_layer(name, shape):
    """Maps of its channels and size, whose mean over the places are the features; the last is what the head sees."""
    if name == "resnet10t":
        pytest.importorskip("timm")
    network = build(spec(name, shape), load=False).eval()
    x = torch.rand(2, shape[-1], *shape[:-1])
    wanted = LAYERS[name, shape]
    assert network.layer_names[: len(wanted)] == tuple(wanted)
    for layer, (channels, side) in wanted.items():
        features = network.features(x, layer=layer)
        assert features.shape == (2, channels)
        if side is None:
            continue
        of_places = network.feature_map(x, layer=layer)
        assert of_places.shape == (2, channels, side, side)
        torch.testing.assert_close(of_places.mean((2, 3)), features)
    if name == "mlp":
        torch.testing.assert_close(network.features(x, layer="layer2"), network.features(x))
    elif name != "resnet10t":
        torch.testing.assert_close(network.feature_map(x, layer=network.layer_names[-1]), network.feature_map(x))


def test_a_timm_layer_is_the_output_of_its_module():
    pytest.importorskip("timm")
    network = build(spec("resnet10t", (32, 32, 3)), load=False).eval()
    seen = []
    network.backbone.backbone.layer2.register_forward_hook(lambda *given: seen.append(given[-1]))
    x = torch.rand(2, 3, 32, 32)
    network.features(x)
    torch.testing.assert_close(network.feature_map(x, layer="layer2"), seen[0])


def test_a_layer_of_a_committee_is_that_of_every_member():
    network = build(replace(spec("mlp", (8,)), members=2)).eval()
    x = torch.rand(3, 8)
    assert network.features(x, layer="layer1").shape == (3, 256)
    torch.testing.assert_close(network.features(x, layer="layer2"), network.features(x))


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("cnn", (8, 8, 1), "has no layer 'stage7'; its layers are stage1, stage2"),
        ("linear", (7,), "its layers are none before its features"),
        ("pixels", (8, 8, 1), "its layers are none before its features"),
    ],
)
def test_an_unknown_layer_is_a_sentence(name, shape, says):
    network = build(spec(name, shape))
    for ask in (network.features, network.feature_map):
        with pytest.raises(LeavenError, match=says):
            ask(torch.rand(2, shape[-1], *shape[:-1]), layer="stage7")


def test_a_layer_of_vectors_has_no_map():
    with pytest.raises(LeavenError, match="The network MLP has no maps of features; choose cnn"):
        build(spec("mlp", (7,))).feature_map(torch.rand(2, 7), layer="layer1")


def test_small_cnn_size():
    """8 pixels: 9·32, 9·32·64, 9·64·64 and two numbers for each of 32 + 64 + 64 norms."""
    assert parameters(SmallCNN((8, 8), 1)) == 9 * 32 + 9 * 32 * 64 + 9 * 64 * 64 + 2 * (32 + 64 + 64)


def test_mlp_and_linear():
    assert parameters(build(spec("linear", (7,), 3))) == 7 * 3 + 3
    mlp = build(spec("mlp", (7,), 3))
    assert parameters(mlp) == 7 * 128 + 128 * 128 + 4 * 128 + 128 * 3 + 3
    assert mlp(torch.rand(5, 7)).shape == (5, 3)


@pytest.mark.parametrize("shape", [(6,), (4, 5, 3)])
def test_input_is_normalised_inside(shape):
    channels = shape[-1]
    mean, std = torch.arange(channels) / 10, 1 + torch.arange(channels) / 10
    network = Network(nn.Flatten(), nn.Identity(), mean.tolist(), std.tolist())
    x = torch.rand(2, channels, *shape[:-1])
    along = (1, -1) + (1,) * (x.ndim - 2)
    torch.testing.assert_close(network(x), ((x - mean.view(along)) / std.view(along)).flatten(1))
    assert {"mean", "std"} <= set(network.state_dict())


def test_joint_pass_gives_each_batch_its_scores():
    network = build(spec("mlp", (4,), 3)).train()
    a, b = torch.rand(3, 4), torch.rand(5, 4)
    first, second = joint(network, a, b)
    torch.testing.assert_close(torch.cat([first, second]), network(torch.cat([a, b])))
    assert first.shape == (3, 3)


def test_scores_are_float32_under_bfloat16():
    network = build(spec("cnn", (8, 8, 1), 3))
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(4, 1, 8, 8)).dtype == torch.bfloat16  # so the next line says something
        (scores,) = joint(network, torch.rand(4, 1, 8, 8))
        assert scores.dtype == torch.float32
        assert F.cross_entropy(scores, torch.tensor([0, 1, 2, 0])).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [
        ("wrn-27-2", (8, 8, 3), "no Wide ResNet"),
        ("wrn-two", (8, 8, 3), "no Wide ResNet"),
        ("mlp", (8, 8, 3), "feature vectors"),
        ("cnn", (9,), "takes images"),
        ("wrn-28-2", (9,), "takes images"),
    ],
)
def test_networks_that_do_not_fit(name, shape, says):
    with pytest.raises(LeavenError, match=says):
        build(spec(name, shape))


def test_statistics():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 4, 4, 3)).astype(np.uint8)
    mean, std = statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)))
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)))
    # any unit will do, and a constant column is left alone
    columns = (rng.standard_normal((50, 3)) * [1e-8, 1.0, 1e8] + [0, 5, 0]).astype(np.float32)
    columns[:, 1] = 5.1
    mean, std = statistics(columns)
    np.testing.assert_allclose(std, [columns[:, 0].std(), 1.0, columns[:, 2].std()], rtol=1e-4)


def test_description_survives_json():
    import json

    found = spec_for("cnn", np.zeros((3, 8, 8, 1), np.uint8), 5)
    assert Spec.from_dict(json.loads(json.dumps(found.asdict()))) == found
    assert spec_for("auto", np.zeros((3, 8, 8, 1), np.uint8), 5).name == "cnn"
    assert spec_for("auto", np.zeros((3, 7), np.float32), 5).name == "mlp"
    assert spec_for("auto", np.zeros((3, 2, 7), np.float32), 5).shape == (7,)


def test_what_is_frozen_unless_asked_otherwise():
    """Pretrained weights are; random ones only where a control is asked for."""
    pytest.importorskip("timm")
    images = np.zeros((3, 64, 64, 3), np.uint8)
    assert spec_for("resnet18", images, 5).frozen
    assert not spec_for("resnet18", images, 5, pretrained=False).frozen
    assert spec_for("resnet18", images, 5, pretrained=False, frozen=True).frozen
    with pytest.raises(LeavenError, match="has no pretrained weights to load or freeze"):
        spec_for("cnn", images, 5, frozen=True)
