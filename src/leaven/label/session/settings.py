"""What is labelled and how: ``label.json`` of a run folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from leaven.data.in_flight import MOST_SIDE
from leaven.data.readers.white import as_white
from leaven.errors import LeavenError
from leaven.run.options import OF_A_TRAINING, Options
from leaven.train.plan import Plan, require_minutes
from leaven.utils.files import whole
from leaven.utils.reading import from_python, read_json

FILE = "label.json"
AGAIN = "mend it, or remove it and begin anew: labels are kept"
NONE, FOLDERS = "none", "folders"  # what --labels may say beside the path of a CSV


Network = make_dataclass(  # what ``network`` may hold
    "Network",
    [(one.name, one.type, field(default=one.default)) for one in fields(Options) if one.name in OF_A_TRAINING],
    namespace={"__pydantic_config__": {"extra": "forbid"}},
)


@dataclass(frozen=True)
class Form:
    """What ``form`` may hold; no side is longer than ``MOST_SIDE``."""

    size: int | tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    white: float | dict[Literal["integers", "floats"], float] | None = None

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        sides = (self.size,) if isinstance(self.size, int) else self.size or ()
        if not all(1 <= side <= MOST_SIDE for side in sides):
            raise ValueError(f"sides of 1 to {MOST_SIDE:,} pixels were expected")
        as_white(self.white)


@dataclass(frozen=True)
class Settings:
    """All that a labelling was begun with.

    Attributes
    ----------
    data : str
        Absolute path of a folder of images, or of an ``.npz`` of images.
    labels : str
        What is known before: ``none``, ``folders`` (subfolders are classes), ``npz`` (its own), ``run`` (those that a
        run of ``leaven fit`` knew), or the path of a CSV.
    unlabelled : str or None
        What stands for no label in them, see ``leaven.data.unlabelled``; ``None``: the usual words.
    every : int
        Labels after which a model is trained anew.
    audit : float
        Share of the questions that are random items to judge the model by.
    overlap : float
        Share of the items that two people are asked about.
    strategy : str
        What chooses the other questions.
    train : bool
        Whether models are trained at all.
    method : str
        Name of the method of the trainings.
    hyperparameters : dict
        Those that differ from the method's defaults.
    plan : dict
        Fields of ``leaven.train.plan.Plan`` that differ from the method's own.
    minutes : float or None
        How long a training may take, in place of a number of steps.
    network : dict
        Arguments of ``leaven.run.options.Options`` about the network and the views.
    form : dict
        ``size``, ``channels`` and ``white`` of images.
    warm : bool
        Start each training from the backbone of the one before.
    seed : int
        Seed of everything random.
    """

    data: str
    labels: str = NONE
    unlabelled: str | None = None
    every: int = 20
    audit: float = 0.2
    overlap: float = 0.0
    strategy: str = "default"
    train: bool = True
    method: str = "fixmatch"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    minutes: float | None = None
    network: dict[str, Any] = field(default_factory=dict)
    form: dict[str, Any] = field(default_factory=dict)
    warm: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise LeavenError(f"--every is {self.every}, expected 1 label or more from one training to the next.")
        for name in ("audit", "overlap"):
            if not 0 <= getattr(self, name) <= (0.9 if name == "audit" else 1):
                raise LeavenError(f"--{name} is {getattr(self, name)}, expected a share, such as 0.2.")
        if self.minutes is not None:
            require_minutes(self.minutes)

    def save(self, run: Path) -> None:
        """Write ``label.json``, whole or not at all."""
        with whole(run / FILE) as part:
            part.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, run: Path, strategy: str | None = None) -> Settings:
        """The settings of a run folder.

        ``strategy`` is the one that this start was told, in place of the file's. One's own, ``module:function``, is
        code: it is imported because somebody said so now, never because a folder says so, which may be a stranger's.

        Raises
        ------
        LeavenError
            There are none, or they are damaged; or the strategy is one's own and was not told now.
        """
        try:
            settings: Settings = read_json(run / FILE, cls, AGAIN)
        except FileNotFoundError:
            raise LeavenError(
                f"{run} is no labelling, for it has no {FILE}: `leaven label FOLDER` begins one."
            ) from None
        for part, kind in ((settings.plan, Plan), (settings.network, Network), (settings.form, Form)):
            from_python(part, kind, run / FILE, AGAIN)
        if strategy is not None:
            return replace(settings, strategy=strategy)
        if ":" in str(settings.strategy):
            raise LeavenError(
                f"The labelling in {run} asks by the strategy {settings.strategy}, which is code and is only imported "
                f"where this start says so: give --strategy {settings.strategy} if it is yours, or --strategy default."
            )
        return settings
