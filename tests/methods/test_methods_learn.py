"""What the library is for: every method learns what the supervised baseline, with the same labels, does not.

Problems are small and made so that a method's idea must show; each is judged over several seeds, seed by seed beside
the baseline with the same start. What is asked is a fraction of what was seen, which is written beside it.
"""

import importlib
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from leaven.augment import FeatureViews, ImageViews
from leaven.data import Pool, digits
from leaven.inference.predict import predict
from leaven.methods.base import Method
from leaven.methods.registry import get, names
from leaven.methods.step import kind_of
from leaven.nn.build import Spec, build, spec_for
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.plan import Plan

SEEDS = (0, 1, 2)
CPU = {"probes": 0, "accelerator": "cpu", "precision": "32-true"}
SOON, LATE = 70, 120  # steps; the fewer, the higher the rate
LATER = ("mean_teacher", "mixmatch", "pi_model", "pseudo_label")
# What fits so short a run on 240 items; the papers' defaults are for thousands of both.
SHORT = {
    "mean_teacher": {"weight": 100.0, "warmup": 0.2},
    "mixmatch": {"weight": 1.0},
    "label_propagation": {"warmup": 0.1, "neighbours": 15},
    "pseudo_label": {"threshold": 0.8, "warmup": 0.2},
}
# Where else a method is tested to learn, over seeds: what it is for is not to classify these vectors.
ELSEWHERE = {
    "distillation": ("test_distillation", "test_a_student_learns_what_its_teacher_knows_and_labels_do_not_tell"),
    "dann": ("test_adversarial", "test_dann_comes_to_ignore_what_the_target_lacks"),
    "mcd": ("test_adversarial", "test_mcd_comes_to_ignore_what_the_target_lacks"),
    "mme": ("test_adversarial", "test_mme_makes_few_labels_of_the_target_go_further"),
    "ent": ("test_adversarial", "test_ent_makes_few_labels_of_the_target_go_further"),
    "mcc": ("test_adversarial", "test_mcc_comes_to_ignore_what_the_target_lacks"),
    "maml": ("test_maml", "test_it_learns_where_to_start_from"),
    "mann": ("test_mann", "test_it_learns_to_bind_items_to_labels"),
    "matching": ("test_matching", "test_it_learns_which_directions_tell_classes_apart"),
    "meta_learner_lstm": ("test_meta_learner_lstm", "test_it_learns_how_to_learn"),
    "prototypical": ("test_prototypical", "test_it_learns_which_directions_tell_classes_apart"),
    "baseline": ("test_baseline_fewshot", "test_it_learns_which_directions_tell_classes_apart"),
    "baseline_pp": ("test_baseline_fewshot", "test_it_learns_which_directions_tell_classes_apart"),
    "rfs": ("test_rfs", "test_it_learns_which_directions_tell_classes_apart"),
    "rfs_distilled": ("test_rfs", "test_a_run_trains_a_teacher_and_then_its_student"),
    "transductive_finetuning": (
        "test_transductive_finetuning",
        "test_it_learns_which_directions_tell_classes_apart",
    ),
    "snail": ("test_snail", "test_it_learns_to_compare_items"),
    "soft_kmeans_protonet": ("test_soft_kmeans_protonet", "test_unlabelled_items_make_means_better"),
    "nearest": ("test_nearest", "test_one_label_a_class_is_enough"),
    **dict.fromkeys(("cl2n", "cosine"), ("test_heads_of_tasks", "test_lengths_of_features_do_not_count")),
    **dict.fromkeys(
        ("laplacian", "tim", "alpha_tim", "soft_kmeans"),
        ("test_heads_of_tasks", "test_queries_without_labels_help_where_they_are_even"),
    ),
    "logistic_regression": ("test_classical", "test_it_says_what_scikit_learn_says"),
    "k_nn": ("test_classical", "test_it_says_what_scikit_learn_says"),
    "label_spreading": ("test_classical", "test_what_spreads_learns_from_what_nobody_labelled"),
    "self_training": ("test_classical", "test_what_trains_itself_learns_from_what_nobody_labelled"),
    "moco": ("test_moco", "test_features_of_digits_are_worth_more_than_random_ones"),
    **dict.fromkeys(
        ("simclr", "simsiam", "byol", "barlow_twins", "vicreg"),
        ("test_two_views", "test_features_of_digits_are_worth_more_than_random_ones"),
    ),
    "rotation": ("test_rotation", "test_features_of_rendered_digits_are_worth_more_than_random_ones"),
}


def semi_supervised() -> list[str]:
    alone = (name for name in names() if not get(name).closed and not get(name).teacher)
    return [name for name in alone if "semi-supervised" in get(name).settings]


def asking() -> list[str]:
    return [name for name in names() if "active learning" in get(name).settings]


def test_every_method_is_tested_to_learn():
    assert {*semi_supervised(), *asking(), *ELSEWHERE} == set(names()) - {"supervised"}
    for module, test in ELSEWHERE.values():
        assert hasattr(importlib.import_module(module), test), f"{module}.py has no {test}"


# -- classes that the unlabelled items show and two labels each do not -------------------------------------------


def clouds(seed: int) -> tuple[Pool, np.ndarray]:
    """Three clouds, six deviations from each other's middle in two of 32 directions; two labels a class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % 3
    items = rng.normal(size=(240, 32))
    items[:, 0] += 3 * np.cos(2 * np.pi * labels / 3)
    items[:, 1] += 3 * np.sin(2 * np.pi * labels / 3)
    items = (items @ np.linalg.qr(rng.normal(size=(32, 32)))[0]).astype(np.float32)
    return Pool(items, np.where(np.arange(240) < 6, labels, -1), classes=("a", "b", "c")), labels


@cache
def accuracy(name: str, seed: int, noise: float, steps: int) -> float:
    """On the unlabelled items, by a perceptron whose weak views have so much noise."""
    pool, labels = clouds(seed)
    kind = get(name)
    mean, deviation = torch.from_numpy(pool.items.mean(0)), torch.from_numpy(pool.items.std(0))
    torch.manual_seed(seed)
    spec = Spec("mlp", (32,), 3, tuple(mean.tolist()), tuple(deviation.tolist()), head=kind.head, members=kind.members)
    options = ({"ratio": 4} if "ratio" in kind.hyperparameters() else {}) | SHORT.get(name, {})
    rate = kind.plan.get("lr", Plan.lr) * LATE / steps
    plan = Plan(**{**kind.plan, "lr": rate, "steps": steps, "batch_size": 8, "seed": seed, **CPU})
    method = kind(build(spec), **options)
    views = FeatureViews(deviation, noise=0.2, weak_noise=noise, dropout=0.1, center=mean)
    train(TrainJob(method, pool, plan, views, progress=False))
    return float((predict(method.network, pool.items).argmax(1) == labels)[pool.labels < 0].mean())


@pytest.mark.parametrize("name", semi_supervised())
def test_unlabelled_items_help(name):
    """Seen, in points over the baseline and the mean of the seeds: 11 (MixMatch, Mean Teacher) to 16 (FreeMatch,
    ReMixMatch); the least of a seed 6; spread over seeds 2 to 5.
    """
    # what is learnt from a weak view needs one that differs
    strong = any(kind_of(view) == "strong" for stream in method_of(name).streams.values() for view in stream.views)
    noise = 0.05 if strong else 0.5
    steps = LATE if name in LATER else SOON
    gains = [accuracy(name, seed, noise, steps) - accuracy("supervised", seed, noise, steps) for seed in SEEDS]
    assert np.mean(gains) > 0.06, gains
    assert min(gains) > 0.02, gains


def method_of(name: str) -> Method:
    kind = get(name)
    return kind(build(Spec("mlp", (2,), 3, (0.0,) * 2, (1.0,) * 2, head=kind.head, members=kind.members)))


# -- methods that ask: of kinds that no label is known of -----------------------------------------------------------


def area(name: str, seed: int) -> float:
    """How well what it wants to know tells the items of two digits without a label from those of two digits with some,
    none of these items labelled: the area under the ROC curve, 0.5 where it asks at random.
    """
    whole, rng = digits(), np.random.default_rng(seed)
    of_kinds = [rng.permutation(np.flatnonzero(whole.labels == kind))[:60] for kind in rng.permutation(10)[:4]]
    items, labels = whole.items[np.concatenate(of_kinds)], np.repeat(np.arange(4), 60)
    known = (np.arange(240) % 60 < 30) & (labels < 2)
    pool = Pool(items, np.where(known, labels, -1), classes=tuple("abcd"))
    kind = get(name)
    torch.manual_seed(seed)
    method = kind(build(spec_for("cnn", items, 4)), latent=8, width=4)
    plan = Plan(**{**kind.plan, "steps": 100, "batch_size": 8, "seed": seed, **CPU})
    train(TrainJob(method, pool, plan, ImageViews(flip=False), progress=False))
    with torch.no_grad():
        wanted = method.eval().acquisition(torch.from_numpy(items[~known]).permute(0, 3, 1, 2) / 255)
    return roc_auc_score(labels[~known] >= 2, wanted.numpy())


@pytest.mark.parametrize("name", asking())
def test_what_is_like_no_labelled_item_is_asked_for(name):
    """Seen, seeds 0 to 3: VAAL 0.64 0.58 0.66 0.57, ARAL 0.72 0.74 0.75 0.63; the baseline asks for nothing."""
    found = [area(name, seed) for seed in SEEDS]
    assert np.mean(found) > 0.54, found
