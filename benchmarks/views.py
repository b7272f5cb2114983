"""Weak and strong views on one core: leaven against per-image torchvision and batched kornia.

    python -m benchmarks.views [--json] [--repeats 7] [--batch 448]

A pair is one weak and one strong view of an image, as normalised float tensors, from images in memory (uint8
for leaven, PIL for torchvision as public FixMatch code has them, float for kornia). The three take turns in one
process on one thread; a figure is the median over the turns, a ratio the median of the turns' ratios. Time is the
process's CPU time: on one thread that is the clock's on a quiet machine, and stays fair on a busy one.

kornia's RandAugment draws one sequence of operations for the whole batch: it does less than the other two.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from leaven.augment import ImageViews

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def smooth_images(n: int, channels: int, side: int) -> np.ndarray:
    coarse = torch.rand(n, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(coarse, side, mode="bicubic")
    return (x.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def cifar10(n: int) -> np.ndarray | None:
    """The first images of CIFAR-10 ``(n, 32, 32, 3)``, where the data is."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "cifar10" / "train_00.webp"
    if not path.exists() or n > 1000:
        return None
    mosaic = np.asarray(Image.open(path).convert("RGB")).reshape(25, 32, 40, 32, 3)
    return np.ascontiguousarray(mosaic.transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)[:n])


def leaven_pipeline(images: np.ndarray) -> Callable[[], object]:
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    n, height, width, channels = images.shape
    # By the line of pixels: an inner dimension of three is seven times as slow.
    mean = torch.tensor(MEAN[:channels]).repeat(width) * 255
    scale = (1 / (torch.tensor(STD[:channels]) * 255)).repeat(width)
    views = ImageViews()

    def normalised(y: torch.Tensor) -> torch.Tensor:
        lines = y.permute(0, 2, 3, 1).reshape(n, height, width * channels)
        return lines.float().sub_(mean).mul_(scale).view(n, height, width, channels).permute(0, 3, 1, 2)

    return lambda: (normalised(views.weak(x)), normalised(views.strong(x)))


def torchvision_pipeline(images: np.ndarray) -> Callable[[], object]:
    from torchvision import transforms as t

    side, channels = images.shape[1], images.shape[3]
    pictures = [Image.fromarray(image.squeeze(2) if channels == 1 else image) for image in images]
    weak = [t.RandomHorizontalFlip(), t.RandomCrop(side, padding=side // 8, padding_mode="reflect")]
    tensor = [t.ToTensor(), t.Normalize(MEAN[:channels], STD[:channels])]
    weakly = t.Compose([*weak, *tensor])
    cutout = t.RandomErasing(p=1.0, scale=(0.01, 0.25), ratio=(1.0, 1.0))
    strongly = t.Compose([*weak, t.RandAugment(2, 10), *tensor, cutout])

    def run() -> object:
        pairs = [(weakly(picture), strongly(picture)) for picture in pictures]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])

    return run


def kornia_pipeline(images: np.ndarray) -> Callable[[], object]:
    import kornia.augmentation as k
    from kornia.augmentation.auto import RandAugment

    side = images.shape[1]
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255
    mean, std = torch.tensor(MEAN), torch.tensor(STD)

    def weak() -> list:
        crop = k.RandomCrop((side, side), padding=side // 8, padding_mode="reflect")
        return [k.RandomHorizontalFlip(), crop]

    weakly = k.AugmentationSequential(*weak(), k.Normalize(mean, std))
    erase = k.RandomErasing(p=1.0, scale=(0.01, 0.25), ratio=(1.0, 1.0), value=0.5)
    strongly = k.AugmentationSequential(*weak(), RandAugment(n=2, m=10), erase, k.Normalize(mean, std))  # type: ignore[arg-type]
    return lambda: (weakly(x), strongly(x))


def seconds(run: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) / times


def compare(pipelines: dict[str, Callable[[], object]], batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Pairs per second of each, and how many times as fast as each the first is."""
    turns: dict[str, list[float]] = {name: [] for name in pipelines}
    ours, *_ = pipelines
    with torch.no_grad():
        for run in pipelines.values():
            run()
        for _ in range(repeats):
            for name, run in pipelines.items():
                # The quick one several times, so that a turn lasts long enough to be timed.
                turns[name].append(seconds(run, 10 if name == ours else 1))
    return {
        name: {
            "pairs_per_second": batch / statistics.median(taken),
            "ratio": statistics.median(b / a for a, b in zip(turns[ours], taken, strict=True)),
        }
        for name, taken in turns.items()
    }


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--json", action="store_true", help="one JSON object; the table on standard error")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=448)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch, repeats = arguments.batch, arguments.repeats
    out = sys.stderr if arguments.json else sys.stdout

    def row(*cells: object) -> None:
        print("".join(f"{cell:>16}" for cell in cells), file=out, flush=True)

    def show(image: str, result: dict[str, dict[str, float]]) -> None:
        for name, figures in result.items():
            row(image, name, f"{figures['pairs_per_second']:,.0f}", f"{figures['ratio']:.1f} x")

    row("image", "", "pairs / s", "leaven is")
    images = cifar10(batch)
    data = "CIFAR-10" if images is not None else "random smooth images"
    images = smooth_images(batch, 3, 32) if images is None else images
    makers = {"leaven": leaven_pipeline, "torchvision": torchvision_pipeline, "kornia": kornia_pipeline}
    main_result = compare({name: make(images) for name, make in makers.items()}, batch, repeats)
    show("32x32x3", main_result)

    sizes = []
    for side, channels in ((8, 1), (28, 1), (96, 3)):
        images = smooth_images(batch, channels, side)
        pipelines = {"leaven": leaven_pipeline(images), "torchvision": torchvision_pipeline(images)}
        result = compare(pipelines, batch, max(1, repeats // 2))
        show(f"{side}x{side}x{channels}", result)
        sizes.append(
            {
                "height": side,
                "width": side,
                "channels": channels,
                "pairs_per_second": {name: figures["pairs_per_second"] for name, figures in result.items()},
                "ratio_torchvision": result["torchvision"]["ratio"],
            }
        )

    if arguments.json:
        print(
            json.dumps(
                {
                    "benchmark": "views",
                    "data": data,
                    "batch": batch,
                    "threads": 1,
                    "repeats": repeats,
                    "pairs_per_second": {name: figures["pairs_per_second"] for name, figures in main_result.items()},
                    "ratio_torchvision": main_result["torchvision"]["ratio"],
                    "ratio_kornia": main_result["kornia"]["ratio"],
                    "sizes": sizes,
                }
            )
        )


if __name__ == "__main__":
    main()
