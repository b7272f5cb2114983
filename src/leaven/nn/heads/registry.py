"""Heads by name: each registers itself where it is written, one's own in any module that a method brings along."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from leaven.errors import LeavenError

Build = Callable[[int, int], nn.Module]


@dataclass(frozen=True)
class Head:
    """A way to score features: how it is built from their number D and the number of classes K.

    Called with both it gives the module; a method may have several, ``self.turn = linear(network.num_features, 4)``.

    Attributes
    ----------
    name : str
        Name by which a `Spec`, and so a model file, means it; ``module:function`` where it is not one of leaven's.
    build : callable
        From D and K to a module that maps ``(N, D)`` to scores ``(N, K)``.
    maps : callable or None
        The same of maps, ``(N, D, h, w)`` to ``(N, K, h, w)``; ``None``: it scores whole items alone.
    dropped : callable or None
        The same of whole items, with a share of the features set to 0 in training; ``None``: it has no dropout.
    """

    name: str
    build: Build
    maps: Build | None = None
    dropped: Callable[[int, int, float], nn.Module] | None = None

    def __call__(self, features: int, classes: int, *, dense: bool = False, dropout: float = 0.0) -> nn.Module:
        """The module, of maps where ``dense``; ``dropout`` is the share of the features that training sets to 0.

        Raises
        ------
        LeavenError
            It scores whole items alone.
        """
        if dense:
            if self.maps is None:
                raise LeavenError(
                    f"The head {self.name} scores whole items, but pixels have classes here; take a method with "
                    "another head, such as linear."
                )
            return self.maps(features, classes)
        return self.dropped(features, classes, dropout) if dropout and self.dropped else self.build(features, classes)


class HeadOfElsewhere(LeavenError):
    """A file names a head that nobody registered in this process."""


_KNOWN: dict[str, Head] = {}


def head(
    *, maps: Build | bool = False, dropped: Callable[[int, int, float], nn.Module] | None = None
) -> Callable[[Build], Head]:
    """Register a function of D and K as the head of its name; ``maps``: what it builds scores maps too, or what does.

    ``dropped`` builds it with dropout before.
    """

    def register(build: Build) -> Head:
        ours = build.__module__.startswith("leaven.")
        name = build.__name__ if ours else f"{build.__module__}:{build.__qualname__}"
        _KNOWN[name] = Head(name, build, build if maps is True else maps or None, dropped)
        return _KNOWN[name]

    return register


def find(name: str | Head) -> Head:
    """The head of a name, or the head itself. Nothing is imported: the name may stand in a file.

    Raises
    ------
    LeavenError
        There is no such head; the nearest is suggested.
    HeadOfElsewhere
        It is not one of leaven's, and not registered.
    """
    if isinstance(name, Head):
        return name
    if name in _KNOWN:
        return _KNOWN[name]
    if ":" in name:
        raise HeadOfElsewhere(
            f"The head {name} is not one of leaven's, and no file makes leaven import it; name the method that has it: "
            "--method module:Class, or import its module."
        )
    close = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(_KNOWN)}"
    raise LeavenError(f"There is no head {name!r}; {hint}.")
