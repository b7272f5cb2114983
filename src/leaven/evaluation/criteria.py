"""How good an adapted model may be, judged without a label of the target (Musgrave et al. 2022, arXiv 2208.07360).

Each criterion is a function of what a model says of target items and, some of them, of held-out source items; for all
of them larger is better. None is proof: entropy and SND are largest for a model that has collapsed, diversity for one
that guesses, so the report's warnings of collapse stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, softmax, xlogy
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score

SND_TEMPERATURE = 0.05
BLOCK = 1024  # rows of a matrix of similarities at a time
SURE = 5.0  # mean of −log p above which MaNo takes the softmax (Xie et al. 2024, equation 9)


@dataclass(frozen=True)
class Evidence:
    """What a trained model says of two domains.

    Attributes
    ----------
    logits : ndarray of float, shape (N, K)
        Scores of the target's items.
    features : ndarray of float, shape (N, D)
        Their features before the last layer.
    source_logits : ndarray of float, shape (M, K), or None
        Scores of source items that were held out of training.
    source_labels : ndarray of int64, shape (M,), or None
        Their classes.
    source_features : ndarray of float, shape (M, D), or None
        Their features.
    trained_features : ndarray of float, shape (T, D), or None
        Features of source items that were trained on.
    """

    logits: np.ndarray
    features: np.ndarray
    source_logits: np.ndarray | None = None
    source_labels: np.ndarray | None = None
    source_features: np.ndarray | None = None
    trained_features: np.ndarray | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """Class probabilities ``(N, K)`` of the target's items."""
        return softmax(self.logits.astype(np.float64), axis=1)


def entropy(probabilities: np.ndarray) -> float:
    """Minus the mean entropy of predictions ``(N, K)``, in nats. Largest where all are sure, rightly or not."""
    return float(xlogy(probabilities, probabilities).sum(1).mean())


def diversity(probabilities: np.ndarray) -> float:
    """The entropy of the mean prediction, in nats. Largest where every class is predicted as often."""
    mean = probabilities.mean(0)
    return float(-xlogy(mean, mean).sum())


def information_maximisation(probabilities: np.ndarray) -> float:
    """Diversity and sureness together, the mutual information of item and class (Bridle et al. 1991), in nats."""
    return diversity(probabilities) + entropy(probabilities)


def snd(probabilities: np.ndarray, temperature: float = SND_TEMPERATURE) -> float:
    """Soft neighbourhood density (Saito et al. 2021, equations 1 to 3), in nats.

    The mean entropy of an item's similarities to all others, of predictions ``(N, K)`` on the unit sphere. Largest for
    one dense cluster, so for a model that has collapsed too.
    """
    unit = probabilities / np.linalg.norm(probabilities, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, len(unit), BLOCK):
        similarities = unit[start : start + BLOCK] @ unit.T
        rows = np.arange(len(similarities))
        similarities[rows, start + rows] = -1.0  # of an item to itself
        log_share = log_softmax(similarities / temperature, axis=1)
        total -= float((np.exp(log_share) * log_share).sum())
    return total / len(unit)


def bnm(probabilities: np.ndarray) -> float:
    """Batch nuclear norm (Cui et al. 2020) of predictions ``(N, K)``, divided by N.

    At most √(min(N, K) / N), so it compares models by as many items alone.
    """
    return float(np.linalg.svd(probabilities, compute_uv=False).sum() / len(probabilities))


def dev(
    trained: np.ndarray, target: np.ndarray, held_out: np.ndarray, errors: np.ndarray, strength: float = 1.0
) -> float:
    """Minus the risk on the target by deep embedded validation (You et al. 2019, algorithm 1).

    Held-out source items count by how much more likely their features are in the target, with a control variate.

    Parameters
    ----------
    trained : ndarray, shape (T, D)
        Features of source items that were trained on.
    target : ndarray, shape (N, D)
        Features of target items.
    held_out : ndarray, shape (M, D)
        Features of source items that were not trained on.
    errors : ndarray, shape (M,)
        Losses of these, or whether they are wrong.
    strength : float, optional
        C of the logistic regression that tells the domains apart.
    """
    x = np.concatenate([trained, target])
    of_target = np.arange(len(x)) >= len(trained)
    domains = LogisticRegression(C=strength, max_iter=1000).fit(x, of_target)
    probability = domains.predict_proba(held_out)
    weights = len(trained) / len(target) * probability[:, 1] / np.maximum(probability[:, 0], 1e-12)
    weighted = weights * errors
    variance = weights.var(ddof=1) if len(weights) > 1 else 0.0
    control = -np.cov(weighted, weights, ddof=1)[0, 1] / variance if variance > 0 else 0.0
    return -float(weighted.mean() + control * weights.mean() - control)


def class_ami(features: np.ndarray, predicted: np.ndarray, classes: int, seed: int = 0) -> float:
    """Adjusted mutual information of k-means clusters of features ``(N, D)`` and predicted classes ``(N,)``.

    (Musgrave et al. 2022, section 3.) 1: the features fall into the classes that are predicted; 0: as by chance.
    """
    clusters = KMeans(min(classes, len(features)), n_init=1, random_state=seed).fit_predict(features)
    return float(adjusted_mutual_info_score(predicted, clusters))


def mano(logits: np.ndarray, p: int = 4) -> float:
    """Norm of normalised scores ``(N, K)`` (Xie et al. 2024, equations 6 to 9), an estimate of accuracy from 0 to 1.

    Where scores can be trusted they are normalised by the softmax, else by its Taylor series, which exaggerates less.
    """
    logits = logits.astype(np.float64)
    divergence = float(-log_softmax(logits, axis=1).mean())
    shares = softmax(logits, axis=1)
    if divergence <= SURE:
        shares = 1 + logits + logits**2 / 2
        shares /= shares.sum(1, keepdims=True)
    return float(np.mean(shares**p) ** (1 / p))


def rankme(features: np.ndarray) -> float:
    """The effective rank of features ``(N, D)`` (Garrido et al. 2023, equation 1): from 1 to min(N, D)."""
    values = np.linalg.svd(features.astype(np.float64), compute_uv=False)
    if not values.any():
        return 1.0  # all features are 0
    shares = values / values.sum()
    return float(np.exp(-xlogy(shares, shares).sum()))


def mixval(
    predict: Callable[[np.ndarray], np.ndarray], items: np.ndarray, seed: int = 0, share: float = 0.55
) -> tuple[float, float]:
    """How steady predictions are between items (Hu et al. 2023, MixVal): of mixed pairs of target items.

    A prediction of ``share`` · a + (1 − ``share``) · b is consistent where it is the class predicted of a.

    Parameters
    ----------
    predict : callable
        From items ``(n, ...)`` to predicted classes ``(n,)``.
    items : ndarray of float, shape (N, ...)
        Target items, as the network takes them.
    seed : int, optional
        Of the pairs.
    share : float, optional
        Of the heavier item.

    Returns
    -------
    tuple of float
        Share of consistent predictions among pairs of one predicted class, and among pairs of two; NaN without any.
    """
    others = np.random.default_rng(seed).permutation(len(items))
    heavier = predict(items)
    mixed = predict(share * items + (1 - share) * items[others])
    consistent, same = mixed == heavier, heavier == heavier[others]
    same[others == np.arange(len(items))] = False  # an item with itself says nothing
    apart = heavier != heavier[others]
    return _share(consistent[same]), _share(consistent[apart])


def _share(true: np.ndarray) -> float:
    return float(true.mean()) if len(true) else float("nan")


def source_accuracy(evidence: Evidence) -> float:
    """Share of held-out source items whose class is told; NaN where none were held out."""
    if evidence.source_logits is None or evidence.source_labels is None or not len(evidence.source_labels):
        return float("nan")
    return float((evidence.source_logits.argmax(1) == evidence.source_labels).mean())


def _dev(evidence: Evidence) -> float:
    parts = (evidence.trained_features, evidence.source_features, evidence.source_logits, evidence.source_labels)
    trained, held_out, logits, labels = parts
    if trained is None or held_out is None or logits is None or labels is None or not len(labels):
        return float("nan")
    # of features of any scale: the regression's penalty is of unit variance
    mean, std = trained.mean(0), trained.std(0) + 1e-6
    x, y, z = ((part - mean) / std for part in (trained, evidence.features, held_out))
    return dev(x, y, z, (logits.argmax(1) != labels).astype(np.float64))


CRITERIA: dict[str, Callable[[Evidence], float]] = {
    "source_accuracy": source_accuracy,
    "entropy": lambda e: entropy(e.probabilities),
    "diversity": lambda e: diversity(e.probabilities),
    "information_maximisation": lambda e: information_maximisation(e.probabilities),
    "snd": lambda e: snd(e.probabilities),
    "bnm": lambda e: bnm(e.probabilities),
    "dev": _dev,
    "class_ami": lambda e: class_ami(e.features, e.logits.argmax(1), e.logits.shape[1]),
    "mano": lambda e: mano(e.logits),
    "rankme": lambda e: rankme(e.features),
}
