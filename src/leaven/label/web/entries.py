"""What people did on the page, as the page sends it, done in the session."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError
from leaven.label.session.queue import Changed
from leaven.labels import Conflict, Unavailable

if TYPE_CHECKING:
    from leaven.label.session.session import Session


def apply_entries(session: Session, entries: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """What the page did, in its order: what became of each, up to the first that cannot be kept yet, and why not.

    An answer that is refused is refused for good. Where the store is out of reach nothing is wrong with the answer: the
    page keeps it and all that follow, and sends them again.
    """
    results: list[dict[str, Any]] = []
    for entry in entries:
        try:
            results.append({"ok": True} | _apply(session, **entry))
        except Unavailable as error:
            return results, str(error)
        except Changed as error:
            results.append({"ok": False, "error": str(error), "question": asdict(error.question)})
        except Conflict as error:
            results.append({"ok": False, "conflict": True, "error": str(error)})
        except KeyError:
            results.append({"ok": False, "error": "There is no such item any more."})
        except LeavenError as error:
            results.append({"ok": False, "error": str(error)})
        except Exception as error:
            print(f"not kept, it will be sent again: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return results, f"Answers cannot be kept at the moment ({type(error).__name__}): see the terminal."
    return results, ""


def _apply(session: Session, *, type: str, annotator: str, **fields: Any) -> dict[str, Any]:
    if type == "answer":
        return {"receipt": session.answer(annotator, **fields)}
    if type == "undo":
        return {"undone": _plain(session.undo(annotator, **fields))}
    if type == "accept":
        return {"receipts": session.accept(annotator, **fields)}
    if type == "classes":
        return {"classes": session.add_classes(annotator, **fields)}
    return {"classes": list(session.change_class(annotator, **fields))}


def _plain(undone: dict[str, Any] | None) -> dict[str, Any] | None:
    if undone is None:
        return None
    question = undone.get("question")
    plain = {} if question is None or isinstance(question, dict) else {"question": asdict(question)}
    return undone | plain
