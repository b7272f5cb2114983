import numpy as np
import pytest
from PIL import Image

from leaven.data import few_shot
from leaven.errors import LeavenError

SPLITS = ("train", "val", "test")


def draw(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 6), (grey, grey, grey)).save(path)


def mini(root):
    for k, split in enumerate(SPLITS):
        draw(root / "images" / f"b{k}.png", 10 * k)
        draw(root / "images" / f"a{k}.png", 10 * k + 5)
        (root / f"{split}.csv").write_text(f"filename,label\nb{k}.png,n0{k}\na{k}.png,n1{k}\n")


def tiered(root):
    for k, split in enumerate(SPLITS):
        draw(root / split / f"n0{k}" / "b.png", 10 * k)
        draw(root / split / f"n1{k}" / "a.png", 10 * k + 5)


def cifar_fs(root):
    (root / "splits" / "bertinetto").mkdir(parents=True)
    for k, split in enumerate(SPLITS):
        draw(root / "data" / f"n0{k}" / "b.png", 10 * k)
        draw(root / "data" / f"n1{k}" / "a.png", 10 * k + 5)
        (root / "splits" / "bertinetto" / f"{split}.txt").write_text(f"n1{k}\nn0{k}\n")


@pytest.mark.parametrize("layout", [mini, tiered, cifar_fs])
def test_a_layout_and_its_split(tmp_path, layout):
    layout(tmp_path)
    for k, split in enumerate(SPLITS):
        pool = few_shot(tmp_path, split, size=4)
        assert pool.items.shape == (2, 4, 4, 3)
        assert pool.classes == (f"n0{k}", f"n1{k}")
        grey = {pool.classes[label]: int(item[0, 0, 0]) for item, label in zip(pool.items, pool.labels, strict=True)}
        assert grey == {f"n0{k}": 10 * k, f"n1{k}": 10 * k + 5}
        assert all((tmp_path / name).is_file() for name in pool.ids)


def test_birds_are_split_by_their_numbers(tmp_path):
    """Chen et al.: i % 2 == 0 base, i % 4 == 1 validation, i % 4 == 3 novel."""
    names = [f"{k + 1:03d}.Bird" for k in range(9)]
    for k, name in enumerate(names):
        draw(tmp_path / "images" / name / "one.jpg", k)
    parts = {split: few_shot(tmp_path, split, size=4).classes for split in SPLITS}
    assert parts["train"] == tuple(names[i] for i in range(9) if i % 2 == 0)
    assert parts["val"] == tuple(names[i] for i in range(9) if i % 4 == 1)
    assert parts["test"] == tuple(names[i] for i in range(9) if i % 4 == 3)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(LeavenError, match="none of the layouts"):
        few_shot(tmp_path)
    with pytest.raises(LeavenError, match="expected train, val or test"):
        few_shot(tmp_path, "novel")
    (tmp_path / "val.csv").write_text("name\nx.png\n")
    with pytest.raises(LeavenError, match="columns filename and label"):
        few_shot(tmp_path, "val")
    cifar_fs(tmp_path)
    (tmp_path / "splits" / "bertinetto" / "train.txt").write_text("n00\nwhale\n")
    with pytest.raises(LeavenError, match="names the class 'whale'"):
        few_shot(tmp_path, "train")


def test_every_image_has_its_class(tmp_path):
    tiered(tmp_path)
    draw(tmp_path / "train" / "n00" / "c.png", 77)
    pool = few_shot(tmp_path, "train", size=6)
    assert np.bincount(pool.labels).tolist() == [2, 1]
