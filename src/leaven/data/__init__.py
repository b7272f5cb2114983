"""The data room: `Pool`, its readers, the decoding cache, few-label splits, the embedded data.

Names are imported on first use, so that ``import leaven.data`` costs no more than NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.errors import LeavenWarning

    from .cache import clear_cache
    from .checks import match_classes, require_trainable
    from .embedded.digits import digits, rendered_digits
    from .embedded.streets import streets
    from .join import adaptation
    from .pool import Pool
    from .readers.any import read
    from .readers.arrays import read_arrays
    from .readers.few_shot import few_shot
    from .readers.files import read_files
    from .readers.folder import read_folder
    from .readers.huggingface import read_huggingface
    from .readers.masks import read_masks
    from .readers.npz import read_npz
    from .readers.omniglot import omniglot
    from .readers.torchvision import read_torchvision
    from .readers.white import White
    from .splits import few_labels, hold_out, hold_out_classes

_HOME = {
    "LeavenWarning": ".errors",
    "Pool": "pool",
    "White": "readers.white",
    "adaptation": "join",
    "clear_cache": "cache",
    "digits": "embedded.digits",
    "few_labels": "splits",
    "few_shot": "readers.few_shot",
    "hold_out": "splits",
    "hold_out_classes": "splits",
    "match_classes": "checks",
    "omniglot": "readers.omniglot",
    "read": "readers.any",
    "read_arrays": "readers.arrays",
    "read_files": "readers.files",
    "read_folder": "readers.folder",
    "read_huggingface": "readers.huggingface",
    "read_masks": "readers.masks",
    "read_npz": "readers.npz",
    "read_torchvision": "readers.torchvision",
    "rendered_digits": "embedded.digits",
    "require_trainable": "checks",
    "streets": "embedded.streets",
}

__all__ = [
    "LeavenWarning",
    "Pool",
    "White",
    "adaptation",
    "clear_cache",
    "digits",
    "few_labels",
    "few_shot",
    "hold_out",
    "hold_out_classes",
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
