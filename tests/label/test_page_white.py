"""Images that are not of 8 bits on the page: pictures, first ranking and pool go by one range."""

import io
import json

import numpy as np
import pytest
from helpers_label import begin
from PIL import Image

from leaven.data import White
from leaven.errors import LeavenError
from leaven.label.session.items import ItemIndex
from leaven.label.session.opening import _of_run
from leaven.label.session.settings import FILE, Settings
from leaven.label.web import prefetch
from leaven.label.web.thumbs import GRID, VIEW, Thumbs
from leaven.label.worker.cold_start import Sample
from leaven.label.worker.cold_start_encoder import _pixels
from leaven.label.worker.learn import _inputs
from leaven.label.worker.pools import read_pool, with_made
from leaven.run import folder


@pytest.fixture
def images(tmp_path):
    """One of 12 bits, and one that alone would be of 10."""
    (tmp_path / "images").mkdir()
    for name, value in (("a.png", 4095), ("b.png", 819)):
        Image.fromarray(np.full((40, 40), value, np.uint16)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def shown(thumbs, name):
    picture = thumbs.make(thumbs.items.id(name), VIEW)
    return int(np.asarray(Image.open(io.BytesIO(picture.content)).convert("L"))[20, 20])


@pytest.fixture
def thumbs_of(tmp_path):
    made = []

    def make(items):
        made.append(Thumbs(items, tmp_path / "thumbs.db"))
        return made[-1]

    yield make
    for thumbs in made:
        thumbs.close()


def test_pictures_show_the_range_in_use(images, thumbs_of):
    """A browser would show the file itself nearly black."""
    thumbs = thumbs_of(ItemIndex(images))
    assert [shown(thumbs, name) for name in ("a.png", "b.png")] == [255, 51]
    whole = Image.open(io.BytesIO(thumbs.whole(thumbs.items.id("b.png")).content))
    assert np.asarray(whole.convert("L"))[20, 20] == 51


def test_pictures_are_made_anew_where_white_is_another(images, thumbs_of):
    assert shown(thumbs_of(ItemIndex(images)), "b.png") == 51
    items = ItemIndex(images, stated=1023)
    thumbs = thumbs_of(items)
    assert shown(thumbs, "b.png") == 204
    items.white = White(4095)  # as the pool has it, once that is decoded
    assert thumbs.cached(items.id("b.png"), GRID, items.version(items.id("b.png"))) is None
    assert shown(thumbs, "b.png") == 51


def test_the_first_ranking_and_the_pool(images):
    items = ItemIndex(images)
    sample = Sample(items, set(), 0)
    sample.grow(10, 10.0, lambda done: None)
    assert {name: int(row[0]) for name, row in zip(sample.names, sample._pixels, strict=True)} == {
        "a.png": 255,
        "b.png": 51,
    }
    assert _pixels(items, "b.png", (8, 8))[0, 0].tolist() == [51] * 3
    pool = read_pool(Settings(str(images)))
    assert pool.items[:, 0, 0, 0].tolist() == [255, 51]
    assert with_made(pool, items, ["a.png"]).white == pool.white == items.white == White(4095)
    assert read_pool(Settings(str(images), form={"white": 65535})).items[0, 0, 0, 0] == 16


def test_floats_that_contradict_each_other_are_shown_each_by_itself(images, thumbs_of):
    """The pool's reader refuses them; whoever looks at the page sees which."""
    for name, value in (("c.tif", 0.2), ("d.tif", 102.0)):
        Image.fromarray(np.full((40, 40), value, np.float32)).save(images / name)
    thumbs = thumbs_of(ItemIndex(images))
    assert [shown(thumbs, name) for name in ("c.tif", "d.tif")] == [51, 102]


def test_a_labelling_keeps_what_was_stated(images, tmp_path):
    session = begin(tmp_path, form={"white": 1023})
    assert session.items.white == White(1023, 1023)
    assert session.items.stated == 1023
    session.close()
    assert Settings.load(tmp_path / "run").form == {"white": 1023}
    assert _inputs(Settings.load(tmp_path / "run"), tmp_path)["white"] == 1023
    kept = json.loads((tmp_path / "run" / FILE).read_text())
    (tmp_path / "run" / FILE).write_text(json.dumps(kept | {"form": {"white": "black"}}))
    with pytest.raises(LeavenError, match="white"):
        Settings.load(tmp_path / "run")


def test_what_the_worker_found_is_what_the_page_shows(images, tmp_path):
    session = begin(tmp_path)
    session._listener.receive({"white": {"integers": 65535}})
    assert session.items.white == White(65535)
    session.close()


def test_a_run_is_labelled_as_it_was_read(tmp_path):
    config = {
        "leaven": "0",
        "method": "fixmatch",
        "hyperparameters": {},
        "flip": True,
        "validation": 0.2,
        "classes": ["a"],
        "network": {"name": "cnn", "shape": [8, 8, 1], "classes": 1, "mean": [0.5], "std": [0.5]},
        "plan": {},
        "data": {"path": "x", "items": 1, "labelled": 1, "shape": [8, 8, 1], "white": {"integers": 4095}},
        "inputs": dict.fromkeys(("labels", "source", "test", "size", "channels", "per_class", "seed"))
        | {"data": "x", "strict": False},
    }
    from leaven.train.plan import Plan

    config["plan"] = Plan().asdict()
    config["network"] |= {"pretrained": False, "frozen": False, "resolution": None}
    folder.write_json(tmp_path / "config.json", config)
    assert _of_run(tmp_path).form == {"size": [8, 8], "channels": 1, "white": {"integers": 4095}}


def test_pictures_made_ahead_are_those_of_the_page(images, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(prefetch, "PAUSE", 0.0)
    monkeypatch.setattr(prefetch.Prefetch, "_start", lambda self, *arguments: told.append(arguments))
    one = prefetch.Prefetch(ItemIndex(images, stated={"integers": 4095}), tmp_path / "thumbs.db")
    one._timer.join()
    one.close()
    assert json.loads(told[0][-1]) == {"integers": 4095}
