"""A run: the model and the method that it ended with, and what one asks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.labels.inputs import marker, read_like
from leaven.methods.base import Method, RunInfo
from leaven.methods.registry import find_class, resolve
from leaven.nn.build import Spec, build
from leaven.run import folder
from leaven.run.trained.model import Model, load_model, require_size
from leaven.train import checkpoint
from leaven.utils.reading import PathLike


class Run:
    """What a training ended with.

    Parameters
    ----------
    model : Model
        The averaged network with its classes and the form of its input.
    path : path-like, optional
        The run folder; ``None`` where nothing was written.
    config : mapping, optional
        Its ``config.json``.
    method : Method, optional
        The trained method, where it is at hand already.
    figures : sequence of dict, optional
        The rows of its ``result.json``.
    """

    def __init__(
        self,
        model: Model,
        path: PathLike | None = None,
        config: Mapping[str, Any] | None = None,
        method: Method | None = None,
        figures: Sequence[Mapping[str, Any]] = (),
    ):
        self.model, self.path, self.config = model, None if path is None else Path(path), config or {}
        self.figures = list(figures)
        if method is not None:
            self.method = method

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that the model tells apart; none where it is a backbone, or solves tasks."""
        return self.model.classes

    @cached_property
    def method(self) -> Method:
        """The method with all that it learnt: averages of what was trained, its queues and banks as they were.

        Raises
        ------
        LeavenError
            As `load_method` raises it.
        """
        if self.path is None:
            raise LeavenError("A model file alone has no method; give the folder of its run.")
        return load_method(self.path)

    def predict(self, data: PathLike | Pool | np.ndarray) -> np.ndarray:
        """Names of classes, str ``(N,)``, of items in the order of the pool.

        Parameters
        ----------
        data : path-like, Pool or array
            A folder, an image or an ``.npz``; or items as a ``Pool`` holds them.

        Raises
        ------
        LeavenError
            The run learnt no classes, or the items are of another form.
        """
        self.model.require_classes(self.path or "in memory")
        return np.asarray(self.classes)[self.predict_proba(data).argmax(1)]

    def predict_proba(self, data: PathLike | Pool | np.ndarray) -> np.ndarray:
        """Class probabilities, float32 ``(N, K)``; parameters as for `predict`."""
        items = data if isinstance(data, np.ndarray) else self._pool(data).items
        return self.model.predict_proba(items)

    def evaluate(self, data: PathLike | Pool, labels: PathLike | None = None) -> Any:
        """Predictions beside labels: an ``Evaluation``, or a ``DenseEvaluation`` of masks.

        Parameters
        ----------
        data : path-like or Pool
            A folder with a subfolder for each class, or with ``labels``.
        labels : path-like, optional
            A CSV, or a label store.
        """
        self.model.require_classes(self.path or "in memory")
        return self.model.evaluate(self._pool(data, labels, self.classes))

    def _pool(
        self, data: PathLike | Pool, labels: PathLike | None = None, classes: Sequence[str] | None = None
    ) -> Pool:
        if isinstance(data, Pool):
            return data
        use: Any = "training" if classes is None else "all"
        return read_like(
            data,
            self.model.spec.shape,
            classes,
            labels=None if labels is None else Path(labels),
            use=use,
            unlabelled=marker(None, self.config),
            white=self.model.white,
        )


def load(path: PathLike) -> Run:
    """A run, out of its folder; or out of a ``model.safetensors``, which has no method. No code in it is ever run.

    Raises
    ------
    LeavenError
        There is no model, or a file is damaged.
    """
    model, file = load_model(path), Path(path)
    if not file.is_dir():
        return Run(model)
    return Run(model, file, folder.read_config(file), figures=folder.read_rows(file))


def load_method(run: PathLike) -> Method:
    """The method of a finished run, with all that it learnt, in evaluation; its network is `load_model`'s.

    No code in the folder is ever run: a method of one's own must be known to this process, see
    `leaven.methods.registry.find_class`.

    Raises
    ------
    LeavenError
        There is no run, it has no readable checkpoint, its backbone is frozen, or its method is not known or has
        changed.
    """
    config = folder.read_config(run)
    path = Path(run) / folder.CHECKPOINT
    kind, spec = find_class(config["method"]), Spec.from_dict(config["network"])
    if spec.frozen:
        raise LeavenError(f"The run {run} trained a head over a frozen backbone, so its method takes no images.")
    state = checkpoint.load_state(path) if path.exists() else None
    try:
        if state is not None:
            require_size(spec, state.ema)
        network = build(spec, load=False) if state is not None else load_model(run).network
        method = kind(network, **resolve(kind, config["hyperparameters"]))  # type: ignore[arg-type]
        plan, data = config["plan"], config["data"]
        method.setup(
            RunInfo(plan["steps"], plan["batch_size"], len(config["classes"]), data["items"], tuple(data["shape"]))
        )
        if state is not None:
            method.load_state_dict(state.method | state.beside)
            method.network.load_state_dict(state.ema)
        elif any(not name.startswith("network.") for name in method.state_dict()):
            raise LeavenError(f"The run {run} has no {folder.CHECKPOINT}, so its method cannot go on; train it again.")
    except LeavenError:
        raise
    except Exception as error:  # what was trained otherwise fits in none of the ways that weights and numbers can
        raise LeavenError(
            f"The checkpoint of the run {run} does not fit its {folder.CONFIG}, or is of another version of leaven; "
            "train it again."
        ) from error
    return method.eval()
