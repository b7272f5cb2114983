"""The file of a suite: what stands in its tables of TOML, and of which type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self, get_type_hints

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from leaven.errors import LeavenError
from leaven.study.bench.cell import slug
from leaven.study.bench.tasks import TestTask
from leaven.train.plan import Plan

ELSEWHERE = ("seed", "probes")  # fields of a plan that the suite tells in another place
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """What is common: no conversions, and no other keys."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_other(cls, given: object) -> object:
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f"there is no key {key!r}; there may be {', '.join(cls.model_fields)}")
        return given

    def given(self) -> dict[str, Any]:
        """What the file says; what it leaves out is left out."""
        return self.model_dump(exclude_unset=True)


def _allowed(table: Table) -> Table:
    try:
        Plan().with_(**table.given())
    except LeavenError as error:
        raise ValueError(str(error)) from error
    return table


if TYPE_CHECKING:
    PlanTable = Table
else:
    _FIELDS = {
        name: (Annotated[hint, Field(strict=name != "milestones")], None)  # TOML has lists where Python has tuples
        for name, hint in get_type_hints(Plan, include_extras=True).items()
        if name not in ELSEWHERE
    }
    PlanTable = Annotated[create_model("PlanTable", __base__=Table, **_FIELDS), AfterValidator(_allowed)]


class NetworkTable(Table):
    """Options of a run about its network."""

    name: str = ""
    pretrained: bool = False
    frozen: bool = False
    resolution: int = 0


class SuiteTable(Table):
    """``[suite]``, see `leaven.study.bench.suite.Suite`."""

    about: str
    data: str
    labels: Annotated[list[Count], Field(min_length=1)]
    seeds: Count = 3
    checkpoints: Count = 100
    test_items: Annotated[int, Field(ge=0)] = 0
    flip: bool | None = None
    plan: PlanTable = Table()
    network: NetworkTable = NetworkTable()
    tasks: dict[str, TestTask] = {}


class MethodTable(Table):
    """One ``[[method]]``, see `leaven.study.bench.suite.Entry`."""

    name: str
    title: str = ""
    hyperparameters: dict[str, Any] = {}
    plan: PlanTable = Table()
    network: NetworkTable = NetworkTable()
    minutes: Annotated[float, Field(gt=0)] | None = None
    labels: list[Count] | None = None
    tasks: list[str] | None = None
    published: dict[str, float] = {}
    augment: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _of_leaven(self) -> Self:
        if ":" in self.name:  # a file makes nobody import anything
            raise ValueError(f"name is {self.name!r}, but a suite compares leaven's own methods; name one")
        return self


class SuiteFile(Table):
    """The file."""

    suite: SuiteTable
    method: Annotated[list[MethodTable], Field(min_length=1)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """What methods name must be the suite's."""
        titles: set[str] = set()
        for number, method in enumerate(self.method):
            where = f"method[{number}]"
            if stray := sorted(set(method.labels or ()) - set(self.suite.labels)):
                raise ValueError(f"labels of {where} holds {stray[0]}, which [suite] lacks; add it there")
            if unknown := [name for name in method.tasks or () if name not in self.suite.tasks]:
                raise ValueError(f"tasks of {where} holds {unknown[0]!r}, which [suite.tasks] lacks; add it there")
            rows = method.tasks if method.tasks is not None else list(self.suite.tasks)
            rows = rows or [str(count) for count in self.suite.labels]
            if unknown := [row for row in method.published if row not in rows]:
                raise ValueError(f"published of {where} holds {unknown[0]!r}; it may hold {', '.join(rows)}")
            title = method.title or method.name
            if slug(title) in titles:
                raise ValueError(f"there are two methods {title!r}; give one of them another title")
            titles.add(slug(title))
        return self
