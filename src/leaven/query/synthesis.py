"""Membership query synthesis (Angluin 1988; Settles 2009, section 2.1): images made for a person to label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.losses import entropy
from leaven.nn.memory import at_once
from leaven.query.distances import to_point

CANDIDATES = 50  # images made for each that is kept; half of them, the less real ones, are left out at once
SHORTLIST = 5  # images among which the n most different ones are chosen, for each of these
BATCH = 256  # images made together, at most


@dataclass(frozen=True)
class Made:
    """N images made for labelling, the most ambiguous first.

    Attributes
    ----------
    items : ndarray of uint8, shape (N, H, W, C)
        The images.
    made_for : ndarray of int64, shape (N,)
        The class that each was made for.
    predicted : ndarray of int64, shape (N,)
        The class that the classifier takes it for.
    entropy : ndarray of shape (N,)
        Entropy of what the classifier says, in nats.
    """

    items: np.ndarray
    made_for: np.ndarray
    predicted: np.ndarray
    entropy: np.ndarray


@torch.inference_mode()
def generate(method: Method, n: int, seed: int = 0, device: str = "cpu") -> Made:
    """``n`` images that the classifier is unsure about, that look real, and that differ from each other.

    Of 50·n random ones the half of the largest D(x) = Z / (Z + 1), Z = Σ exp of the scores, looks real; of these the
    5·n of the largest entropy are ambiguous; of these, from the most ambiguous on, each next one is the farthest from
    those chosen, by the classifier's features.

    Raises
    ------
    LeavenError
        The method makes no images, or ``n`` is under 1.
    """
    if not method.generates:
        raise LeavenError(
            f"{type(method).__name__} makes no images, so there is nothing to synthesise; train aral, or choose images "
            "that exist with `leaven query`."
        )
    if n < 1:
        raise LeavenError(f"{n} images were asked for, expected 1 or more.")
    method.eval().to(device)
    with torch.random.fork_rng(devices=[0] if device.startswith("cuda") else []):
        size = at_once(lambda count: _made(method, count), min(BATCH, CANDIDATES * n), torch.device(device))
        torch.manual_seed(seed)
        parts = [_made(method, min(size, CANDIDATES * n - start)) for start in range(0, CANDIDATES * n, size)]
    x, y, scores, features = (torch.cat(column) for column in zip(*parts, strict=True))
    unsure = entropy(scores.softmax(1)).numpy()
    real = scores.logsumexp(1).numpy()
    likely = np.argsort(-real, kind="stable")[: len(real) // 2]
    short = likely[np.argsort(-unsure[likely], kind="stable")[: SHORTLIST * n]]
    rows = short[_spread(features.numpy()[short], n)]
    rows = rows[np.argsort(-unsure[rows], kind="stable")]
    items = (x[rows].permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    return Made(items, y.numpy()[rows], scores.argmax(1).numpy()[rows], unsure[rows])


def _made(method: Method, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, what they were made for, scores and features, on the CPU."""
    x, y = method.generate(n)
    features = method.network.features(x)
    scores = method.network.head(features)
    return x.cpu(), y.cpu(), scores.float().cpu(), features.float().cpu()


def _spread(features: np.ndarray, n: int) -> np.ndarray:
    """The first row, and then one after the other the farthest from those chosen."""
    chosen, nearest = [0], to_point(features, features[0])
    while len(chosen) < n:
        nearest[chosen[-1]] = -1.0
        chosen.append(int(nearest.argmax()))
        np.minimum(nearest, to_point(features, features[chosen[-1]]), out=nearest)
        nearest[chosen] = -1.0
    return np.array(chosen)
