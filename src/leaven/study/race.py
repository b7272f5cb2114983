"""Which candidates are still in the race: after each fold the better half of the challengers goes on.

Successive halving (Jamieson & Talwalkar, AISTATS 2016, Algorithm 1) over the folds of a cross-validation: most of the
time goes to the few methods that may win. The baseline, which all are set against, runs in every fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ENOUGH = 10  # labels that all were judged by, before any is left out


def runners(names: Sequence[str], right: Sequence[Mapping[str, float]], sizes: Sequence[int]) -> list[str]:
    """Who is trained in the next fold.

    Parameters
    ----------
    names : sequence of str
        All candidates in order of preference, which decides between equals; the baseline last.
    right : sequence of mapping of str to float
        Of each fold so far, how many hidden labels each of its runners got right.
    sizes : sequence of int
        Of each fold, how many labels it hides.
    """
    challengers, score = list(names[:-1]), dict.fromkeys(names, 0.0)
    for fold, fold_scores in enumerate(right):
        for name in challengers:
            score[name] += fold_scores[name]
        count = numbers(len(names) - 1, sizes)[fold + 1]
        best = sorted(challengers, key=lambda name: -score[name])[:count]
        challengers = [name for name in challengers if name in best]
    return [*challengers, names[-1]]


def numbers(challengers: int, sizes: Sequence[int]) -> list[int]:
    """How many challengers are trained in each fold."""
    counts = [challengers]
    for fold in range(1, len(sizes)):
        counts.append((counts[-1] + 1) // 2 if sum(sizes[:fold]) >= ENOUGH else counts[-1])
    return counts
