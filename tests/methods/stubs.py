"""Stand-ins for networks and batches, and the arithmetic that the tests do on their own, in NumPy."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from leaven.methods.step import Batch, StreamBatch


class Given(nn.Module):
    """The items are the scores."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Centred(nn.Module):
    """The items less their mean over the batch: scores that depend on what shares a forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


def draw(labels: list[int] | None = None, **views: np.ndarray) -> StreamBatch:
    """A draw of prescribed views; each takes gradients, so that a test sees where they go."""
    tensors = {k: torch.tensor(v, dtype=torch.float32, requires_grad=True) for k, v in views.items()}
    rows = torch.arange(len(next(iter(tensors.values()))))
    return StreamBatch(rows, tensors, None if labels is None else torch.tensor(labels))


def batch(progress: float = 0.0, **draws: StreamBatch) -> Batch:
    return Batch(draws, progress)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def cross_entropy(z: np.ndarray, target: np.ndarray) -> np.ndarray:
    """H of each row; ``target`` holds classes or distributions."""
    logp = np.log(softmax(z))
    target = np.asarray(target)
    return -logp[np.arange(len(z)), target] if target.ndim == 1 else -(target * logp).sum(1)


def logits(*probabilities: tuple[float, ...]) -> np.ndarray:
    """Scores whose softmax these rows are."""
    return np.log(np.array(probabilities))


class Linear(nn.Linear):
    """A linear backbone, so that what flows through it can be worked out."""

    def __init__(self, inputs: int, features: int):
        super().__init__(inputs, features)
        self.num_features = features


def differences(function: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """The gradient of a number by central differences."""
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[i] += 1e-5
        behind[i] -= 1e-5
        found[i] = (function(ahead) - function(behind)) / 2e-5
    return found


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Every weight by its name, float64."""
    return {name: p.detach().double().numpy().copy() for name, p in module.named_parameters()}
