"""From what was named on the command line to a labelling that can begin, or go on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.data import LeavenWarning
from leaven.errors import LeavenError
from leaven.label.session import initial_labels
from leaven.label.session.items import ItemIndex, same_folder
from leaven.label.session.session import Session
from leaven.label.session.settings import FILE, FOLDERS, NONE, Settings
from leaven.methods.tasks import CLASSIFICATION
from leaven.query.registry import find
from leaven.run import folder
from leaven.utils.files import require_writable


def open_session(
    target: Path,
    out: Path | None = None,
    *,
    classes: Sequence[str] = (),
    annotator: str = "",
    store: str | None = None,
    train: bool = True,
    options: Mapping[str, Any] | None = None,
) -> Session:
    """Begin the labelling of a folder (or ``.npz``, or run of ``leaven fit``), or go on with one.

    Parameters
    ----------
    target : Path
        Images, or a run folder.
    out : Path, optional
        The run folder of images; by default ``runs/NAME``.
    classes : sequence of str, optional
        Classes to add to those that are there.
    annotator : str, optional
        Who adds them.
    store : str, optional
        URL or path of the labels, where they are not kept in the run folder.
    train : bool, optional
        Whether a worker is started.
    options : mapping, optional
        Fields of ``Settings`` that were asked for; where the labelling goes on they take the place of those that it was
        begun with.

    Raises
    ------
    LeavenError
        There is nothing to label, the folder holds something else, or an option does not fit.
    """
    asked = {name: value for name, value in (options or {}).items() if value is not None}
    if "strategy" in asked:
        asked["strategy"] = _strategy(asked["strategy"])
    run, settings = _begun(target, out, asked)
    if settings.train and ("method" in asked or "hyperparameters" in asked):
        _require_method(settings)
    items = ItemIndex(settings.data, run / "made", settings.form.get("white"))
    if items.passed:
        warnings.warn(items.passed, LeavenWarning, stacklevel=2)
    if not settings.labels:
        settings = replace(settings, labels=initial_labels.default(items, settings.unlabelled))
    initial = initial_labels.read_initial_labels(settings, items, run)
    require_writable(run / FILE)
    run.mkdir(parents=True, exist_ok=True)
    if store and not _plain(store):
        Path(store).parent.mkdir(parents=True, exist_ok=True)
    settings.save(run)
    session = Session(run, items=items, initial_labels=initial, store=store, strategy=settings.strategy, train=False)
    try:
        wanted = [*classes, *(name for name in _in_order(initial.values()))]
        if wanted:
            session.add_classes(annotator or "leaven", [name.strip() for name in wanted if name.strip()])
    except BaseException:
        session.close()
        raise
    if train:
        session.start()
    return session


def _begun(target: Path, out: Path | None, asked: dict[str, Any]) -> tuple[Path, Settings]:
    """The run folder, and what is labelled how."""
    if (target / FILE).is_file():
        if out is not None and not same_folder(out, target):
            raise LeavenError(f"{target} is a labelling itself and goes on where it is; leave -o {out} out.")
        return target, replace(Settings.load(target, asked.get("strategy")), **_as_given(asked))
    if (target / folder.CONFIG).is_file():
        if out is not None and not same_folder(out, target):
            raise LeavenError(f"{target} is a run and is labelled where it is; leave -o {out} out.")
        return target, replace(_of_run(target), **_as_given(asked))
    if not target.exists():
        raise LeavenError(f"{target} does not exist, expected a folder of images, an .npz, or a run: check the path.")
    run = out or Path("runs") / target.resolve().stem
    if (run / FILE).is_file():
        settings = Settings.load(run, asked.get("strategy"))
        if not same_folder(settings.data, target):
            raise LeavenError(f"{run} is a labelling of {settings.data}, not of {target}; choose another -o.")
        return run, replace(settings, **_as_given(asked))
    if run.exists() and (not run.is_dir() or folder.occupied(run)):
        raise LeavenError(f"{run} exists and is no labelling, so it is left alone; choose another -o.")
    return run, Settings(**({"data": str(target.resolve()), "labels": ""} | _as_given(asked)))


def _of_run(run: Path) -> Settings:
    """What a run of ``leaven fit`` was, as a labelling trains it."""
    config = folder.read_config(run)
    inputs = config.get("inputs")
    if inputs is None or config["task"] != CLASSIFICATION:
        raise LeavenError(
            f"The run {run} does not tell classes of images that leaven fit read from files, so it cannot be labelled; "
            "label the folder of images."
        )
    if inputs["source"]:
        raise LeavenError(
            f"The run {run} learnt from another domain too, which the labelling page cannot train with yet; label "
            f"{inputs['data']} with -o, and give what it brings to leaven fit --source --labels."
        )
    net = config["network"]
    network = {
        "network": net["name"],
        "frozen": net["frozen"] or None,
        "resolution": net["resolution"],
        "pretrained": net["pretrained"] or None,
        "flip": config["flip"],
        "augment": config.get("augment"),
    }
    form = {name: inputs[name] for name in ("size", "channels") if inputs[name] is not None}
    if not inputs["data"].endswith(".npz"):
        form = {"size": config["data"]["shape"][:2], "channels": config["data"]["shape"][2]}
    if white := config["data"].get("white"):
        form["white"] = white
    plan = {name: config["plan"][name] for name in ("optimizer", "lr", "weight_decay")}  # rounds are short
    return Settings(
        inputs["data"],
        initial_labels.RUN,
        method=config["method"],
        hyperparameters=config["hyperparameters"],
        plan=plan,
        network={name: value for name, value in network.items() if value is not None},
        form=form,
    )


def _as_given(asked: dict[str, Any]) -> dict[str, Any]:
    """A path of a CSV becomes whole, so that it is found from any folder; steps take the place of minutes."""
    if "steps" in asked.get("plan", {}):
        if "minutes" in asked:
            raise LeavenError("Either the steps of a training decide how long it takes, or its minutes; give one.")
        asked = asked | {"minutes": None}
    labels = asked.get("labels")
    if labels and labels not in (NONE, FOLDERS, initial_labels.NPZ, initial_labels.RUN):
        return asked | {"labels": str(Path(labels).resolve())}
    return asked


def _strategy(name: str) -> str:
    strategy = find(name)
    if strategy.votes:
        raise LeavenError(
            f"The strategy {strategy.name} needs a committee, which the labelling page does not train; choose default "
            "or margin."
        )
    return strategy.name


def _require_method(settings: Settings) -> None:
    """Found out before the page opens, not twenty labels later."""
    from leaven.methods.registry import find_class, names, resolve

    if ":" in settings.method:  # it stands in the run folder, which makes nobody import anything
        raise LeavenError(
            f"The labelling page trains leaven's own methods, not {settings.method}; choose one of "
            f"{', '.join(names())}."
        )
    kind = find_class(settings.method)
    resolve(kind, settings.hyperparameters)
    if not kind.tells_classes():
        raise LeavenError(
            f"{settings.method} learns {kind.learns()}, not the classes of items; choose another --method."
        )


def _in_order(names: Any) -> list[str]:
    from leaven.data.names import natural_key

    return sorted(set(names), key=natural_key)


def _plain(store: str) -> bool:
    from leaven.labels.location import is_url

    return is_url(store)
