"""Ways in which a file is damaged: what disks, editors, other programs and people do to it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

WRONG: tuple[Any, ...] = (None, True, -1, 0, 1e308, 10**18, "", "x" * 10_000, "../../etc", [], {}, [[]], {"a": {}})


def damage(path: Path, twin: Path | None, rng: np.random.Generator) -> str:
    """Damage the file at ``path`` in one of many ways; which way it was.

    Parameters
    ----------
    path : Path
        The file.
    twin : Path or None
        The same file of another run.
    rng : numpy.random.Generator
        What chooses the way, and where.
    """
    ways = {name: way for name, way in WAYS.items() if name not in STRUCTURED or path.suffix in STRUCTURED[name]}
    if twin is not None:
        ways["swapped"] = lambda path, _: shutil.copy(twin, path)
    name = str(rng.choice(list(ways)))
    if path.suffix in STRUCTURED["json"] and rng.random() < 0.5:  # what a parser can still read goes deepest
        name = "json"
    ways[name](path, rng)
    return name


def _empty(path: Path, _: np.random.Generator) -> None:
    path.write_bytes(b"")


def _cut(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) + 1)])


def _zeros(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    start = int(rng.integers(len(content) + 1))
    count = len(content[start : start + int(rng.integers(1, 600))])
    content[start : start + count] = bytes(count)
    path.write_bytes(content)


def _flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    for place in rng.integers(len(content), size=int(rng.integers(1, 6))) if content else ():
        content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def _bytes(path: Path, rng: np.random.Generator) -> None:
    """Bytes that are no UTF-8 in the middle."""
    content = path.read_bytes()
    place = int(rng.integers(len(content) + 1))
    path.write_bytes(content[:place] + b"\xff\xfe\x00\xc3(" + content[place:])


def _twice(path: Path, _: np.random.Generator) -> None:
    path.write_bytes(path.read_bytes() * 2)


def _random(path: Path, rng: np.random.Generator) -> None:
    path.write_bytes(rng.bytes(int(rng.integers(1, 3000))))


def _folder(path: Path, _: np.random.Generator) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path, _: np.random.Generator) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path, _: np.random.Generator) -> None:
    path.unlink()
    before = os.getcwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def _device(path: Path, _: np.random.Generator) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _astray(path: Path, _: np.random.Generator) -> None:
    """A link to itself."""
    path.unlink()
    path.symlink_to(path.name)


def _json(path: Path, rng: np.random.Generator) -> None:
    """A key less, or a value of another type or size, anywhere in it."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    at = int(rng.integers(len(lines)))
    content: Any = [json.loads(lines[at])]
    places = list(_places(content))
    for _ in range(int(rng.integers(1, 3))):
        holder, key = places[int(rng.integers(len(places)))]
        if rng.random() < 0.4:
            if isinstance(holder, dict):
                holder.pop(key, None)
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = WRONG[int(rng.integers(len(WRONG)))]
    lines[at] = json.dumps(content[0])
    path.write_text("\n".join(lines) + "\n")


def _places(content: Any) -> Any:
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _header(path: Path, rng: np.random.Generator) -> None:
    """The JSON in the header of a model file, its weights as they were."""
    from safetensors import safe_open
    from safetensors.torch import save

    with safe_open(path, "pt") as file:
        header = dict(file.metadata() or {})
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if "leaven" not in header:  # a snapshot
        return _flip(path, rng)
    part = path.with_suffix(".json")
    part.write_text(header["leaven"])
    _json(part, rng)
    text = part.read_text().strip()
    if rng.random() < 0.2:
        text = text.replace('"cnn"', '"wrn-999999994-2"').replace('"mlp"', '"wrn-999999994-2"')
    part.unlink()
    path.write_bytes(save(weights, metadata={"leaven": text}))
    return None


def _members(path: Path, rng: np.random.Generator) -> None:
    """One member of an archive lost, emptied, cut, or an array of another form."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = list(members)[int(rng.integers(len(members)))]
    way = int(rng.integers(5))
    if way == 0:
        del members[name]
    elif way == 1:
        members[name] = members[name][: len(members[name]) // 2]
    elif way == 2:
        members[name] = b""
    else:
        made = BytesIO()
        np.save(made, rng.choice([-5, 3, 10**6], size=[(3,), (2, 2), ()][way % 3]))
        members[name] = made.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _lines(path: Path, rng: np.random.Generator) -> None:
    """Words among the numbers of a table."""
    lines = path.read_text().splitlines()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(lines)))
        fields = lines[at].split(",")
        word = ["", "x", "1e999", "nan", "-7", '"', "9" * 5000, "0x10", "\x00"][int(rng.integers(9))]
        fields[int(rng.integers(len(fields)))] = word
        lines[at] = ",".join(fields[: int(rng.integers(1, len(fields) + 1))] if rng.random() < 0.3 else fields)
    path.write_text("\n".join(lines) + "\n")


def _database(path: Path, rng: np.random.Generator) -> None:
    """Rows of a label store that no leaven writes."""
    import sqlite3

    with sqlite3.connect(path) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = tables[int(rng.integers(len(tables)))]
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = columns[int(rng.integers(len(columns)))]
        wrong = [None, -1, 2**62, 1e300, "", "[", "x" * 5000, b"\xff\xfe"][int(rng.integers(8))]
        try:
            database.execute("PRAGMA ignore_check_constraints = ON")
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid % 2 = 0 OR rowid = 1", [wrong])
        except sqlite3.IntegrityError:
            database.execute(f"DROP TABLE {table}")
    database.close()


WAYS: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "empty": _empty,
    "cut": _cut,
    "zeros": _zeros,
    "flipped": _flip,
    "no UTF-8": _bytes,
    "twice": _twice,
    "random": _random,
    "folder": _folder,
    "pipe": _pipe,
    "socket": _socket,
    "device": _device,
    "astray": _astray,
    "json": _json,
    "header": _header,
    "members": _members,
    "lines": _lines,
    "database": _database,
}
STRUCTURED = {  # ways that need a form, and the endings of files that have it
    "json": (".json", ".jsonl"),
    "header": (".safetensors",),
    "members": (".npz", ".pt"),
    "lines": (".csv",),
    "database": (".db",),
}
