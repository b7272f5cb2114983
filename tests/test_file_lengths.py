"""No file of the package is so long that it holds several ideas."""

from pathlib import Path

import leaven

PACKAGE = Path(leaven.__file__).parent
LONGEST = 300
TOO_LONG = {"run/fit.py"}  # still to be split; nothing is ever added


def test_no_file_is_longer_than_300_lines():
    files = sorted(PACKAGE.rglob("*.py"))
    lines = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8").count("\n") for path in files}
    long = {name: count for name, count in lines.items() if count > LONGEST}
    new = {name: count for name, count in long.items() if name not in TOO_LONG}
    assert not new, f"longer than {LONGEST} lines, so split them where one idea ends and the next begins: {new}"
    assert long.keys() == TOO_LONG, f"short enough by now, so take them off TOO_LONG: {sorted(TOO_LONG - long.keys())}"
