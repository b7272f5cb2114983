"""CTAugment through whole runs of the engine: what it learns, and that it is part of the run and of nothing else."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from helpers_train import feature_pool, image_pool, job, network

from leaven.augment import OPERATIONS, CTAugment, ImageViews, Learner, RandAugment
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.registry import get
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.resolve import configuration, resolve_options
from leaven.train import checkpoint
from leaven.train.engine import train
from leaven.train.loop import Loop
from leaven.utils.collectives import gathered

PLAN = {"steps": 3, "batch_size": 6, "accelerator": "cpu", "precision": "32-true", "probes": 0}


def run(name, folder, policy, *, resume=False, seed=0, pool=None, **plan):
    """Train from a fixed start; averaged weights, and the checkpoint."""
    pool = pool or image_pool(n=60, labelled=24)
    folder.mkdir(exist_ok=True)
    views = ImageViews(flip=False, policy=policy)
    one = job(get(name)(network("cnn", pool, seed)), pool, folder, views, **{"steps": 6, "seed": seed, **plan})
    one.resume = resume
    trained = train(one)
    return trained.weights, checkpoint.load(folder / "checkpoint.pt")


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_destroys_the_class_is_drawn_less(seed, tmp_path):
    """Brightness tells the three classes, so an image that is made darker by half or more is of another one.

    The 0.99 of the paper is for long runs: here a bin is hit some forty times.
    """
    policy = CTAugment(decay=0.95)
    _, state = run("supervised", tmp_path / "run", policy, seed=seed, steps=300, batch_size=16)
    assert torch.equal(policy.rates, torch.ones(14, 17))  # what was given to the job is not touched
    rates = state["views"]["rates"]
    darker, same_image = rates[OPERATIONS.index("Brightness")], rates[OPERATIONS.index("Identity")]
    dark, light = darker[-8:].mean(), darker[:3].mean()  # factors under 0.5, and over 0.79
    assert dark < light
    assert dark < same_image.mean()
    policy.rates[:] = rates
    torch.manual_seed(seed)
    draw = policy.draw(40_000, torch.device("cpu"))
    strength = draw.strength[draw.operation == OPERATIONS.index("Brightness")]
    uniform = 8 / 17
    assert (strength > 1 - uniform).float().mean() < uniform / 2
    strength = draw.strength[draw.operation == OPERATIONS.index("Identity")]
    assert abs((strength < uniform).float().mean() - uniform) < 0.1


BINS = 10_000  # so many that none is hit twice, and the order of the images cannot count


class Watched(CTAugment):
    """Keeps what it was told, and what it had drawn."""

    told: list = []  # noqa: RUF012 - a copy that the engine makes tells it to all

    def learn(self, probabilities, labels, gather=lambda x: x):
        self.told.append((self.probed.clone(), probabilities.clone(), labels.clone()))
        super().learn(probabilities, labels, gather)


def test_the_averaged_network_is_asked_about_labelled_images(tmp_path, monkeypatch):
    """Each step B images with the labels of the pool; the rates are those of the paper's loop over what was told."""
    monkeypatch.setattr(Watched, "told", [])
    _, state = run("fixmatch", tmp_path / "run", Watched(bins=BINS), steps=4, batch_size=6)
    assert len(Watched.told) == 4
    rates = np.ones(14 * BINS)
    cells = np.concatenate([cells.numpy().ravel() for cells, _, _ in Watched.told])
    assert len(np.unique(cells)) == 4 * 6 * 2
    for drawn, p, labels in Watched.told:
        assert p.shape == (6, 3)
        torch.testing.assert_close(p.sum(1), torch.ones(6))
        for image, of_image, label in zip(drawn.tolist(), p.double().numpy(), labels.tolist(), strict=True):
            closeness = 1 - 0.5 * np.abs(of_image - np.eye(3)[label]).sum()
            for cell in image:
                rates[cell] = 0.99 * rates[cell] + 0.01 * closeness
    np.testing.assert_allclose(state["views"]["rates"].flatten(), rates, rtol=1e-5)


def test_the_probe_is_seen_by_the_averaged_network_without_a_trace(tmp_path):
    """In evaluation mode: after a step the weights that it was asked with are those of the checkpoint."""
    from lightning_fabric import Fabric

    pool = image_pool(n=60, labelled=24)
    views = ImageViews(flip=False, policy=CTAugment())
    loop = Loop(Fabric(accelerator="cpu", devices=1), job(get("fixmatch")(network("cnn", pool)), pool, None, views))
    asked, labels = [], []
    loop.ema.network.register_forward_hook(lambda _, x, y: asked.append((x[0].clone(), y.clone())))
    learn = loop.learner.learn
    loop.learner.learn = lambda p, y, gather: (labels.append((p, y)), learn(p, y, gather))
    for step in range(3):
        loop.update(step)
        x, scores = asked[-1]
        assert len(asked) == step + 1
        loop.ema.network.eval()
        with torch.no_grad():
            assert torch.equal(loop.ema.network(x), scores)
        del asked[-1]
        torch.testing.assert_close(labels[-1][0], scores.softmax(1))
        rows = loop.batches.probed.at(step)
        assert (pool.labels[rows] >= 0).all()
        assert labels[-1][1].tolist() == pool.labels[rows].tolist()


class Idle(Learner):
    """Draws as RandAugment does, and learns nothing."""

    def __init__(self):
        super().__init__()
        self.of = RandAugment()

    def draw(self, n, device):
        return self.of.draw(n, device)

    def probe(self, n, device):
        return self.of.draw(n, device)

    def learn(self, probabilities, labels, gather=None):
        assert not probabilities.requires_grad


@pytest.mark.parametrize("name", ["fixmatch", "supervised"])
def test_asking_changes_nothing_else(name, tmp_path):
    """The steps of a run are the same bit for bit, whether something in its views learns beside it or not."""
    without, kept = run(name, tmp_path / "without", None)
    beside, state = run(name, tmp_path / "beside", Idle())
    assert same(without, beside)
    assert same(kept["method"], state["method"])
    assert kept["views"] == {}


@pytest.mark.parametrize("name", ["fixmatch", "supervised"])
def test_a_run_that_goes_on_ends_the_same(name, tmp_path, monkeypatch):
    """Stopped after the third of eight steps; with the rates, for without them other bins would be drawn."""
    plan = {"steps": 8, "batch_size": 12, "checkpoint_every": 0.0}
    quick = {"decay": 0.3}
    whole, end = run(name, tmp_path / "whole", CTAugment(**quick), **plan)
    save, stopped = Loop._save, tmp_path / "stopped"

    def stop(loop):
        save(loop)
        if loop.step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            run(name, stopped, CTAugment(**quick), **plan)
    middle = checkpoint.load(stopped / "checkpoint.pt")
    assert middle["step"] == 3
    assert middle["views"]["rates"].min() < 0.8
    again, state = run(name, stopped, CTAugment(**quick), resume=True, **plan)
    assert same(again, whole)
    assert same(state["views"], end["views"])
    # the test can fail: with the rates forgotten, the end is another
    del middle["views"]
    checkpoint.save(stopped / "checkpoint.pt", middle)  # as a checkpoint from before there was CTAugment
    other, state = run(name, stopped, CTAugment(**quick), resume=True, **plan)
    assert state["step"] == 8
    assert not same(other, whole)


def test_old_checkpoints_still_load(tmp_path):
    whole, _ = run("fixmatch", tmp_path / "run", None)
    state = checkpoint.load(tmp_path / "run" / "checkpoint.pt")
    del state["views"]
    checkpoint.save(tmp_path / "run" / "checkpoint.pt", state)
    again, _ = run("fixmatch", tmp_path / "run", None, resume=True)
    assert same(again, whole)


def whole_batch(step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What 12 images drew, how they were seen, and what they are."""
    generator = torch.Generator().manual_seed(step)
    cells = torch.randint(0, 14 * 5, (12, 2), generator=generator)
    return cells, torch.rand(12, 3, generator=generator).softmax(1), torch.randint(0, 3, (12,), generator=generator)


def learnt(rank: int, processes: int) -> torch.Tensor:
    policy = CTAugment(bins=5)
    for step in range(4):
        policy.probed, p, labels = (x[rank * 12 // processes : (rank + 1) * 12 // processes] for x in whole_batch(step))
        policy.learn(p, labels, gathered)
    return policy.rates


def worker(rank: int, rendezvous: str, answer: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=2)
    torch.save(learnt(rank, 2), f"{answer}{rank}")
    dist.destroy_process_group()


def test_two_processes_learn_what_one_does(processes, tmp_path):
    mp.start_processes(worker, (f"{tmp_path}/rendezvous", f"{tmp_path}/answer"), 2, start_method="forkserver")
    one, *two = learnt(0, 1), *(torch.load(tmp_path / f"answer{rank}") for rank in range(2))
    assert torch.equal(two[0], two[1])
    assert torch.equal(two[0], one)
    assert (one < 1).float().mean() > 0.5


class Compared(CTAugment):
    """Looks, after every step, whether all processes have the same rates, and counts how often they had."""

    def __init__(self):
        super().__init__()
        self.register_buffer("alike", torch.zeros((), dtype=torch.long))

    def learn(self, probabilities, labels, gather=lambda x: x):
        mine = self.probed.clone()
        super().learn(probabilities, labels, gather)
        rates, drawn = gather(self.rates[None]), gather(mine[None])
        self.alike += len(rates) == 2 and torch.equal(rates[0], rates[1]) and not torch.equal(drawn[0], drawn[1])


@pytest.mark.usefixtures("quick")
def test_training_on_two_devices_keeps_one_set_of_rates(tmp_path):
    _, state = run("fixmatch", tmp_path / "run", Compared(), steps=4, batch_size=8, devices=2)
    assert state["views"]["alike"] == 4
    assert ((state["views"]["rates"] < 1).sum() > 30).item()


def test_the_option_is_part_of_the_configuration(tmp_path):
    pool = image_pool()
    asked = resolve_options(Options("fixmatch", augment="ctaugment"), pool)
    assert configuration(asked, pool, {}, "")["augment"] == "ctaugment"
    assert configuration(resolve_options(Options("fixmatch"), pool), pool, {}, "")["augment"] == "randaugment"

    def train_in(where, augment, resume=False):
        options = Options("fixmatch", plan=PLAN, validation=0.0, augment=augment)
        return fit(pool, tmp_path / where, options, progress=False, resume=resume)

    train_in("run", "ctaugment")
    for folder in ("run", "run/baseline"):
        assert "rates" in checkpoint.load(tmp_path / folder / "checkpoint.pt")["views"]
    train_in("run", "ctaugment", resume=True)
    with pytest.raises(LeavenError, match="augment was 'ctaugment', is 'randaugment'"):
        train_in("run", None, resume=True)
    train_in("other", None)
    assert checkpoint.load(tmp_path / "other" / "checkpoint.pt")["views"] == {}


class Wishes(get("fixmatch")):  # type: ignore[misc]
    """A method whose paper draws by CTAugment."""

    augment = "ctaugment"


MASKS = Pool(
    np.zeros((8, 16, 16, 3), np.uint8),
    np.where(np.arange(8) < 4, 0, -1),
    classes=("a", "b"),
    masks=(np.arange(8 * 256).reshape(8, 16, 16) % 2).astype(np.uint8),
)


@pytest.mark.parametrize(
    ("pool", "options", "why"),
    [
        (feature_pool(), {}, "is for images, and these are feature vectors"),
        (MASKS, {}, "images of one class each, and these have masks"),
        (image_pool(), {"method": "moco"}, "this method learns none"),
        (image_pool(), {"network": "resnet10t", "pretrained": False, "frozen": True}, "frozen, its views made once"),
    ],
    ids=["features", "masks", "learns features", "frozen"],
)
def test_where_it_cannot_learn_it_is_refused_and_not_wished(pool, options, why):
    if "network" in options:
        pytest.importorskip("timm")
    options = {"method": "fixmatch", **options}
    with pytest.raises(LeavenError, match=why) as error:
        resolve_options(Options(**options, augment="ctaugment"), pool)
    assert "leave it at randaugment" in str(error.value)
    if options["method"] == "fixmatch":
        assert resolve_options(Options(**{**options, "method": Wishes}), pool).augment == "randaugment"
    assert resolve_options(Options(Wishes), image_pool()).augment == "ctaugment"
    assert resolve_options(Options(Wishes, augment="randaugment"), image_pool()).augment == "randaugment"


def test_an_unknown_one_and_a_pool_without_labels_are_sentences():
    with pytest.raises(LeavenError, match="augment 'twirl' is not known; choose randaugment or ctaugment"):
        resolve_options(Options("fixmatch", augment="twirl"), image_pool())
    pool = image_pool(labelled=0)
    net = network("cnn", pool)
    net.head = torch.nn.Identity()
    with pytest.raises(LeavenError, match="CTAugment learns from labelled images, but the pool has none"):
        train(job(get("rotation")(net), pool, views=ImageViews(policy=CTAugment())))
