"""A run goes on with the data that it began with, and with no others, however little they differ."""

import json
from dataclasses import replace

import numpy as np
import pytest

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run import folder
from leaven.run.figures import trained_on
from leaven.run.options import Options
from leaven.run.resolve import configuration, resolve_options


def pool(**changes) -> Pool:
    items = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1)).astype(np.uint8)
    columns = {"items": items, "labels": np.arange(12) % 3 - 1, "classes": ("a", "b")}
    return Pool(**columns | changes)


def config(of: Pool) -> dict:
    plan = {"steps": 2, "accelerator": "cpu", "precision": "32-true", "batch_size": 2}
    return configuration(resolve_options(Options("supervised", plan=plan), of), of, trained_on(of), "here")


def swapped() -> np.ndarray:
    """Two pixels of one item change places: every mean stays what it was, to the last digit."""
    items = pool().items.copy()
    items[3, 0, 0], items[3, 5, 5] = items[3, 5, 5].copy(), items[3, 0, 0].copy()
    return items


@pytest.mark.parametrize(
    "changes",
    [
        {"items": swapped()},
        {"items": pool().items[[1, 0, *range(2, 12)]]},
        {"labels": np.roll(pool().labels, 3)[::-1]},
        {"ids": np.arange(12)[::-1].astype(str)},
    ],
    ids=["two pixels", "order", "labels", "names"],
)
def test_other_content_does_not_go_on(tmp_path, changes):
    folder.claim(tmp_path / "run", config(pool()))
    folder.check(tmp_path / "run", config(pool()), resume=True)
    with pytest.raises(LeavenError, match=r"its data changed .*--overwrite"):
        folder.check(tmp_path / "run", config(pool(**changes)), resume=True)


def test_runs_of_before_go_on_by_what_they_have(tmp_path):
    old = config(pool())
    del old["data"]["content"]
    folder.claim(tmp_path / "run", old)
    folder.check(tmp_path / "run", config(pool()), resume=True)
    with pytest.raises(LeavenError, match="its data changed"):
        folder.check(tmp_path / "run", config(pool(ids=np.arange(12)[::-1].astype(str))), resume=True)


def test_the_digest_is_of_content_not_of_where_it_lies(tmp_path):
    one = pool()
    np.save(tmp_path / "x.npy", one.items)
    mapped = replace(one, items=np.load(tmp_path / "x.npy", mmap_mode="r"))
    apart = np.zeros((12, 8, 8, 2), np.uint8)
    apart[..., :1] = one.items
    assert one.digest == mapped.digest == replace(one, items=apart[..., :1]).digest
    masks = np.zeros((12, 8, 8), np.uint8)
    dense = {"labels": np.zeros(12, np.int64)}
    assert pool(masks=masks, **dense).digest != pool(masks=masks + 1, **dense).digest
    assert pool(domain=np.ones(12, np.int64)).digest != one.digest
    assert json.loads(json.dumps(config(one)))["data"]["content"] == one.digest
