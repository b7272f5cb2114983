import numpy as np
import pytest
import torch

from leaven.nn.build import Spec, build
from leaven.nn.committee import Vote, halves
from leaven.nn.network import member_scores

RNG = np.random.default_rng(0)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def spec(shape: tuple[int, ...] = (8, 8, 1), name: str = "cnn", **more: object) -> Spec:
    return Spec(name, shape, 3, (0.4,) * shape[-1], (0.7,) * shape[-1], members=2, **more)


def made(of: Spec, seed: int = 0):
    torch.manual_seed(seed)
    network = build(of).eval()
    for p in network.head.parameters():
        torch.nn.init.normal_(p)
    return network


@pytest.mark.parametrize(
    ("of", "x"),
    [
        (spec(), RNG.random((6, 1, 8, 8))),
        (spec((7,), "mlp"), RNG.normal(size=(6, 7))),
        (spec((6,), "angular"), RNG.normal(size=(6, 6))),
        (spec((8, 8, 1), head="cosine"), RNG.random((6, 1, 8, 8))),
    ],
)
def test_the_softmax_of_the_vote_is_the_mean_probability(of, x):
    network = made(of)
    x = torch.from_numpy(x).float()
    with torch.no_grad():
        whole = network(x).double().numpy()
        each = [member_scores(network, number, x)[0].double().numpy() for number in range(2)]
    assert np.abs(softmax(each[0]) - softmax(each[1])).max() > 0.01  # they are two, and differ
    np.testing.assert_allclose(softmax(whole), (softmax(each[0]) + softmax(each[1])) / 2, atol=1e-6)
    np.testing.assert_allclose(np.exp(whole).sum(1), 1, rtol=1e-5)  # log probabilities


def test_a_vote_by_hand():
    """(0.9, 0.1) and (0.5, 0.5) make (0.7, 0.3)."""
    vote = Vote([torch.nn.Identity(), torch.nn.Identity()], [2, 2])
    found = vote(torch.tensor([[0.9, 0.1, 0.5, 0.5]]).log()).exp()
    np.testing.assert_allclose(found, [[0.7, 0.3]], rtol=1e-6)


def test_a_vote_of_extreme_scores_stays_finite():
    vote = Vote([torch.nn.Identity(), torch.nn.Identity()], [2, 2])
    found = vote(torch.tensor([[300.0, -300.0, -300.0, 300.0]]))
    np.testing.assert_allclose(found.exp(), [[0.5, 0.5]], rtol=1e-5)


@pytest.mark.parametrize("columns", [2, 7, 8])
def test_halves_share_no_column_and_leave_none_out(columns):
    one, other = halves(columns)
    assert sorted([*one.tolist(), *other.tolist()]) == list(range(columns))
    assert abs(len(one) - len(other)) <= 1


@pytest.mark.parametrize("name", ["mlp", "linear", "angular"])
def test_a_member_sees_its_columns_alone(name):
    """Of feature vectors; what stands in the others is of no influence."""
    network = made(spec((7,), name))
    x = torch.randn(5, 7)
    for number in range(2):
        changed = x.clone()
        changed[:, 1 - number :: 2] += 3.0
        with torch.no_grad():
            before, after = member_scores(network, number, x, changed)
            changed[:, number::2] += torch.randn(5, len(changed[0, number::2]))
            (moved,) = member_scores(network, number, changed)
        torch.testing.assert_close(before, after)
        assert (before - moved).abs().max() > 1e-3


def test_members_see_normalised_items():
    """Column 3 is member 1's second; its mean and deviation are those of column 3."""
    of = Spec("linear", (4,), 3, (0.0, 1.0, 2.0, 3.0), (1.0, 2.0, 3.0, 4.0), members=2)
    network = made(of)
    x = RNG.normal(size=(5, 4))
    z = (x - [0, 1, 2, 3]) / [1, 2, 3, 4]
    for number in range(2):
        head = network.head.members[number]
        expected = z[:, number::2] @ head.weight.detach().numpy().T + head.bias.detach().numpy()
        (found,) = member_scores(network, number, torch.from_numpy(x).float())
        np.testing.assert_allclose(found.detach(), expected, atol=1e-5)


def test_of_images_each_member_sees_all():
    network = made(spec())
    x = torch.rand(4, 1, 8, 8)
    features = network.features(x)
    assert features.shape == (4, network.backbone.num_features)
    size = network.backbone.sizes[0]
    assert network.backbone.num_features == 2 * size
    for number in range(2):
        torch.testing.assert_close(
            features[:, number * size : (number + 1) * size], network.backbone.of(number, network.normalised(x))
        )


def test_members_start_apart_and_do_not_share_weights():
    network = made(spec())
    (one, other) = (dict(m.named_parameters()) for m in network.backbone.members)
    assert all(one[name] is not other[name] for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    (scores,) = member_scores(network, 0, torch.rand(4, 1, 8, 8))
    scores.sum().backward()
    assert all(p.grad is None for p in [*other.values(), *network.head.members[1].parameters()])


def test_scores_of_several_views_come_one_by_one():
    network = made(spec())
    views = [torch.rand(n, 1, 8, 8) for n in (2, 5)]
    found = member_scores(network, 1, *views)
    assert [len(s) for s in found] == [2, 5]
    for view, scores in zip(views, found, strict=True):
        torch.testing.assert_close(scores, member_scores(network, 1, view)[0])


@pytest.mark.parametrize("of", [spec(), spec((7,), "mlp")])
def test_a_description_builds_the_same_network_again(of):
    again = build(Spec.from_dict(of.asdict()))
    again.load_state_dict(made(of).state_dict())
    x = torch.rand(3, of.shape[2], *of.shape[:2]) if len(of.shape) == 3 else torch.rand(3, *of.shape)
    assert torch.equal(again.eval()(x), made(of)(x))


def test_one_member_is_no_committee():
    one = Spec("cnn", (8, 8, 1), 3, (0.4,), (0.7,))
    assert not any("members" in name for name in build(one).state_dict())
    assert Spec.from_dict({k: v for k, v in one.asdict().items() if k != "members"}) == one  # of an older run
