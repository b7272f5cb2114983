"""What the newest model says of every item, and whom to ask about next: written by the worker, read by the session."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FOLDER, ABOUT = "says", "about.json"  # about.json is written last of all: a round that has it is finished


@dataclass(frozen=True, eq=False)
class Says:
    """One ranking, and the predictions that it was made from.

    Parameters
    ----------
    model : name of the round, ``""`` where there is no model yet
    seq : the store's last event that it knew of
    labelled : answers with a label that there were then, audit items included
    strategy : what made the ranking
    classes : names of the K classes at that time
    names : str ``(N,)``, of the items
    probabilities : float32 ``(N, K)``, memory-mapped; ``None`` without a model
    ranking : rows, the most wanted first, int64 ``(M,)``
    """

    model: str
    seq: int
    labelled: int
    strategy: str
    classes: tuple[str, ...]
    names: np.ndarray
    ranking: np.ndarray
    probabilities: np.ndarray | None = None

    def save(self, where: Path, extra: Mapping[str, Any] | None = None) -> None:
        """Write it into the folder ``where/says``, whole or not at all; an older one is replaced."""
        part, end = where / f"{FOLDER}.part", where / FOLDER
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        np.save(part / "names.npy", self.names)
        np.save(part / "ranking.npy", self.ranking)
        if self.probabilities is not None:
            np.save(part / "probabilities.npy", self.probabilities)
        about = {name: getattr(self, name) for name in ("model", "seq", "labelled", "strategy", "classes")}
        (part / ABOUT).write_text(json.dumps(about | dict(extra or {})))
        if end.exists():
            old = where / f"{FOLDER}.old"
            shutil.rmtree(old, ignore_errors=True)
            os.rename(end, old)
            shutil.rmtree(old, ignore_errors=True)
        os.rename(part, end)

    @classmethod
    def load(cls, where: Path) -> Says | None:
        """What was saved there; ``None`` where nothing whole is."""
        folder = where / FOLDER
        try:
            about = json.loads((folder / ABOUT).read_text())
            names, ranking = (np.load(folder / f"{n}.npy", allow_pickle=False) for n in ("names", "ranking"))
            path, probabilities = folder / "probabilities.npy", None
            if path.exists():
                probabilities = np.load(path, mmap_mode="r", allow_pickle=False)
            elif about["model"]:
                return None  # an old round, of which only the figures were kept
            return cls(about["model"], about["seq"], about["labelled"], about["strategy"], tuple(about["classes"]),
                       names, ranking, probabilities)  # fmt: skip
        except (OSError, ValueError, KeyError):
            return None


def about(where: Path) -> dict[str, Any] | None:
    """The few words about a round; they stay when its arrays are removed."""
    try:
        found = json.loads((where / FOLDER / ABOUT).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def named(now: Sequence[str | None]) -> np.ndarray:
    """Which of a model's classes are still there, bool ``(K,)``; ``now`` are their present names."""
    return np.array([name is not None for name in now], dtype=bool)
