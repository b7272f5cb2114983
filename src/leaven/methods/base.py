"""The contract between a method and the engine: what a step draws, and what a method makes of it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from annotated_types import Interval
from torch import Tensor, nn

from leaven.augment.view import View
from leaven.errors import LeavenError
from leaven.methods.pixel_maps import PixelMaps, moved
from leaven.nn.heads import nearest_mean
from leaven.nn.network import Network

IGNORE = -100  # the label of a pixel that does not count; PyTorch's own default


@dataclass(frozen=True)
class Episode:
    """A small classification task: ``ways`` classes, of each ``shots`` items to learn from and ``queries`` to sort."""

    ways: int
    shots: int
    queries: int

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Support ``(E, ways, shots, ...)`` and query ``(E, ways, queries, ...)`` of E episodes as they are drawn."""
        tasks = x.unflatten(0, (-1, self.ways, self.shots + self.queries))
        return tasks[:, :, : self.shots], tasks[:, :, self.shots :]


@dataclass(frozen=True)
class Stream:
    """What one step draws.

    Parameters
    ----------
    role : the rows of the pool to draw from, see ``Pool.rows``
    ratio : items (or episodes) drawn, in multiples of the batch size
    views : how the items are seen: ``weak``, ``strong``, ``plain``, ``cropped``, or one of
        ``Method.own_views``; a number makes it one more view of the same items, drawn anew: ``("strong", "strong_2")``
    optional : the stream is left out of the batch where the pool has no such rows
    alone : whether its items pass the network once by themselves, in one view: then batch norm needs two of them
    episode : draw whole episodes of this form, from the rows whose label is known; items stand episode by episode,
        in it class by class, and labels are numbers 0 .. ways - 1 within the episode
    """

    role: str
    ratio: float = 1.0
    views: tuple[str, ...] = ("weak",)
    optional: bool = False
    alone: bool = False
    episode: Episode | None = None


@dataclass(frozen=True)
class Phase:
    """One update of a step. A step of an adversarial method has several, each for a part of the weights.

    Parameters
    ----------
    name : what ``batch.phase`` says during it
    trains : prefixes of the names of the method's parameters that it trains; the others stay as they are
    repeats : how often it is made in a step
    during : the part of the run in which it is made, from one share of the steps to under another
    """

    name: str
    trains: tuple[str, ...] = ("",)
    repeats: int = 1
    during: tuple[float, float] = (0.0, 1.0)


def reference(views: tuple[str, ...]) -> str:
    """The view whose pixels labels and pseudo-labels are about: the weak one, which strong ones are made of, if any."""
    of_weak = "weak" in views or any(kind_of(view) == "strong" for view in views)
    return "weak" if of_weak or not views else views[0]


def kind_of(view: str) -> str:
    """What a view is one of: ``strong`` of ``strong_2``."""
    return view.rstrip("0123456789").removesuffix("_")


@dataclass(frozen=True)
class StreamBatch:
    """The items that one stream drew.

    Parameters
    ----------
    rows : int64 ``(B,)``, the items' rows in the pool
    views : name of a view → floats ``(B, C, H, W)`` in 0..1 or ``(B, D)``; each is an attribute too (``draw.weak``)
    labels : int64 ``(B,)``; of a dense pool ``(B, H, W)``, the pixels of the weak view (where there is neither it nor a
        strong one: of the first), ``IGNORE`` where they do not count. ``None`` for unlabelled streams, so that no
        method can look at a label that it was not given
    maps : of a dense pool, where each view shows which pixel; ``None`` where items are whole
    """

    rows: Tensor
    views: Mapping[str, Tensor]
    labels: Tensor = None  # type: ignore[assignment]
    maps: PixelMaps | None = None

    def __getattr__(self, name: str) -> Tensor:
        views = self.__dict__.get("views", {})
        if name in views:
            return views[name]
        raise AttributeError(f"This draw has the views {', '.join(views) or 'none'}, not {name!r}.")

    def labels_of(self, view: str) -> Tensor:
        """The labels as ``view`` shows them."""
        return self.to(view, self.labels, fill=IGNORE)

    def to(self, view: str, x: Tensor, *, of: str | None = None, fill: float = 0) -> Tensor:
        """What was said of one view, or of the stored image, moved to where ``view`` shows it.

        Of items as a whole nothing moves. Of pixels, ``(B, H, W)`` or ``(B, K, H, W)``, each goes to its place in the
        other view, and ``fill`` stands where that shows none of them.

        Parameters
        ----------
        view : str
            Where to.
        x : Tensor
            Masks, scores, labels, pseudo-labels.
        of : str, optional
            The view that it was said of, or ``"image"``; by default the weak one, or the first where there is none.

        Raises
        ------
        LeavenError : of pixels, where it is not known which pixels one of the two shows
        """
        of = reference(tuple(self.views)) if of is None else of
        if self.maps is None or of == view:
            return x
        if (places := self.maps.between(of, view)) is None:
            raise LeavenError(
                f"What is said of the pixels of {of!r} was to move to the view {view!r}, but nobody knows which of "
                f"them that shows; this draw has {', '.join(self.views)}: name two of plain, weak, strong and cropped."
            )
        return moved(x, places, fill)


class Batch:
    """All that one step sees: a ``StreamBatch`` for each stream, and where the run stands.

    ``progress`` is the share of the run that is done, from 0 (first step) to just under 1; ``phase`` the name of the
    update that is being made, for methods with several a step; ``averaged`` the moving average of the network, in
    evaluation mode: the model that the run would end with here (a mean teacher); ``teacher`` the network that the run
    was given beside it, frozen and in evaluation mode, where ``Method.teacher`` asks for one.
    """

    averaged: nn.Module
    teacher: nn.Module

    def __init__(self, draws: Mapping[str, StreamBatch], progress: float = 0.0, phase: str = ""):
        self.draws = draws
        self.progress = progress
        self.phase = phase

    def __getitem__(self, stream: str) -> StreamBatch:
        return self.draws[stream]

    def __contains__(self, stream: str) -> bool:
        return stream in self.draws


@dataclass(frozen=True)
class RunInfo:
    """What a method may know of the run before the first step.

    ``steps`` of the run, ``batch_size`` B over all processes, ``classes`` K, ``items`` N of the pool, ``shape`` of
    one of them: (height, width, channels), or that of a feature vector.
    """

    steps: int
    batch_size: int
    classes: int
    items: int = 0
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Survey:
    """What the averaged network says of the whole pool at one moment of the run.

    Parameters
    ----------
    probabilities : float32 ``(N, K)``
    features : float32 ``(N, D)``, what the last layer sees
    labels : int64 ``(N,)``, -1 where no label was given
    """

    probabilities: np.ndarray
    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Hyperparameter:
    """One keyword argument of a method: its name, type, default, line of help and range."""

    name: str
    type: Any
    default: Any
    help: str
    range: Interval = field(default_factory=Interval)


class Method(nn.Module):
    """A way to learn from few labels. Subclass it: about forty lines.

    The keyword arguments of ``__init__`` are the hyper-parameters, annotated with a line of help and, where not every
    number makes sense, a range (``leaven.methods.ranges``), outside of which a value is refused before anything runs::

        class PseudoLabel(Method):
            def __init__(self, network, *, threshold: Annotated[float, "least confidence", SHARE] = 0.95): ...

    Sub-modules and buffers are all of a method's state, so checkpoints, devices and processes need no code.

    Attributes
    ----------
    settings : the settings that it serves: ``semi-supervised``, ``adaptation``, ...
    paper : where it comes from
    streams : what a step draws, by name
    phases : the updates of a step
    learns : ``classes``: to tell the pool's classes apart; ``features``: a backbone for others to start from;
        ``tasks``: to solve small tasks of classes never seen
    head : the network's, see ``leaven.nn.build.Spec``
    members : networks that train side by side and vote, see ``leaven.nn.committee``
    closed : whether it is a closed form on features: there are no steps, no streams and no losses; ``survey`` is shown
        the pool once, through a backbone that stays as it is, and sets the head of the network
    taught : of a closed form, whether its backbone must have been taught: images pass a pretrained one, or one that
        MoCo teaches first; else, where none is pretrained, their pixels are the features
    teacher : what it asks of a frozen network beside it (``batch.teacher``): ``classes``, scores of the pool's classes;
        ``features``, a backbone that takes its items; nothing, where it is empty
    transductive : whether ``predict_episode`` looks at all queries of a task together
    pixels : whether it serves pools with masks too: what it says of a pixel of one view it then moves to the others by
        ``StreamBatch.to`` and ``StreamBatch.labels_of``
    vectors : whether it serves feature vectors too, those of a frozen backbone among them
    acquires : whether it says itself which items it wants labelled, see ``acquisition``
    generates : whether it makes images itself, see ``generate``
    surveys : how often in a run, evenly spread from its first step on, ``survey`` is shown the whole pool
    augment : how its strong views of images are drawn unless a user says otherwise: ``randaugment`` or ``ctaugment``
    plan : this method's own defaults for the plan of a run (learning rate, weight decay, ...)
    paper_plan : how long its paper, or its authors' code, trains: fields of the plan that ``--budget paper`` takes
    """

    settings: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = ""
    learns: ClassVar[Literal["classes", "features", "tasks"]] = "classes"
    head: ClassVar[str] = "linear"
    members: ClassVar[int] = 1
    closed: ClassVar[bool] = False
    taught: ClassVar[bool] = True
    teacher: ClassVar[Literal["", "classes", "features"]] = ""
    transductive: ClassVar[bool] = False
    pixels: ClassVar[bool] = False
    vectors: ClassVar[bool] = True
    acquires: bool = False
    generates: bool = False
    surveys: int = 0
    augment: ClassVar[str] = "randaugment"
    plan: ClassVar[Mapping[str, Any]] = {}
    paper_plan: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.logged: dict[str, Tensor] = {}

    @property
    def streams(self) -> Mapping[str, Stream]:
        """What one step draws, by name."""
        if self.closed:
            return {}
        raise NotImplementedError

    @property
    def own_views(self) -> Mapping[str, View]:
        """What its streams may name beside the usual views (``plain``, ``weak``, ``strong``, ``cropped``)."""
        return {}

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The updates of one step, in order; one of all weights unless a method says otherwise."""
        return (Phase("all"),)

    @classmethod
    def outputs(cls, classes: int, hyperparameters: Mapping[str, Any]) -> int:
        """How many scores the network gives, of a pool of ``classes``; 0: its head is the identity."""
        return classes if cls.learns == "classes" else 0

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """Called before anything is built or written.

        Raises
        ------
        LeavenError : a hyper-parameter does not fit a pool of so many classes
        """

    def setup(self, run: RunInfo) -> None:
        """Called once before the first step, for what depends on the length of the run or on the classes."""

    def survey(self, survey: Survey) -> None:
        """Called ``surveys`` times, before a step (once, where the method is ``closed``).

        What is made of it is kept in buffers, or in the head of the network.
        """

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The named loss terms of one update, scalars with their weights in them; the engine adds them up."""
        raise NotImplementedError

    def predict_episode(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Scores ``(Q, ways)`` for ``query`` ``(Q, ...)``, in a task where only ``support`` ``(S, ...)`` is labelled.

        By default the nearest class mean of the network's features (Snell et al. 2017, eq. 1 and 2); ``labels`` is
        int64 ``(S,)`` in 0 .. ways - 1, with any number of shots a class.
        """
        return nearest_mean(self.network.features(support), labels, self.network.features(query))

    def acquisition(self, x: Tensor) -> Tensor:
        """How much it wants each of the items ``x`` ``(B, C, H, W)`` labelled, ``(B,)``, larger: more.

        Of methods whose ``acquires`` is true. ``x`` are plain views, floats in 0..1; no label is known, and the answer
        for an item depends on no other one.
        """
        raise NotImplementedError

    def generate(self, n: int) -> tuple[Tensor, Tensor]:
        """``n`` images ``(n, C, H, W)``, floats in 0..1, and the classes that they were made for, int64 ``(n,)``.

        Of methods whose ``generates`` is true; random by PyTorch's default generator.
        """
        raise NotImplementedError

    def log(self, **values: Tensor) -> None:
        """Note scalars worth a curve (mask rate, threshold); they are averaged between two lines of the log."""
        self.logged.update({name: value.detach() for name, value in values.items()})

    @classmethod
    def hyperparameters(cls) -> dict[str, Hyperparameter]:
        """The keyword arguments with type, default, help and range, read from the signature."""
        hints = typing.get_type_hints(cls.__init__, include_extras=True)
        found = {}
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY:
                continue
            hint = hints.get(name, Any)
            notes = getattr(hint, "__metadata__", ("",))
            kind = typing.get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
            allowed = next((note for note in notes if isinstance(note, Interval)), Interval())
            found[name] = Hyperparameter(name, kind, parameter.default, notes[0], allowed)
        return found
