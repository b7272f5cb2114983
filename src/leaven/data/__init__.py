"""The data room: `Pool`, its readers, the decoding cache, few-label splits, the embedded data.

Names are imported on first use, so that ``import leaven.data`` costs no more than NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import read_arrays, read_npz
    from .cache import LeavenWarning, clear_cache
    from .characters import omniglot
    from .checks import match_classes, require_trainable
    from .embedded_digits import digits, rendered_digits
    from .embedded_streets import streets
    from .files import read_files
    from .folder import read_folder
    from .hub import read_huggingface
    from .join import adaptation
    from .masks import read_masks
    from .pool import Pool
    from .read_any import read
    from .splits import few_labels, hold_out
    from .vision import read_torchvision
    from .white import White

_HOME = {
    "LeavenWarning": "cache",
    "Pool": "pool",
    "White": "white",
    "adaptation": "join",
    "clear_cache": "cache",
    "digits": "embedded_digits",
    "few_labels": "splits",
    "hold_out": "splits",
    "match_classes": "checks",
    "omniglot": "characters",
    "read": "read_any",
    "read_arrays": "arrays",
    "read_files": "files",
    "read_folder": "folder",
    "read_huggingface": "hub",
    "read_masks": "masks",
    "read_npz": "arrays",
    "read_torchvision": "vision",
    "rendered_digits": "embedded_digits",
    "require_trainable": "checks",
    "streets": "embedded_streets",
}

__all__ = [
    "LeavenWarning",
    "Pool",
    "White",
    "adaptation",
    "clear_cache",
    "digits",
    "few_labels",
    "hold_out",
    "match_classes",
    "omniglot",
    "read",
    "read_arrays",
    "read_files",
    "read_folder",
    "read_huggingface",
    "read_masks",
    "read_npz",
    "read_torchvision",
    "rendered_digits",
    "require_trainable",
    "streets",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # a submodule of the same name (digits, read) must not shadow its function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
