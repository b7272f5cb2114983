"""What people left out of a grid, of the class that the newest model takes it for: kept over a restart.

It is no answer, for nobody said what the item is, and no other model is bound by it; so it stands beside the labels in
a file of the run folder, which may be lost without harm: what was left out is offered once more then.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from leaven.data import LeavenWarning
from leaven.errors import LeavenError
from leaven.label.session.ranking import Ranking
from leaven.utils.files import whole
from leaven.utils.reading import read_json

FILE = "left_out.json"
AGAIN = "what was left out of the grid is offered once more"


@dataclass(frozen=True)
class LeftOut:
    """The form of the file: by whose guesses, and of each item by which event it was left out."""

    model: str
    seq: int
    items: dict[str, str]


def save(run: Path, ranking: Ranking, items: Mapping[str, str]) -> None:
    """Write what was left out of this model's guesses: name of an item → event. A full disk is no reason to fail."""
    with suppress(OSError), whole(run / FILE) as part:
        part.write_text(json.dumps(asdict(LeftOut(ranking.model, ranking.seq, dict(items)))))


def load(run: Path, ranking: Ranking) -> dict[str, str]:
    """What was left out of the guesses of this very model; nothing where the file is of another, gone or damaged."""
    try:
        stored: LeftOut = read_json(run / FILE, LeftOut, AGAIN)
    except FileNotFoundError:
        return {}
    except LeavenError as error:
        warnings.warn(str(error), LeavenWarning, stacklevel=2)
        return {}
    return stored.items if (stored.model, stored.seq) == (ranking.model, ranking.seq) else {}
