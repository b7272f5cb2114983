"""A folder of a stranger says what it likes; no code of it is executed."""

import ast
import json
from pathlib import Path

import pytest
from helpers_label import begin

import leaven
from leaven.errors import LeavenError
from leaven.label.session.opening import open_session
from leaven.label.session.session import Session
from leaven.label.worker.process import Worker

OWN = "run.payload:go"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A labelling whose folder holds a module, where Python would find it."""
    begin(tmp_path, 8).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    payload = "from pathlib import Path\nPath(__file__).with_name('executed').touch()\ngo = None\n"
    (tmp_path / "run" / "payload.py").write_text(payload)
    yield tmp_path / "run"
    assert not (tmp_path / "run" / "executed").exists()


def say(path, **more):
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(found | more))


def test_a_strategy_of_ones_own_is_only_ever_told_at_the_start(run):
    say(run / "label.json", strategy=OWN)
    before = (run / "label.json").read_bytes()
    for start in (
        lambda: open_session(run, train=False),
        lambda: open_session(run.parent / "images", run),
        lambda: Session(run),
    ):
        with pytest.raises(LeavenError, match=r"asks by the strategy run.payload:go, .* --strategy default"):
            start()
    assert (run / "label.json").read_bytes() == before
    open_session(run, train=False, options={"strategy": "margin"}).close()


def test_the_worker_takes_its_strategy_from_whoever_started_it(run):
    say(run / "label.json", strategy=OWN)
    worker = Worker(run, str(run / "labels.db"), "margin", None, None)
    assert worker.settings.strategy == "margin"


@pytest.mark.parametrize(
    "config",
    [{"method": OWN}, {"network": {"name": OWN}}, {"inputs": {"data": OWN, "labels": OWN, "source": None}}],
)
def test_no_file_of_a_run_names_code(run, config):
    from leaven.run.trained.model import load_model
    from leaven.run.trained.run import load_method

    (run / "label.json").unlink()
    say(run / "config.json", leaven="0", learns="classes", classes=["a", "b"], data={"dense": False}, **config)
    for use in (load_method, load_model, lambda path: open_session(path, train=False)):
        with pytest.raises((LeavenError, KeyError, TypeError, AttributeError)):
            use(run)


def test_nothing_is_unpickled():
    """Of all calls in the library: arrays and weights come without pickles, and no text is executed."""
    root, unpickles = Path(leaven.__file__).parent, []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert name not in ("eval", "exec", "compile"), path
            assert given.get("allow_pickle", "False") == "False", path
            if name == "torch.load":
                assert given.get("weights_only") == "True", path
            if name.endswith(("pickle.load", "pickle.loads", "yaml.load")):
                unpickles.append(path.relative_to(root).as_posix())
    assert unpickles == ["study/process.py", "train/engine.py"]  # from the process that started it, through a pipe
