"""`Pool`: one table for every setting of learning from few labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from leaven.errors import LeavenError

from .names import array_to_nfc, class_name
from .readers.white import UNKNOWN, White
from .storage import bytes_each, gather, let_go, parts

NO_CLASS = 255  # in a mask: the pixel does not count
ROLES = ("labelled", "unlabelled", "hidden", "source", "target_labelled", "any")


@dataclass(frozen=True, repr=False, eq=False)
class Pool:
    """Items, what is known of their labels, and where they come from; row *i* of every column is item *i*.

    Attributes
    ----------
    items : ndarray
        Images, uint8 ``(N, H, W, C)`` with C = 1 or 3, in memory or memory-mapped; or feature vectors, float32
        ``(N, D)`` (float64 where float32 would lose what tells them apart, such as time stamps); or float32
        ``(N, V, D)``: V cached views of each item (view 0 is the plain one).
    labels : ndarray of int64, shape (N,), optional
        ``-1`` unknown; label *k* is ``classes[k]``. All unknown where left out.
    ids : ndarray of str, shape (N,), optional
        Fixed names, kept in NFC: the path relative to the folder, or the row number (the default).
    domain : ndarray of int64, shape (N,), optional
        Positive source, negative target (as skada has it); all ``-1`` where there is one domain.
    classes : tuple of str
        Names of the classes, kept in NFC; may be empty where no label is known.
    masks : ndarray of uint8, shape (N, H, W), optional
        The class of every pixel, `NO_CLASS` (255) where it does not count. A pool with masks is dense: its classes
        are those of pixels, and ``labels`` only say whether a mask is known (0) or not to be looked at (-1).
    white : White
        What images that were not of 8 bits were divided by, so that others can be read alike.

    Raises
    ------
    LeavenError
        A column has another length or type, or a label lies outside ``-1 .. len(classes) - 1``.
    """

    items: np.ndarray
    labels: np.ndarray = None  # type: ignore[assignment]
    ids: np.ndarray = None  # type: ignore[assignment]
    domain: np.ndarray = None  # type: ignore[assignment]
    classes: tuple[str, ...] = ()
    masks: np.ndarray | None = None
    white: White = UNKNOWN

    def __post_init__(self) -> None:
        items = self.items
        if not isinstance(items, np.ndarray):
            raise LeavenError(
                f"The items of a Pool must be a NumPy array, not {type(items).__name__}: use leaven.data.read_arrays."
            )
        image = items.dtype == np.uint8 and items.ndim == 4 and items.shape[3] in (1, 3)
        feature = (items.dtype == np.float32 and items.ndim in (2, 3)) or (
            items.dtype == np.float64 and items.ndim == 2
        )
        if not image and not feature:
            raise LeavenError(
                f"The items of a Pool are {items.dtype} {items.shape}, expected uint8 (N, H, W, 1 or 3) "
                "images or "
                "float32 (N, D) or (N, V, D) features: use leaven.data.read_arrays, which converts."
            )
        count = len(items)
        set_ = object.__setattr__
        set_(self, "labels", _integers(self.labels, "labels", count))
        set_(self, "domain", _integers(self.domain, "domain", count))
        ids = np.arange(count).astype(str) if self.ids is None else np.asarray(self.ids)
        if ids.shape != (count,):
            raise LeavenError(f"A Pool of {count} items was given ids of shape {ids.shape}, expected ({count},).")
        set_(self, "ids", array_to_nfc(ids if ids.dtype.kind == "U" else ids.astype(str)))
        classes = tuple(class_name(str(name)) for name in self.classes)
        if len(set(classes)) < len(classes):
            twice = next(name for name in classes if classes.count(name) > 1)
            raise LeavenError(
                f"The class name {twice!r} stands twice among the classes: give every class its own name."
            )
        set_(self, "classes", classes)
        if count and not -1 <= self.labels.min() <= self.labels.max() < len(classes):
            bad = self.labels[(self.labels < -1) | (self.labels >= len(classes))][0]
            raise LeavenError(
                f"A Pool with {len(classes)} classes was given the label {bad}, expected -1 (unknown) "
                f"to {len(classes) - 1}: correct the labels or name every class in `classes`."
            )
        if count and not self.domain.all():
            raise LeavenError("A Pool was given the domain 0, expected positive (source) or negative (target) numbers.")
        if self.masks is not None:
            wanted = items.shape[:3]
            if self.masks.dtype != np.uint8 or self.masks.shape != wanted:
                raise LeavenError(
                    f"A Pool was given masks of {self.masks.dtype} {self.masks.shape}, expected uint8 {wanted}: "
                    "one class number for every pixel of every image."
                )
            if count and self.labels.max() > 0:
                raise LeavenError("The labels of a Pool with masks are 0 (mask known) or -1, but others were given.")

    @cached_property
    def digest(self) -> str:
        """Of all columns but the names of the classes, with their types and order: other content has another digest.

        Computed once, a part at a time, so that a memory-mapped pool is never in memory as a whole.
        """
        hasher = hashlib.blake2b(digest_size=16)
        for column in (self.items, self.labels, self.ids, self.domain, self.masks):
            if column is None:
                continue
            hasher.update(f"{column.dtype.str} {column.shape} ".encode())
            for start, stop in parts(len(column), bytes_each(column)):
                hasher.update(np.ascontiguousarray(column[start:stop]).view(np.uint8).data)
                let_go(column)
        return hasher.hexdigest()

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        labelled = int((self.labels >= 0).sum())
        shape = "×".join(str(n) for n in self.items.shape[1:])
        parts = [f"{len(self)} {self.kind} of {shape}", f"{labelled} labelled, {self.num_classes} classes"]
        sources = int((self.domain > 0).sum())
        if sources:
            parts.append(f"{sources} source, {len(self) - sources} target")
        if isinstance(self.items, np.memmap):
            parts.append("memory-mapped")
        return f"Pool({'; '.join(parts)})"

    @property
    def kind(self) -> Literal["images", "features"]:
        """``"images"`` (uint8) or ``"features"`` (floats)."""
        return "images" if self.items.dtype == np.uint8 else "features"

    @property
    def dense(self) -> bool:
        """Whether pixels are classified (there are masks) rather than images."""
        return self.masks is not None

    @property
    def two_domains(self) -> bool:
        """Whether there is a source beside the target."""
        return bool((self.domain > 0).any() and (self.domain < 0).any())

    @property
    def num_classes(self) -> int:
        """Number of classes, K."""
        return len(self.classes)

    def rows(self, role: str) -> np.ndarray:
        """Rows that a stream of this role draws from, ascending, int64.

        Parameters
        ----------
        role : {"labelled", "unlabelled", "hidden", "source", "target_labelled", "any"}
            ``labelled``: label known, any domain. ``unlabelled``: every row of the target domain, its label
            not looked at. ``hidden``: those of these rows whose label is not known. ``source``: labelled
            source rows; where the pool has one domain, its labelled rows.
            ``target_labelled``: labelled target rows where the pool has two domains; else none.

        Raises
        ------
        LeavenError
            The role is none of these.
        """
        has_label, target = self.labels >= 0, self.domain < 0
        two = self.two_domains
        if role == "labelled":
            mask = has_label
        elif role == "unlabelled":
            mask = target
        elif role == "hidden":
            mask = target & ~has_label
        elif role == "source":
            mask = has_label & ~target if two else has_label
        elif role == "target_labelled":
            mask = has_label & target if two else np.zeros_like(has_label)
        elif role == "any":
            mask = np.ones_like(has_label)
        else:
            raise LeavenError(f"The stream role {role!r} is unknown, expected one of {', '.join(ROLES)}.")
        return np.flatnonzero(mask)

    def subset(self, rows: np.ndarray | Sequence[int] | slice) -> Pool:
        """Pool of these rows (indices, Boolean mask or slice), in their order.

        A slice shares the items; other rows are copied, above 1 GiB into a temporary memory-mapped file.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            rows = rows if rows.dtype == bool else rows.astype(np.int64)
            if len(rows) and _is_range(rows):
                rows = slice(int(rows[0]), int(rows[-1]) + 1)

        def take(column: np.ndarray) -> np.ndarray:
            return column[rows] if isinstance(rows, slice) else gather(column, rows)

        return replace(
            self,
            items=take(self.items),
            labels=self.labels[rows],
            ids=self.ids[rows],
            domain=self.domain[rows],
            masks=None if self.masks is None else take(self.masks),
        )

    def with_labels(self, labels: np.ndarray, classes: Sequence[str] | None = None) -> Pool:
        """Same items (shared, not copied) with other labels and, where given, other classes."""
        return replace(self, labels=labels, classes=self.classes if classes is None else tuple(classes))

    def with_items(self, items: np.ndarray) -> Pool:
        """Same table with other items, for instance features in place of images."""
        if len(items) != len(self):
            raise LeavenError(f"A Pool of {len(self)} items was given {len(items)} new ones, expected as many.")
        return replace(self, items=items)


def _is_range(rows: np.ndarray) -> bool:
    if rows.dtype == bool or rows[0] < 0 or rows[-1] - rows[0] != len(rows) - 1:
        return False
    return bool((np.diff(rows) == 1).all())


def _integers(column: np.ndarray | None, name: str, count: int) -> np.ndarray:
    if column is None:
        return np.full(count, -1, dtype=np.int64)
    column = np.asarray(column)
    if column.shape != (count,):
        raise LeavenError(f"A Pool of {count} items was given {name} of shape {column.shape}, expected ({count},).")
    if column.dtype.kind not in "iu" and len(column):
        raise LeavenError(f"The {name} of a Pool are {column.dtype}, expected integers: use leaven.data.read_arrays.")
    return column.astype(np.int64, copy=False)
