"""A room uses the rooms above it, never one below; so each can be read, and moved, without those that use it."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
ORDER = (
    "errors",
    "utils",
    "data",
    "labels",
    "augment",
    "nn",
    "methods",
    "inference",
    "train",
    "evaluation",
    "report",
    "run",
    "api",
    "query",
    "study",
    "label",
    "estimators",
    "cli",
)
FILES = sorted(path.relative_to(SRC) for path in (SRC / "leaven").rglob("*.py"))


def rooms_of(path: Path) -> set[str]:
    """The rooms that a module imports from, wherever in it, for the types too."""
    package = ("leaven", *path.with_suffix("").parts[1:])[:-1]
    found = set()
    for node in ast.walk(ast.parse((SRC / path).read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("leaven.")}
    return found & set(ORDER)


def test_every_room_has_its_place():
    assert {path.parts[1].removesuffix(".py") for path in FILES} - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize("path", [path for path in FILES if len(path.parts) > 2], ids=str)
def test_it_uses_no_room_below_its_own(path):
    below = ORDER[ORDER.index(path.parts[1]) + 1 :]
    assert not rooms_of(path) & set(below)


def test_imports_are_found_in_every_form(tmp_path, monkeypatch):
    room = tmp_path / "leaven" / "nn" / "backbones"
    room.mkdir(parents=True)
    forms = (
        "from leaven.run.fit import fit",
        "from leaven import label",
        "import leaven.query.selection",
        "from ...cli import app",
    )
    (room / "cnn.py").write_text("\n".join(["def f():", *(f"    {form}" for form in forms)]))
    monkeypatch.setattr("test_rooms.SRC", tmp_path)
    assert rooms_of(Path("leaven/nn/backbones/cnn.py")) == {"run", "label", "query", "cli"}
