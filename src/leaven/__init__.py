"""leaven: a few labels raise the whole batch.

The names below are imported on first use: ``import leaven`` itself costs nothing. Not even ``__future__`` is, for
``python -m leaven`` would look for it in the current folder, see ``leaven.utils.look_up``.
"""

import importlib

TYPE_CHECKING = False  # typing's own costs more to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from leaven.data import Pool
    from leaven.estimators import LeavenClassifier
    from leaven.methods.base import Method
    from leaven.run.model import load_model as load

__version__ = "0.1.0"

_HOME = {
    "LeavenClassifier": ("leaven.estimators.classifier", "LeavenClassifier"),
    "Method": ("leaven.methods.base", "Method"),
    "Pool": ("leaven.data.pool", "Pool"),
    "load": ("leaven.run.model", "load_model"),
}

__all__ = ["LeavenClassifier", "Method", "Pool", "__version__", "load"]


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
