"""What a suite asks of a training: its plan, its network, its time."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from leaven.errors import LeavenError
from leaven.study.bench.toml import Reader
from leaven.train.plan import require_minutes

NETWORK = {"name": str, "pretrained": bool, "frozen": bool, "resolution": int}
OWN = ("seed", "probes")  # fields of a plan that the suite tells in another place


def minutes_of(path: Path, where: str, table: Reader) -> float | None:
    """How long a training may take, where that is said."""
    if "minutes" not in table.table:
        return None
    minutes = float(table.get("minutes", float))
    try:
        require_minutes(minutes)
    except LeavenError as error:
        raise LeavenError(f"{path}: {where}: {error}") from error
    return minutes


def network_of(path: Path, where: str, table: Reader) -> dict[str, Any]:
    """What is asked of a network."""
    network = Reader(path, where, table.get("network", dict, {}), tuple(NETWORK))
    return {key: network.get(key, NETWORK[key]) for key in network.table}


def plan_of(path: Path, where: str, table: Reader) -> dict[str, Any]:
    """Fields of a plan; their names and types are those of ``Plan``, their ranges it checks itself."""
    from leaven.train.plan import Plan

    kinds = {name: _kind(hint) for name, hint in get_type_hints(Plan).items()}
    reader = Reader(path, where, table.get("plan", dict, {}), tuple(f.name for f in fields(Plan) if f.name not in OWN))
    plan = {key: reader.get(key, kinds[key]) for key in reader.table}
    try:
        Plan().with_(**plan)
    except LeavenError as error:
        raise LeavenError(f"{path}: {where}: {error}") from error
    return plan


def _kind(hint: Any) -> type:
    """The type of a field that may be ``None``, which TOML does not have."""
    return next((kind for kind in get_args(hint) if kind is not type(None)), hint)
