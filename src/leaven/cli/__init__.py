"""The command line: thin, and quick to start, for every heavy import waits until a command needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the ``leaven`` command. A mistake in the input ends it with one sentence and exit code 2."""
    import warnings

    from leaven.cli.app import app
    from leaven.errors import LeavenError

    warnings.showwarning = _one_line
    try:
        app()
    except LeavenError as error:
        print(f"leaven: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("leaven: stopped; a run that had begun goes on with --resume.", file=sys.stderr)
        sys.exit(130)


def _one_line(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Our own warnings are for the user; those of libraries are not."""
    if category.__module__.startswith("leaven"):
        print(f"leaven: {message}", file=sys.stderr)
