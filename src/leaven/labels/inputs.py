"""What a user names on the command line, read in the form that a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from leaven.data import Pool, match_classes, read
from leaven.data.pool import NO_CLASS
from leaven.data.readers.mask_values import OPTION, Value, combine_values, parse, read_names
from leaven.data.readers.white import UNKNOWN, White
from leaven.data.unlabelled import MARKERS, is_unlabelled
from leaven.errors import LeavenError
from leaven.labels.location import is_store, without_password
from leaven.utils.reading import PathLike

if TYPE_CHECKING:
    from leaven.labels.reading import Use

IMAGES, MASKS = "images", "masks"  # subfolders


@dataclass(frozen=True)
class Pixels:
    """How masks are to be read, see `leaven.data.read_masks`.

    Attributes
    ----------
    values : mapping of int or str to str, or None
        What numbers and colours stand for, as a user says it.
    background : str or None
        Class of the pixels that are of none, as a user says it.
    like : mapping
        ``mask_values`` and ``background`` of the run that they are read for, where nobody says otherwise.
    """

    values: Mapping[Value, str] | None = None
    background: str | None = None
    like: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_options(
        cls, mask_values: str | None, background: str | None, like: Mapping[str, Any] | None = None
    ) -> Pixels:
        """What the options ``--mask-values`` and ``--background`` say.

        Raises
        ------
        LeavenError
            They cannot be understood.
        """
        return cls(None if mask_values is None else parse(mask_values), background, like or {})

    def of(self, masks: PathLike) -> dict[str, Any]:
        """Arguments of ``read_masks`` for a folder of masks."""
        masks = Path(masks)
        values = self.values
        if values is None and read_names(masks) is None:
            values = self.like.get("mask_values")
        background = self.background
        if background is None and NO_CLASS not in (self.values or {}):
            background = self.like.get("background")
        return {"values": values, "background": background}

    def require_none(self, what: str) -> None:
        """Raise where something was said of masks, and there are none.

        Raises
        ------
        LeavenError
            Something was said of them.
        """
        for option, value in ((OPTION, self.values), ("--background", self.background)):
            if value is not None:
                raise LeavenError(f"{what} has no masks, so {option} has no meaning; leave it out.")

    def require_no_values(self, store: str) -> None:
        """Raise where numbers of masks were named, and these are in a label store, by name.

        Raises
        ------
        LeavenError
            Numbers were named.
        """
        if self.values is not None:
            raise LeavenError(f"{store} has no numbers of classes, so {OPTION} has no meaning; leave it out.")


def mask_folders(path: PathLike, labels: str | Path | Literal[False] | None) -> tuple[Path, Path] | None:
    """The folder of images and that of their masks; ``None`` where what is read has no masks."""
    path = Path(path)
    if labels is False or (labels and is_store(labels)) or not path.is_dir():
        return None
    images = image_folder(path)
    if images != path:
        labels = labels or path / MASKS
    return (images or path, Path(labels)) if labels and Path(labels).is_dir() else None


def image_folder(path: PathLike) -> Path | None:
    """The folder that ids of what is read are relative to; ``None`` where they are no files."""
    path = Path(path)
    if not path.is_dir():
        return None if path.suffix.lower() == ".npz" else path.parent
    images, masks = path / IMAGES, path / MASKS
    return images if images.is_dir() and masks.is_dir() else path


def meaning(path: PathLike, labels: str | Path | None, pixels: Pixels) -> dict[str, str] | None:
    """What the numbers of the masks stand for, by the options and ``classes.txt``, for the record; ``None`` without."""
    path = Path(path)
    if labels and is_store(labels):
        from leaven.labels.reading import stored_values

        return stored_values(labels)
    both = mask_folders(path, labels)
    combined = None if both is None else combine_values(both[1], pixels.values)
    return None if combined is None else combined.as_json()


def read_data(
    path: PathLike,
    labels: str | Path | Literal[False] | None = None,
    *,
    use: Use = "training",
    pixels: Pixels | None = None,
    announce: bool = True,
    **form: Any,
) -> Pool:
    """A folder of images, a CSV beside its images, or an ``.npz``.

    A folder that has subfolders ``images`` and ``masks`` is one of images whose pixels have classes.

    Parameters
    ----------
    path : path-like
        What to read.
    labels : path-like or False, optional
        CSV of the folder's labels, a folder of masks, or a label store (its path, its run folder or its URL);
        ``False``: its subfolders are no classes, and masks are not looked at.
    use : {"training", "audit", "all"}, optional
        Of a label store, whether the items that are there to judge a model by are left out, alone in the pool, or in it
        too.
    pixels : Pixels, optional
        How masks are read.
    announce : bool, optional
        Whether classes of which no mask has a pixel are named.
    **form
        ``size``, ``channels``, ``white`` and ``strict`` of images; ``unlabelled``, what stands for no label;
        ``precise``, whether float64 features of an ``.npz`` stay so.

    Raises
    ------
    LeavenError
        It cannot be read, or an option was given that has no meaning for it.
    """
    path = Path(path)
    form = {name: value for name, value in form.items() if value is not None}
    precise = {"precise": True} if form.pop("precise", False) and path.suffix.lower() == ".npz" else {}
    words = {"unlabelled": form.pop("unlabelled") or None} if "unlabelled" in form else {}
    pixels = pixels or Pixels()
    if both := mask_folders(path, labels):
        from leaven.data import read_masks

        images, masks = both
        return read_masks(images, masks, announce=announce, **pixels.of(masks), **form)
    if labels and is_store(labels):
        from leaven.labels.reading import read_stored

        pixels.require_no_values(without_password(labels))
        usual = pixels.like.get("background")
        return read_stored(path, labels, use, background=pixels.background, usual=usual, announce=announce, **form)
    if not labels or Path(labels).exists():  # else that it is missing is what is wrong
        pixels.require_none(without_password(labels or path))
    if path.is_dir():
        return read(image_folder(path), labels=labels, **form, **words)
    if labels:
        raise LeavenError(f"{path} is no folder, so --labels has nothing to name in it; leave --labels out.")
    if path.suffix.lower() in (".csv", ".tsv"):
        return read(path, **form, **words)
    given = [name for name in ("size", "channels", "white") if path.suffix.lower() == ".npz" and name in form]
    if given:
        raise LeavenError(f"The items of {path} stay as they are, so --{given[0]} has no meaning; leave it out.")
    return read(path, **words, **precise)


def marker(stated: str | None, config: Mapping[str, Any]) -> str | None:
    """What stands for no label: as a user says, else as the run of this ``config`` was told; ``None``: the usual."""
    value: str | None = (config.get("inputs") or {}).get("unlabelled") if stated is None else stated
    return value


def read_like(
    source: PathLike,
    shape: Sequence[int],
    classes: Sequence[str] | None = None,
    *,
    labels: str | Path | None = None,
    use: Use = "training",
    strict: bool = False,
    own_classes: bool = False,
    pixels: Pixels | None = None,
    unlabelled: str | None = None,
    white: White = UNKNOWN,
) -> Pool:
    """Read items in the form that a network takes; with ``classes``, their labels are numbered as these.

    Without, a folder's subfolders are no classes, unless ``own_classes`` says that they are, whatever the network
    knows. ``unlabelled`` is what stands for no label, see `marker`; ``white`` is what was white in the images that it
    learnt from, where these are not of 8 bits.

    Raises
    ------
    LeavenError
        The items cannot be read, have another form, or have a class that is not among ``classes``.
    """
    # a class that the model knows by name is one, whatever its name stands for elsewhere
    source = Path(source)
    odd: dict[str, Any] = {} if unlabelled is None else {"unlabelled": unlabelled}
    if not odd and any(map(is_unlabelled, classes or ())):
        odd = {"unlabelled": MARKERS.difference(classes or ())}
    if source.suffix.lower() != ".npz" and source.exists():
        if len(shape) != 3:
            raise LeavenError(f"{source} holds images, but the model takes feature vectors; give an .npz file.")
        form: dict[str, Any] = {"size": tuple(shape[:2]), "channels": shape[2], "white": white, "strict": strict}
        plain = classes is None and labels is None and not own_classes and source.is_dir()
        pool = read_data(source, False if plain else labels, use=use, pixels=pixels, announce=False, **form, **odd)
    else:
        pool = read_data(source, labels, use=use, pixels=pixels, precise=True, **odd)
    if tuple(pool.items.shape[1:]) != tuple(shape):
        raise LeavenError(
            f"The items of {source} have the shape {pool.items.shape[1:]}, but {tuple(shape)} was trained on; "
            "bring them to that shape."
        )
    return pool if classes is None else match_classes(pool, classes, without_password(labels or source))
