"""What a step took on this machine, kept in the cache: measured once, so that the same command makes the same run."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from contextlib import suppress
from pathlib import Path

import torch

import leaven
from leaven.data.storage import cache_folder
from leaven.errors import LeavenError
from leaven.train.job import TrainJob
from leaven.train.plan import Plan
from leaven.utils.files import replacing
from leaven.utils.reading import read_json

FOLDER = "paces"
OF_A_STEP = ("batch_size", "optimizer", "clip", "clip_value", "norm", "precision", "accelerator")


def measured(job: TrainJob, plan: Plan) -> float | None:
    """Seconds of such a step, where they were measured before; ``plan`` is of one process."""
    try:
        seconds = read_json(_place(job, plan), float, "remove it")
    except (LeavenError, OSError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def keep(job: TrainJob, plan: Plan, seconds: float) -> None:
    """Keep them for the next time; where that cannot be written it is measured again."""
    place = _place(job, plan)
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place, shared=True) as part:
            part.write_text(json.dumps(seconds))


def _place(job: TrainJob, plan: Plan) -> Path:
    """Named after all that decides how long a step takes."""
    method = job.method
    step = {
        "network": repr(method),
        "streams": repr(method.streams),
        "items": [str(job.pool.items.dtype), *job.pool.items.shape[1:], job.pool.num_classes],
        "views": [type(job.views).__name__, *(f"{name} {_worded(value)}" for name, value in vars(job.views).items())],
        "plan": {name: getattr(plan, name) for name in OF_A_STEP},
        "leaven": leaven.__version__,
        "machine": [platform.machine(), _processor(), os.cpu_count(), torch.get_num_threads(), torch.__version__],
    }
    digest = hashlib.blake2b(json.dumps(step, sort_keys=True).encode(), digest_size=12).hexdigest()
    return cache_folder() / FOLDER / f"{digest}.json"


def _worded(setting: object) -> str:
    plain = setting is None or isinstance(setting, bool | int | float | str)
    return repr(setting) if plain else type(setting).__name__


def _processor() -> str:
    """The name of the accelerator, or of the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
