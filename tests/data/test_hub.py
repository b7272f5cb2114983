"""Data sets of torchvision and of Hugging Face."""

import io

import numpy as np
import pytest
from PIL import Image

from leaven.data import LeavenWarning, adaptation, few_labels, read, read_huggingface, read_torchvision
from leaven.errors import LeavenError

datasets = pytest.importorskip("datasets")
torchvision = pytest.importorskip("torchvision")


def test_mnist(leaven_data):
    set_ = torchvision.datasets.MNIST(leaven_data, train=False, download=False)
    pool = read(set_)
    assert pool.items.shape == (10000, 28, 28, 1)
    assert pool.classes == tuple("0123456789")
    assert (pool.items[17, :, :, 0] == np.asarray(set_[17][0])).all()
    assert pool.labels[17] == set_[17][1]


def test_mnist_to_usps(leaven_data):
    mnist = torchvision.datasets.MNIST(leaven_data, train=False, download=False)
    usps = torchvision.datasets.USPS(leaven_data / "USPS", train=False, download=False)
    pool = adaptation(few_labels(read(usps), 3), read(mnist, size=16))
    assert pool.items.shape == (12007, 16, 16, 1)
    assert pool.classes == tuple("0123456789")


def test_image_folder_goes_through_the_cache(make_images, cache):
    root = make_images({"cat/a.png": 10, "dog/b.png": 20})
    set_ = torchvision.datasets.ImageFolder(root, transform=torchvision.transforms.ToTensor())
    pool = read(set_)
    assert pool.classes == ("cat", "dog")
    assert pool.ids.tolist() == ["cat/a.png", "dog/b.png"]
    assert pool.items[:, 0, 0, 0].tolist() == [10, 20]
    assert len(list(cache.iterdir())) == 1


class Pairs:
    """A data set that is nothing but pairs."""

    transform = None

    def __len__(self):
        return 4

    def __getitem__(self, row):
        if row >= 4:
            raise IndexError
        image = Image.new("RGB", (10 + row, 10), (row, 0, 0))
        return (self.transform(image) if self.transform else image), row % 2


def test_any_pairs(cache):
    set_ = Pairs()
    set_.transform = lambda image: pytest.fail("the transform was applied")
    pool = read(set_, size=8)
    assert pool.items.shape == (4, 8, 8, 3)
    assert pool.items[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert pool.labels.tolist() == [0, 1, 0, 1]
    assert not list(cache.iterdir())  # it has no identity to be kept under


def test_pairs_of_tensors_and_subsets():
    import torch

    class Tensors(Pairs):
        classes = ("even", "odd")

        def __getitem__(self, row):
            return torch.full((1, 5, 5), row / 255), row % 2

    pool = read_torchvision(torch.utils.data.Subset(Tensors(), [3, 1]))
    assert pool.items[:, 0, 0, 0].tolist() == [3, 1]
    assert pool.ids.tolist() == ["3", "1"]
    assert pool.classes == ("even", "odd")


def test_no_pairs():
    class Triples(Pairs):
        def __getitem__(self, row):
            return 1, 2, 3

    with pytest.raises(LeavenError, match="items of Triples are no pairs"):
        read_torchvision(Triples())


@pytest.fixture
def in_memory():
    columns = {
        "image": [Image.new("L", (6, 6), 10 * row) for row in range(4)],
        "label": [1, 0, -1, 1],
        "name": ["b", "a", None, "b"],
    }
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["no", "yes"]), name=datasets.Value("string")
    )
    return datasets.Dataset.from_dict(columns, features=features)


def test_huggingface(in_memory, cache):
    pool = read(in_memory)
    assert pool.items.shape == (4, 6, 6, 1)
    assert pool.items[:, 0, 0, 0].tolist() == [0, 10, 20, 30]
    assert pool.labels.tolist() == [1, 0, -1, 1]
    assert pool.classes == ("no", "yes")
    assert not list(cache.iterdir())
    named = read_huggingface(in_memory, label="name")
    assert named.classes == ("a", "b")
    assert named.labels.tolist() == [1, 0, -1, 1]
    assert read_huggingface(in_memory, label=None).classes == ()


def test_huggingface_on_disk_is_cached(in_memory, tmp_path, cache, monkeypatch):
    in_memory.save_to_disk(tmp_path / "set")
    stored = datasets.load_from_disk(tmp_path / "set")
    first = read(stored)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr("PIL.Image.open", lambda *args: pytest.fail("an image was opened"))
    assert (read(datasets.load_from_disk(tmp_path / "set")).items == first.items).all()


def test_huggingface_with_a_damaged_image(in_memory):
    file = io.BytesIO()
    Image.new("L", (6, 6), 7).save(file, "PNG")
    images = [{"bytes": file.getvalue(), "path": None}, {"bytes": b"no image", "path": None}] * 2
    features = datasets.Features(image=datasets.Image(decode=False), label=datasets.Value("int64"))
    damaged = datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1, 0]}, features=features)
    damaged = damaged.cast_column("image", datasets.Image())
    with pytest.warns(LeavenWarning, match=r"2 of the 4 images in the data set .*row 1"):
        pool = read(damaged)
    assert pool.ids.tolist() == ["0", "2"]
    assert pool.labels.tolist() == [0, 1]


def test_bad_huggingface(in_memory):
    with pytest.raises(LeavenError, match=r"columns image, label, name, expected picture"):
        read_huggingface(in_memory, image="picture")
    with pytest.raises(LeavenError, match=r"splits train, expected one of them: give dataset\['train'\]"):
        read(datasets.DatasetDict(train=in_memory))
    with pytest.raises(LeavenError, match="without streaming"):
        read(in_memory.to_iterable_dataset())
    with pytest.raises(LeavenError, match="column label holds"):
        read_huggingface(in_memory, image="label")
    with pytest.raises(LeavenError, match="no rows"):
        read(in_memory.select([]))
