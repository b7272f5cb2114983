"""Images to augment, and Pillow's side of every operation."""

import math

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps

from leaven.augment import Draw
from leaven.augment.policy import NUMBER


def photos(n: int, channels: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Smooth uint8 images with different ranges of levels, ``(N, C, H, W)`` channels-last."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, channels, 4, 4, generator=generator)
    x = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    x = x + 0.1 * torch.rand(x.shape, generator=generator)
    low = 90 * torch.rand(n, channels, 1, 1, generator=generator)
    x = low + (250 - low) * x * torch.rand(n, 1, 1, 1, generator=generator).clamp(min=0.3)
    return x.clamp(0, 255).to(torch.uint8).contiguous(memory_format=torch.channels_last)


def draw_of(names: tuple[str, ...], strength: float | tuple[float, ...], sign: int = 1, n: int = 1) -> Draw:
    """The same operations for ``n`` images."""
    strength = strength if isinstance(strength, tuple) else (strength,) * len(names)
    return Draw(
        torch.tensor([NUMBER[name] for name in names]).expand(n, -1),
        torch.tensor(strength, dtype=torch.float32).expand(n, -1),
        torch.full((n, len(names)), float(sign)),
    )


def pillow(image: Image.Image, name: str, strength: float, sign: int = 1) -> Image.Image:
    """One operation of FixMatch's list (table 12), from the gentle end of its range at 0 to the other at 1."""
    w, h = image.size
    # Of the float32 strength, as ours: the last place decides which side of a whole level a product falls.
    factor = float(np.float32(0.95 - 0.9 * float(np.float32(strength))))
    amount = 0.3 * sign * strength
    match name:
        case "AutoContrast":
            return ImageOps.autocontrast(image)
        case "Equalize":
            return ImageOps.equalize(image)
        case "Identity":
            return image
        case "Posterize":
            return ImageOps.posterize(image, (8, 7, 6, 5, 4, 4)[int(5 * strength)])
        case "Solarize":
            return ImageOps.solarize(image, 256 - int(256 * strength))
        case "Rotate":
            return image.rotate(30 * sign * strength)
        case "ShearX":
            return image.transform(image.size, Image.AFFINE, (1, amount, 0, 0, 1, 0))
        case "ShearY":
            return image.transform(image.size, Image.AFFINE, (1, 0, 0, amount, 1, 0))
        case "TranslateX":
            return image.transform(image.size, Image.AFFINE, (1, 0, math.trunc(amount * w), 0, 1, 0))
        case "TranslateY":
            return image.transform(image.size, Image.AFFINE, (1, 0, 0, 0, 1, math.trunc(amount * h)))
    return getattr(ImageEnhance, name)(image).enhance(factor)


def pillow_batch(x: torch.Tensor, names, strengths, sign: int = 1) -> np.ndarray:
    """Operations one after another on each image of ``(N, C, H, W)``: ``(N, H, W, C)``."""
    out = []
    for array in x.permute(0, 2, 3, 1).numpy():
        image = Image.fromarray(array.squeeze(2) if array.shape[2] == 1 else array)
        for name, strength in zip(names, strengths, strict=True):
            image = pillow(image, name, strength, sign)
        out.append(np.asarray(image).reshape(array.shape))
    return np.stack(out)
