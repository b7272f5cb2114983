"""``leaven synthesize``, and ``leaven query --strategy learned``."""

import csv

import pytest
from helpers_cli import CLASSES, FAST
from PIL import Image


@pytest.fixture(scope="module")
def asking(place, tmp_path_factory):
    from helpers_cli import call

    out = tmp_path_factory.mktemp("aral") / "run"
    words = ("--labels", place / "labels.csv", "-o", out, *FAST, "--method", "aral", "--width", "8")
    assert call("fit", place / "photos", *words) == 0
    return out


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_images_and_their_table(leaven, refused, asking):
    said = leaven("synthesize", asking, "-n", 4)
    assert said.code == 0
    assert said.out.startswith("4 images to label were made in ")
    rows = read(asking / "made" / "made.csv")
    assert sorted(row["file"] for row in rows) == sorted(p.name for p in (asking / "made").glob("*.png"))
    assert len(rows) == 4
    assert {row["made_for"] for row in rows} | {row["predicted"] for row in rows} <= set(CLASSES)
    entropies = [float(row["entropy"]) for row in rows]
    assert entropies == sorted(entropies, reverse=True)
    with Image.open(asking / "made" / rows[0]["file"]) as image, Image.open(asking / "made" / rows[1]["file"]) as other:
        assert image.size == other.size
        assert image.tobytes() != other.tobytes()
    assert "left alone" in refused("synthesize", asking, "-n", 4)  # what was made is not overwritten


def test_a_run_that_makes_nothing_is_refused(refused, finished, tmp_path):
    assert "makes no images" in refused("synthesize", finished, "-o", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_learned_queries(leaven, refused, place, asking, finished, tmp_path):
    out = tmp_path / "next.csv"
    words = (place / "photos", "--labels", place / "labels.csv", "-n", 3, "--strategy", "learned", "-o", out)
    assert leaven("query", asking, *words).code == 0
    rows = read(out)
    known = {row["file"] for row in read(place / "labels.csv") if row["label"]}
    assert len({row["file"] for row in rows} - known) == 3
    out.unlink()
    assert "vaal" in refused("query", finished, *words)
    assert not out.exists()
