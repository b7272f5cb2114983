"""A suite: what is compared, read from TOML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError
from leaven.study.bench.cell import Cell, slug
from leaven.study.bench.file import MethodTable, SuiteFile, SuiteTable
from leaven.study.bench.tasks import TestTask
from leaven.train.plan import require_minutes
from leaven.utils.reading import PathLike, read_toml

SHIPPED = Path(__file__).parent / "suites"


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


def read(path: PathLike) -> Suite:
    """The suite in a file.

    Raises
    ------
    LeavenError
        The file cannot be read, or a key in it is unknown, missing, of a wrong type, or names what is not there.
    """
    file: SuiteFile = read_toml(path, SuiteFile, "suite")
    suite = file.suite
    return Suite(
        Path(path).stem,
        suite.about,
        suite.data,
        tuple(suite.labels),
        suite.seeds,
        suite.checkpoints,
        suite.test_items,
        suite.flip,
        suite.plan.given(),
        suite.network.given(),
        tuple(_entry(method, suite) for method in file.method),
        tasks=suite.tasks,
    )


def _entry(method: MethodTable, suite: SuiteTable) -> Entry:
    tasks = tuple(suite.tasks if method.tasks is None else method.tasks)
    rows: dict[str, int | str] = {name: name for name in tasks} or {str(count): count for count in suite.labels}
    return Entry(
        method.name,
        method.title or method.name,
        method.hyperparameters,
        method.plan.given(),
        tuple(suite.labels if method.labels is None else method.labels),
        {rows[row]: accuracy for row, accuracy in method.published.items()},
        method.augment,
        method.note,
        method.network.given(),
        method.minutes,
        tasks,
    )
