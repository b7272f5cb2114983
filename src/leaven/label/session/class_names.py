"""Names of classes as people write them down."""

from __future__ import annotations


def parse_class_names(*texts: str) -> list[str]:
    """The names in texts of one or several lines, with commas between or one a line, each once and in their order."""
    names = (name.strip() for text in texts for line in text.splitlines() for name in line.split(","))
    return list(dict.fromkeys(name for name in names if name))
