import math

import numpy as np
import pytest
import torch
from stubs import Given, Linear, batch, cross_entropy, draw, softmax

from leaven.methods.semi.co_training import CoTraining, confident
from leaven.nn.committee import Bodies, Vote, halves
from leaven.nn.network import Network

K, D = 3, 4


def network(halved: bool = False) -> Network:
    """Two linear members over items of mean 1 and deviation 2."""
    torch.manual_seed(0)
    sizes = [2, 2] if halved else [D, D]
    bodies = Bodies([Linear(size, 5) for size in sizes], halves(D) if halved else None)
    vote = Vote([Linear(5, K) for _ in sizes], bodies.sizes)
    for p in (*bodies.parameters(), *vote.parameters()):
        torch.nn.init.normal_(p)
    return Network(bodies, vote, (1.0,) * D, (2.0,) * D)


def member(made: Network, number: int, x: np.ndarray, halved: bool = False) -> np.ndarray:
    body, head = made.backbone.members[number], made.head.members[number]
    x = (x - 1) / 2
    x = x[:, number::2] if halved else x
    (w, b), (v, c) = ([p.detach().double().numpy() for p in (m.weight, m.bias)] for m in (body, head))
    return (x @ w.T + b) @ v.T + c


def chosen(p: np.ndarray, share: float) -> np.ndarray:
    """One class after the other: its items by falling confidence, the first ⌈share · number⌉ of them."""
    found = np.zeros(len(p))
    for k in range(p.shape[1]):
        of_class = [i for i in range(len(p)) if p[i].argmax() == k]
        of_class.sort(key=lambda i: -p[i, k])
        found[of_class[: math.ceil(share * len(of_class) - 1e-9)]] = 1
    return found


def views():
    rng = np.random.default_rng(1)
    return [rng.normal(size=(n, D)) * 2 + 1 for n in (3, 3, 20, 20)]


LABELS = [0, 2, 1]


def step(progress: float, halved: bool = False, **hyperparameters: float):
    first, second, one, other = views()
    made = CoTraining(network(halved), **hyperparameters)
    drawn = batch(progress, labelled=draw(LABELS, weak=first, weak_2=second), unlabelled=draw(weak=one, weak_2=other))
    return made(drawn), made.network


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_each_learns_what_the_other_is_confident_of(halved, progress):
    """In its own view; what the other says it says of its own. Mean over members and *all* items."""
    terms, made = step(progress, halved, share=0.8, weight=2.0)
    first, second, one, other = views()
    z = [member(made, 0, one, halved), member(made, 1, other, halved)]
    p = [softmax(each) for each in z]
    masks = [chosen(each, 0.8 * progress) for each in p]
    known = [cross_entropy(member(made, n, x, halved), LABELS).mean() for n, x in enumerate((first, second))]
    taught = [
        (cross_entropy(z[0], p[1].argmax(1)) * masks[1]).mean(),
        (cross_entropy(z[1], p[0].argmax(1)) * masks[0]).mean(),
    ]
    assert terms["labelled"].item() == pytest.approx(np.mean(known), rel=1e-4)
    assert terms["unlabelled"].item() == pytest.approx(2 * np.mean(taught), rel=1e-4, abs=1e-9)
    assert (masks[0].sum() > 0) == (progress > 0)


def test_no_gradient_flows_into_what_is_told():
    """Of member 0's last bias: mean over items of mask · (p - told) / 2, of what it is taught and of nothing else."""
    terms, made = step(1.0, share=0.5, weight=1.0)
    terms["unlabelled"].backward()
    _, _, one, other = views()
    p = [softmax(member(made, 0, one)), softmax(member(made, 1, other))]
    for taught, teacher in ((0, 1), (1, 0)):
        told = np.eye(K)[p[teacher].argmax(1)]
        mask = chosen(p[teacher], 0.5)[:, None]
        expected = (mask * (p[taught] - told)).mean(0) / 2
        np.testing.assert_allclose(made.head.members[taught].bias.grad, expected, atol=1e-5)


def test_the_surest_of_each_class_by_hand():
    """Of class 0: 0.9, 0.8, 0.6, 0.7; of class 1: 0.51, 0.95. Half of them: 0.9, 0.8; 0.95."""
    p = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.7, 0.3], [0.49, 0.51], [0.05, 0.95]])
    guess, mask = confident(p, 0.5)
    assert guess.tolist() == [0, 0, 0, 0, 1, 1]
    assert mask.tolist() == [1, 1, 0, 0, 0, 1]
    assert confident(p, 0.0)[1].tolist() == [0] * 6
    assert confident(p, 1.0)[1].tolist() == [1] * 6
    assert confident(p, 0.01)[1].tolist() == [1, 0, 0, 0, 0, 1]  # any share has the surest one of each class


@pytest.mark.parametrize("share", [0.1, 0.33, 0.75])
def test_the_surest_of_many(share):
    p = np.random.default_rng(4).dirichlet(np.ones(5), 200)
    guess, mask = confident(torch.from_numpy(p), share)
    np.testing.assert_array_equal(guess, p.argmax(1))
    np.testing.assert_array_equal(mask, chosen(p, share))


def test_streams():
    streams = CoTraining(Given(), ratio=3).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak", "weak_2")),
        ("unlabelled", 3, ("weak", "weak_2")),
    ]
    assert CoTraining.members == 2
