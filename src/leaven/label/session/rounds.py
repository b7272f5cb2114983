"""The rounds of a labelling: a run folder for each training, of which the newest stands at the run's top too."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from leaven.label.session import ranking
from leaven.run import folder
from leaven.utils.files import replacing

ROUNDS = "rounds"
COLD = "cold"  # the ranking that was made before there was a model
PREDICTED = "audit.json"  # of a round: what its model takes the audit items for; kept of every round
HEAVY = (folder.MODEL, folder.CHECKPOINT, folder.EVALUATIONS)  # of older rounds they are removed
LEARNT = "labels.csv"  # of a round: what it learnt from; the last that is written of a training
TRIED = "scoring"  # a mark: its scoring was begun a second time, and ends the process perhaps again
KEPT = 2  # rounds that are kept whole


def path(run: Path, number: int) -> Path:
    """Folder of a round."""
    return run / ROUNDS / f"{number:04d}"


def cold(run: Path) -> Path:
    """Folder of the first ranking."""
    return run / ROUNDS / COLD


def finished(run: Path) -> list[int]:
    """Numbers of the rounds that were finished, ascending; 0 is the model that the labelling began with."""
    folders = [p for p in (run / ROUNDS).glob("[0-9]*") if p.name.isdigit() and ranking.about(p) is not None]
    return sorted(int(p.name) for p in folders)


def newest(run: Path) -> ranking.Ranking | None:
    """What the newest model says; else the ranking without one; ``None`` where there is neither."""
    for number in reversed(finished(run)):
        loaded = ranking.Ranking.load(path(run, number))
        if loaded is not None:
            return loaded
    return ranking.Ranking.load(cold(run))


def trained(run: Path) -> int | None:
    """The round whose training is whole on the disk and that was not scored: the process ended in between."""
    number = max(finished(run), default=0) + 1
    where = path(run, number)
    whole = all((where / name).is_file() for name in (folder.CONFIG, folder.MODEL, folder.RESULT, LEARNT))
    return number if whole and not (where / TRIED).exists() else None


def discard(run: Path) -> None:
    """Remove rounds that were not finished."""
    done = set(finished(run))
    for where in (run / ROUNDS).glob("[0-9]*"):
        if where.name.isdigit() and int(where.name) not in done:
            shutil.rmtree(where, ignore_errors=True)


def begin(run: Path) -> int:
    """The number of the next round, with nothing in its way."""
    discard(run)
    return max(finished(run), default=0) + 1


def adopt(run: Path) -> Path:
    """Keep the model that a run had before it was labelled as round 0; files of a half-done copy are made anew."""
    where = path(run, 0)
    shutil.rmtree(where, ignore_errors=True)
    for name in (*folder.FILES, *folder.FOLDERS):
        _copy(run / name, where / name)
    return where


def publish(run: Path, number: int) -> None:
    """Make a round's files those of the run, so that every command takes the run; done again, it changes nothing."""
    where = path(run, number)
    for name in folder.FOLDERS:
        if not (where / name).exists():
            shutil.rmtree(run / name, ignore_errors=True)
    for name in folder.FILES:
        if not (where / name).exists():
            (run / name).unlink(missing_ok=True)
    for name in (*folder.FOLDERS, *reversed(folder.FILES)):  # config.json last, it says which round it is
        _copy(where / name, run / name)


def published(run: Path, number: int) -> bool:
    """Whether the round is the one at the top."""
    try:
        return (run / folder.CONFIG).read_bytes() == (path(run, number) / folder.CONFIG).read_bytes()
    except OSError:
        return False


def prune(run: Path) -> None:
    """Remove the heavy files of all but the newest rounds; figures and predictions of audit items stay, round 0 too."""
    for number in [n for n in finished(run) if n > 0][:-KEPT]:
        where = path(run, number)
        for name in HEAVY:
            shutil.rmtree(where / name, ignore_errors=True)
            with suppress(OSError):
                (where / name).unlink(missing_ok=True)
        for file in (where / ranking.FOLDER).glob("*.npy"):
            file.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk has no links; folders file by file."""
    if source.is_dir():
        for inner in source.iterdir():
            _copy(inner, target / inner.name)
        return
    if not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:
            shutil.copy2(source, part)
