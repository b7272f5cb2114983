"""The classifier in scikit-learn's company: pipelines, searches, images, domains, new methods, errors."""

import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch.nn.functional as F
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import leaven
from leaven import LeavenClassifier, Method, Pool
from leaven.errors import LeavenError
from leaven.methods.step import Stream
from leaven.run.fit import fit
from leaven.run.options import Options

X, TRUTH = make_blobs(90, centers=3, cluster_std=0.6, random_state=0)
Y = np.where(np.arange(90) < 30, TRUTH, -1)
SMALL = {"steps": 30, "random_state": 0}


class OnlyLabels(Method):
    """A method as a researcher writes one."""

    def __init__(self, network, *, smoothing: float = 0.0):
        super().__init__(network)
        self.smoothing = smoothing

    @property
    def streams(self):
        return {"labelled": Stream("labelled")}

    def forward(self, batch):
        scores = self.network(batch["labelled"].weak)
        return {"labelled": F.cross_entropy(scores, batch["labelled"].labels, label_smoothing=self.smoothing)}


def test_pipeline():
    model = make_pipeline(StandardScaler(), LeavenClassifier(**SMALL)).fit(X, Y)
    assert model.score(X, TRUTH) > 0.85
    assert_array_equal(model.classes_, [0, 1, 2])


def test_the_scale_of_the_features_does_not_matter():
    scaled = X * [1e-3, 1e4] + [5, -1e5]
    assert LeavenClassifier(**SMALL).fit(scaled, Y).score(scaled, TRUTH) > 0.85


def test_grid_search_over_methods_and_hyperparameters():
    grid = [
        {"method": ["supervised", OnlyLabels]},
        {"method": ["fixmatch"], "hyperparameters__threshold": [0.5, 0.95], "plan__weight_decay": [1e-3]},
    ]
    search = GridSearchCV(LeavenClassifier(**SMALL), grid, cv=2, error_score="raise").fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 4
    assert (scores > 0.85).all()  # of the labelled rows held out; the unlabelled ones don't count


def test_grid_search_through_a_pipeline():
    pipe = make_pipeline(StandardScaler(), LeavenClassifier(**SMALL))
    grid = {"leavenclassifier__hyperparameters__threshold": [0.5, 0.95]}
    assert GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, Y).best_score_ > 0.85


def test_another_process_gives_the_same_model():
    [there] = Parallel(n_jobs=2)([delayed(LeavenClassifier(**SMALL).fit)(X, Y)])
    assert_array_equal(there.predict_proba(X), LeavenClassifier(**SMALL).fit(X, Y).predict_proba(X))


def test_a_search_splits_the_domains_with_the_rows():
    domain = np.where(np.arange(90) % 2, 1, -1)
    search = GridSearchCV(LeavenClassifier("auto", **SMALL), {"batch_size": [16]}, cv=2, error_score="raise")
    assert search.fit(X, TRUTH, sample_domain=domain).best_score_ > 0.85


def test_a_teacher_is_followed_where_no_label_says_otherwise(tmp_path):
    """The teacher has learnt each class under the name of the next one, and so does who learns from it."""
    wrong = Pool(X.astype(np.float32), (TRUTH + 1) % 3, classes=("0", "1", "2"))
    fit(wrong, tmp_path / "teacher", Options("supervised", plan={"steps": 60}), progress=False)
    taught = LeavenClassifier("distillation", teacher=tmp_path / "teacher", steps=60, random_state=0).fit(X, Y)
    assert taught.score(X, (TRUTH + 1) % 3) > 0.85


def test_entries_of_dictionaries_are_parameters():
    model = LeavenClassifier(hyperparameters={"ratio": 3})
    given = model.hyperparameters
    model.set_params(hyperparameters__threshold=0.8, plan__clip=1.0)
    assert given == {"ratio": 3}  # the caller's own dictionary is left alone
    params = clone(model).get_params()
    assert params["hyperparameters"] == {"ratio": 3, "threshold": 0.8}
    assert params["hyperparameters__threshold"] == 0.8
    assert params["plan__clip"] == 1.0


def test_the_same_seed_gives_the_same_model_even_in_threads():
    models = Parallel(n_jobs=3, backend="threading")(delayed(LeavenClassifier(**SMALL).fit)(X, Y) for _ in range(3))
    first, *others = [model.predict_proba(X) for model in models]
    for other in others:
        assert_array_equal(first, other)
    another = LeavenClassifier(**{**SMALL, "random_state": 1}).fit(X, Y).predict_proba(X)
    assert (first != another).any()


def test_pickle_and_save(tmp_path):
    model = LeavenClassifier(**SMALL).fit(X, Y)
    expected = model.predict_proba(X)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), expected)
    model.model_.save(tmp_path / "model.safetensors")
    loaded = leaven.load(tmp_path / "model.safetensors")
    np.testing.assert_allclose(loaded.predict_proba(X.astype(np.float32)), expected, atol=1e-5)
    assert loaded.classes == ("0", "1", "2")


@pytest.mark.parametrize("size", [2, 3, 7])
def test_tiny_data(size):
    model = LeavenClassifier(steps=5).fit(X[:size], np.arange(size) % 2)
    assert model.predict_proba(X).shape == (90, 2)


def test_images_in_every_form():
    digits = load_digits()
    images, y = digits.images[:100] / 16, digits.target[:100]
    pixels = np.rint(images * 255).astype(np.uint8)
    forms = [images, pixels, pixels[..., None], pixels[:, None], np.repeat(pixels[..., None], 3, axis=3)]
    models = [LeavenClassifier("supervised", steps=3, batch_size=8, random_state=0).fit(x, y) for x in forms]
    assert [m.image_shape_ for m in models] == [(8, 8, 1)] * 4 + [(8, 8, 3)]
    for x, model in zip(forms[:4], models[:4], strict=True):
        assert_array_equal(model.predict_proba(x), models[0].predict_proba(images))
    assert models[0].n_features_in_ == 64
    with pytest.raises(LeavenError, match="images"):
        models[0].predict(digits.data)
    with pytest.raises(LeavenError, match=r"\(6, 8, 1\)"):
        models[0].predict(pixels[:, :6])
    with pytest.raises(LeavenError, match="rows of 2 features"):
        LeavenClassifier(**SMALL).fit(X, Y).predict(pixels)


def test_a_method_of_ones_own():
    model = LeavenClassifier(OnlyLabels, hyperparameters={"smoothing": 0.1}, **SMALL).fit(X, Y)
    assert model.score(X, TRUTH) > 0.85
    assert pickle.loads(pickle.dumps(model)).method is OnlyLabels


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"method": "fixmach"}, "no method 'fixmach'; did you mean 'fixmatch'"),
        ({"hyperparameters": {"treshold": 0.9}}, "no hyper-parameter 'treshold'; did you mean 'threshold'"),
        ({"hyperparameters": [0.9]}, "hyperparameters is"),
        ({"method": OnlyLabels(None)}, "a name or a subclass"),
        ({"method": int}, "a name or a subclass"),
        ({"method": "rotation"}, "learns features, not to tell the classes"),
        ({"method": "maml"}, "learns tasks, not to tell the classes"),
        ({"init": "no/such/run"}, "no run no/such/run to start from"),
        ({"plan": {"wight_decay": 1}}, "wight_decay"),
        ({"network": "cnn"}, "choose mlp"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": "many"}, "steps is 'many'"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"lr": "high"}, "lr is 'high'"),
        ({"minutes": "few"}, "minutes is 'few'"),
        ({"minutes": -1}, "minutes is -1"),
        ({"lr": 1e30}, "NaN or infinite"),
    ],
)
def test_errors_are_one_sentence(params, says):
    with pytest.raises(LeavenError, match=says) as error:
        LeavenClassifier(**{**SMALL, **params}).fit(X, Y)
    assert str(error.value).count("\n") == 0


def test_minutes_in_place_of_steps(monkeypatch):
    """A minute, nine tenths of it, of steps of a second: 54 of them; auto shares it among all its trainings."""
    monkeypatch.setattr("leaven.run.budget.step_seconds", lambda job: 1.0)
    timed = LeavenClassifier(random_state=0, minutes=1).fit(X, Y)
    counted = LeavenClassifier(random_state=0, steps=54).fit(X, Y)
    assert (timed.predict_proba(X) == counted.predict_proba(X)).all()


def test_sparse_features_are_refused():
    with pytest.raises(TypeError, match="dense data is required"):
        LeavenClassifier(**SMALL).fit(csr_array(X), Y)


@pytest.mark.parametrize(
    ("domain", "says"),
    [
        ([1, -1], "90 integers"),
        (np.zeros(90), "holds a 0"),
        (np.ones(90), "source rows only"),
        (["s"] * 90, "integers"),
    ],
)
def test_domains_that_are_none(domain, says):
    with pytest.raises(LeavenError, match=says):
        LeavenClassifier(**SMALL).fit(X, Y, sample_domain=domain)


def test_leaven_is_imported_without_torch():
    code = "import sys, leaven; print(sorted(m for m in ('torch', 'sklearn', 'numpy') if m in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert {"LeavenClassifier", "Method", "Pool", "load"} <= set(dir(leaven))
    with pytest.raises(AttributeError, match="no attribute 'Leaven'"):
        leaven.Leaven  # noqa: B018


class Stopped(OnlyLabels):
    """Somebody presses Ctrl-C in the middle of a step."""

    def forward(self, batch):
        signal.raise_signal(signal.SIGINT)
        return super().forward(batch)


def test_ctrl_c_is_a_keyboard_interrupt_and_leaves_the_estimator_as_it_was():
    model = LeavenClassifier(Stopped, **SMALL)
    with pytest.raises(KeyboardInterrupt) as stop:
        model.fit(X, Y)
    assert type(stop.value) is KeyboardInterrupt
    assert not [name for name in vars(model) if name.endswith("_")]
    model.set_params(method="supervised").fit(X, Y)
    before, said = dict(vars(model)), model.predict(X)
    model.set_params(method=Stopped)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :1], np.where(Y == 2, 7, Y))
    assert vars(model) == before | {"method": Stopped}
    assert_array_equal(model.predict(X), said)
    with pytest.raises(LeavenError):
        model.set_params(method="supervised").fit(X[:, :1], np.zeros(90))
    assert_array_equal(model.predict(X), said)
