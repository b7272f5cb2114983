"""Do the tests bite? Every small change to a line of the formulas must make one of them fail.

``python -m benchmarks.mutants`` (``make mutants``) changes the modules that ``mutants.toml`` names, one place at a
time: a comparison, an operator, a number, ``and`` and ``or``, ``not``, ``mean`` and ``sum``, largest and smallest, a
dropped ``detach``. Each changed copy of the package meets the tests named beside its module, in a process that is
forked from one which has imported PyTorch already. What no test notices is a survivor. ``mutants.toml`` explains
those that are left; one that it does not explain ends the command with 1, as do more than 2 in 100.

Only statements inside functions are changed: what a default is, is a choice and not a formula. Nor are numbers below
1e-5, which guard a division or a logarithm, and the arguments of `GUARDS`, which change no value: they check, or save
memory or time.
``--module NAME`` takes one module, ``--sample N`` about N changes of all, by a fixed draw; ``--json`` prints the rows.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import contextlib
import gc
import importlib
import json
import os
import py_compile
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")
MOST = 0.02  # share of the changes that may survive
SECONDS = 60.0  # that a change may take beyond what the tests take without it, three times over

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
}
OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Pow: ("**", "*"),
    ast.Mod: ("%", "*"),
}
CALLS = {
    "mean": "sum",
    "sum": "mean",
    "amax": "amin",
    "amin": "amax",
    "argmax": "argmin",
    "argmin": "argmax",
    "max": "min",
    "min": "max",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "logical_and": "logical_or",
    "minimum": "maximum",
    "maximum": "minimum",
}
GUARDS = ("strict", "validate_args", "inplace", "non_blocking")
TINY = 1e-5
UNCHANGED = "unchanged"
NEEDLESS = ("cacheprovider", "faulthandler", "unraisableexception")  # of pytest's plugins; half of a short test's time


@dataclass(frozen=True)
class Change:
    """``text[start:stop]``, in bytes, of a module becomes ``new``."""

    module: str
    start: int
    stop: int
    new: str
    line: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before}  →  {self.after}"


def changes(module: str, source: str) -> Iterator[Change]:
    """All changes of the statements inside functions."""
    text = source.encode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def change(start: int, stop: int, new: str, line: int) -> Change:
        first, last = starts[line - 1], starts[line]
        before = text[first:last].decode().strip()
        after = (text[first:start] + new.encode() + text[stop : max(last, stop)]).decode().strip()
        return Change(module, start, stop, new, line, before, after)

    def between(left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Change]:
        """The operator that stands between two operands, on the line where it stands."""
        first, last = span(left)[1], span(right)[0]
        at = text[first:last].find(old.encode())
        if at >= 0:
            line = text[: first + at].count(b"\n") + 1
            yield change(first + at, first + at + len(old), new, line)

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None  # as `ast.parse` leaves every one
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    for node in _inside_functions(ast.parse(source)):
        match node:
            case ast.Compare():
                for left, kind, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                    if type(kind) in COMPARISONS:
                        yield from between(left, right, *COMPARISONS[type(kind)])
            case ast.BinOp() if type(node.op) in OPERATORS:
                yield from between(node.left, node.right, *OPERATORS[type(node.op)])
            case ast.BoolOp():
                words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from between(left, right, *words)
            case ast.UnaryOp(op=ast.Not()):
                start, _ = span(node)
                yield change(start, start + len("not "), "", node.lineno)
            case ast.UnaryOp(op=ast.USub()) if not isinstance(node.operand, ast.Constant):
                start, _ = span(node)
                yield change(start, start + 1, "", node.lineno)
            case ast.Constant(value=value) | ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if (
                isinstance(value, bool | int | float) and not 0 < value < TINY
            ):
                value = -value if isinstance(node, ast.UnaryOp) else value
                start, stop = span(node)
                yield change(start, stop, str(_other(value)), node.lineno)
            case ast.Call(func=ast.Attribute(attr=name) as called):
                _, stop = span(called)
                if name in CALLS:
                    yield change(stop - len(name), stop, CALLS[name], called.end_lineno or node.lineno)
                elif name == "detach":
                    yield change(stop - len(".detach"), stop + len("()"), "", called.end_lineno or node.lineno)


def _other(value: bool | int | float) -> bool | int | float:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value * 1.5 + (value == 0)


def _inside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes of the bodies of functions, without docstrings, annotations, defaults, decorators and errors' messages."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield from _below(statement)


def _below(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.Raise | ast.Assert | ast.JoinedStr):
        return  # a function within is met by itself
    if isinstance(node, ast.AnnAssign):
        if node.value is not None:
            yield from _below(node.value)
        return
    yield node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return  # a number with its sign is one number
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.keyword) and child.arg in GUARDS):
            yield from _below(child)


def forked(source: Path, tests: list[str], keep: bool) -> int:
    """Start the tests on the package in ``source``; the process's number. ``keep`` byte code for those that follow."""
    process = os.fork()
    if process:
        return process
    os.setsid()  # so that what the tests start can be ended with them
    os.environ |= {"PYTHONPATH": str(source), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    os.environ["PYTHONDONTWRITEBYTECODE"] = "" if keep else "1"
    sys.path.insert(0, str(source))
    sys.dont_write_bytecode = not keep
    os.chdir(ROOT)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    import pytest

    code = 3
    with contextlib.suppress(BaseException):
        code = pytest.main(["-x", "-q", *(f"-pno:{plugin}" for plugin in NEEDLESS), *tests])
    os._exit(int(code))


@dataclass
class Trial:
    """A process that meets one change, or none."""

    change: Change | None
    tests: list[str]
    folder: Path
    process: int = 0
    started: float = 0.0
    limit: float = 600.0


def finished(running: list[Trial]) -> tuple[Trial, int | None]:
    """The next trial that ends, and its exit code; ``None`` where it took too long."""
    while True:
        for trial in running:
            pid, status = os.waitpid(trial.process, os.WNOHANG)
            late = time.monotonic() - trial.started > trial.limit
            if pid or late:
                running.remove(trial)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(trial.process, signal.SIGKILL)
                if not pid:
                    os.waitpid(trial.process, 0)
                return trial, os.waitstatus_to_exitcode(status) if pid else None
        time.sleep(0.02)


def begin(trial: Trial) -> Trial:
    """Write the change and fork."""
    if trial.change is not None:
        change = trial.change
        text = (trial.folder.parent / UNCHANGED / change.module).read_bytes()
        (trial.folder / change.module).write_bytes(text[: change.start] + change.new.encode() + text[change.stop :])
    trial.started = time.monotonic()
    trial.process = forked(trial.folder, trial.tests, keep=trial.change is None)
    return trial


def survivors(todo: list[tuple[Change, list[str], float]], folders: list[Path]) -> Iterator[tuple[Change, bool]]:
    """Each change, and whether it survived, as they come."""
    waiting, free, running = list(todo), list(folders), list[Trial]()
    while waiting or running:
        while waiting and free:
            change, tests, limit = waiting.pop(0)
            running.append(begin(Trial(change, tests, free.pop(), limit=limit)))
        trial, code = finished(running)
        assert trial.change is not None
        shutil.copyfile(trial.folder.parent / UNCHANGED / trial.change.module, trial.folder / trial.change.module)
        free.append(trial.folder)
        yield trial.change, code == 0


def main() -> None:
    """Change, test, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--module", action="append", help="of mutants.toml; may be given several times")
    parser.add_argument("--sample", type=int, help="about so many changes, by a fixed draw")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    listed = tomllib.loads(LIST.read_text())
    tests: dict[str, list[str]] = {
        module: paths
        for module, paths in listed["tests"].items()
        if options.module in (None, []) or module in options.module
    }
    explained = {(one["module"], one["before"], one["after"]): one["why"] for one in listed.get("survivor", [])}
    for slow in ("numpy", "pytest", "scipy.stats", "sklearn.metrics", "torch"):
        importlib.import_module(slow)  # once, before the forks
    gc.freeze()  # what is there by now is no garbage, and need not be looked through in every fork

    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        folders = [Path(scratch) / str(k) for k in range(options.jobs)]
        unchanged = Path(scratch) / UNCHANGED  # a copy, for the sources may be worked on meanwhile
        shutil.copytree(ROOT / "src", unchanged, ignore=shutil.ignore_patterns("__pycache__"))
        # by content: two changes within a second, of one size, would be taken for one by time and size
        compileall.compile_dir(unchanged, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        for folder in folders:
            shutil.copytree(unchanged, folder)
        todo = []
        for module, paths in tests.items():
            clean = begin(Trial(None, paths, folders[0]))
            _, code = finished([clean])
            if code != 0:
                raise SystemExit(f"The tests of {module} fail without any change (pytest ended with {code}): {paths}")
            limit = SECONDS + 3 * (time.monotonic() - clean.started)
            found = list(dict.fromkeys(changes(module, (unchanged / module).read_text("utf-8"))))
            todo += [(change, paths, limit) for change in found]
        if options.sample:
            todo = random.Random(0).sample(todo, min(options.sample, len(todo)))
        left = []
        for number, (change, survived) in enumerate(survivors(todo, folders), 1):
            if survived:
                left.append(change)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(todo)}, {len(left)} survived", end="", file=sys.stderr, flush=True)
            if survived:
                print(f"\nsurvived: {change}", file=sys.stderr, flush=True)
    unexplained = [one for one in left if (one.module, one.before, one.after) not in explained]
    counted = {"changes": [change for change, *_ in todo], "survived": left, "unexplained": unexplained}
    result = {
        "changes": len(todo),
        "survived": len(left),
        "explained": len(left) - len(unexplained),
        "modules": {
            module: {key: sum(one.module == module for one in ones) for key, ones in counted.items()}
            for module in tests
        },
        "survivors": [str(one) for one in left],
    }
    print(
        json.dumps(result, ensure_ascii=False)
        if options.json
        else f"{len(left)} of {len(todo)} changes survive, {len(unexplained)} of them unexplained."
    )
    raise SystemExit(bool(unexplained) or len(left) > MOST * len(todo))


if __name__ == "__main__":
    main()
