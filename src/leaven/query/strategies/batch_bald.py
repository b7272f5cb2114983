"""BatchBALD (Kirsch, van Amersfoort & Gal, NeurIPS 2019, arXiv 1906.08158): what a whole batch tells of the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leaven.query.disagreement import entropies, information, measured
from leaven.query.keys import least, smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy

CANDIDATES = 2000  # items that are looked at: those that tell the most alone
CONFIGURATIONS = 1024  # joint labels of a batch that are told apart; where there are more, as many are drawn
ROOM = 2**22  # numbers of a table at a time
NOTHING = 1e-5  # nats, about the rounding of float32


@strategy(
    "uncertainty",
    "dropout",
    "BatchBALD (Kirsch, van Amersfoort & Gal, NeurIPS 2019, arXiv 1906.08158): what a whole batch tells of the weights",
)
def batch_bald(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """The batch whose labels together tell the most about which of M draws of the weights is right, greedily.

    Two like items are worth little more than one, which ``bald`` does not see. The joint information I(y₁…y_b; ω)
    (eq. 7) is built up by the chain rule, which is the paper's recursion (section 3.3): the next item is that of the
    largest I(y; ω | y₁…y_b), its mean over the joint labels of the batch so far. These are enumerated up to 1,024
    (exact); beyond, 1,024 of them are drawn, label by label from the members' posterior, as in the paper's eq. 12.
    M draws can tell log M nats at most; a batch that has told that is filled up with what tells the most alone.

    The information is submodular (the paper's theorem 1), so an item need be looked at again only if what it told
    earlier exceeds the best so far. Approximated: the configurations beyond 1,024, and that only the 2,000 items that
    tell the most alone are candidates (or n of them, if that is more). Needs ``said.votes``.

    O(M·N·K) time to begin, O(n·2,000·1,024·M·K) at worst then; 32 MB beside the votes of the candidates.
    """
    assert predictions.votes is not None
    rows, alone = predictions.unlabelled, measured(information, predictions)
    rows = rows[smallest(-alone[rows], keys[rows], min(max(CANDIDATES, n), len(rows)))]  # by what they tell, then key
    votes = np.asarray(predictions.votes[:, rows], np.float32)
    noise, bound = entropies(votes), alone[rows].copy()  # (M, C), (C,)
    rng = np.random.default_rng(int(keys.min()))
    joint = Joint.of(len(votes))
    chosen: list[int] = []
    for _ in range(n):
        order = np.argsort(-bound, kind="stable")
        size = max(1, ROOM // (len(joint.share) * votes.shape[2]))
        best, at = -np.inf, 0
        while at < len(order) and bound[order[at]] > best:
            some = order[at : at + size]
            some = some[bound[some] > -np.inf]
            if not len(some):
                break
            bound[some] = joint.information(votes[:, some], noise[:, some])
            best, at = max(best, bound[some].max()), at + size
        if best < NOTHING:
            break
        row = least(-bound, keys[rows])
        chosen.append(row)
        bound[row] = -np.inf
        joint = joint.with_label_of(votes[:, row], rng)
    rest = np.setdiff1d(np.arange(len(rows)), chosen)  # in the order of what they tell alone
    return rows[[*chosen, *rest[: n - len(chosen)]]]


@dataclass(frozen=True)
class Joint:
    """Joint labels of a batch: of S of them the probability, ``share`` ``(S,)``, and given each the probability that a
    member is right, ``members`` float32 ``(S, M)``.
    """

    share: np.ndarray
    members: np.ndarray
    sampled: bool = False

    @classmethod
    def of(cls, members: int) -> Joint:
        """Of an empty batch: every member is as likely."""
        return cls(np.ones(1), np.full((1, members), 1 / members, np.float32))

    def information(self, votes: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """I(y; ω | y₁…y_b) in nats, ``(B,)``, of items with votes ``(M, B, K)`` of the entropies ``noise`` ``(M, B)``.

        Both entropies are of the same configurations, so it is never negative, and 0 once a member is certain.
        """
        members, count, classes = votes.shape
        joint = self.members @ votes.reshape(members, count * classes)
        return self.share @ entropies(joint.reshape(-1, count, classes)) - (self.share @ self.members) @ noise

    def with_label_of(self, votes: np.ndarray, rng: np.random.Generator) -> Joint:
        """The batch with one more item, of votes ``(M, K)``: every label of it, or one drawn for each configuration."""
        joint = np.maximum((self.members @ votes).astype(np.float64), 0)  # (S, K)
        if not self.sampled and joint.size <= CONFIGURATIONS:
            where, label = np.nonzero(joint)
            share = self.share[where] * joint[where, label]
        else:
            where = np.arange(len(self.share)) if self.sampled else self._spread(rng)
            heaps = joint[where].cumsum(1)
            label = (heaps <= rng.random((len(where), 1)) * heaps[:, -1:]).sum(1)
            share = np.full(len(where), 1 / len(where))
        members = self.members[where] * votes.T[label]
        members /= members.sum(1, keepdims=True)
        return Joint(share / share.sum(), members, self.sampled or joint.size > CONFIGURATIONS)

    def _spread(self, rng: np.random.Generator) -> np.ndarray:
        """Which configuration each of as many draws begins with: evenly spread over their probabilities."""
        heaps = self.share.cumsum()
        places = (np.arange(CONFIGURATIONS) + rng.random()) / CONFIGURATIONS * heaps[-1]
        return np.minimum(np.searchsorted(heaps, places, side="right"), len(heaps) - 1)
