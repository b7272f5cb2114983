"""The label table: a CSV of file name and class."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from leaven.errors import LeavenError

from .cache import LeavenWarning
from .names import listing

FILE_NAMES = ("file", "filename", "image", "path")
LABEL_NAMES = ("label", "class")


def read_table(path: str | os.PathLike[str], folder: Path, files: Collection[str]) -> dict[str, str]:
    """Labels of the files in a folder.

    Parameters
    ----------
    path : path
        CSV (or semicolon- or tab-separated) text in UTF-8. With a header, a column ``file``, ``filename``,
        ``image`` or ``path`` and a column ``label`` or ``class``, others being left aside; without one, two
        columns: file, label. Files are named relative to the folder; an empty label is an unknown one.
    folder : pathlib.Path
        The folder of images.
    files : collection of str
        Paths of its files, relative, with forward slashes.

    Returns
    -------
    dict of str to str
        File → class name, ``""`` where unknown.

    Raises
    ------
    LeavenError
        The table is missing, is no such table, names a file twice, or names files that the folder does not
        have.
    """
    path = Path(path)
    lines = table_lines(path)
    known = files if isinstance(files, (set, dict, frozenset)) else set(files)
    file_column, label_column, lines = _columns(path, folder, lines, known)
    labels: dict[str, str] = {}
    unknown: list[str] = []
    for row, cells in lines:
        name = _relative(cells[file_column], folder) if file_column < len(cells) else ""
        if not name:
            raise LeavenError(f"{path} has no file name on line {row}, expected one on every line: fill it in.")
        if name in labels:
            raise LeavenError(f"{path} names the file {name} twice (again on line {row}): keep one of the lines.")
        labels[name] = cells[label_column] if label_column < len(cells) else ""
        if name not in known:
            unknown.append(name)
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
    found = {name: label for name, label in labels.items() if name in files}
    gone = [name for name in labels if name not in files]
    if gone and not found:
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
    return found


def table_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number and cells of every line that is not empty, the header among them where there is one.

    Raises
    ------
    LeavenError
        The table is missing, empty or no CSV.
    """
    if not path.is_file():
        raise LeavenError(f"The label table {path} does not exist, expected a CSV of file and label: check the path.")
    try:
        text = path.read_text("utf-8-sig")
        first = text.lstrip().split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        lines = [(row, [cell.strip() for cell in cells]) for row, cells in _rows(text, delimiter) if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise LeavenError(f"{path} is no readable CSV ({error}): save it as UTF-8 text with commas.") from None
    if not lines:
        raise LeavenError(f"{path} is empty, expected lines of file and label: fill it in.")
    return lines


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [(reader.line_num, cells) for cells in reader]


def _columns(
    path: Path, folder: Path, lines: list[tuple[int, list[str]]], known: Collection[str]
) -> tuple[int, int, list[tuple[int, list[str]]]]:
    """Columns of file and label, and the lines without the header."""
    first = lines[0][1]
    names = [cell.lower() for cell in first]
    file_column = next((names.index(name) for name in FILE_NAMES if name in names), None)
    label_column = next((names.index(name) for name in LABEL_NAMES if name in names), None)
    if file_column is not None and label_column is not None:
        return file_column, label_column, lines[1:]
    is_file = _relative(first[0], folder) in known or PurePosixPath(first[0]).suffix != ""
    if is_file and len(first) == 2:
        return 0, 1, lines
    what = f"{len(first)} columns and no header" if is_file else f"the columns {listing(first, 6)}"
    raise LeavenError(
        f"{path} has {what}, expected a header with {' or '.join(FILE_NAMES)} and "
        f"{' or '.join(LABEL_NAMES)}, or two "
        "columns, file and label: name the columns so."
    )


def _relative(name: str, folder: Path) -> str:
    """Path relative to the folder with forward slashes, ``./`` and an absolute beginning taken off."""
    if not name:
        return ""
    name = name.replace("\\", "/") if os.sep == "\\" or "/" not in name else name
    if os.path.isabs(name):
        name = os.path.relpath(name, folder.resolve() if name.startswith(str(folder.resolve())) else folder.absolute())
    return PurePosixPath(name.replace(os.sep, "/")).as_posix()
