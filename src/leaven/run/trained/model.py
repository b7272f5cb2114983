"""A trained model: saving it, loading it, asking it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from leaven.data import Pool
from leaven.data.names import class_name
from leaven.data.readers.white import FULL, UNKNOWN, White, as_white
from leaven.errors import LeavenError
from leaven.inference.predict import predict
from leaven.nn.backbones.pretrained import freeze
from leaven.nn.build import Spec, build, build_backbone
from leaven.nn.heads.registry import HeadOfElsewhere
from leaven.nn.network import Network
from leaven.run import folder
from leaven.run.task import evaluate_pool
from leaven.train.checkpoint import digest, require_digest
from leaven.utils.files import whole
from leaven.utils.reading import PathLike, from_json, require_regular

AGAIN = "copy it back from where it is whole, or train it again"


class Model:
    """A network with the names of its classes and the form of the items that it takes.

    Parameters
    ----------
    network : Module
        Takes pixels in 0..1 ``(N, C, H, W)`` or feature vectors ``(N, D)``; gives scores ``(N, K)``.
    spec : Spec
        How the network is built; ``spec.shape`` is that of one item.
    classes : sequence of str
        Names of the K classes.
    white : White, optional
        White of images that are not of 8 bits, as far as the model learnt from some.
    """

    def __init__(self, network: nn.Module, spec: Spec, classes: Sequence[str], white: White = UNKNOWN):
        self.network = network.eval()
        self.spec = spec
        self.classes = tuple(map(class_name, classes))
        self.white = white

    def predict_proba(self, items: np.ndarray, **options: Any) -> np.ndarray:
        """Class probabilities, float32 ``(N, K)``, of items as a ``Pool`` holds them; options as for ``predict``."""
        return predict(self.network, items, **options)

    def evaluate(self, pool: Pool, **options: Any) -> Any:
        """Predictions for ``pool`` beside its labels, with thumbnails of what the report shows: an ``Evaluation``, or a
        ``DenseEvaluation`` where the pool has masks.
        """
        return evaluate_pool(self.network, pool, **options)

    def require_classes(self, run: PathLike) -> None:
        """Raise where the model is a backbone, or solves tasks, and so has no classes to tell apart.

        Raises
        ------
        LeavenError
            It is such a one; the message says what it is for.
        """
        if not self.classes:
            raise LeavenError(
                f"The run {run} learnt no classes; show it labelled images of some (leaven predict --support), start "
                f"another from it (leaven fit --init {run}), or look at it with leaven probe or leaven episodes."
            )

    def about(self) -> dict[str, Any]:
        """What another program needs to know of input and output, as files for other programs have it."""
        shape = self.spec.shape
        if len(shape) == 3:
            height, width, channels = shape
            input_: dict[str, Any] = {
                "layout": "NCHW",
                "height": height,
                "width": width,
                "channels": channels,
                "range": [0, 1],
                "colours": "RGB" if channels == 3 else "grey",
            }
            if self.white != UNKNOWN:  # what to divide images by that are not of 8 bits
                input_["white"] = self.white.asdict()
        else:
            input_ = {"layout": "ND", "columns": shape[0]}
        return {"classes": list(self.classes), "input": input_}

    def save(self, path: PathLike) -> None:
        """Write the weights to ``path`` (safetensors), with all that ``load_model`` needs in the header."""
        from safetensors.torch import save

        # one entry only: several stand in the file in a random order, and the same model shall be the same file
        weights = {k: v.contiguous() for k, v in self.network.state_dict().items()}
        about = {"network": self.spec.asdict()} | self.about()
        about |= {"white": self.white.asdict(), "digest": digest(weights)}
        with whole(path) as part:
            part.write_bytes(save(weights, metadata={"leaven": json.dumps(about)}))


def compose(spec: Spec, head: Network, backbone: nn.Module | None = None) -> Network:
    """A frozen backbone (the one given, or else that of ``spec``) under a trained head: takes pixels where the head
    alone takes features.
    """
    return Network(freeze(backbone or build_backbone(spec)), head, spec.mean, spec.std)


def load_model(path: PathLike) -> Model:
    """The model of a run folder, or of a ``model.safetensors`` file. No code in it is ever run.

    Raises
    ------
    LeavenError
        There is no model, or the file is damaged.
    """
    from safetensors import safe_open

    file = Path(path)
    file = file if file.suffix == ".safetensors" and not file.is_dir() else file / folder.MODEL
    if not file.exists():
        hint = "finish it with --resume" if (file.parent / folder.CONFIG).exists() else "leaven fit makes one"
        raise LeavenError(f"There is no model in {file.parent}: {file.name} is missing; {hint}.")
    require_regular(file, AGAIN)
    try:
        with safe_open(file, "pt") as f:
            header: Header = from_json((f.metadata() or {})["leaven"], Header, file, AGAIN)
            weights = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
        require_digest(header.digest, weights)
        require_size(header.network, weights)
        white = FULL if header.white is None else as_white(header.white)  # models of before took everything so
        network = _network(header.network, weights)
        network.load_state_dict(weights)
    except HeadOfElsewhere:
        raise
    except Exception as error:  # a damaged file raises whatever its parser, or the network of its header, trips over
        reason = str(error).strip().split("\n")[0].rstrip(".:")
        raise LeavenError(f"{file} is not a model of leaven, or it is damaged ({reason}); {AGAIN}.") from error
    return Model(network, header.network, header.classes, white)


@dataclass(frozen=True)
class Header:
    """What the header of a model file says beside the weights."""

    network: Spec
    classes: list[str]
    digest: str = ""
    white: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if len(set(self.classes)) < len(self.classes) or len(self.classes) not in (0, self.network.classes):
            raise ValueError(f"{self.network.classes} classes of different names were expected")
        if self.network.shape[-1] not in (1, len(self.network.mean)):
            raise ValueError(f"{self.network.shape[-1]} numbers of mean and std were expected")


def _network(spec: Spec, weights: Mapping[str, torch.Tensor]) -> Network:
    """The network that the weights are for."""
    network = build(spec, load=False)
    if spec.frozen:
        inner = {n.removeprefix("head."): t for n, t in weights.items() if n.startswith("head.")}
        network.head = feature_head(spec, inner)
    return network


def require_size(spec: Spec, weights: Mapping[str, torch.Tensor]) -> None:
    """Raise where a network would be far larger than its weights, before any memory is taken for it."""
    try:
        with torch.device("meta"):
            described = _network(spec, {name: tensor.to("meta") for name, tensor in weights.items()})
    except NotImplementedError:  # a model that computes while it is built; timm has none that fills the memory
        return
    there, wanted = (sum(t.numel() for t in some) for some in (weights.values(), described.state_dict().values()))
    if wanted > 2 * there:
        raise ValueError(f"the network that it describes has {wanted:,} weights, but {there:,} are there")


def feature_head(spec: Spec, weights: Mapping[str, torch.Tensor]) -> Network:
    """The head over a frozen backbone, built to fit ``weights``."""
    features = len(weights["mean"])
    head = Spec(
        "angular",
        (features,),
        spec.classes,
        (0.0,) * features,
        (1.0,) * features,
        head=spec.head,
        members=spec.members,
        dropout=spec.dropout,
    )
    return build(head)
