"""A suite: what is compared, read from TOML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError
from leaven.study.bench.cell import Cell, slug
from leaven.study.bench.fields import minutes_of, network_of, plan_of
from leaven.study.bench.tasks import TestTask, read_tasks
from leaven.study.bench.toml import Reader, load
from leaven.train.plan import require_minutes

SHIPPED = Path(__file__).parent / "suites"
SUITE = ("about", "data", "labels", "seeds", "checkpoints", "test_items", "flip", "plan", "network", "tasks")
METHOD = (
    "name",
    "title",
    "hyperparameters",
    "plan",
    "network",
    "minutes",
    "labels",
    "tasks",
    "published",
    "augment",
    "note",
)


@dataclass(frozen=True)
class Entry:
    """One method of a suite, a row of the table for each number of labels.

    ``published`` is the paper's accuracy in per cent, by number of labels, or by task where the suite has such;
    ``augment`` how strong views are drawn, where the method's own way is not meant; ``network`` and ``minutes`` are
    those of its trainings, where they are not the suite's; ``tasks`` which of the suite's it is tested on; ``note`` a
    remark on its rows.
    """

    name: str
    title: str
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    labels: tuple[int, ...] = ()
    published: dict[int | str, float] = field(default_factory=dict)
    augment: str | None = None
    note: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    minutes: float | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suite:
    """All rows of a table.

    Attributes
    ----------
    name : str
        What the suite is called.
    about : str
        What it is, in a line.
    data : str
        Name of the data set, see ``leaven.study.bench.data``.
    labels : tuple of int
        How many items have a label, in all classes together.
    seeds : int
        How often every row is run: seeds 0 to ``seeds`` − 1, of the labelled items and of everything random.
    checkpoints : int
        How often in a run, evenly spread, the averaged network is tested; the last 20 make the figure.
    test_items : int
        Test on a fixed part of so many items, with all classes in their shares; 0: on all.
    flip : bool or None
        Whether mirrored images are of the same class; ``None``: as ``leaven.run.resolve.mirrors`` has it.
    plan : dict
        Fields of ``leaven.train.plan.Plan``, for every method.
    network : dict
        Fields of ``leaven.run.options.Options`` about the network, for every method.
    entries : tuple of Entry
        The methods.
    minutes : float or None
        How long each training may take, in place of steps.
    tasks : dict of str to TestTask
        Small tasks that the trainings are tested on, by name; none: they tell the classes of the test part.
    """

    name: str
    about: str
    data: str
    labels: tuple[int, ...]
    seeds: int
    checkpoints: int
    test_items: int
    flip: bool | None
    plan: dict[str, Any]
    network: dict[str, Any]
    entries: tuple[Entry, ...]
    minutes: float | None = None
    tasks: dict[str, TestTask] = field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Every training, seed by seed, so that a suite that was stopped has compared what it has."""
        for seed in range(self.seeds):
            for labels in self.labels:
                for entry in self.entries:
                    if labels in (entry.labels or self.labels):
                        yield self.cell(entry, labels, seed)

    def cell(self, entry: Entry, labels: int, seed: int) -> Cell:
        """One training."""
        plan = self.plan | entry.plan
        minutes = entry.minutes if self.minutes is None else self.minutes
        if minutes is not None:
            plan.pop("steps", None)
        return Cell(
            entry.title,
            entry.name,
            labels,
            seed,
            self.data,
            self.test_items,
            self.checkpoints,
            self.flip,
            entry.hyperparameters,
            plan,
            self.network | entry.network,
            entry.augment,
            minutes,
            {name: self.tasks[name] for name in entry.tasks},
        )

    def narrowed(
        self,
        only: Sequence[str] = (),
        labels: Sequence[int] = (),
        seeds: int | None = None,
        steps: int | None = None,
        minutes: float | None = None,
    ) -> Suite:
        """A part of the suite: some methods (by name, or by title as in folder names), labels, seeds; other steps, or
        as many as each training can make in ``minutes``.

        Raises
        ------
        LeavenError
            Nothing is left, both steps and minutes are given, or minutes are no positive number.
        """
        if steps is not None and minutes is not None:
            raise LeavenError("Either the steps of a training decide how long it takes, or its minutes; give one.")
        if minutes is not None:
            require_minutes(minutes)
        entries = self.entries
        for wanted in only:
            if not any(_is(wanted, entry) for entry in self.entries):
                there = ", ".join(dict.fromkeys(entry.name for entry in self.entries))
                raise LeavenError(f"The suite {self.name} has no method {wanted!r}; it has {there}.")
        if only:
            entries = tuple(entry for entry in entries if any(_is(wanted, entry) for wanted in only))
        if unknown := sorted(set(labels) - set(self.labels)):
            there = ", ".join(map(str, self.labels))
            raise LeavenError(f"The suite {self.name} has no rows with {unknown[0]} labels; it has {there}.")
        if steps is not None:
            entries = tuple(replace(entry, plan=entry.plan | {"steps": steps}, minutes=None) for entry in entries)
        narrowed = replace(
            self,
            entries=entries,
            labels=tuple(n for n in self.labels if not labels or n in labels),
            seeds=self.seeds if seeds is None else seeds,
            minutes=minutes,
        )
        if not any(True for _ in narrowed.cells()):
            raise LeavenError(f"Nothing of the suite {self.name} is left; ask for other methods or labels.")
        return narrowed


def _is(wanted: str, entry: Entry) -> bool:
    return slug(wanted) in (slug(entry.name), slug(entry.title))


def shipped() -> list[Suite]:
    """The suites that come with the package, by name."""
    return [read(path) for path in sorted(SHIPPED.glob("*.toml"))]


def find(name: str) -> Suite:
    """A suite by name, or by the path of a ``.toml``.

    Raises
    ------
    LeavenError
        There is no such suite, or it says what it cannot mean.
    """
    if name.endswith(".toml"):
        return read(Path(name))
    path = SHIPPED / f"{name}.toml"
    if not path.exists():
        shipped_names = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
        raise LeavenError(f"There is no suite {name!r}; choose {shipped_names}, or give the path of a .toml.")
    return read(path)


def read(path: Path) -> Suite:
    """The suite in a file.

    Raises
    ------
    LeavenError
        The file cannot be read, or a key in it is unknown, missing, or of a wrong type.
    """
    whole = Reader(path, "the file", load(path), ("suite", "method"))
    table = Reader(path, "[suite]", whole.get("suite", dict), SUITE)
    labels = table.numbers("labels")
    tasks = read_tasks(path, table.get("tasks", dict, {}))
    entries = tuple(_entry(path, i, one, labels, tuple(tasks)) for i, one in enumerate(whole.get("method", list), 1))
    if not labels or not entries:
        raise LeavenError(f"{path} compares nothing; give labels, and a [[method]] at least.")
    for i, entry in enumerate(entries):
        if slug(entry.title) in {slug(other.title) for other in entries[:i]}:
            raise LeavenError(f"{path} has two methods {entry.title!r}; give one of them another title.")
    return Suite(
        path.stem,
        table.get("about", str),
        table.get("data", str),
        labels,
        table.count("seeds", 3),
        table.count("checkpoints", 100),
        table.get("test_items", int, 0),
        table.get("flip", bool) if "flip" in table.table else None,
        plan_of(path, "[suite.plan]", table),
        network_of(path, "[suite.network]", table),
        entries,
        tasks=tasks,
    )


def _entry(path: Path, number: int, given: Any, labels: tuple[int, ...], tasks: tuple[str, ...]) -> Entry:
    where = f"[[method]] {number}"
    if not isinstance(given, dict):
        raise LeavenError(f"{path}: 'method' holds {given!r}, expected tables; begin each with [[method]].")
    table = Reader(path, where, given, METHOD)
    name = table.get("name", str)
    if ":" in name:  # a file makes nobody import anything
        raise LeavenError(
            f"{path}: 'name' of {where} is {name!r}, but a suite compares leaven's own methods; name one."
        )
    numbers = table.numbers("labels", labels)
    if stray := sorted(set(numbers) - set(labels)):
        raise LeavenError(f"{path}: 'labels' of {where} holds {stray[0]}, which [suite] lacks; add it there.")
    tested = tuple(table.get("tasks", list, list(tasks)))
    if stray := [name for name in tested if name not in tasks]:
        raise LeavenError(f"{path}: 'tasks' of {where} holds {stray[0]!r}, which [suite.tasks] lacks; add it there.")
    rows = {name: name for name in tested} or {str(number): number for number in labels}
    published = Reader(path, f"'published' of {where}", table.get("published", dict, {}), tuple(rows))
    return Entry(
        name,
        table.get("title", str, name),
        table.get("hyperparameters", dict, {}),
        plan_of(path, f"'plan' of {where}", table),
        numbers,
        {rows[key]: published.get(key, float) for key in published.table},
        table.get("augment", str) if "augment" in table.table else None,
        table.get("note", str, ""),
        network_of(path, f"'network' of {where}", table),
        minutes_of(path, where, table),
        tested,
    )
