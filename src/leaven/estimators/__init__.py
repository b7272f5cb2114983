"""The scikit-learn door: ``LeavenClassifier``.

It is imported on first use, so that ``import leaven`` costs no PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import LeavenClassifier

__all__ = ["LeavenClassifier"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .classifier import LeavenClassifier

    return LeavenClassifier


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
