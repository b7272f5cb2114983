"""The command line: thin, and quick to start, for every heavy import waits until a command needs it."""

from __future__ import annotations

import os
import sys
import warnings

from leaven.utils.allocator import our_program
from leaven.utils.look_up import forget_current_folder
from leaven.utils.waiting import briefly

FAILED = 1  # exit code where some of many trainings failed
STOPPED = 130  # exit code after Ctrl-C, as shells have it


def main() -> None:
    """Entry point of the ``leaven`` command. A mistake in the input ends it with one sentence and exit code 2."""
    forget_current_folder()
    our_program()
    os.environ.update(briefly())  # before torch is loaded
    warnings.showwarning = _one_line
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # for processes that training starts
    sys.exit(_run())


def _run() -> int:
    import typer

    from leaven.cli.app import app
    from leaven.errors import LeavenError

    # typer carries a click of its own, older ones used the package: both derive their mistakes of use from this class
    misuse: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
    try:
        return app(standalone_mode=False) or 0
    except LeavenError as error:
        return _say(str(error))
    except OSError as error:
        return _say(_system(error))
    except (KeyboardInterrupt, typer.Abort):
        return STOPPED
    except misuse as error:
        return _say(_usage(error))


def _system(error: OSError) -> str:
    """What no part of leaven expected of the system."""
    if not error.filename:
        return f"{error.strerror or error}; check the files that are named, that you may use them, and the space left."
    if isinstance(error, FileNotFoundError):
        return f"{error.filename} is not there; check the path."
    from pathlib import Path

    from leaven.utils.disks import unwritten

    why, do = unwritten(Path(os.fsdecode(error.filename)), error)
    return f"{error.filename} cannot be used ({why}); {do}."


def _usage(error: Exception) -> str:
    """A mistake in the use of a command, and where its options stand."""
    message = error.format_message().strip()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "leaven"
    message = "; ".join(message.splitlines()).replace(". Did", "; did").replace(". ", "; ").rstrip(".?")
    return f"{message}; see `{command} --help`."


def _say(sentence: str) -> int:
    print(f"leaven: {sentence}", file=sys.stderr)
    return 2


def _one_line(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Our own warnings are for the user; those of libraries are not."""
    if category.__module__.startswith("leaven"):
        print(f"leaven: {message}", file=sys.stderr)
