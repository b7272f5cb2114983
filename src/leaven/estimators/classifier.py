"""`LeavenClassifier`: every method of leaven as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from leaven.data import Pool
from leaven.data.unlabelled import as_text
from leaven.errors import LeavenError
from leaven.estimators.items import validate_items
from leaven.estimators.one_fit import one_fit_at_a_time
from leaven.estimators.parameters import NESTED, options_of
from leaven.estimators.targets import classes_of, domains, labelled
from leaven.methods.base import Method
from leaven.run.fit import fit
from leaven.study.auto import AUTO, fit_auto

if TYPE_CHECKING:
    from sklearn.utils import Tags


class LeavenClassifier(ClassifierMixin, BaseEstimator):
    """Learn a classifier from few labels and many unlabelled rows.

    ``y == -1`` marks unlabelled rows, as in ``sklearn.semi_supervised``; so does all else that
    ``leaven.data.unlabelled`` lists, as for every reader: None, NaN, pandas' NA, "unlabelled", ... Features
    are standardised inside the network, so no scaler is needed. The command line trains through the same code.

    Parameters
    ----------
    method : str or subclass of ``leaven.Method``, default="fixmatch"
        How to learn, see ``leaven methods``. ``"auto"``: what cross-validation over the labels speaks for, see
        ``leaven.study.auto``; it fits closed forms first, and trains the better candidates up to five times.
    hyperparameters : dict, default=None
        Those of the method that differ from its defaults. A search reaches each as
        ``hyperparameters__threshold``.
    network : str, default="auto"
        ``auto``: a perceptron of two layers for features, a small CNN for images up to 32 pixels, a frozen
        pretrained encoder for larger ones. Or ``linear``, ``mlp``, ``cnn``, ``wrn-28-2``, a timm model.
    pretrained, frozen : bool, default=None
        Of a timm network, see ``leaven.run.options.Options``.
    resolution : int, default=None
        Of a timm network, see ``leaven.run.options.Options``.
    init : path-like, default=None
        Where the backbone starts: the folder of a run, or ``"moco"`` or ``"rotation"``, which then learns from all
        rows first.
    teacher : path-like, default=None
        The network beside a method that learns from one (``"distillation"``), frozen: the folder of a run, or a method
        that is trained first.
    steps : int, default=500
        Optimiser steps: enough for tables; images are worth a few thousand.
    minutes : float, default=None
        How long to train, in place of ``steps``: as many steps as were measured to fit on this machine (and kept in the
        cache, so that the same fit makes the same model). With ``method="auto"`` all trainings share them.
    batch_size : int, default=32
        Labelled rows a step; they are drawn again where there are fewer. A method draws several times as many
        unlabelled ones.
    lr : float, default=None
        Learning rate at its height; None: the method's own.
    plan : dict, default=None
        Other fields of ``leaven.train.plan.Plan``: ``optimizer``, ``weight_decay``, ``accelerator``, ... A search
        reaches each as ``plan__weight_decay``.
    flip : bool, default=None
        Whether a mirrored image is of the same class; None: unless all classes are numbers or single letters, as those
        of written signs are: so give True where numbers stand for kinds of things.
    augment : str, default=None
        How strong views of images are drawn, ``"randaugment"`` or ``"ctaugment"``; None: as the method has it.
    unlabelled : object, default=-1
        The value of ``y`` that marks unlabelled rows; -1 stands for the whole list. With another value, or None, -1 and
        words such as "None" can be classes, and beside that value only None, NaN, NA and empty text are unlabelled.
    random_state : int, RandomState instance or None, default=None
        An int gives the same model each time on one machine, and is the ``--seed`` of the command line.
    verbose : bool, default=False
        Show a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes; the marker of unlabelled rows is not among them.
    model_ : leaven.run.trained.model.Model
        The trained network; ``model_.save(path)`` writes it for ``leaven.load``.
    evidence_ : leaven.study.evidence.Evidence
        With ``method="auto"``: what was tried, what was chosen, and why.
    n_features_in_ : int
        Columns of ``X``; for images the numbers in one.
    feature_names_in_ : ndarray of str
        Columns' names, where ``X`` was a table with names.
    image_shape_ : (int, int, int) or None
        Height, width and channels of images; None for features.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_moons
    >>> from leaven import LeavenClassifier
    >>> X, truth = make_moons(200, noise=0.1, random_state=0)
    >>> y = np.full(200, -1)
    >>> y[:10] = truth[:10]
    >>> LeavenClassifier(steps=100, random_state=0).fit(X, y).predict(X).shape
    (200,)
    """

    image_shape_: tuple[int, ...] | None

    def __init__(
        self,
        method: str | type[Method] = "fixmatch",
        *,
        hyperparameters: dict[str, Any] | None = None,
        network: str = "auto",
        pretrained: bool | None = None,
        frozen: bool | None = None,
        resolution: int | None = None,
        init: str | Path | None = None,
        teacher: str | Path | None = None,
        steps: int = 500,
        minutes: float | None = None,
        batch_size: int = 32,
        lr: float | None = None,
        plan: dict[str, Any] | None = None,
        flip: bool | None = None,
        augment: str | None = None,
        unlabelled: Any = -1,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ):
        self.method = method
        self.hyperparameters = hyperparameters
        self.network = network
        self.pretrained = pretrained
        self.frozen = frozen
        self.resolution = resolution
        self.init = init
        self.teacher = teacher
        self.steps = steps
        self.minutes = minutes
        self.batch_size = batch_size
        self.lr = lr
        self.plan = plan
        self.flip = flip
        self.augment = augment
        self.unlabelled = unlabelled
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_domain: Any = None) -> LeavenClassifier:
        """Train on labelled and unlabelled rows.

        Parameters
        ----------
        X : array-like
            Features ``(N, D)``; or images ``(N, H, W)``, ``(N, H, W, C)`` with C = 1 or 3, uint8 or floats in
            0..1.
        y : array-like of shape (N,)
            Numbers or text, -1 where unlabelled. Predictions are of the same type.
        sample_domain : array-like of int, shape (N,), default=None
            Positive for rows of the source, negative for the target, as skada has it. The labels of target rows
            may all be -1.

        Returns
        -------
        LeavenClassifier
            This estimator, fitted.

        Raises
        ------
        LeavenError
            An unknown method, hyper-parameter or network, labels of fewer than two classes, a value out of range, or a
            loss that became NaN. It is a ``ValueError``.
        KeyboardInterrupt
            Ctrl-C; as after every error, the estimator is what it was before.
        """
        before = dict(vars(self))
        try:
            return self._fit(X, y, sample_domain)
        except BaseException:  # also Ctrl-C: the estimator is what it was, and not half another one
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _fit(self, X: Any, y: Any, sample_domain: Any) -> LeavenClassifier:
        items = validate_items(self, X, reset=True)
        options = options_of(self, images=self.image_shape_ is not None)
        y, has_label = labelled(y, self.unlabelled)
        check_consistent_length(items, y)
        self.classes_, numbers = classes_of(y[has_label], self.unlabelled)
        labels = np.full(len(y), -1, dtype=np.int64)
        labels[has_label] = numbers
        domain = domains(sample_domain, len(y))
        pool = Pool(items, labels, domain=domain, classes=tuple(map(as_text, self.classes_.tolist())))  # type: ignore[arg-type]
        with one_fit_at_a_time(threads=1 if self.image_shape_ is None else None):
            if self.method == AUTO:
                fitted, self.evidence_ = fit_auto(pool, None, options, progress=bool(self.verbose))
            else:
                fitted = fit(pool, None, options, progress=bool(self.verbose))
            self.model_ = fitted[-1].model
        if self.image_shape_ is None:
            # In double precision a row's probabilities don't depend, to seven digits, on the rows beside it.
            self.model_.network.double()
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row, of shape ``(N,)``."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, float64 ``(N, K)``, in the order of ``classes_``."""
        check_is_fitted(self)
        probabilities = self.model_.predict_proba(validate_items(self, X, reset=False)).astype(np.float64)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labelled rows; the unlabelled ones don't count, so a grid search may hold some out.

        Raises
        ------
        LeavenError
            No row is labelled.
        """
        predicted = self.predict(X)
        y, has_label = labelled(y, self.unlabelled)
        check_consistent_length(predicted, y, sample_weight)
        if not has_label.any():
            raise LeavenError("No row of y is labelled, so there is nothing to score; hold labelled rows out.")
        targets = y[has_label]
        if targets.dtype == object and self.classes_.dtype != object:
            targets = np.asarray(targets.tolist())
        weight = None if sample_weight is None else np.asarray(sample_weight)[has_label]
        return float(accuracy_score(targets, predicted[has_label], sample_weight=weight))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters; with ``deep``, entries of ``hyperparameters`` and ``plan`` too, as ``plan__clip``."""
        params = super().get_params(deep=deep)
        for name in NESTED if deep else ():
            if isinstance(params[name], Mapping):
                params |= {f"{name}__{key}": value for key, value in params[name].items()}
        return params

    def set_params(self, **params: Any) -> LeavenClassifier:
        """Set parameters; ``hyperparameters__threshold=0.8`` sets one entry of that dictionary."""
        entries = {key: params.pop(key) for key in list(params) if key.partition("__")[0] in NESTED and "__" in key}
        super().set_params(**params)
        for key, value in entries.items():
            name, _, entry = key.partition("__")
            setattr(self, name, {**(getattr(self, name) or {}), entry: value})
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
