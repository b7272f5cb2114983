"""Mean divergence from the consensus (McCallum & Nigam, ICML 1998; Settles 2009, section 3.2)."""

from __future__ import annotations

import numpy as np

from leaven.query.disagreement import most
from leaven.query.said import Said


def consensus_kl(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items over which the members of a committee are divided: mean over them of KL(p of a member ‖ mean p of all).

    Soft where ``vote_entropy`` is hard. The formula is BALD's in other words (both are the Jensen-Shannon divergence
    of the members), so with the same votes both choose the same; ``leaven query`` asks a committee here, dropout there.
    Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(divergence, said, n, keys)


def divergence(votes: np.ndarray) -> np.ndarray:
    """Mean Kullback-Leibler divergence of each member from the consensus in nats, ``(B,)``, of votes ``(M, B, K)``."""
    from scipy.special import rel_entr

    return rel_entr(votes, votes.mean(0)).sum(2).mean(0)
