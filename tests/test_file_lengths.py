"""No file of the package is so long that it holds several ideas."""

from pathlib import Path

import leaven

PACKAGE = Path(leaven.__file__).parent
LONGEST = 300


def test_no_file_is_longer_than_300_lines():
    files = sorted(PACKAGE.rglob("*.py"))
    lines = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8").count("\n") for path in files}
    long = {name: count for name, count in lines.items() if count > LONGEST}
    assert not long, f"longer than {LONGEST} lines, so split them where one idea ends and the next begins: {long}"
