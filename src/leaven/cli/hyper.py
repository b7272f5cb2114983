"""A method's hyper-parameters as options of ``leaven fit``."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from typer.core import TyperCommand

from leaven.errors import LeavenError

GIVEN = "leaven.hyperparameters"  # where a context keeps what was given
HELP_OF = "leaven.help_of"  # and whose hyper-parameters the help is asked for
TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")


class FitCommand(TyperCommand):
    """A command that takes the hyper-parameters of the method that it is given, wherever they stand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the hyper-parameters out; the rest is as for every command."""
        flags = {name: bool(getattr(p, "is_flag", False)) for p in self.params for name in (*p.opts, *p.secondary_opts)}
        flags |= dict.fromkeys(ctx.help_option_names, True)
        ours, others = separate(args, flags)
        if "--help" in ours and any(word.partition("=")[0] == "--method" for word in ours):
            ctx.meta[HELP_OF] = method_of(ours)
        elif others and "--help" not in ours:
            from leaven.methods.registry import get

            method = method_of(ours)  # that of auto is not known yet, so it has no hyper-parameters
            declared = {} if method == "auto" else get(method).hyperparameters()
            truths = {name: h.type is bool for name, h in declared.items()}
            ctx.meta[GIVEN], rest = hyperparameters(others, truths, list(flags))
            ours += rest
        return super().parse_args(ctx, ours)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The command's help, and the hyper-parameters of the method that it was asked with."""
        super().format_help(ctx, formatter)
        method = ctx.meta.get(HELP_OF, "auto")
        if method != "auto":
            from rich.console import Console, Group
            from rich.panel import Panel
            from rich.text import Text

            from leaven.cli.methods import hyperparameter_rows, hyperparameter_table
            from leaven.methods.listing import listing

            title, listed = f"Hyper-parameters of {method}", listing(method)
            table = hyperparameter_table(hyperparameter_rows(listed))
            whose = [Text(f"\n{listed.defaults}")] if listed.defaults else []
            panel = Panel(Group(table, *whose), title=title, title_align="left", border_style="dim")
            Console().print(panel, highlight=False)


def method_of(args: Sequence[str]) -> str:
    """The name of the method that a command line is about."""
    chosen = "adamatch" if any(a.partition("=")[0] == "--source" for a in args) else "fixmatch"
    for here, after in zip(args, [*args[1:], ""], strict=True):
        name, equals, value = here.partition("=")
        if name == "--method":
            chosen = value if equals else after
    return chosen


def separate(args: Sequence[str], flags: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """A command's own words, and those that begin with an option it does not know, each with the word after it.

    ``flags`` says of each known option whether it stands alone.
    """
    ours: list[str] = []
    others: list[str] = []
    words = list(args)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*ours, word, *words], others
        name = word.partition("=")[0]
        is_ours = not word.startswith("--") or name in flags
        into = ours if is_ours else others
        into.append(word)
        follows = not flags[name] if name in flags else not is_ours
        if follows and "=" not in word and words and (is_ours or not words[0].startswith("--")):
            into.append(words.pop(0))
    return ours, others


def hyperparameters(
    words: Sequence[str], truths: Mapping[str, bool], options: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """``--name value``, ``--name=value``, ``--name`` and ``--no-name``; and the words that belong to none of them.

    Parameters
    ----------
    words : sequence of str
        Options that are not the command's own, each with the word after it.
    truths : mapping of str to bool
        Whether each hyper-parameter is true or false, by name.
    options : collection of str
        The command's own options.

    Raises
    ------
    LeavenError
        A name is neither a hyper-parameter nor an option; the nearest is suggested.
    """
    values: dict[str, str] = {}
    rest: list[str] = []
    for position, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        key, after = name.replace("-", "_"), words[position + 1 : position + 2]
        follows = after if after and not after[0].startswith("--") and not equals else []
        if truths.get(key.removeprefix("no_")) and key not in truths and not equals:
            values[key.removeprefix("no_")] = "false"
            rest += follows
        elif key not in truths:
            raise LeavenError(f"There is no option or hyper-parameter --{name}; {_hint(name, truths, options)}.")
        elif equals:
            values[key] = value
        elif truths[key] and not (follows and follows[0].lower() in TRUTHS):
            values[key] = "true"
            rest += follows
        elif not follows:
            raise LeavenError(f"The hyper-parameter --{name} was given no value; write --{name}=VALUE.")
        else:
            values[key] = follows[0]
    return values, rest


def _hint(name: str, truths: Mapping[str, bool], options: Collection[str]) -> str:
    names = [f"--{n.replace('_', '-')}" for n in truths] + [n for n in options if n.startswith("--")]
    close = difflib.get_close_matches(f"--{name}", names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}" if close else "`leaven methods` lists those of each method"
