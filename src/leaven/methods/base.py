"""The contract between a method and the engine; what a step is made of is in ``leaven.methods.step``."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from leaven.augment.view import View
from leaven.methods.episode import Episode
from leaven.methods.hyperparameter import Hyperparameter
from leaven.methods.stage import Stage
from leaven.methods.step import IGNORE, Batch, ParamGroup, Phase, RunInfo, Stream, StreamBatch, Survey
from leaven.methods.tasks import CLASSIFICATION, LEARNT, OF_CLASSES
from leaven.nn.heads import Head, nearest_mean
from leaven.nn.network import Network

__all__ = [
    "IGNORE",
    "Batch",
    "Episode",
    "Hyperparameter",
    "Method",
    "ParamGroup",
    "Phase",
    "RunInfo",
    "Stream",
    "StreamBatch",
    "Survey",
]


class Method(nn.Module):
    """A way to learn from few labels. Subclass it: about forty lines.

    The keyword arguments of ``__init__`` are the hyper-parameters, annotated with a line of help and, where not every
    number makes sense, a range (``leaven.methods.ranges``), outside of which a value is refused before anything runs::

        class PseudoLabel(Method):
            def __init__(self, network, *, threshold: Annotated[float, "least confidence", SHARE] = 0.95): ...

    Sub-modules and buffers are all of a method's state, so checkpoints, devices and processes need no code.

    Attributes
    ----------
    settings : tuple of str
        The settings that it serves: ``semi-supervised``, ``adaptation``, ...
    paper : str
        Where it comes from.
    streams : mapping of str to Stream
        What a step draws, by name.
    phases : tuple of Phase
        The updates of a step.
    param_groups : mapping of str to ParamGroup
        How a part of the weights is trained where that differs from the plan.
    tasks : tuple of str
        What it serves: ``classification``; ``segmentation`` too, where what it says of a pixel of one view it then
        moves to the others by ``StreamBatch.to`` and ``StreamBatch.labels_of``; or ``representation``, a backbone for
        others to start from; or ``episodes``, small tasks of classes never seen.
    head : str or Head
        The network's head, by name or as it is, see ``leaven.nn.heads``; what else it needs it builds beside.
    members : int
        Networks that train side by side and vote, see ``leaven.nn.committee``.
    closed : bool
        Whether it is a closed form on features: there are no steps, no streams and no losses; ``survey`` is shown the
        pool once, through a backbone that stays as it is, and sets the head of the network.
    taught : bool
        Of a closed form, whether its backbone must have been taught: images pass a pretrained one, or one that MoCo
        teaches first; else, where none is pretrained, their pixels are the features.
    teacher : {"", "classes", "features"}
        What it asks of a frozen network beside it (``batch.teacher``): ``classes``, scores of the pool's classes;
        ``features``, a backbone that takes its items; nothing, where it is empty.
    recipe : tuple of Stage
        The stages of its paper, the last of them its own; a run has them unless it is told others.
    transductive : bool
        Whether ``predict_episode`` looks at all queries of a task together.
    copies : int
        How many times a solved task has its support once more, each time seen anew in the weak view.
    vectors : bool
        Whether it serves feature vectors too, those of a frozen backbone among them.
    acquires : bool
        Whether it says itself which items it wants labelled, see ``acquisition``.
    generates : bool
        Whether it makes images itself, see ``generate``.
    surveys : int
        How often in a run, evenly spread from its first step on, ``survey`` is shown the whole pool.
    augment : str
        How its strong views of images are drawn unless a user says otherwise: ``randaugment`` or ``ctaugment``.
    plan : mapping
        This method's own defaults for the plan of a run (learning rate, weight decay, ...).
    paper_plan : mapping
        How long its paper, or its authors' code, trains: fields of the plan that ``--budget paper`` takes.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    paper: ClassVar[str] = ""
    tasks: ClassVar[tuple[str, ...]] = (CLASSIFICATION,)
    head: ClassVar[str | Head] = "linear"
    members: ClassVar[int] = 1
    closed: ClassVar[bool] = False
    taught: ClassVar[bool] = True
    teacher: ClassVar[Literal["", "classes", "features"]] = ""
    recipe: ClassVar[tuple[Stage, ...]] = ()
    vectors: ClassVar[bool] = True
    acquires: bool = False
    generates: bool = False
    transductive: bool = False
    surveys: int = 0
    copies: int = 0
    augment: ClassVar[str] = "randaugment"
    plan: ClassVar[Mapping[str, Any]] = {}
    paper_plan: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.logged: dict[str, Tensor] = {}
        self.forgotten: list[nn.Parameter] = []

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

    @property
    def param_groups(self) -> Mapping[str, ParamGroup]:
        """Rates and optimisers of its own, by prefix of the parameters' names; the longest that fits counts.

        ``{"network.head": ParamGroup(10), "discriminator": ParamGroup(optimizer="adamw", lr=1e-4, weight_decay=0.0)}``
        """
        return {}

    @property
    def most_ways(self) -> int | None:
        """How many classes a task that it solves may have; ``None``: any number."""
        return None

    @classmethod
    def serves(cls, task: str) -> bool:
        """Whether it serves a task, see ``leaven.methods.tasks``."""
        return task in cls.tasks

    @classmethod
    def tells_classes(cls) -> bool:
        """Whether it learns to tell the classes of its pool apart, of items or of pixels."""
        return any(task in OF_CLASSES for task in cls.tasks)

    @classmethod
    def learns(cls) -> str:
        """What it learns, in a word for messages."""
        return LEARNT[cls.tasks[0]]

    @classmethod
    def outputs(cls, classes: int, hyperparameters: Mapping[str, Any]) -> int:
        """How many scores the network gives, of a pool of ``classes``; 0: its head is the identity."""
        return classes if cls.tells_classes() else 0

    @classmethod
    def check(cls, classes: int, hyperparameters: Mapping[str, Any]) -> None:
        """Called before anything is built or written.

        Raises
        ------
        LeavenError
            A hyper-parameter does not fit a pool of so many classes.
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

        By default ``predict_from_features`` of the network's features. ``labels`` is int64 ``(S,)`` in 0 .. ways - 1,
        with any number of shots a class; with ``copies`` the plain items come first, then each round of
        copies in their order. A method that makes use of unlabelled items takes them as ``unlabelled=`` ``(U, ...)``
        (``None`` where a task has none), here or in ``predict_from_features``. One that sees items of the task anew
        while it solves it takes ``again=``: of items as a network takes them, their weak views, drawn each time from
        PyTorch's default generator.
        """
        return self.predict_from_features(self.network.features(support), labels, self.network.features(query))

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """The same of features ``(S, D)`` and ``(Q, D)``: by default the nearest class mean (Snell et al. 2017, eq. 2).

        A method whose network stays as it is while a task is solved overrides this one, and the features of a pool are
        then computed once for all tasks.
        """
        return nearest_mean(support, labels, query)

    def episode_curve(self, support: Tensor, labels: Tensor, query: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        """More that is worth knowing of how a task is solved, a number by its name; by default nothing.

        ``support``, ``labels`` and ``query`` are what it is solved by (features, where ``predict_from_features`` does);
        ``wanted`` ``(Q,)`` are the queries' classes, by which answers are judged. Random by PyTorch's default
        generator.
        """
        return {}

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

    def forget(self, parameters: Iterable[nn.Parameter]) -> None:
        """Say that these were drawn anew, in place: their momentum is forgotten and their average begins again.

        In ``survey`` every process draws the same; in ``forward`` each draws its own.
        """
        self.forgotten += parameters

    @classmethod
    def hyperparameters(cls) -> dict[str, Hyperparameter]:
        """The keyword arguments with type, default, help and range, read from the signature."""
        hints = typing.get_type_hints(cls.__init__, include_extras=True)
        declared = {}
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY:
                continue
            declared[name] = Hyperparameter.annotated(name, hints.get(name, Any), parameter.default)
        return declared
