"""What a step is made of: streams and phases that a method names, the batch that it gets, what it is told of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.episode import Episode
from leaven.methods.pixel_maps import PixelMaps, moved

OF_WEAK = ("strong", "recoloured")  # views that are made of a weak one
IGNORE = -100  # the label of a pixel that does not count; PyTorch's own default


@dataclass(frozen=True)
class Stream:
    """What one step draws.

    Attributes
    ----------
    role : str
        The rows of the pool to draw from, see ``Pool.rows``.
    ratio : float
        Items (or episodes) drawn, in multiples of the batch size.
    views : tuple of str
        How the items are seen: ``weak``, ``strong``, ``plain``, ``cropped``, or one of ``Method.own_views``; a number
        makes it one more view of the same items, drawn anew: ``("strong", "strong_2")``.
    optional : bool
        The stream is left out of the batch where the pool has no such rows.
    alone : bool
        Whether its items pass the network once by themselves, in one view: then batch norm needs two of them.
    least : int
        How many items a step must draw at least, over all processes: two where they are compared with each other.
    episode : Episode or None
        Draw whole episodes of this form, from the rows whose label is known; items stand episode by episode, in it
        class by class, and labels are numbers 0 .. ways - 1 within the episode, -1 of distractors.
    """

    role: str
    ratio: float = 1.0
    views: tuple[str, ...] = ("weak",)
    optional: bool = False
    alone: bool = False
    least: int = 1
    episode: Episode | None = None


@dataclass(frozen=True)
class Phase:
    """One update of a step. A step of an adversarial method has several, each for a part of the weights.

    Attributes
    ----------
    name : str
        What ``batch.phase`` says during it.
    trains : tuple of str
        Prefixes of the names of the method's parameters that it trains; the others stay as they are.
    repeats : int
        How often it is made in a step.
    during : (float, float)
        The part of the run in which it is made, from one share of the steps to under another.
    """

    name: str
    trains: tuple[str, ...] = ("",)
    repeats: int = 1
    during: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class ParamGroup:
    """How some of a method's weights are trained where that differs from the plan; ``None``: as the plan has it.

    Attributes
    ----------
    factor : float
        Times the learning rate: 10 for a new head, 0.1 for a pretrained trunk.
    optimizer : str, optional
        ``sgd``, ``adamw`` (with a weight decay of 0 it is Adam) or ``lars``. Weights of unlike kinds have an optimiser
        each.
    lr : float, optional
        Learning rate at its height; what a user asks for leaves it alone.
    momentum : float, optional
        Of SGD and LARS; β₁ of AdamW.
    beta2 : float
        β₂ of AdamW.
    weight_decay : float, optional
        Of kernels.
    schedule : str, optional
        Of the learning rate, see ``Plan``.
    """

    factor: float = 1.0
    optimizer: str | None = None
    lr: float | None = None
    momentum: float | None = None
    beta2: float = 0.999
    weight_decay: float | None = None
    schedule: str | None = None


def reference(views: tuple[str, ...]) -> str:
    """The view whose pixels labels and pseudo-labels are about: the weak one, which strong ones are made of, if any."""
    of_weak = "weak" in views or any(kind_of(view) in OF_WEAK for view in views)
    return "weak" if of_weak or not views else views[0]


def kind_of(view: str) -> str:
    """What a view is one of: ``strong`` of ``strong_2``."""
    return view.rstrip("0123456789").removesuffix("_")


@dataclass(frozen=True)
class StreamBatch:
    """The items that one stream drew.

    Attributes
    ----------
    rows : Tensor of int64, shape (B,)
        The items' rows in the pool.
    views : mapping of str to Tensor
        Name of a view → floats ``(B, C, H, W)`` in 0..1 or ``(B, D)``; each is an attribute too (``draw.weak``).
    labels : Tensor of int64, or None
        Classes ``(B,)``; of a dense pool ``(B, H, W)``, those of the pixels of the weak view (where there is neither it
        nor a strong one: of the first), ``IGNORE`` where they do not count. ``None`` for unlabelled streams, so that no
        method can look at a label that it was not given.
    maps : PixelMaps or None
        Of a dense pool, where each view shows which pixel; ``None`` where items are whole.
    domain : Tensor of int64, shape (B,), or None
        On the host: positive source, negative target. It is handed to the network with the rows,
        ``joint(network, draw.weak, domains=[draw.domain])``, for batch norm may go by it (``--norm per_domain``).
    """

    rows: Tensor
    views: Mapping[str, Tensor]
    labels: Tensor = None  # type: ignore[assignment]
    maps: PixelMaps | None = None
    domain: Tensor | None = None

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
        fill : float, optional
            What stands where nothing of ``x`` is shown.

        Raises
        ------
        LeavenError
            It is of pixels, and not known which pixels one of the two shows.
        """
        of = reference(tuple(self.views)) if of is None else of
        if self.maps is None or of == view:
            return x
        if (places := self.maps.between(of, view)) is None:
            raise LeavenError(
                f"What is said of the pixels of {of!r} was to move to the view {view!r}, but nobody knows which of "
                f"them that shows; this draw has {', '.join(self.views)}: name two "
                "of plain, weak, strong, recoloured and cropped."
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

    Attributes
    ----------
    probabilities : ndarray of float32, shape (N, K)
        Class probabilities; of a pool with masks ``(0, K)``, for maps are not kept whole: see ``batches``.
    features : ndarray of float32, shape (N, D)
        What the last layer sees; of a pool with masks ``(0, 0)``.
    labels : ndarray of int64, shape (N,)
        Number of each item's class, -1 where no label was given.
    batches : callable
        Starts a pass over the pool, in its order: rows, features ``(B, D)`` or maps of them ``(B, D, h, w)`` as the
        last layer sees them, and probabilities ``(B, K)`` or ``(B, K, h, w)`` of the same places, on the CPU.
    """

    probabilities: np.ndarray
    features: np.ndarray
    labels: np.ndarray
    batches: Callable[[], Iterator[tuple[slice, Tensor, Tensor]]] = lambda: iter(())
