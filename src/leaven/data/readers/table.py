"""The label table: a CSV of file name and class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from leaven.data.names import class_name, listing, to_nfc
from leaven.errors import LeavenError, LeavenWarning

from .find import Finder
from .table_text import table_lines

FILE_NAMES = ("file", "filename", "image", "path")
LABEL_NAMES = ("label", "class")


def read_table(path: str | os.PathLike[str], folder: Path, files: Collection[str]) -> dict[str, str]:
    """Labels of the files in a folder.

    Parameters
    ----------
    path : path-like
        CSV (or semicolon- or tab-separated) text. With a header, a column ``file``, ``filename``, ``image`` or
        ``path`` and a column ``label`` or ``class``, others being left aside; without one, two columns: file,
        label. Files are named relative to the folder, or else so that it is clear which one is meant, see
        `leaven.data.readers.find.Finder`; an empty label is an unknown one.
    folder : Path
        The folder of images.
    files : collection of str
        Paths of its files, relative, with forward slashes.

    Returns
    -------
    dict of str to str
        File, as ``files`` has it → class name, ``""`` where unknown.

    Raises
    ------
    LeavenError
        The table is missing, is no such table, names a file twice with two labels, or names files that the folder
        does not have or of which it has several.
    """
    path = Path(path)
    finder = Finder(folder, files, path)
    file_column, label_column, lines = _columns(path, finder, table_lines(path))
    labels: dict[str, str] = {}
    first: dict[str, int] = {}
    unknown: list[str] = []
    several: dict[str, list[str]] = {}
    for row, cells in lines:
        name = cells[file_column] if file_column < len(cells) else ""
        if not name:
            raise LeavenError(f"{path} has no file name on line {row}, expected one on every line: fill it in.")
        label = cells[label_column] if label_column < len(cells) else ""
        fits = finder.fits(name)
        if len(fits) != 1:
            unknown.append(name)
            several |= {name: fits} if fits else {}
            continue
        (file,) = fits
        if class_name(labels.get(file, label)) not in (class_name(label), ""):
            if not label:
                continue
            raise LeavenError(
                f"{path} names the file {file} twice, as {labels[file]} on line {first[file]} and as {label} on line "
                f"{row}, expected one label: keep one of the lines."
            )
        labels[file] = label
        first.setdefault(file, row)
    if several:
        name, fits = next(iter(several.items()))
        raise LeavenError(
            f"{path} names {name}, of which {folder} has {len(fits)} ({listing(fits)}), expected paths relative to "
            "that folder: say which one."
        )
    if unknown:
        noun = "a file that is" if len(unknown) == 1 else f"{len(unknown)} files that are"
        raise LeavenError(
            f"{path} names {noun} not in {folder} ({listing(unknown)}), expected paths relative to that "
            "folder: "
            "correct the names or remove the lines."
        )
    return labels


def fitting(labels: Mapping[str, str], folder: Path, files: Collection[str]) -> dict[str, str]:
    """Labels of the files that a folder still has.

    Raises
    ------
    LeavenError
        There are labels, but of none of its files.
    """
    named = {to_nfc(name): name for name in files}
    matched = {named[to_nfc(name)]: label for name, label in labels.items() if to_nfc(name) in named}
    gone = [name for name in labels if to_nfc(name) not in named]
    if gone and not matched:
        raise LeavenError(
            f"None of the {len(gone)} files that have labels ({listing(gone)}) is in {folder}, expected paths relative "
            "to that folder: give the folder that was labelled."
        )
    if gone:
        warnings.warn(
            f"{len(gone)} files that have labels are not in {folder} any more ({listing(gone)}), and are left out.",
            LeavenWarning,
            stacklevel=3,
        )
    return matched


def _columns(
    path: Path, finder: Finder, lines: list[tuple[int, list[str]]]
) -> tuple[int, int, list[tuple[int, list[str]]]]:
    """Columns of file and label, and the lines without the header."""
    first = lines[0][1]
    names = [cell.lower() for cell in first]
    file_column = next((names.index(name) for name in FILE_NAMES if name in names), None)
    label_column = next((names.index(name) for name in LABEL_NAMES if name in names), None)
    if file_column is not None and label_column is not None:
        return file_column, label_column, lines[1:]
    is_file = bool(finder.fits(first[0])) or PurePosixPath(first[0]).suffix != ""
    if is_file and len(first) == 2:
        return 0, 1, lines
    what = f"{len(first)} columns and no header" if is_file else f"the columns {listing(first, 6)}"
    raise LeavenError(
        f"{path} has {what}, expected a header with {' or '.join(FILE_NAMES)} and "
        f"{' or '.join(LABEL_NAMES)}, or two "
        "columns, file and label: name the columns so."
    )
