"""Learning curves: accuracy(m) = a − b·m^(−c), fitted to accuracies at several numbers of labels m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATES = np.linspace(0.005, 1.0, 200)  # of c
ENOUGH = 3  # numbers of labels that settle three parameters


@dataclass(frozen=True)
class Curves:
    """R curves of one form: ``a`` ≤ 1, the accuracy of endless labels, ``b`` ≥ 0, ``c`` in (0, 1], each ``(R,)``."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def at(self, labels: float) -> np.ndarray:
        """Accuracy with so many labels, ``(R,)``, not below 0."""
        return np.maximum(0.0, self.a - self.b * labels**-self.c)

    def labels(self, accuracy: np.ndarray | float) -> np.ndarray:
        """How many labels reach ``accuracy`` (one, or one of each curve), ``(R,)``; infinite where a curve never does.

        m = (b / (a − accuracy))^(1/c). A flat curve is reached by none or, at its height and below, by 0.
        """
        gap = np.asarray(self.a - accuracy, float)
        reached = gap > 0
        ratio = np.divide(self.b, gap, out=np.full_like(gap, np.inf), where=reached)
        with np.errstate(over="ignore"):
            needed: np.ndarray = np.where(reached, ratio ** (1 / self.c), np.inf)
        return np.where((self.b == 0) & (gap >= 0), 0.0, needed)


def fit_curves(
    labels: np.ndarray, accuracies: np.ndarray, variances: np.ndarray, rates: np.ndarray | None = None
) -> Curves:
    """Weighted least squares, each row of ``accuracies`` a curve of its own.

    For each c of a grid the best a and b are known in closed form, bounds and all; the best c of the grid is then made
    finer between its neighbours (Brent's method), where there is one curve only.

    Parameters
    ----------
    labels : ndarray of shape (M,)
        Different numbers of labels.
    accuracies : ndarray of shape (R, M)
        Accuracy of each curve with each number of labels.
    variances : ndarray of shape (M,)
        Variance of the accuracy with each number of labels.
    rates : ndarray of shape (R,), optional
        The c of each curve, where two numbers of labels cannot settle it; ``None``: it is found.
    """
    m, weights = np.asarray(labels, float), 1 / np.asarray(variances, float)
    if rates is not None:
        fits = [_best(m ** -float(c), row[None], weights) for c, row in zip(rates, accuracies, strict=True)]
        a, b = (np.concatenate([fit[i] for fit in fits]) for i in (0, 1))
        return Curves(a, b, np.asarray(rates, float))
    tried = [_best(m**-c, accuracies, weights) for c in RATES]
    misses = np.stack([miss for _, _, miss in tried])  # (C, R)
    best = misses.argmin(0)
    rows = np.arange(len(accuracies))
    a, b = (np.stack([fit[i] for fit in tried])[best, rows] for i in (0, 1))
    c = RATES[best]
    if len(rows) == 1:
        from scipy.optimize import minimize_scalar

        step = RATES[1] - RATES[0]
        span = (max(RATES[0] / 10, c[0] - step), min(1.0, c[0] + step))
        finer = minimize_scalar(
            lambda x: float(_best(m**-x, accuracies, weights)[2][0]),
            bounds=span,
            method="bounded",
            options={"xatol": 1e-10},
        )
        if finer.fun < misses[best[0], 0]:
            c = np.array([float(finer.x)])
            a, b, _ = _best(m ** -c[0], accuracies, weights)
    return Curves(a, b, c)


def _best(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best a ≤ 1 and b ≥ 0 of y ≈ a − b·x for each row of ``y`` ``(R, M)``, and the weighted squares left."""
    total = weights.sum()
    x_mean, y_mean = (weights * x).sum() / total, (y * weights).sum(1) / total
    spread = (weights * (x - x_mean) ** 2).sum()
    b = -((y - y_mean[:, None]) * weights * (x - x_mean)).sum(1) / spread
    a = y_mean + b * x_mean
    least = ((1 - y) * weights * x).sum(1) / (weights * x * x).sum()  # b where a is held at 1
    b, a = np.where(a > 1, least, b), np.minimum(a, 1.0)
    a, b = np.where(b < 0, np.minimum(y_mean, 1.0), a), np.maximum(b, 0.0)
    return a, b, (weights * (y - a[:, None] + b[:, None] * x) ** 2).sum(1)
