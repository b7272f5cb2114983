"""What the newest model says of every item, and whom to ask about next: written by the worker, read by the session."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import LeavenWarning
from leaven.errors import LeavenError
from leaven.utils.archive import require_form, require_within
from leaven.utils.reading import damaged, read_json, require_regular

AGAIN = "the next training makes it anew"
FOLDER, ABOUT = "says", "about.json"  # about.json is written last of all: a round that has it is finished


@dataclass(frozen=True, eq=False)
class Ranking:
    """One ranking, and the predictions that it was made from.

    Attributes
    ----------
    model : str
        Name of the round, ``""`` where there is no model yet.
    seq : int
        The store's last event that it knew of.
    labelled : int
        Answers with a label that there were then, audit items included.
    strategy : str
        What made the ranking.
    classes : tuple of str
        Names of the K classes at that time.
    names : ndarray of str, shape (N,)
        Names of the items.
    ranking : ndarray of int64, shape (M,)
        Rows, the most wanted first.
    probabilities : ndarray of float32, shape (N, K), or None
        Class probabilities, memory-mapped; ``None`` without a model.
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
    def load(cls, where: Path) -> Ranking | None:
        """What was saved there; ``None`` where nothing whole is: a labelling goes on without, and says so."""
        folder = where / FOLDER
        content = about(where)
        if content is None:
            return None
        path = folder / "probabilities.npy"
        if content["model"] and not path.exists():
            return None  # an old round, of which only the figures were kept
        try:
            arrays = {name: _array(folder / f"{name}.npy") for name in ("names", "ranking")}
            if path.exists():
                arrays["probabilities"] = _array(path, mmap_mode="r")
            ranking = cls(**content | arrays | {"classes": tuple(content["classes"])})
            _require_whole(folder, ranking)
        except (LeavenError, FileNotFoundError) as error:
            warnings.warn(f"A ranking is passed over: {error}", LeavenWarning, stacklevel=2)
            return None
        return ranking


@dataclass(frozen=True)
class About:
    """The form of ``about.json``; what else is in it is not looked at."""

    model: str
    seq: int
    labelled: int
    strategy: str
    classes: list[str]


def about(where: Path) -> dict[str, Any] | None:
    """The few words about a round; they stay when its arrays are removed."""
    try:
        return asdict(read_json(where / FOLDER / ABOUT, About, AGAIN))
    except (LeavenError, FileNotFoundError):
        return None


def _array(path: Path, **options: Any) -> np.ndarray:
    """An array of a file.

    Raises
    ------
    LeavenError
        The file is damaged.
    """
    require_regular(path, AGAIN)
    try:
        array: np.ndarray = np.load(path, allow_pickle=False, **options)
        array.shape  # noqa: B018 - an archive has none
    except Exception as error:  # a damaged header raises whatever Python's parser trips over
        raise damaged(path, error, AGAIN) from error
    return array


def _require_whole(folder: Path, saved: Ranking) -> None:
    n, k = len(saved.names), len(saved.classes)
    require_form(folder, AGAIN, ("names", saved.names, "U", (n,)), ("ranking", saved.ranking, "iu", (None,)))
    require_within(folder, AGAIN, "ranking", saved.ranking, 0, n - 1)
    if saved.probabilities is not None:
        require_form(folder, AGAIN, ("probabilities", saved.probabilities, "f", (n, k)))


def still_named(now: Sequence[str | None]) -> np.ndarray:
    """Which of a model's classes are still there, bool ``(K,)``; ``now`` are their present names."""
    return np.array([name is not None for name in now], dtype=bool)
