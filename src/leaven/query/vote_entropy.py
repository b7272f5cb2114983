"""Vote entropy (Dagan & Engelson, ICML 1995; Settles 2009, section 3.2)."""

from __future__ import annotations

import numpy as np

from leaven.query.disagreement import entropies, most
from leaven.query.said import Said


def vote_entropy(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """Items over which the members of a committee are divided: −Σ V/M log V/M, V being how many vote for a class.

    A vote is hard: a member's likeliest class. So few values are possible with few members, and ties, of which there
    are many, are broken at random. Needs ``said.votes``. O(M·N·K) time, O(N) memory beside the votes.
    """
    return most(hard, said, n, keys)


def hard(votes: np.ndarray) -> np.ndarray:
    """The entropy of hard votes in nats, ``(B,)``, of votes ``(M, B, K)``; of equal probabilities the first class."""
    members, _, classes = votes.shape
    choice = votes.argmax(2)
    return entropies(np.stack([(choice == k).sum(0) for k in range(classes)], 1) / members)
