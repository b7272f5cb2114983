"""The fields of `Options` and `Plan` as options of the commands that train; their annotations are all there is to them.

A field with an `Option` in its annotation is one of ``leaven fit``'s, and of each command that names it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, get_args

import typer

from leaven.run.options import Options
from leaven.train.fields import DATA, MACHINE, NETWORK, TRAINING, Field, Option, annotated
from leaven.train.plan import Plan

PANELS = [option.panel for option in (DATA, NETWORK, TRAINING, MACHINE)]  # in the order that a person reads them
Command = Callable[..., None]


class RunOptions(dict[str, Any]):
    """What a command was given of a run's options, by name; of the plan, ``None`` where nothing was given."""


def of_a_run() -> dict[str, tuple[Field, Option]]:
    """Every option of a run, by name, panel by panel."""
    every = [field for kind in (Options, Plan) for field in annotated(kind).values()]
    shown = [(field, field.option) for field in every if field.option is not None]
    return {field.name: (field, option) for field, option in sorted(shown, key=lambda one: PANELS.index(one[1].panel))}


def takes(*names: str, unset: bool = False, **settings: dict[str, Any]) -> Callable[[Command], Command]:
    """Give a command options of a run; it has a parameter of the type `RunOptions`, in whose place they stand.

    Parameters
    ----------
    *names : str
        Which ones; all where none is named.
    unset : bool, optional
        An option that was not given is ``None``, even where there is a default.
    **settings : dict
        What this command says otherwise of an option, by name: arguments of ``typer.Option``.
    """
    options = of_a_run()
    chosen = [one for name, one in options.items() if name in (names or options)]
    made = {field.name: _parameter(field, option, unset, settings.get(field.name, {})) for field, option in chosen}

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        (place,) = (name for name, one in signature.parameters.items() if one.annotation is RunOptions)

        @functools.wraps(command)
        def generated(**given: Any) -> None:
            command(**{place: RunOptions((name, given.pop(name)) for name in made)}, **given)

        parameters = (made.values() if name == place else [one] for name, one in signature.parameters.items())
        generated.__signature__ = signature.replace(parameters=[p for some in parameters for p in some])  # type: ignore[attr-defined]
        return generated

    return decorate


def _parameter(field: Field, option: Option, unset: bool, settings: dict[str, Any]) -> inspect.Parameter:
    default = None if unset or field.name in annotated(Plan) else field.default
    kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    kind: Any = next((kind for kind in kinds if kind in (bool, int, float)), str)
    if default is None:
        kind = kind | None
    names = (option.names,) if option.names else ()
    shown = typer.Option(*names, **({"help": field.help, "rich_help_panel": option.panel} | settings))
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, shown]
    )
