"""Two processes compute what one does."""

import atexit
import os
import signal
from functools import partial

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from helpers_train import feature_pool, image_pool, job, network
from helpers_two import cases, compute, part

from leaven.errors import LeavenError
from leaven.inference import survey
from leaven.methods.base import Method, ParamGroup, Stream
from leaven.methods.registry import get
from leaven.nn.norm import BatchNorm
from leaven.nn.normalising import of_domains
from leaven.train import checkpoint
from leaven.train.engine import train
from leaven.utils.collectives import differentiable_gather, gathered

DOMAINS = {  # of eight rows, four a process
    "more source in one": [1, 1, 1, -1, 1, -1, -1, -1],
    "source in one alone": [-1, -1, -1, -1, 1, -1, 1, -1],
    "no source": [-1] * 8,
    "no target": [1] * 8,
}


def worker(rank: int, rendezvous: str, answer: str) -> None:
    torch.set_num_threads(1)
    survey.BLOCK = 3
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=2)
    norms = {}
    for dtype in (torch.float32, torch.bfloat16):
        norm = BatchNorm(3, 0.1).train()
        x = part(whole_input(), rank, 2).to(dtype).requires_grad_()
        y = norm(x)
        (y.float() * part(whole_weights(), rank, 2)).sum().backward()
        norms[str(dtype)] = [y.detach(), x.grad, norm.running_mean, norm.running_var]
    for policy in ("source", "per_domain"):
        norms |= {f"{policy}, {which}": by_policy(policy, DOMAINS[which], rank, 2) for which in DOMAINS}
    rows = {name: gathered(part(x, rank, 2)) for name, x in whole_rows().items()}
    contrasts = {whose: contrast(whose, rank, 2) for whose in CONTRASTS}
    torch.save([compute(rank, 2), norms, rows, contrasts, surveyed()], f"{answer}{rank}")
    dist.destroy_process_group()


def contrasted(z: torch.Tensor, own: torch.Tensor | None = None) -> torch.Tensor:
    """NT-Xent (Chen et al. 2020, eq. 1) of rows ``(2B, D)``, item by item two; of ``own`` of the anchors."""
    own = torch.arange(len(z)) if own is None else own
    z = F.normalize(z, dim=1)
    scores = (z[own] @ z.T / 0.5).masked_fill(torch.eye(len(z), dtype=torch.bool)[own], -torch.inf)
    return F.cross_entropy(scores, own ^ 1)


CONTRASTS = ("the whole batch", "its own anchors")  # of which a process computes the loss
# attention over items that look alike at the start: hardly anything comes through its softmax
NEAR_NOTHING = ("asks.weight", "keys.weight")


def contrast(whose: str, rank: int, processes: int) -> list[torch.Tensor]:
    """The loss, and its gradient by a layer, in the mean over processes."""
    torch.manual_seed(3)
    layer = torch.nn.Linear(3, 4)
    x = part(torch.randn(12, 3), rank, processes)
    z = differentiable_gather(layer(x))
    own = None if whose == "the whole batch" else torch.arange(len(x)) + rank * len(x)
    loss = contrasted(z, own)
    loss.backward()
    found = [loss.detach(), layer.weight.grad, layer.bias.grad]
    if processes > 1:
        for value in found:
            dist.all_reduce(value)
    return [value / processes for value in found]


def surveyed() -> dict[str, torch.Tensor]:
    """What a survey says of pools of odd sizes, in blocks of three rows, and how many items this process passed."""
    answers = {}
    for size in (1, 2, 11):
        pool = feature_pool(n=size, labelled=min(size, 4))
        net = network("mlp", pool)
        rows = []
        net.backbone.register_forward_hook(lambda module, given, out, rows=rows: rows.append(len(out)))
        whole = survey.survey_of(net, pool)
        answers |= {f"probabilities {size}": torch.from_numpy(whole.probabilities)}
        answers |= {f"features {size}": torch.from_numpy(whole.features), f"passed {size}": torch.tensor(max(rows))}
    return answers


def by_policy(policy: str, domain: list[int], rank: int, processes: int) -> list[torch.Tensor]:
    """Of a process's part of the rows: output and its gradient; of the layer: gradients and running statistics."""
    norm = BatchNorm(3, 0.1).train()
    norm.policy = policy
    x = part(whole_input(), rank, processes).requires_grad_()
    with of_domains(norm, part(torch.tensor(domain), rank, processes)):
        y = norm(x)
    (y * part(whole_weights(), rank, processes)).sum().backward()
    return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]


def whole_input() -> torch.Tensor:
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    return x * torch.arange(1, 9).view(-1, 1, 1, 1) + torch.arange(8).view(-1, 1, 1, 1)


def whole_weights() -> torch.Tensor:
    return torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def whole_rows() -> dict[str, torch.Tensor]:
    """What is gathered from both: vectors with a gradient, row numbers, and images laid out channels last."""
    images = torch.arange(4 * 3 * 2 * 5.0).view(4, 3, 2, 5)
    return {
        "vectors": torch.arange(12.0).view(6, 2).requires_grad_() * 2,
        "rows": torch.tensor([5, -1, 3, 8]),
        "images": images.to(memory_format=torch.channels_last),
    }


@pytest.fixture(scope="module")
def two(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.start_processes(worker, (str(folder / "rendezvous"), str(folder / "answer")), 2, start_method="forkserver")
    return [torch.load(folder / f"answer{rank}") for rank in range(2)]


@pytest.fixture(scope="module")
def one():
    return compute(0, 1)


def test_a_survey_is_shared_out(two):
    """Each process passes half of the items, and both get what one says of all of them, in their order."""
    alone = surveyed()
    for rank in range(2):
        shared = two[rank][4]
        for key, value in alone.items():
            if not key.startswith("passed"):
                torch.testing.assert_close(shared[key], value, rtol=1e-5, atol=1e-6)
                assert torch.equal(two[0][4][key], two[1][4][key]), f"{key} differs between the processes"
    assert [int(two[rank][4]["passed 11"]) for rank in range(2)] == [5, 6]


@pytest.mark.parametrize("case", cases())
def test_loss_and_gradients_of_a_global_batch(case, one, two):
    for rank in range(2):
        found = two[rank][0][case]
        assert found.keys() == one[case].keys()
        for key, value in one[case].items():
            torch.testing.assert_close(found[key], value, rtol=1e-3, atol=2e-5, msg=lambda m, key=key: f"{key}: {m}")
    gradients = {k: v for k, v in one[case].items() if k.startswith("gradient")}
    assert len(gradients) >= 8
    small = {name for name, v in gradients.items() if v.ndim > 1 and v.abs().max() <= 1e-4}
    assert all(name.endswith(NEAR_NOTHING) for name in small)
    if "logged mask_rate" in one[case]:
        assert 0 < one[case]["logged mask_rate"] < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_batch_norm_of_a_global_batch(dtype, two):
    """Output, gradient and running statistics against PyTorch's layer on the whole batch."""
    theirs = torch.nn.BatchNorm2d(3)
    x = whole_input().to(dtype).float().requires_grad_()
    y = torch.nn.functional.leaky_relu(theirs(x), 0.1)
    (y * whole_weights()).sum().backward()
    loose = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    for rank in range(2):
        out, gradient, mean, var = two[rank][1][str(dtype)]
        assert out.dtype == dtype
        torch.testing.assert_close(out.float(), part(y.detach(), rank, 2), **loose)
        torch.testing.assert_close(gradient.float(), part(x.grad, rank, 2), **loose)
        torch.testing.assert_close(mean, theirs.running_mean)
        torch.testing.assert_close(var, theirs.running_var)


@pytest.mark.parametrize("name", whole_rows())
def test_rows_of_all_processes_in_their_order(name, two):
    """Both have the whole of it, and so has one process that has it all; no gradient flows back."""
    whole = whole_rows()[name]
    for found in (two[0][2][name], two[1][2][name], gathered(whole)):
        assert torch.equal(found, whole)
        assert found.dtype == whole.dtype
        assert not found.requires_grad


@pytest.mark.parametrize("whose", CONTRASTS)
def test_what_is_gathered_carries_gradients(whose, two):
    """Two processes with half of a batch each, and one with all of it: the same loss, and the same gradient."""
    whole = contrast(whose, 0, 1)
    assert all(value.abs().max() > 1e-3 for value in whole)
    for rank in range(2):
        for found, expected in zip(two[rank][3][whose], whole, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
@pytest.mark.parametrize("which", DOMAINS)
def test_policies_of_a_global_batch(policy, which, two):
    """However the domains are shared out between the processes."""
    y, by_input, *of_layer = by_policy(policy, DOMAINS[which], 0, 1)
    found = [two[rank][1][f"{policy}, {which}"] for rank in range(2)]
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
    close(torch.cat([found[0][0], found[1][0]]), y)
    close(torch.cat([found[0][1], found[1][1]]), by_input)
    for place, expected in enumerate(of_layer[:2], 2):
        close(found[0][place] + found[1][place], expected)
    for rank in range(2):
        close(found[rank][4:], of_layer[2:])


@pytest.mark.parametrize(
    ("name", "hyperparameters", "plan"),
    [("fixmatch", {"threshold": 0.4, "alignment": True}, {}), ("mcd", {}, {"norm": "per_domain"})],
)
def test_training_on_two_devices_equals_one(name, hyperparameters, plan, quick, tmp_path):
    """Through Fabric's launcher: the same averaged weights, the same log, and one checkpoint."""
    pool = image_pool(source=24 if plan else 0)
    weights, steps = [], []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        method = get(name)(network("cnn", pool), **hyperparameters)
        start = {k: v.clone() for k, v in method.network.state_dict().items()}
        trained = train(job(method, pool, folder, devices=devices, steps=5, batch_size=8, **plan))
        weights.append(trained.weights)
        state = checkpoint.load(folder / "checkpoint.pt")
        logged = [v for k, v in trained.last.items() if k not in ("seconds", "lr")]
        steps.append((trained.steps, state["step"], *logged))
        assert all(torch.equal(method.network.state_dict()[k], v) for k, v in trained.weights.items())
    np.testing.assert_allclose(steps[1], steps[0], rtol=1e-3)
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
        if "num_batches" not in name and name not in ("mean", "std"):
            assert not torch.equal(value, start[name])


class Contrast(Method):
    """Items and what is left of them with a column hidden, by a layer with an optimiser of its own that is drawn anew
    in the middle of the run.
    """

    streams = {"items": Stream("any", views=("plain",))}  # noqa: RUF012
    param_groups = {  # noqa: RUF012
        "network.backbone": ParamGroup(0.5),
        "projection": ParamGroup(optimizer="adamw", lr=0.02, weight_decay=0.0),
    }
    tasks = ("representation",)
    surveys = 2

    def __init__(self, network):
        super().__init__(network)
        torch.manual_seed(1)
        self.projection = torch.nn.Linear(network.num_features, 4)

    def survey(self, survey):
        self.projection.reset_parameters()
        self.forget(self.projection.parameters())

    def forward(self, batch):
        x = batch["items"].plain
        hidden = x * (torch.arange(x.shape[1]) > 0)
        z = self.projection(self.network.features(torch.stack([x, hidden], 1).flatten(0, 1)))
        return {"contrast": contrasted(differentiable_gather(z))}


def test_a_contrast_over_two_devices_equals_that_of_one(quick):
    pool = feature_pool()
    states = []
    for devices in (1, 2):
        net = network("mlp", pool)
        net.head = torch.nn.Identity()
        method = Contrast(net)
        start = {name: value.clone() for name, value in method.state_dict().items()}
        train(job(method, pool, devices=devices, steps=6, batch_size=8, lr=0.2))
        states.append(method.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
        if name.startswith(("network.backbone", "projection")) and "num_batches" not in name:
            assert not torch.equal(value, start[name])


def test_full_disk_in_two_processes_is_a_sentence(quick, tmp_path):
    """The process that writes fails, the other one waits for it: both end, and the user reads why."""
    pool = feature_pool()
    (tmp_path / "checkpoint.pt").mkdir()  # so that no checkpoint can take its place
    one = job(get("supervised")(network("linear", pool)), pool, tmp_path, devices=2, steps=50, checkpoint_every=0.0)
    with pytest.raises(LeavenError, match=r"checkpoint.pt could not be written"):
        train(one)


class IsKilled(get("supervised")):  # type: ignore[misc]
    """The second process is ended by the system in the middle of a step."""

    def forward(self, batch):
        if dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(batch)


class Mistaken(get("supervised")):  # type: ignore[misc]
    """A method of one's own with a mistake in it."""

    def forward(self, batch):
        raise RuntimeError("a mistake of mine")


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (IsKilled, LeavenError, r"^One of the 2 processes .* was lost.* killed.*; free some memory .* train again\.$"),
        (Mistaken, Exception, "a mistake of mine"),
    ],
)
def test_a_process_that_is_killed_is_a_sentence(kind, error, words, quick):
    pool = feature_pool()
    with pytest.raises(error, match=words):
        train(job(kind(network("linear", pool)), pool, devices=2, steps=5))


class AbortsAtTheEnd(get("supervised")):  # type: ignore[misc]
    """Stands for threads of a process group that make the interpreter's own end abort, as they do now and then."""

    def forward(self, batch):
        atexit.register(os.abort)
        return super().forward(batch)


@pytest.mark.usefixtures("planted")
def test_a_process_that_has_answered_ends_quietly(capfd):
    """Started as users do, without ``quick``."""
    pool = feature_pool()
    trained = train(job(AbortsAtTheEnd(network("linear", pool)), pool, devices=2, steps=2))
    assert trained.steps == 2
    assert "erminat" not in capfd.readouterr().err
