"""When several trainings will be done."""

from __future__ import annotations

import time


def left(seconds: float) -> str:
    """``12 min left``."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s left"
    return f"{minutes} min left" if minutes < 120 else f"{seconds / 3600:.1f} h left"


class Countdown:
    """How many of several trainings are done by now, and how long the others will take at this rate.

    Parameters
    ----------
    total : int
        How many there are.
    done : int, optional
        How many of them were there before.
    """

    def __init__(self, total: int, done: int = 0):
        self.total, self.done = total, done
        self._before, self._started = done, time.monotonic()

    def one_more(self) -> str:
        """``3 of 10 (12 min left)``, now that another one is done."""
        self.done += 1
        each = (time.monotonic() - self._started) / (self.done - self._before)
        rest = f" ({left(each * (self.total - self.done))})" if self.done < self.total else ""
        return f"{self.done} of {self.total}{rest}"
