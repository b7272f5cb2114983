"""What a method's file says of the method, read without importing it: PyTorch takes seconds to load."""

from __future__ import annotations

import ast
import builtins
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotated_types import Interval

from leaven.errors import LeavenError
from leaven.methods import registry
from leaven.methods.hyperparameter import Hyperparameter

if TYPE_CHECKING:
    from leaven.methods.base import Method

ROOT = Path(__file__).parent
ROOM = "leaven.methods."
IMPORTED = f"{ROOM}ranges"  # for it costs nothing
CONTRACT = (f"{ROOM}base", "Method")


@dataclass(frozen=True)
class Listing:
    """A method as it is listed: its name, what it is for, where it comes from, and what one may choose."""

    name: str
    settings: tuple[str, ...]
    paper: str
    defaults: str
    hyperparameters: dict[str, Hyperparameter]


def listing(name: str) -> Listing:
    """A method as it is listed, by the name that a person gave.

    Raises
    ------
    LeavenError
        There is no such method.
    """
    if ":" in name:
        return of_class(registry.get(name))
    module = registry.module_of(name)
    source = Source(module)
    kind = next(node for node in source.classes.values() if source.is_method(node))
    where, init = source.attribute(kind, "__init__")
    arguments = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    evaluated = [(one.arg, where.value(one.annotation), where.value(default)) for one, default in arguments]
    settings, paper = (there.value(node) for there, node in (source.attribute(kind, n) for n in ("settings", "paper")))
    return Listing(
        module.rpartition(".")[2],
        settings,
        paper,
        registry.defaults_in(ast.get_docstring(kind)),
        {name: Hyperparameter.annotated(name, hint, default) for name, hint, default in evaluated},
    )


def of_class(kind: type[Method]) -> Listing:
    """A method as it is listed, by its class."""
    defaults = registry.defaults_in(kind.__doc__)
    return Listing(registry.name_of(kind), kind.settings, kind.paper, defaults, kind.hyperparameters())


class Source(dict[str, Any]):
    """The names of a module, each evaluated from its source when it is asked for."""

    def __init__(self, module: str):
        super().__init__()
        self.path = ROOT.joinpath(*module.removeprefix(ROOM).split(".")).with_suffix(".py")
        self.assigned: dict[str, ast.expr] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        for node in ast.parse(self.path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.Assign):
                self.assigned |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
            elif isinstance(node, ast.ImportFrom):
                self.imported |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}

    def __missing__(self, name: str) -> Any:
        if name in self.assigned:
            return self.value(self.assigned[name])
        if name not in self.imported:
            return getattr(builtins, name)
        module, attribute = self.imported[name]
        if module.startswith(ROOM) and module != IMPORTED:
            return _source(module)[attribute]
        return getattr(importlib.import_module(module), attribute)

    def value(self, node: ast.expr | None) -> Any:
        """What an expression says, of those that annotations and defaults are made of; nothing else is worked out."""
        match node:
            case ast.Constant(value):
                return value
            case ast.Name(name):
                return self[name]
            case ast.Tuple(elements):
                return tuple(map(self.value, elements))
            case ast.Subscript(of, index):
                return self.value(of)[self.value(index)]
            case ast.BinOp(left, ast.BitOr(), right):
                return self.value(left) | self.value(right)
            case ast.UnaryOp(ast.USub(), operand):
                return -self.value(operand)
            case ast.Call(ast.Name("Interval"), [], bounds):
                return Interval(**{str(bound.arg): self.value(bound.value) for bound in bounds})
        what = ast.unparse(node) if node else "an annotation and a default of every keyword argument"
        raise LeavenError(f"{self.path} cannot be listed, for only plain values are read there; write out {what}.")

    def attribute(self, kind: ast.ClassDef, name: str) -> tuple[Source, Any]:
        """The function or value of a name in a class, or the first above it that has it, behind its source."""
        for node in kind.body:
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return self, node
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
                return self, node.value
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return self, node.value
        return next(where.attribute(above, name) for where, above in self.above(kind))

    def above(self, kind: ast.ClassDef) -> list[tuple[Source, ast.ClassDef]]:
        """The classes of this room that a class is made of."""
        bases = []
        for base in (base.id for base in kind.bases if isinstance(base, ast.Name)):
            module, name = self.imported.get(base, ("", ""))
            if base in self.classes:
                bases.append((self, self.classes[base]))
            elif module.startswith(ROOM):
                bases.append((_source(module), _source(module).classes[name]))
        return bases

    def is_method(self, kind: ast.ClassDef) -> bool:
        """Whether a class is one of the contract's."""
        names = {self.imported.get(base.id) for base in kind.bases if isinstance(base, ast.Name)}
        return CONTRACT in names or any(where.is_method(above) for where, above in self.above(kind))


_source = cache(Source)
