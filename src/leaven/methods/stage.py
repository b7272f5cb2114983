"""A stage: one training of a run that has several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from leaven.errors import LeavenError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it names a folder


@dataclass(frozen=True)
class Stage:
    """One training of a run that has several; it is trained in a folder of its own inside the run.

    Attributes
    ----------
    method : str
        Name of what is trained, see ``leaven methods``. One that learns features sees no labels.
    name : str, optional
        What later stages call it; the method's name, where none is given.
    start_from : str, optional
        Name of an earlier stage, or a run folder, whose weights it begins with; by default as the network itself does.
    takes : {"network", "backbone"}
        What it begins with: the whole network as far as shapes agree, or the backbone alone.
    teacher : str, optional
        Name of an earlier stage, or a run folder, whose network stands beside the method, frozen.
    options : Mapping, optional
        Fields of `leaven.Options` and `leaven.Plan` and hyper-parameters of the method, by name. What it does not say
        is as for the run: as many steps, the same network, seed and precision.

    Raises
    ------
    LeavenError
        The name cannot be that of a folder, or ``takes`` is neither of the two.
    """

    method: str
    name: str = ""
    start_from: str | None = None
    takes: Literal["network", "backbone"] = "network"
    teacher: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.method.rpartition(":")[2])
        if not NAME.fullmatch(self.name):
            raise LeavenError(
                f"A stage names a folder, so it cannot be called {self.name!r}; use letters, digits, '.', '_' and '-'."
            )
        if self.takes not in ("network", "backbone"):
            raise LeavenError(f"The stage {self.name!r} takes {self.takes!r}; choose network or backbone.")

    def asdict(self) -> dict[str, Any]:
        """All fields, for ``config.json``."""
        return {**asdict(self), "options": dict(self.options)}


def used(stages: Iterable[Stage], names: Iterable[str | None]) -> tuple[Stage, ...]:
    """Those of ``stages`` that the names call for, or that one of these calls for, in their order."""
    wanted = {name for name in names if name}
    stages_used: list[Stage] = []
    for stage in reversed(tuple(stages)):
        if stage.name in wanted:
            stages_used.insert(0, stage)
            wanted |= {name for name in (stage.start_from, stage.teacher) if name}
    return tuple(stages_used)
