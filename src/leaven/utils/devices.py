"""Where to compute: the one place that knows of accelerators. On Apple's (mps) nothing of leaven was tried yet."""

from __future__ import annotations

import torch


def best_device() -> str:
    """``cuda`` or ``mps`` where there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def device_for(accelerator: str) -> str:
    """The device that is meant by ``auto``, ``gpu``, ``cuda``, ``mps`` or ``cpu``."""
    return best_device() if accelerator in ("auto", "gpu") else accelerator
