"""``leaven label``."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

NETWORK = ("network", "pretrained", "frozen", "resolution", "flip")
PLAIN = ("train", "labels", "unlabelled", "every", "audit", "overlap", "strategy", "method", "minutes", "seed")


def run(given: dict[str, Any], hyperparameters: dict[str, str]) -> int:
    """Open the labelling, serve its page until Ctrl-C, and say how to go on; the answer is the exit code."""
    import getpass

    from leaven.cli.show import print_json
    from leaven.label.session.class_names import class_names
    from leaven.label.session.opening import open_session
    from leaven.label.web.server import serve
    from leaven.train.plan import Plan

    plan = {f.name: given[f.name] for f in fields(Plan) if f.name != "seed" and given.get(f.name) is not None}
    asked = {
        **{name: given[name] for name in PLAIN},
        "network": {name: given[name] for name in NETWORK if given[name] is not None} or None,
        "form": {name: given[name] for name in ("size", "channels", "white") if given[name] is not None} or None,
        "plan": ({"probes": 0} | plan) if plan else None,
        "hyperparameters": hyperparameters or None,
    }
    classes = class_names(given["classes"] or "")
    try:
        annotator = given["annotator"] or getpass.getuser()
    except (KeyError, OSError):
        annotator = "me"
    session = open_session(
        given["target"], given["out"], classes=classes, annotator=annotator, store=given["store"], options=asked
    )
    try:
        code = serve(
            session,
            host=given["host"],
            port=given["port"],
            browser=not given["no_browser"],
            annotator=given["annotator"] or "",
        )
        labelled = session.status(annotator)["labelled"]
        where: Path = session.folder
    except KeyboardInterrupt:
        labelled, where, code = session.status(annotator)["labelled"], session.folder, 0
    finally:
        session.close()
    if given["as_json"]:
        print_json({"run": str(where), "labelled": labelled})
    else:
        print(f"{labelled} items have labels in {where}; `leaven label {where}` goes on.")
    return code
