"""Reading what may be damaged: a regular file, of the form that its schema tells, or a sentence."""

from __future__ import annotations

import os
import stat
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from leaven.errors import LeavenError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")
PathLike = str | os.PathLike[str]
MEND = "mend it there"  # what a person does to a file that a person wrote
MOST = 2**28  # bytes of a text that is read as a whole; those of the largest runs are some megabytes
KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def require_regular(path: PathLike, mend: str) -> int:
    """Raise unless a regular file lies at ``path``, or a link to one: a pipe would be waited for without end.

    Parameters
    ----------
    path : path-like
        The file.
    mend : str
        What to do about it, the end of the sentence.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    LeavenError
        It is a folder, a pipe or a device, or cannot be looked at.
    FileNotFoundError
        Nothing is there.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LeavenError(f"{path} cannot be read ({error.strerror or error}); {mend}.") from error
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_, name in KINDS if is_(status.st_mode)), "a device")
        raise LeavenError(f"{path} is {kind}, but a file was expected; {mend}.")
    return status.st_size


def read_bytes(path: PathLike, mend: str) -> bytes:
    """The content of a regular file.

    Raises
    ------
    LeavenError
        It is none, or cannot be read.
    FileNotFoundError
        Nothing is there.
    """
    if require_regular(path, mend) > MOST:
        raise LeavenError(f"{path} is damaged (it is larger than {MOST:,} bytes); {mend}.")
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LeavenError(f"{path} cannot be read ({error.strerror or error}); {mend}.") from error


def read_json(path: PathLike, kind: Any, mend: str) -> Any:
    """The JSON in a file as a pydantic model, a dataclass, or another type that pydantic knows.

    Types are not converted: a number in quotation marks is none.

    Raises
    ------
    LeavenError
        The file cannot be read, is no JSON, or has another form; the message says where in it.
    FileNotFoundError
        Nothing is there.
    """
    return from_json(read_bytes(path, mend), kind, path, mend)


def from_json(text: str | bytes, kind: Any, path: PathLike, mend: str) -> Any:
    """The same of a text that was read from ``path``."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise damaged(path, words(error), mend) from error


def from_python(values: Any, kind: Any, path: PathLike, mend: str) -> Any:
    """The same of what another parser made of ``path``."""
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_python(values)
    except ValidationError as error:
        raise damaged(path, words(error), mend) from error


def read_toml(path: PathLike, kind: Any, what: str) -> Any:
    """The TOML that a person wrote, as a pydantic model.

    Parameters
    ----------
    path : path-like
        The file.
    kind : type
        The model.
    what : str
        What the file is, for messages.

    Raises
    ------
    LeavenError
        There is no such file, it cannot be read or is no TOML, or it has another form; the message says where in it.
    """
    from pydantic import ValidationError

    try:
        text = read_bytes(path, MEND)
    except FileNotFoundError:
        raise LeavenError(f"There is no {what} {path}; check its path.") from None
    try:
        return _adapter(kind).validate_python(tomllib.loads(text.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeavenError(f"The {what} {path} is no TOML ({error}); {MEND}.") from error
    except ValidationError as error:
        raise LeavenError(f"{path}: {words(error)}; {MEND}.") from error


def damaged(path: PathLike, reason: str | Exception, mend: str) -> LeavenError:
    """The sentence about a file that is not what it should be; of an exception the first line says why."""
    line = next(iter(str(reason).strip().splitlines()), "") or type(reason).__name__
    return LeavenError(f"{path} is damaged ({line.rstrip('.:; ')}); {mend}.")


def words(error: ValidationError) -> str:
    """What pydantic trips over first, and where: ``plan.steps: input should be a valid integer``."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    place = "".join(steps).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if first["type"] != "value_error" else message
    return f"{place}: {message}" if place else message


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
