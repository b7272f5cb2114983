"""The model of a run that tells classes, where it knows them itself and where it is shown labelled items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.errors import LeavenError
from leaven.methods.tasks import EPISODES


def telling(
    run: Path, model: Any, config: dict[str, Any], support: Path | None, strict: bool
) -> tuple[Any, dict[str, int]]:
    """The model that tells classes: the run's own, or what it makes of labelled items; and of how many.

    A run that learnt to solve tasks goes by the labels of its own pool where no others are given.
    """
    from leaven.cli.inputs import read_pool
    from leaven.data.readers.white import UNKNOWN
    from leaven.labels.inputs import marker, read_like
    from leaven.run.trained.support import solved

    if model.classes:
        if support is not None:
            raise LeavenError(
                f"The run {run} knows its own classes, so --support has nothing to tell it; leave that out, or start "
                f"from it: leaven fit {support} --init {run} --method nearest."
            )
        return model, {}
    if support is not None:
        form: dict[str, Any] = {"unlabelled": marker(None, config), "white": model.white}
        support_pool = read_like(support, model.spec.shape, strict=strict, own_classes=True, **form)
    elif config["task"] == EPISODES and config.get("inputs"):
        white = {} if model.white == UNKNOWN else {"white": model.white}  # an .npz, which is as it is, has none
        support_pool = read_pool(config["inputs"] | white)
    else:
        model.require_classes(run)
    return solved(run, model, support_pool), {"labels": int((support_pool.labels >= 0).sum())}
