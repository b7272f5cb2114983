"""Expected gradient length (Settles, Craven & Ray, NIPS 2007; Settles 2009, section 3.3), of the last layer."""

from __future__ import annotations

import numpy as np

from leaven.data.storage import parts
from leaven.query.keys import smallest
from leaven.query.said import Said


def expected_gradient_length(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items that would change the last layer the most, were they labelled: Σ_y p_y ‖(p − e_y) ⊗ h‖.

    The gradient of the cross-entropy with respect to the layer's weights is an outer product, whose norm is that of its
    factors: ‖p − e_y‖·‖h‖, with ‖p − e_y‖² = Σp² − 2 p_y + 1. So nothing is differentiated. The bias is left out, as in
    BADGE. Long features win; features of one length leave a measure of uncertainty. O(N·(D + K)) time, O(N) memory.
    """
    found = np.empty(len(said))
    for start, stop in parts(len(said)):
        p, h = said.probabilities[start:stop].astype(np.float64), said.features[start:stop]
        away = np.sqrt(np.maximum((p * p).sum(1, keepdims=True) - 2 * p + 1, 0))
        found[start:stop] = (p * away).sum(1) * np.sqrt(np.einsum("nd,nd->n", h, h, dtype=np.float64))
    rows = said.unlabelled
    return rows[smallest(-found[rows], keys[rows], n)]
