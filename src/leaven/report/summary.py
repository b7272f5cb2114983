"""A page over several runs: charts, a table, what the data look like, and links to the runs' own pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.report import figures
from leaven.report.page import NAME, environment, put
from leaven.report.parts import Panel
from leaven.report.pictures import data_uri
from leaven.utils.reading import PathLike


def write_summary(
    out: PathLike,
    title: str,
    lead: str,
    tables: Sequence[tuple[str, Sequence[dict[str, Any]]]],
    samples: Sequence[tuple[str, np.ndarray]],
    pages: Sequence[tuple[str, str]],
    panels: Sequence[Panel] = (),
    name: str = NAME,
) -> Path:
    """Write ``report.html``, or a page of another ``name``, into ``out``.

    Parameters
    ----------
    out : path-like
        The folder.
    title : str
        The headline.
    lead : str
        A sentence below it.
    tables : sequence of (str, sequence of dict)
        Heading and rows of figures, as ``result.json`` has them.
    samples : sequence of (str, ndarray)
        What is seen, and some images of it, uint8 ``(P, H, W, C)``.
    pages : sequence of (str, str)
        Name and relative address of the runs' own pages.
    panels : sequence of Panel, optional
        Charts, above the tables.
    name : str, optional
        Name of the page.
    """
    out = Path(out)
    text = (
        environment()
        .get_template("summary.html")
        .render(
            title=title,
            lead=lead,
            tables=[(heading, figures.table(rows)) for heading, rows in tables],
            samples=[(what, [data_uri(image) for image in images]) for what, images in samples],
            pages=pages,
            panels=panels,
        )
    )
    return put(out / name, text)
