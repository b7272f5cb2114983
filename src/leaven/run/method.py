"""The trained method of a run: its network and whatever else it learnt."""

from __future__ import annotations

from pathlib import Path

from leaven.errors import LeavenError
from leaven.methods.base import Method, RunInfo
from leaven.methods.registry import get, resolve
from leaven.nn.build import Spec, build
from leaven.run import folder
from leaven.run.model import require_size
from leaven.train import checkpoint
from leaven.utils.reading import PathLike


def load_method(run: PathLike) -> Method:
    """The method of a finished run, with the averaged network that ``model.safetensors`` holds too; in evaluation.

    No code in the folder is ever run.

    Raises
    ------
    LeavenError : there is no run, it has no readable checkpoint, its backbone is frozen, or its method is not one of
        leaven's or has changed
    """
    config = folder.read_config(run)
    path = Path(run) / folder.CHECKPOINT
    if not path.exists():
        raise LeavenError(f"The run {run} has no {folder.CHECKPOINT}, so its method cannot go on; train it again.")
    kind, spec = get(config["method"]), Spec.from_dict(config["network"])
    if spec.frozen:
        raise LeavenError(f"The run {run} trained a head over a frozen backbone, so its method takes no images.")
    state = checkpoint.load_state(path)
    try:
        require_size(spec, state.ema)
        method = kind(build(spec, load=False), **resolve(kind, config["hyperparameters"]))
        plan, data = config["plan"], config["data"]
        method.setup(
            RunInfo(plan["steps"], plan["batch_size"], len(config["classes"]), data["items"], tuple(data["shape"]))
        )
        method.load_state_dict(state.method)
        method.network.load_state_dict(state.ema)
    except LeavenError:
        raise
    except Exception as error:  # what was trained otherwise fits in none of the ways that weights and numbers can
        raise LeavenError(
            f"The checkpoint of the run {run} does not fit its {folder.CONFIG}, or is of another version of leaven; "
            "train it again."
        ) from error
    return method.eval()
