"""leaven: a few labels raise the whole batch.

The names below are imported on first use: ``import leaven`` itself costs nothing. Not even ``__future__`` is, for
``python -m leaven`` would look for it in the current folder, see ``leaven.utils.look_up``.
"""

import importlib

TYPE_CHECKING = False  # typing's own costs more to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from leaven import augment, data, methods, query
    from leaven.api import evaluate, fit
    from leaven.data import Pool
    from leaven.errors import LeavenError
    from leaven.estimators import LeavenClassifier
    from leaven.labels.inputs import read_data as read
    from leaven.methods import losses
    from leaven.methods.base import Batch, Episode, Method, ParamGroup, Phase, Stream
    from leaven.methods.registry import register
    from leaven.methods.stage import Stage
    from leaven.run.options import Options
    from leaven.run.trained.run import Run, load
    from leaven.train.plan import Plan

__version__ = "0.1.0"

_HOME = {
    "Batch": "leaven.methods.base",
    "Episode": "leaven.methods.base",
    "LeavenClassifier": "leaven.estimators.classifier",
    "LeavenError": "leaven.errors",
    "Method": "leaven.methods.base",
    "Options": "leaven.run.options",
    "ParamGroup": "leaven.methods.base",
    "Phase": "leaven.methods.base",
    "Plan": "leaven.train.plan",
    "Pool": "leaven.data.pool",
    "Run": "leaven.run.trained.run",
    "Stage": "leaven.methods.stage",
    "Stream": "leaven.methods.base",
    "augment": "",
    "data": "",
    "evaluate": "leaven.api",
    "fit": "leaven.api",
    "load": "leaven.run.trained.run",
    "losses": "leaven.methods",
    "methods": "",
    "query": "",
    "read": "leaven.labels.inputs:read_data",
    "register": "leaven.methods.registry",
}

__all__ = [
    "Batch",
    "Episode",
    "LeavenClassifier",
    "LeavenError",
    "Method",
    "Options",
    "ParamGroup",
    "Phase",
    "Plan",
    "Pool",
    "Run",
    "Stage",
    "Stream",
    "__version__",
    "augment",
    "data",
    "evaluate",
    "fit",
    "load",
    "losses",
    "methods",
    "query",
    "read",
    "register",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOME[name].partition(":")
    if not module:
        return importlib.import_module(f"{__name__}.{name}")
    home = importlib.import_module(module)
    attribute = attribute or name
    value = getattr(home, attribute) if hasattr(home, attribute) else importlib.import_module(f"{module}.{attribute}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
