"""``python serve_page.py FOLDER``: label ``FOLDER/images`` in ``FOLDER/run``, no worker, a process of its own."""

import sys
from pathlib import Path

from leaven.label.session.opening import open_session
from leaven.label.web.server import serve

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    settings = {"train": False, "labels": "none"}
    session = open_session(
        folder / "images", folder / "run", classes=["cat", "dog", "bird"], train=False, options=settings
    )
    sys.exit(serve(session, browser=False, annotator="ann"))
