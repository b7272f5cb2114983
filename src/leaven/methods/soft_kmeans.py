"""Class means of few labelled items, refined by items without a label (Ren et al. 2018)."""

from __future__ import annotations

from torch import Tensor


def refined_means(means: Tensor, counts: Tensor, items: Tensor, weights: Tensor) -> Tensor:
    """One update of k-means, in which every unlabelled item counts for each class as much as its weight (eq. 3).

    p̃_c = (Σ h of the labelled + Σ_j w_jc · h_j) / (n_c + Σ_j w_jc)

    Parameters
    ----------
    means : Tensor, shape (..., W, D)
        Means of the labelled items.
    counts : Tensor, shape (W,)
        How many of each class there are.
    items : Tensor, shape (..., U, D)
        Features of unlabelled items.
    weights : Tensor, shape (..., U, W)
        How much of an item belongs to a class, w in 0..1.

    Returns
    -------
    Tensor, shape (..., W, D)
        The means with the unlabelled items in them.
    """
    counts = counts.to(means.dtype)[:, None]
    return (counts * means + weights.mT @ items) / (counts + weights.sum(-2).unsqueeze(-1))
