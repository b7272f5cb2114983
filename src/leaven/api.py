"""The Python door: what one types from memory, as ``leaven.fit`` and ``leaven.evaluation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.data import Pool
from leaven.methods.base import Method
from leaven.methods.registry import get
from leaven.run import folder
from leaven.run.fit import fit as fit_pool
from leaven.run.fit import rows_of
from leaven.run.options import options_from
from leaven.run.trained.run import Run, load
from leaven.utils.reading import PathLike


def fit(
    pool: Pool,
    method: str | type[Method] | None = None,
    *,
    out: PathLike | None = None,
    test: Pool | None = None,
    baseline: bool = False,
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
    **given: Any,
) -> Run:
    """Train a method on labelled and unlabelled items.

    Parameters
    ----------
    pool : Pool
        Items of one domain, or of a source and a target (`leaven.data.adaptation`).
    method : str or class, optional
        A name of ``leaven.methods.list()``, ``module:Class``, or a subclass of `leaven.Method`; by default AdaMatch
        where there is a source, else FixMatch.
    out : path-like, optional
        Run folder to write; nothing is written without.
    test : Pool, optional
        Labelled items to report on; they choose nothing.
    baseline : bool, optional
        Train the supervised baseline after it.
    overwrite, resume : bool, optional
        Start anew where a run is, or go on with it.
    progress : bool, optional
        Show a bar.
    **given
        Fields of `leaven.Options` and `leaven.Plan` (``network="wrn-28-2"``, ``minutes=5``, ``steps=500``, ...) and
        hyper-parameters of the method (``threshold=0.9``), by name.

    Returns
    -------
    Run
        With ``.model``, ``.method``, ``.classes``, ``.figures``, ``.predict`` and ``.evaluate``.

    Raises
    ------
    LeavenError
        A name is unknown, a value is out of range, labels do not suffice, or the folder cannot be written.
    """
    kind = get(method) if isinstance(method, str) else method
    options = options_from(kind, given, baseline=baseline)
    fitted = fit_pool(pool, out, options, test=test, overwrite=overwrite, resume=resume, progress=progress)
    if out is not None and (Path(out) / folder.MODEL).exists():  # another process may write it
        run = load(out)
    else:
        run = Run(fitted[-1].model, figures=rows_of(fitted))
    if fitted[-1].trained is not None:
        run.method = fitted[-1].trained
    return run


def evaluate(run: Run | PathLike, data: Pool | PathLike, labels: PathLike | None = None) -> Any:
    """How good a run is on labelled items: an ``Evaluation``, or a ``DenseEvaluation`` of masks; see `Run.evaluate`."""
    return (run if isinstance(run, Run) else load(run)).evaluate(data, labels)
