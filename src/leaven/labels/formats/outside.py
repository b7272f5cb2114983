"""What other programs wrote, checked before it is used: its form, the sizes that it states, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from leaven.errors import LeavenError
from leaven.labels.pixels import MOST_PIXELS

T = TypeVar("T")
Size = tuple[int, int]  # height and width
SizeOf = Callable[[str], Size | None]


class AmbiguousAnswer(LeavenError):
    """A whole answer that says several classes of its item, or a class of something else than the item or areas.

    Parameters
    ----------
    what : str
        Kind of answer, to be counted.
    where : str
        Its place in the file.
    why : str
        The sentence for a file that has nothing else.
    """

    def __init__(self, what: str, where: str, why: str):
        super().__init__(why)
        self.what, self.where = what, where


class LeftOut:
    """What of a file is not kept, for it says no class of one item: counted, and where the first stands.

    Attributes
    ----------
    counts : dict of str to int
        How many of each kind.
    unclear : AmbiguousAnswer or None
        The first whole answer among them, if there is one.
    """

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.unclear: AmbiguousAnswer | None = None
        self._first: dict[str, str] = {}
        self._answers: set[str] = set()  # those kinds that are whole answers

    def add(self, what: str, where: str) -> None:
        """One more of a kind."""
        self.counts[what] = self.counts.get(what, 0) + 1
        self._first.setdefault(what, where)

    def add_answer(self, error: AmbiguousAnswer) -> None:
        """One more whole answer."""
        self.unclear = self.unclear or error
        self._answers.add(error.what)
        self.add(error.what, error.where)

    def sentence(self) -> str:
        """For the message after an import; empty where nothing was left out."""
        parts = {what: f"{count} {what} (first in {self._first[what]})" for what, count in self.counts.items()}
        reasons = [
            (why, [text for what, text in parts.items() if (what in self._answers) == whole])
            for why, whole in (("they say no class", False), ("they are not of one class, nor of areas", True))
        ]
        return " ".join(f"Left out, for {why}: {', '.join(texts)}." for why, texts in reasons if texts)


def validate(kind: type[T], content: Any, where: str, what: str, at: str = "") -> T:
    """Content in the form that it should have.

    Parameters
    ----------
    kind : type
        A pydantic model, or another type that pydantic knows.
    content : object
        What was read.
    where : str
        The file, for the message.
    what : str
        What it then is, for the message.
    at : str, optional
        The place of the content in the file.

    Raises
    ------
    LeavenError
        It has another form: says where in the file, and what stands there.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        place = (at + "".join(steps)).lstrip(".") or "the top"
        value = repr(first["input"])
        value = value if len(value) <= 40 else f"{value[:40]}..."
        words = first["msg"][0].lower() + first["msg"][1:]
        raise LeavenError(f"{where} is {what} (at {place}: {words}, found {value}): export it anew.") from None


def size_lookup(images: Path | None) -> SizeOf:
    """From an item's id to the height and width of its file, turned as it is seen; None without a folder of images.

    Raises
    ------
    LeavenError
        The answer raises it where the file cannot be read.
    """
    if images is None:
        return lambda item: None
    from leaven.data.readers.scan import on_disk

    folder, files = images, on_disk(images)

    def size(item: str) -> Size:
        from PIL import Image

        from leaven.data.readers.decode import reason
        from leaven.data.readers.images import probe

        try:
            with Image.open(files.get(item, folder / item)) as image:
                return probe(image)[:2]
        except Exception as error:  # a damaged file raises whatever its decoder trips over
            raise LeavenError(f"The image {folder / item} cannot be read ({reason(error)}): replace it.") from None

    return size


def resolve_size(stated: Size | None, size_of: SizeOf, item: str, where: str) -> Size:
    """Height and width of an item: those of its file, and else those that are stated.

    Raises
    ------
    LeavenError
        The two differ, neither is known, or it is of no size that an image has.
    """
    image_size = size_of(item)
    if image_size is None and stated is None:
        raise LeavenError(f"{where} says no height and width for {item}: name the folder of its image with --images.")
    if image_size is not None and stated is not None and image_size != stated:
        raise LeavenError(
            f"{where} says that {item} is {stated[0]}×{stated[1]} pixels (height×width), but the image is "
            f"{image_size[0]}×{image_size[1]}: give the images that were labelled."
        )
    height, width = size = image_size or stated or (0, 0)
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise LeavenError(
            f"{where} says that {item} is {height}×{width} pixels (height×width), expected 1 to {MOST_PIXELS:,} in "
            "all: correct it."
        )
    return size
