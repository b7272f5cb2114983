"""``leaven stream``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.options import Json, Run
from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np

    from leaven.data.readers.white import Span
    from leaven.query.stream import StreamQuery
    from leaven.run.trained.model import Model


def stream(
    run: Run,
    budget: Annotated[float, typer.Option(help="Share of the items to label, above 0 and under 1.")] = 0.05,
    score: Annotated[str, typer.Option(help="margin, entropy or least_confident.")] = "margin",
    limit: Annotated[int | None, typer.Option(min=0, help="Labels to ask for at most.")] = None,
    state: Annotated[Path | None, typer.Option(help="File that keeps where the stream stands, to go on later.")] = None,
    as_json: Json = False,
) -> None:
    """Read names of image files from standard input, and print those to label, as they come."""
    from leaven.query.stream import StreamQuery
    from leaven.run.trained.model import load_model
    from leaven.utils.files import require_writable

    asker = StreamQuery(budget, score, limit=limit)
    if state is not None:
        require_writable(state)
        _go_on(asker, state)
    model = load_model(run)
    model.require_classes(run)
    if model.spec.dense or len(model.spec.shape) != 3:
        raise LeavenError(f"The run {run} does not classify images, of which a stream is; give another run.")
    try:
        for line in sys.stdin:
            if not (name := line.rstrip("\r\n")):
                continue
            try:
                p = model.predict_proba(_item(Path(name), model))[0]
            except (OSError, ValueError, SyntaxError) as error:  # whatever a damaged file makes the decoder raise
                print(f"leaven: {name} cannot be read ({error}), and is passed over.", file=sys.stderr)
                continue
            if asker.ask(p):
                _tell(name, model, p, as_json)
    finally:
        if state is not None:
            _keep(asker, state)
    print(f"leaven: {asker.asked} of {asker.seen} items to label.", file=sys.stderr)


def _tell(name: str, model: Model, p: np.ndarray, as_json: bool) -> None:
    row = {"file": name, "predicted": model.classes[p.argmax()], "confidence": round(float(p.max()), 4)}
    print(json.dumps(row) if as_json else name, flush=True)


def _item(path: Path, model: Model) -> np.ndarray:
    """One image in the form that the model takes, uint8 ``(1, H, W, C)``."""
    from PIL import Image

    from leaven.data.readers.images import standardise
    from leaven.data.readers.white import unfit

    def check(span: Span) -> None:
        white = model.white.of(span.kind)
        if white is None:  # then the image's own values decide
            return
        if why := unfit(span, white):
            raise ValueError(why)
        if span.high > white:
            print(f"leaven: {path} goes to {span.high:g}, and is cut at {white:g}, which is white.", file=sys.stderr)

    height, width, channels = model.spec.shape
    with Image.open(path) as image:
        return standardise(image, (height, width), channels, model.white, check)[None]


def _go_on(asker: StreamQuery, path: Path) -> None:
    if not path.exists():
        return
    from leaven.query.stream import State
    from leaven.utils.reading import read_json

    mend = "it is no state of a stream: name another file, or remove it to begin anew"
    asker.load_state_dict(asdict(read_json(path, State, mend)))


def _keep(asker: StreamQuery, path: Path) -> None:
    from leaven.utils.files import whole

    with whole(path) as part:
        part.write_text(json.dumps(asker.state_dict()))
