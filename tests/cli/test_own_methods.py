"""Methods of one's own, in a file outside of the package, through the command line; on one process and on two."""

import json

import numpy as np
import pytest
import torch
from helpers_cli import make_folder
from PIL import Image

from leaven.methods import registry
from leaven.run.trained.run import load
from leaven.train import checkpoint
from leaven.train.log import read_table

FEW_SHOT = '''
import torch
import torch.nn.functional as F
from torch import nn

from leaven import Episode, Method, Stream
from leaven.nn.heads import nearest_mean


class Stretched(Method):
    """Nearest class means of features that a layer of the method's own has stretched."""

    settings, paper, tasks = ("few-shot",), "none", ("episodes",)
    plan = {"lr": 0.5, "weight_decay": 0.0, "batch_size": 2}

    def __init__(self, network, *, ways: int = 3):
        super().__init__(network)
        self.episode = Episode(ways, 1, 2)
        self.stretch = nn.Sequential(nn.Linear(network.num_features, 2), nn.BatchNorm1d(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @property
    def streams(self):
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch):
        drawn = batch["episodes"]
        self.seen += 1
        support, query = self.episode.split(self.stretch(self.network.features(drawn.plain)))
        own, labels = self.episode.split(drawn.labels)
        tasks = zip(support.flatten(1, 2), own.flatten(1), query.flatten(1, 2), strict=True)
        scores = torch.cat([nearest_mean(s, y, q) for s, y, q in tasks])
        return {"queries": F.cross_entropy(scores, labels.flatten())}

    def predict_episode(self, support, labels, query):
        features = self.network.features
        return nearest_mean(self.stretch(features(support)), labels, self.stretch(features(query)))
'''
NAME = "few_of_mine:Stretched"
OWN_VIEW = '''
import torch.nn.functional as F

from leaven import Method, Stream
from leaven.nn.network import joint


class Negative:
    """A view of the method's own: every image in its opposite greys; nothing is drawn."""

    def draw(self, x):
        return self

    def image(self, x):
        return 255 - x


class Agree(Method):
    """A negative is of the same class."""

    settings, paper = ("semi-supervised",), "none"
    own_views = {"negative": Negative()}
    streams = {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", 2, ("weak", "negative"))}

    def forward(self, batch):
        labelled, free = batch["labelled"], batch["unlabelled"]
        scores, weak, negative = joint(self.network, labelled.weak, free.weak, free.negative)
        self.log(greys=(free.weak.mean() + free.negative.mean()).detach())
        agree = F.mse_loss(negative.softmax(1), weak.detach().softmax(1))
        return {"labelled": F.cross_entropy(scores, labelled.labels), "agree": agree}
'''
SOFT = '''
import numpy as np
import torch

from leaven import Method, Stream
from leaven.nn.network import joint


class Soft(Method):
    """Every pixel is learnt from a soft label that somebody made offline of the stored image."""

    settings, paper, tasks = ("semi-supervised",), "none", ("classification", "segmentation")
    streams = {"any": Stream("any", 2, ("weak", "strong"))}

    def __init__(self, network, *, maps: str = ""):
        super().__init__(network)
        self.maps = maps

    def setup(self, run):
        self.register_buffer("soft", torch.from_numpy(np.load(self.maps)))

    def forward(self, batch):
        drawn, losses = batch["any"], {}
        views = ("weak", "strong")
        for view, scores in zip(views, joint(self.network, drawn.weak, drawn.strong), strict=True):
            target = drawn.to(view, self.soft[drawn.rows], of="image")
            losses[view] = -(target * scores.log_softmax(1)).sum(1).mean()
        return losses
'''
CLOSED = '''
import torch

from leaven import Method
from leaven.nn.heads import class_means, set_to_means


class Brightest(Method):
    """The class whose labelled items have the nearest mean."""

    settings, paper, closed, taught = ("few-shot",), "none", True, False

    def survey(self, survey):
        known = survey.labels >= 0
        features, labels = torch.from_numpy(survey.features[known]), torch.from_numpy(survey.labels[known])
        set_to_means(self.network.head, class_means(features, labels, survey.probabilities.shape[1]), 0.1)
'''
FAST = ("--accelerator", "cpu", "--precision", "32-true")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Where Python finds the file, in this process and in those that it starts; forgotten afterwards."""
    for name, code in (
        ("few_of_mine", FEW_SHOT),
        ("view_of_mine", OWN_VIEW),
        ("soft_of_mine", SOFT),
        ("closed_of_mine", CLOSED),
    ):
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTERED", {})
    make_folder(tmp_path / "known", 18, by_class=True)
    make_folder(tmp_path / "new", 18, seed=1, by_class=True, classes=("a", "b", "c"))
    return tmp_path


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("devices", [1, 2])
def test_a_layer_of_the_methods_own(leaven, own, monkeypatch, devices):
    """It is trained, averaged, brought back from other processes, kept with the run and rebuilt with it."""
    out, told = own / "run", ("--steps", 12, "--batch-size", 2, *FAST)
    said = leaven("fit", own / "known", "-o", out, "--method", NAME, "--ways", 3, *told, "--devices", devices)
    assert said.code == 0, said.err
    state = checkpoint.load_state(out / "checkpoint.pt")
    assert set(state.beside) == {name for name in state.method if name.startswith("stretch.")}
    for name in ("stretch.0.weight", "stretch.1.running_mean"):  # neither the start nor the last step's
        assert not torch.equal(state.beside[name], state.method[name])
    method = load(out).method
    for name, average in state.beside.items():
        torch.testing.assert_close(method.state_dict()[name], average)
    assert int(method.seen) == 12  # counted, not averaged
    words = ("episodes", out, own / "new", "--ways", 3, "--queries", 2, "--episodes", 10, "--json")
    monkeypatch.setattr(registry, "_REGISTERED", {})  # as in another process
    refused = leaven(*words)
    assert refused.code == 2
    assert f"The method {NAME} is not one of leaven's" in refused.err
    [row] = json.loads(leaven(*words, "--method", NAME).out)["rows"]
    assert row["method"] == NAME
    assert row["accuracy"] > 0.5  # features untaught and unstretched would do; a layer that was lost is at chance


def test_files_make_nobody_import_anything(leaven, own, monkeypatch):
    """A run folder that names a module of elsewhere, as somebody else's may, executes nothing."""
    (own / "payload.py").write_text("raise SystemExit('executed')\n")
    told = ("--steps", 2, "--batch-size", 2, *FAST)
    assert leaven("fit", own / "known", "-o", own / "run", "--method", "prototypical", "--ways", 3, *told).code == 0
    config = json.loads((own / "run" / "config.json").read_text())
    (own / "run" / "config.json").write_text(json.dumps(config | {"method": "payload:Method"}))
    for words in (
        ("episodes", own / "run", own / "new", "--ways", 3),
        ("predict", own / "run", own / "new", "--support", own / "known"),
        ("report", own / "run"),
        ("worth", own / "run"),
        ("label", own / "known", "-o", own / "run", "--no-browser"),
    ):
        said = leaven(*words)
        assert "executed" not in said.err + said.out
        assert said.code in (0, 2)


@pytest.mark.usefixtures("quick")
def test_a_view_of_the_methods_own(leaven, own):
    """Weak views and negatives of the same images: their greys add up to white; on one process and on two."""
    for devices in (1, 2):
        out = own / f"run{devices}"
        words = ("--method", "view_of_mine:Agree", "--no-baseline", "--steps", 6, "--batch-size", 4, "--no-flip", *FAST)
        said = leaven("fit", own / "known", "-o", out, *words, "--devices", devices)
        assert said.code == 0, said.err
        greys = [float(row["greys"]) for row in read_table(out / "metrics.csv")]
        assert np.abs(np.array(greys) - 1).max() < 0.05  # but for the border that a shift reflects
    broken = (own / "view_of_mine.py").read_text().replace('"negative")', '"negativ")')
    (own / "broken_of_mine.py").write_text(broken)
    said = leaven("fit", own / "known", "-o", own / "broken", "--method", "broken_of_mine:Agree", *FAST)
    assert (said.code, (own / "broken").exists()) == (2, False)
    assert (
        "Agree draws the view 'negativ', which nobody makes; there are plain, weak, strong, recoloured, cropped, nega"
        in said.err
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("devices", [1, 2])
def test_soft_labels_of_the_stored_images(leaven, own, devices):
    """Nothing else tells of classes: were a pixel's label left where the image had it, half of all would be wrong."""
    rng = np.random.default_rng(0)
    masks = np.zeros((24, 16, 16), np.uint8)
    for mask, (row, column) in zip(masks, rng.integers(0, 9, (24, 2)), strict=True):
        mask[row : row + 8, column : column + 8] = 1
    items = (rng.integers(0, 60, (24, 16, 16)) + 150 * masks).astype(np.uint8)
    for name in ("images", "masks"):
        (own / "scenes" / name).mkdir(parents=True)
    for i in range(24):
        Image.fromarray(items[i]).save(own / "scenes" / "images" / f"{i:02d}.png")
        Image.fromarray(masks[i] if i < 2 else 1 - masks[i]).save(own / "scenes" / "masks" / f"{i:02d}.png")
    (own / "scenes" / "masks" / "classes.txt").write_text("ground\nbox\n")
    soft = np.stack([1 - masks, masks], 1) * 0.8 + 0.1
    np.save(own / "soft.npy", soft.astype(np.float32))
    words = ("--method", "soft_of_mine:Soft", "--maps", own / "soft.npy", "--network", "deeplab", "--no-baseline")
    told = ("--validation", 0, "--steps", 30, "--batch-size", 4, "--lr", 0.1, "--no-flip", *FAST)
    said = leaven("fit", own / "scenes", "-o", own / "run", *words, *told, "--devices", devices)
    assert said.code == 0, said.err
    p = load(own / "run").predict_proba(items[..., None])
    right = ((p.argmax(1) == 1) == (masks == 1)).mean()
    assert right > 0.9


@pytest.mark.parametrize("told", [("--network", "pixels"), ("--init", "rotation", "--init-steps", 3)])
def test_a_closed_form_of_ones_own(leaven, own, told):
    """It is shown the pool once, sets its head, and is a run like every other, with the baseline beside it."""
    for name, truth in (("some", 12), ("test", 18)):
        make_folder(own / name, truth, seed=truth, by_class=True)
    out = own / "run"
    words = ("--method", "closed_of_mine:Brightest", "--steps", 3, "--batch-size", 6, *FAST)
    said = leaven("fit", own / "some", "-o", out, *words, "--test", own / "test", *told)
    assert said.code == 0, said.err
    rows = {row["method"]: row for row in json.loads((out / "result.json").read_text()) if row["split"] == "test"}
    assert {"supervised", "closed_of_mine:Brightest"} <= set(rows)
    printed = json.loads(leaven("evaluate", out, own / "test", "--json").out)["rows"]
    [row] = [row for row in printed if row["method"] == "closed_of_mine:Brightest"]
    assert row["accuracy"] == rows["closed_of_mine:Brightest"]["accuracy"]
    if "pixels" in told:
        assert row["accuracy"] > 0.9  # of dark, light and stripes the means tell
    refused = leaven("fit", own / "some", "-o", own / "no", *words, "--tuned")
    assert (refused.code, (own / "no").exists()) == (2, False)
    assert "Brightest leaves the backbone as it is" in refused.err
