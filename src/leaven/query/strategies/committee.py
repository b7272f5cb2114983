"""What the members of a committee disagree about (Settles 2009, survey of active learning, section 3.2)."""

from __future__ import annotations

import numpy as np

from leaven.query.disagreement import entropies, most
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy


@strategy("committee", "committee", "Vote entropy (Dagan & Engelson, ICML 1995; Settles 2009, section 3.2)")
def vote_entropy(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items over which the members of a committee are divided: −Σ V/M log V/M, V being how many vote for a class.

    A vote is hard: a member's likeliest class. So few values are possible with few members, and ties, of which there
    are many, are broken at random. Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(hard, predictions, n, keys)


def hard(votes: np.ndarray) -> np.ndarray:
    """The entropy of hard votes in nats, ``(B,)``, of votes ``(M, B, K)``; of equal probabilities the first class."""
    members, _, classes = votes.shape
    choice = votes.argmax(2)
    return entropies(np.stack([(choice == k).sum(0) for k in range(classes)], 1) / members)


@strategy(
    "committee",
    "committee",
    "Mean divergence from the consensus (McCallum & Nigam, ICML 1998; Settles 2009, section 3.2)",
)
def consensus_kl(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items over which the members of a committee are divided: mean over them of KL(p of a member ‖ mean p of all).

    Soft where ``vote_entropy`` is hard. The formula is BALD's in other words (both are the Jensen-Shannon divergence
    of the members), so with the same votes both choose the same; ``leaven query`` asks a committee here, dropout there.
    Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(divergence, predictions, n, keys)


def divergence(votes: np.ndarray) -> np.ndarray:
    """Mean Kullback-Leibler divergence of each member from the consensus in nats, ``(B,)``, of votes ``(M, B, K)``."""
    from scipy.special import rel_entr

    return rel_entr(votes, votes.mean(0)).sum(2).mean(0)
