"""The parameters of an estimator as the options of a run."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from sklearn.utils import check_random_state

from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import get
from leaven.run.options import Options
from leaven.study.auto import AUTO

if TYPE_CHECKING:
    from leaven.estimators.classifier import LeavenClassifier

NESTED = ("hyperparameters", "plan")  # dictionaries, whose entries a search reaches as parameters of their own


def options_of(estimator: LeavenClassifier, images: bool) -> Options:
    """The estimator's parameters as the command line would have them.

    A small perceptron, which features have without ``images``, is fastest in float32 on the CPU.

    Raises
    ------
    LeavenError
        A parameter is of another type, or the method is none that learns classes.
    """
    for name, kind in (("steps", Integral), ("batch_size", Integral), ("lr", Real), ("minutes", Real)):
        value = getattr(estimator, name)
        if (value is not None or kind is Integral) and (not isinstance(value, kind) or isinstance(value, bool)):
            raise LeavenError(f"{name} is {value!r}, expected {'an integer' if kind is Integral else 'a number'}.")
    for name in NESTED:
        if not isinstance(getattr(estimator, name), Mapping | None):
            raise LeavenError(f"{name} is {getattr(estimator, name)!r}, expected a dictionary or None.")
    method = estimator.method
    if not isinstance(method, str | None) and not (isinstance(method, type) and issubclass(method, Method)):
        raise LeavenError(f"method is {method!r}, expected a name or a subclass of leaven.Method.")
    chosen = method if isinstance(method, type) else None if method in (None, AUTO) else get(method)
    if chosen is not None and not chosen.tells_classes():
        raise LeavenError(
            f"The method {method!r} learns {chosen.learns()}, not to tell the classes of y; give it as init, or "
            "train it with `leaven fit`."
        )
    plan: dict[str, Any] = {
        **({"steps": int(estimator.steps)} if estimator.minutes is None else {}),
        "batch_size": int(estimator.batch_size),
        "lr": estimator.lr if estimator.lr is None else float(estimator.lr),
        "seed": _seed(estimator.random_state),
        **({} if images else {"precision": "32-true", "accelerator": "cpu"}),
    }
    return Options(
        method=None if method == AUTO else method,
        hyperparameters=dict(estimator.hyperparameters or {}),
        network=estimator.network,
        pretrained=estimator.pretrained,
        frozen=estimator.frozen,
        resolution=estimator.resolution,
        init=estimator.init,
        teacher=estimator.teacher,
        plan={**plan, **(estimator.plan or {})},
        flip=estimator.flip,
        augment=estimator.augment,
        validation=0.0,
        baseline=False,
        minutes=None if estimator.minutes is None else float(estimator.minutes),
    )


def _seed(random_state: Any) -> int:
    generator = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, Integral) else int(generator.randint(2**31 - 1))
