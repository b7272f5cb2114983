"""``leaven methods``."""

from __future__ import annotations

import json
import sys
from typing import Any


def run(name: str | None, as_json: bool) -> None:
    """List the methods, or one of them."""
    from leaven.methods.registry import get, name_of, names

    kinds = [get(n) for n in ([name] if name else names())]
    rows: list[dict[str, Any]] = [
        {
            "name": name_of(kind),
            "settings": list(kind.settings),
            "paper": kind.paper,
            "hyperparameters": [
                {"name": h.name, "type": getattr(h.type, "__name__", str(h.type)), "default": h.default, "help": h.help}
                for h in kind.hyperparameters().values()
            ],
        }
        for kind in kinds
    ]
    if as_json:
        json.dump(rows, sys.stdout, indent=2)
        print()
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_lines=True)
    for column in ("method", "settings", "paper", "hyper-parameters and defaults"):
        table.add_column(column)
    for row in rows:
        options = [f"--{h['name'].replace('_', '-')} {h['default']}  {h['help']}" for h in row["hyperparameters"]]
        table.add_row(row["name"], ", ".join(row["settings"]), row["paper"], "\n".join(options))
    Console().print(table)
