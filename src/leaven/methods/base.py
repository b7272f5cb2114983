"""The contract between a method and the engine: what a step draws, and what a method makes of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from leaven.nn.network import Network


@dataclass(frozen=True)
class Stream:
    """What one step draws.

    Parameters
    ----------
    role : the rows of the pool to draw from, see ``Pool.rows``
    ratio : items drawn, in multiples of the batch size
    views : how the items are seen: ``weak``, ``strong``, ``plain``
    optional : the stream is left out of the batch where the pool has no such rows
    """

    role: str
    ratio: float = 1.0
    views: tuple[str, ...] = ("weak",)
    optional: bool = False


@dataclass(frozen=True)
class Draw:
    """The items that one stream drew.

    ``views`` maps a view's name to floats ``(B, C, H, W)`` in 0..1 or ``(B, D)``, and each is an attribute too
    (``draw.weak``). ``labels`` is int64 ``(B,)``; it is ``None`` for unlabelled streams, so that no method can
    look at a label that it was not given. ``rows`` is int64 ``(B,)``, the items' rows in the pool.
    """

    rows: Tensor
    views: Mapping[str, Tensor]
    labels: Tensor = None  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Tensor:
        views = self.__dict__.get("views", {})
        if name in views:
            return views[name]
        raise AttributeError(f"This draw has the views {', '.join(views) or 'none'}, not {name!r}.")


class Batch:
    """All that one step sees: a ``Draw`` for each stream, and where the run stands.

    ``progress`` is the share of the run that is done, from 0 (first step) to just under 1.
    """

    def __init__(self, draws: Mapping[str, Draw], progress: float = 0.0):
        self.draws = draws
        self.progress = progress

    def __getitem__(self, stream: str) -> Draw:
        return self.draws[stream]

    def __contains__(self, stream: str) -> bool:
        return stream in self.draws


@dataclass(frozen=True)
class Setup:
    """What a method may know of the run before the first step.

    ``steps`` of the run, ``batch_size`` B over all processes, ``classes`` K.
    """

    steps: int
    batch_size: int
    classes: int


@dataclass(frozen=True)
class Hyperparameter:
    """One keyword argument of a method: its name, type, default and line of help."""

    name: str
    type: Any
    default: Any
    help: str


class Method(nn.Module):
    """A way to learn from few labels. Subclass it: about forty lines.

    The keyword arguments of ``__init__`` are the hyper-parameters, annotated with a line of help::

        class PseudoLabel(Method):
            def __init__(self, network, *, threshold: Annotated[float, "least confidence"] = 0.95): ...

    Sub-modules and buffers are all of a method's state, so checkpoints, devices and processes need no code.

    Attributes
    ----------
    settings : the settings that it serves: ``semi-supervised``, ``adaptation``, ...
    paper : where it comes from
    streams : what a step draws, by name
    plan : this method's own defaults for the plan of a run (learning rate, weight decay, ...)
    """

    settings: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = ""
    plan: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.logged: dict[str, Tensor] = {}

    @property
    def streams(self) -> Mapping[str, Stream]:
        """What one step draws, by name."""
        raise NotImplementedError

    def setup(self, run: Setup) -> None:
        """Called once before the first step, for what depends on the length of the run or on the classes."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The named loss terms of one step, scalars with their weights in them; the engine adds them up."""
        raise NotImplementedError

    def log(self, **values: Tensor) -> None:
        """Note scalars worth a curve (mask rate, threshold); they are averaged between two lines of the log."""
        self.logged.update({name: value.detach() for name, value in values.items()})

    @classmethod
    def hyperparameters(cls) -> dict[str, Hyperparameter]:
        """The keyword arguments with type, default and help, read from the signature."""
        hints = typing.get_type_hints(cls.__init__, include_extras=True)
        found = {}
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY:
                continue
            hint = hints.get(name, Any)
            notes = getattr(hint, "__metadata__", ("",))
            kind = typing.get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
            found[name] = Hyperparameter(name, kind, parameter.default, notes[0])
        return found
