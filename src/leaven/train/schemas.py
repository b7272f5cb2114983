"""The form of the JSON files of a run folder: one schema a file, checked whenever it is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json

from leaven.methods.stage import NAME
from leaven.methods.tasks import task_of
from leaven.nn.spec import Spec
from leaven.train.plan import Plan
from leaven.utils.reading import PathLike, read_bytes, read_json
from leaven.utils.reading import from_json as checked

Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(gt=0, le=2**24)]
Level = Annotated[float, Field(gt=0)]
White = dict[Literal["integers", "floats"], Level]
Share = Annotated[float, Field(ge=0, le=1)]
AGAIN = "copy it back from where it is whole, or train the run again"
OPTIONAL: dict[str, Any] = {"title": "", "init": None, "augment": None}  # of older runs


class Form(BaseModel):
    """What is common: no conversions, and keys of later versions are kept as they are."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Data(Form):
    """``data`` of a configuration: what was learnt from."""

    path: str
    items: Count
    labelled: Count
    shape: Annotated[list[Size], Field(min_length=1, max_length=3)]
    unlabelled: Count = 0
    source: Count | None = None
    labels_per_class: list[Count] = []
    dense: bool = False
    trained_on: dict[str, Count] | None = None
    fingerprint: str = ""
    content: str = ""
    white: White | None = None


class Init(Form):
    """``init`` and ``teacher``: the run, or the stage of it, that a network came from."""

    stage: str | None = None
    method: str | None = None  # a stage, in runs of before
    path: str | None = None
    fingerprint: str = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(name is not None for name in (self.stage, self.method, self.path)) != 1:
            raise ValueError("either a stage or a path was expected")
        return self


class StageRecord(Form):
    """One of ``stages``."""

    method: str
    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    start_from: str | None = None
    takes: Literal["network", "backbone"] = "network"
    teacher: str | None = None
    options: dict[str, Any] = {}


class Inputs(Form):
    """``inputs``: where ``leaven fit`` read the data, and how."""

    data: str
    labels: str | None
    source: str | None
    test: str | None
    size: Size | tuple[Size, Size] | None
    channels: Literal[1, 3] | None
    strict: bool
    per_class: Size | None
    seed: Count | None
    mask_values: dict[str, str] | None = None
    background: str | None = None
    white: Level | White | None = None


class Choice(Form):
    """``auto``: among what a method is chosen, and which one was."""

    candidates: list[str]
    chosen: str = ""
    why: str = ""


class Config(Form):
    """``config.json`` of a run."""

    leaven: str
    method: str
    hyperparameters: dict[str, bool | int | float | str | None]
    network: Spec
    plan: Plan
    flip: bool
    validation: Annotated[float, Field(ge=0, lt=1)]
    classes: list[str]
    data: Data
    title: str = ""
    setting: list[str] | str = ""
    paper: str = ""
    task: Literal["classification", "segmentation", "representation", "episodes"] | None = None
    learns: Literal["classes", "features", "tasks"] = "classes"  # in place of a task, in runs of before
    augment: str | None = None
    init: Init | None = None
    teacher: Init | None = None
    stages: list[StageRecord] = []
    inputs: Inputs | None = None
    auto: Choice | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    versions: dict[str, str] = {}
    created: str = ""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands there twice")
        if len(self.data.labels_per_class) not in (0, len(self.classes)):
            raise ValueError("data.labels_per_class: one number a class was expected")
        return self


class Row(Form):
    """A row of ``result.json``."""

    method: str
    accuracy: Share | None
    low: float | None
    high: float | None
    split: str | None = None
    metric: str | None = None
    n: Count | None = None
    seconds: float | None = None
    calibration_error: float | None = None

    @model_validator(mode="after")
    def _interval(self) -> Self:
        if self.accuracy is not None and (self.low is None or self.high is None):
            raise ValueError("an accuracy without its interval")
        return self


class Tried(Form):
    """A row of ``auto.json``: ``leaven.study.evidence.Tried``."""

    method: str
    value: float
    low: float
    high: float
    n: Count
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    gained: Count | None
    lost: Count | None
    p: float | None
    seconds: float

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({v is None for v in (self.difference, self.difference_low, self.difference_high, self.p)}) > 1:
            raise ValueError("a difference without its interval")
        return self


class Auto(Form):
    """``auto.json``: ``leaven.study.evidence.Evidence``."""

    chosen: str
    why: str
    folds: Count
    labels: Count
    tried: list[Tried]


class Fold(Form):
    """A line of ``folds.jsonl``: what a candidate took the labels for that were hidden from it."""

    candidate: str
    fold: Size
    predicted: list[Count]
    seconds: Annotated[float, Field(ge=0)]


class Training(Form):
    """A line of ``worth.jsonl``, see ``leaven.study.worth.train_all``."""

    method: str
    labels: Size
    seed: Count
    test: str
    seconds: float
    n: Size
    right: Count
    items: str

    @model_validator(mode="after")
    def _bits(self) -> Self:
        if len(bytes.fromhex(self.items)) != -(-self.n // 8):
            raise ValueError(f"items: bits of {self.n} items were expected")
        return self


def read_config(path: PathLike) -> dict[str, Any]:
    """The ``config.json`` at ``path``, of a run; what older versions did not write yet is as it was then.

    Raises
    ------
    LeavenError
        The file is damaged.
    FileNotFoundError
        There is none.
    """
    text = read_bytes(path, AGAIN)
    checked(text, Config, path, AGAIN)
    config = from_json(text)
    data = {"dense": False} | config["data"]
    task = config.get("task") or task_of(config.get("learns", "classes"), data["dense"])
    return OPTIONAL | config | {"data": data, "task": task}


def read_object(path: PathLike) -> dict[str, Any]:
    """The JSON object at ``path``, whatever is in it.

    Raises
    ------
    LeavenError
        It is none.
    FileNotFoundError
        Nothing is there.
    """
    content: dict[str, Any] = read_json(path, dict[str, Any], AGAIN)
    return content


def read_rows(path: PathLike) -> list[dict[str, Any]]:
    """The figures of a ``result.json``; none where there are none yet.

    Raises
    ------
    LeavenError
        The file is damaged.
    """
    return _plain(path, list[Row], "remove it and evaluate again", [])


def read_auto(path: PathLike) -> dict[str, Any]:
    """How a method was chosen; nothing where it was not.

    Raises
    ------
    LeavenError
        The file is damaged.
    """
    return _plain(path, Auto, "remove it, for it only explains the choice", {})


def _plain(path: PathLike, kind: Any, mend: str, absent: Any) -> Any:
    """JSON as it stands in a file, once it was found to have its form."""
    try:
        text = read_bytes(path, mend)
    except FileNotFoundError:
        return absent
    checked(text, kind, path, mend)
    return from_json(text)
