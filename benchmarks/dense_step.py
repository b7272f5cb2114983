"""Forward and backward of the dense network on a processor, with dilated depthwise convolutions by phases and without.

``python -m benchmarks.dense_step --json`` prints CPU seconds of one pass of ``--images`` images of ``--height`` by
``--width`` pixels on one thread, and the ratio; the two take turns in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch

from leaven.nn.backbones import depthwise
from leaven.nn.build import build, spec_for


def seconds(network: torch.nn.Module, x: torch.Tensor) -> float:
    """CPU time of a forward and a backward pass."""
    start = time.process_time()
    network.zero_grad()
    network(x).float().square().mean().backward()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--height", type=int, default=180)
    parser.add_argument("--width", type=int, default=240)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pictures = np.zeros((1, options.height, options.width, 3), np.uint8)
    network = build(spec_for("auto", pictures, 11, dense=True)).train().to(memory_format=torch.channels_last)
    x = torch.rand(options.images, 3, options.height, options.width).to(memory_format=torch.channels_last)
    has_phases, turns = depthwise.has_phases, []
    for _ in range(options.repeats + 1):
        depthwise.has_phases = lambda convolution: False
        plain = seconds(network, x)
        depthwise.has_phases = has_phases
        turns.append((plain, seconds(network, x)))
    turns = turns[1:]  # the first one warms up
    row = {
        "benchmark": "dense_step",
        "images": options.images,
        "size": [options.height, options.width],
        "dilated_seconds": round(statistics.median(plain for plain, _ in turns), 4),
        "phases_seconds": round(statistics.median(phases for _, phases in turns), 4),
        "ratio": round(statistics.median(phases / plain for plain, phases in turns), 3),
    }
    print(json.dumps(row) if options.json else row)


if __name__ == "__main__":
    main()
