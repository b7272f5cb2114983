"""What classes document as attributes is there and has a type; `numpydoc lint` looks at parameters alone."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import leaven

PACKAGE = Path(leaven.__file__).parent
SECTION = re.compile(r"^Attributes\n-+\n(.*?)(?=\n\n\S+\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
CLASSES = [
    pytest.param(node, match[1], id=f"{path.relative_to(PACKAGE)}:{node.name}")
    for path in sorted(PACKAGE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text("utf-8")))
    if isinstance(node, ast.ClassDef) and (match := SECTION.search(inspect.cleandoc(ast.get_docstring(node) or "")))
]


def fields(node: ast.ClassDef) -> list[str]:
    """Names of a dataclass's fields, and of a named tuple's or model's."""
    annotated = [item for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
    names = [item.target.id for item in annotated if "ClassVar" not in ast.unparse(item.annotation)]
    return [name for name in names if not name.startswith("_")]


def made_of_fields(node: ast.ClassDef) -> bool:
    """Whether a class's parameters are its fields."""
    marks = [ast.unparse(mark) for mark in (*node.decorator_list, *node.bases)]
    return any("dataclass" in mark or mark in ("NamedTuple", "BaseModel") for mark in marks)


@pytest.mark.parametrize(("node", "section"), CLASSES)
def test_attributes_have_a_type_and_a_text(node: ast.ClassDef, section: str):
    entry = r"\w+(?:, \w+)* : \S.*\n(?:    .*(?:\n|$)|\n(?=    ))+"
    assert re.fullmatch(f"(?:{entry})+", section), f"{node.name}: a line `name : type`, below it the text, indented"


@pytest.mark.parametrize(("node", "section"), [one for one in CLASSES if made_of_fields(one.values[0])])
def test_fields_are_documented_and_none_that_is_not_there(node: ast.ClassDef, section: str):
    named = [name for entry in re.findall(r"^(\w.*?) : ", section, re.MULTILINE) for name in entry.split(", ")]
    assert sorted(named) == sorted(fields(node))
