"""Finding methods by name: a file in ``leaven/methods/*/`` is a method, its name is the file's.

One of elsewhere is ``module:Class``. It is imported where a person names it, and never because a file does.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args

from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.methods.base import Method

_ROOT = Path(__file__).parent
_REGISTERED: dict[str, type[Method]] = {}  # those of elsewhere, by ``module:Class``


def names() -> list[str]:
    """All method names, found without importing any."""
    return sorted(f.stem for f in _ROOT.glob("*/*.py") if not f.stem.startswith("_"))


def get(name: str) -> type[Method]:
    """The class of a method, by the name that a person gave: leaven's, one that is registered, or ``module:Class``.

    Raises
    ------
    LeavenError
        There is no such method; the nearest names are in the message.
    """
    if ":" in name:
        return _REGISTERED.get(name) or register(_imported(name))
    for registered in _REGISTERED.values():
        if registered.__name__ == name:
            return registered
    return _ours(name)


def find_class(name: str) -> type[Method]:
    """The class of a method, by the name that stands in a file, as `name_of` has it. Nothing of elsewhere is imported.

    Raises
    ------
    LeavenError
        There is no such method, or it is one of elsewhere and not registered in this process.
    """
    if ":" not in name:
        return _ours(name)
    if name not in _REGISTERED:
        raise LeavenError(
            f"The method {name} is not one of leaven's, and no file makes leaven import it; name it yourself: "
            f"--method {name}, or leaven.register it."
        )
    return _REGISTERED[name]


def register(method: type[Method]) -> type[Method]:
    """Let a method of one's own be found by its name in this process; a decorator of its class."""
    _REGISTERED[name_of(method)] = method
    return method


def _imported(name: str) -> type[Method]:
    from leaven.methods.base import Method

    module, _, attribute = name.partition(":")
    try:
        imported = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise LeavenError(
            f"The method {name!r} cannot be imported ({error}); expected module:Class, and the module where Python "
            "finds it (PYTHONPATH)."
        ) from error
    if not (inspect.isclass(imported) and issubclass(imported, Method)):
        raise LeavenError(f"{name} is not a method, which is a subclass of leaven.Method; name one.")
    return imported


def module_of(name: str) -> str:
    """The module of a method of leaven's, by its name however it is spelt.

    Raises
    ------
    LeavenError
        There is no such method; the nearest names are in the message.
    """
    key = name.lower().replace("-", "_")
    plain = {n.replace("_", ""): n for n in names()}
    key = plain.get(key.replace("_", ""), key)
    if key not in names():
        raise LeavenError(f"There is no method {name!r}; {_nearest(key, names())}.")
    path = next(_ROOT.glob(f"*/{key}.py"))
    return f"leaven.methods.{path.parent.name}.{key}"


def _ours(name: str) -> type[Method]:
    where = module_of(name)
    from leaven.methods.base import Method

    module = importlib.import_module(where)
    return next(
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, Method) and c.__module__ == module.__name__
    )


def resolve(method: type[Method], given: dict[str, Any]) -> dict[str, Any]:
    """All hyper-parameters of ``method``: the given ones, checked and converted, and the defaults.

    Values may be strings (from a command line or a table).

    Raises
    ------
    LeavenError
        A name is unknown (the nearest is suggested), or a value is of another type or out of its range.
    """
    from leaven.methods.ranges import within, words

    declared = method.hyperparameters()
    resolved = {name: h.default for name, h in declared.items()}
    for name, value in given.items():
        key = name.replace("-", "_")
        if key not in declared:
            raise LeavenError(f"{method.__name__} has no hyper-parameter {name!r}; {_nearest(key, list(declared))}.")
        resolved[key] = _convert(value, declared[key].type, f"{method.__name__}'s hyper-parameter {name!r}")
        if not within(resolved[key], declared[key].range):
            raise LeavenError(
                f"{method.__name__}'s hyper-parameter {name!r} was given {value!r}, but "
                f"{words(declared[key].range) or 'a finite number'} was expected."
            )
    return resolved


def defaults_in(doc: str | None) -> str:
    """Whose a method's defaults are (the paper's, its authors' code's, ours), as its docstring says it, on one line."""
    paragraphs = inspect.cleandoc(doc or "").split("\n\n")
    return " ".join(next((p for p in paragraphs if p.startswith("Defaults: ")), "").split())


def _nearest(name: str, choices: list[str]) -> str:
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(choices) or 'none'}"


def _convert(value: Any, kind: Any, what: str) -> Any:
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if type(None) in kinds and str(value).lower() in ("none", ""):
        return None
    for k in kinds:
        if k is bool and str(value).lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return str(value).lower() in ("true", "1", "yes", "on")
        if k is int and isinstance(value, float) and not value.is_integer():
            continue
        if k in (int, float, str):
            try:
                return k(value)
            except (TypeError, ValueError):
                continue
    expected = " or ".join(getattr(k, "__name__", str(k)) for k in kinds)
    raise LeavenError(f"{what} was given {value!r}, but a value of type {expected} was expected.")


def name_of(method: type[Method]) -> str:
    """The name of a method class: its file's, or ``module:Class`` of one from elsewhere."""
    package, _, module = method.__module__.rpartition(".")
    return module if package.startswith("leaven.methods.") else f"{method.__module__}:{method.__qualname__}"
