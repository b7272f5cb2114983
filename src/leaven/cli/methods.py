"""``leaven methods``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.options import Json
from leaven.cli.show import print_json

if TYPE_CHECKING:
    from leaven.methods.listing import Listing

SETTINGS = (
    "baseline",
    "semi-supervised",
    "adaptation",
    "semi-supervised adaptation",
    "active learning",
    "pre-training",
    "few-shot",
)


def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with its hyper-parameters.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """List every method: setting, paper, hyper-parameters with their defaults."""
    from leaven.methods.listing import listing
    from leaven.methods.registry import names

    rows = [_row(listing(n)) for n in ([name] if name else names())]
    if as_json:
        return print_json(rows)
    from rich.console import Console

    console = Console()
    for setting, chosen in _by_setting(rows).items():
        console.rule(f"[bold]{setting}[/bold]", align="left")
        for row in chosen:
            others = ", ".join(s for s in row["settings"] if s != setting)
            console.print(f"[bold]{row['name']}[/bold]  {f'also {others}' if others else ''}", highlight=False)
            console.print(f"  {row['paper']}", highlight=False, markup=False)
            console.print(hyperparameter_table(row["hyperparameters"]), highlight=False)
            if name and row["defaults"]:
                console.print(f"\n  {row['defaults']}", highlight=False, markup=False)
            console.print()
    console.print("Choose with `leaven fit --method NAME`; its hyper-parameters are options then.", highlight=False)
    return None


def hyperparameter_table(rows: list[dict[str, Any]]) -> Any:
    """Options with their defaults, ranges and help, a line each, for a rich console."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for parameter in rows:
        table.add_row(*(Text(cell) for cell in (f"  {_option(parameter)}", parameter["range"], parameter["help"])))
    return table


def _by_setting(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Each method under the setting that it names first."""
    by_setting: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_setting.setdefault(row["settings"][0], []).append(row)
    order = [s for s in SETTINGS if s in by_setting]
    return {setting: by_setting[setting] for setting in [*order, *(s for s in by_setting if s not in order)]}


def _row(method: Listing) -> dict[str, Any]:
    return {
        "name": method.name,
        "settings": list(method.settings),
        "paper": method.paper,
        "defaults": method.defaults,
        "hyperparameters": hyperparameter_rows(method),
    }


def hyperparameter_rows(method: Listing) -> list[dict[str, Any]]:
    """What is told of each hyper-parameter."""
    from leaven.methods.ranges import words

    return [
        {
            "name": h.name,
            "type": getattr(h.type, "__name__", str(h.type)),
            "default": h.default,
            "range": words(h.range),
            "help": h.help,
        }
        for h in method.hyperparameters.values()
    ]


def _option(parameter: dict[str, Any]) -> str:
    """The option with its default, as one would type it."""
    name, default = parameter["name"].replace("_", "-"), parameter["default"]
    if parameter["type"] == "bool":
        return f"--{name}" if default else f"--no-{name}"
    return f"--{name} {default}"
