"""What a user names on the command line, read in the form that a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leaven.data import Pool, match_classes, read
from leaven.errors import LeavenError
from leaven.store.place import is_store, without_password

if TYPE_CHECKING:
    from leaven.run.stored import Use

IMAGES, MASKS = "images", "masks"  # subfolders


def read_data(
    path: Path, labels: str | Path | Literal[False] | None = None, *, use: Use = "training", **form: Any
) -> Pool:
    """A folder of images, a CSV beside its images, or an ``.npz``.

    A folder that has subfolders ``images`` and ``masks`` is one of images whose pixels have classes.

    Parameters
    ----------
    path : what to read
    labels : CSV of the folder's labels, a folder of masks, or a label store (its path, its run folder or its URL);
        ``False``: its subfolders are no classes, and masks are not looked at
    use : of a label store, whether the items that are there to judge a model by are left out, alone in it, or in it too
    form : ``size``, ``channels`` and ``strict`` of images

    Raises
    ------
    LeavenError : it cannot be read, or an option was given that has no meaning for it
    """
    form = {name: value for name, value in form.items() if value is not None}
    if labels and is_store(labels):
        from leaven.run.stored import read_stored

        return read_stored(path, labels, use, **form)
    if path.is_dir():
        images, masks = path / IMAGES, path / MASKS
        if images.is_dir() and masks.is_dir():
            if labels is False:
                return read(images, labels=False, **form)
            path, labels = images, labels or masks
        if labels and Path(labels).is_dir():
            from leaven.data import read_masks

            return read_masks(path, labels, **form)
        return read(path, labels=labels, **form)
    if labels:
        raise LeavenError(f"{path} is no folder, so --labels has nothing to name in it; leave --labels out.")
    if path.suffix.lower() in (".csv", ".tsv"):
        return read(path, **form)
    given = [name for name in ("size", "channels") if path.suffix.lower() == ".npz" and name in form]
    if given:
        raise LeavenError(f"The items of {path} stay as they are, so --{given[0]} has no meaning; leave it out.")
    return read(path)


def read_like(
    source: Path,
    shape: Sequence[int],
    classes: Sequence[str] | None = None,
    *,
    labels: str | Path | None = None,
    use: Use = "training",
    strict: bool = False,
    own_classes: bool = False,
) -> Pool:
    """Read items in the form that a network takes; with ``classes``, their labels are numbered as these.

    Without, a folder's subfolders are no classes, unless ``own_classes`` says that they are, whatever the network
    knows.

    Raises
    ------
    LeavenError : the items cannot be read, have another form, or have a class that is not among ``classes``
    """
    if source.suffix.lower() != ".npz" and source.exists():
        if len(shape) != 3:
            raise LeavenError(f"{source} holds images, but the model takes feature vectors; give an .npz file.")
        form: dict[str, Any] = {"size": tuple(shape[:2]), "channels": shape[2], "strict": strict}
        unlabelled = classes is None and labels is None and not own_classes and source.is_dir()
        pool = read_data(source, False if unlabelled else labels, use=use, **form)
    else:
        pool = read_data(source, labels, use=use)
    if tuple(pool.items.shape[1:]) != tuple(shape):
        raise LeavenError(
            f"The items of {source} have the shape {pool.items.shape[1:]}, but {tuple(shape)} was trained on; "
            "bring them to that shape."
        )
    return pool if classes is None else match_classes(pool, classes, without_password(labels or source))
