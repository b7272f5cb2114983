"""The text of a table, whatever program wrote it."""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
from pathlib import Path

from leaven.errors import LeavenError

SHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # is in no text of one byte a character


def table_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number and cells of every line that is not empty, the header among them where there is one.

    Cells are divided by commas, semicolons or tabs. The text is UTF-8, UTF-16, or else Windows' Latin-1 (cp1252), which
    is said.

    Raises
    ------
    LeavenError
        The table is missing, empty or no CSV.
    """
    if not path.is_file():
        raise LeavenError(f"The label table {path} does not exist, expected a CSV of file and label: check the path.")
    content = path.read_bytes()
    if path.suffix.lower() in SHEETS or content.startswith(b"PK\x03\x04"):
        raise LeavenError(
            f"{path} is a spreadsheet, expected a CSV of file and label: open it and save the sheet as CSV (UTF-8)."
        )
    try:
        text, encoding = _decoded(content)
        first = text.lstrip().split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows = [(reader.line_num, cells) for cells in reader]
        lines = [(row, [cell.strip() for cell in cells]) for row, cells in rows if any(cells)]
    except (UnicodeError, csv.Error) as error:
        raise LeavenError(f"{path} is no readable CSV ({error}): save it as UTF-8 text with commas.") from None
    if not lines:
        raise LeavenError(f"{path} is empty, expected lines of file and label: fill it in.")
    if encoding == "cp1252":
        from leaven.errors import LeavenWarning

        warnings.warn(
            f"{path} is not UTF-8 and was read as Windows' Latin-1; save it as UTF-8 if names in it look wrong.",
            LeavenWarning,
            stacklevel=4,
        )
    return lines


def _decoded(content: bytes) -> tuple[str, str]:
    """The text, and how it was encoded."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16"), "utf-16"
    start = content[:4096]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if b"\0" in start and zeros.count(0) > len(zeros) / 2:
            return content.decode(encoding), encoding
    try:
        return content.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        if _CONTROL.search(content):
            raise
        return content.decode("cp1252"), "cp1252"
