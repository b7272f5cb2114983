"""The examples of the documentation run as they stand, but for a shorter training."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import leaven

ROOT = Path(__file__).parents[1]


def examples(name: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S)


@pytest.fixture
def arrays():
    digits = load_digits()
    y = np.full(len(digits.target), -1)
    y[:60] = digits.target[:60]
    return {"X": digits.images.astype(np.uint8) * 15, "y": y, "X_new": digits.images[:5].astype(np.uint8) * 15}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """What the examples name, in the current folder."""
    digits = load_digits()
    lines = ["file,label"]
    for i, (image, digit) in enumerate(zip(digits.images[:60], digits.target[:60], strict=True)):
        name = {0: f"photos/{i}.png", 1: f"more/{i}.png", 2: f"test/{digit}/{i}.png"}[i % 3]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(tmp_path / name)
        if name.startswith("photos") and i < 45:
            lines.append(f"{i}.png,{digit}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)


def test_readme_examples_run(arrays, folders):
    for code in examples("README.md"):
        short = code.replace("LeavenClassifier(method", "LeavenClassifier(steps=3, method").replace("1000", "3")
        exec(short, arrays)
    assert sorted(run.name for run in Path("runs").iterdir()) == ["photos"]
    assert set(arrays["run"].predict("more/")) <= set(arrays["pool"].classes)
    assert (arrays["model"].predict_proba(arrays["X_new"]).sum(1) > 0.999).all()


def test_the_method_of_contributing_trains(arrays):
    exec(examples("CONTRIBUTING.md")[0], arrays)
    model = leaven.LeavenClassifier(steps=3, method=arrays["PiModel"]).fit(arrays["X"], arrays["y"])
    assert set(model.predict(arrays["X_new"])) <= set(range(10))


def test_tables_are_what_was_measured():
    """``python -m benchmarks.tables`` makes them; a figure changed by hand, or a row left out, fails here."""
    import sys

    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.tables import MEASURED, RESULTS, written
    finally:
        sys.path.remove(str(ROOT))
    page = RESULTS.read_text()
    assert written(page) == page
    kept = sorted(path.stem for path in MEASURED.glob("*.json"))
    assert all(f"<!-- {name} -->" in page for name in kept)
    assert "omniglot" in kept


def test_the_strategy_of_the_page_chooses():
    space: dict = {}
    exec(examples("docs/active_learning.md")[0], space)
    p = np.array([[0.9, 0.1], [0.55, 0.45], [0.7, 0.3]], np.float32)
    said = space["PoolPredictions"](p, p, np.arange(3), np.array([False, False, False]))
    assert space["doubtful"](said, 2, np.arange(3, dtype=np.uint64)).tolist() == [1, 2]


def test_the_page_of_strategies_has_them_all():

    from leaven.query.registry import names as strategies

    page = (ROOT / "docs/active_learning.md").read_text()
    assert all(f"| `{name}` |" in page for name in strategies())


def test_readme_lists_every_method():
    from leaven.methods.registry import names

    rows = [row for row in (ROOT / "README.md").read_text().splitlines() if row.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(names()) <= listed


def test_the_recipe_of_the_docs_is_one(tmp_path):
    from leaven.run.stages.recipe import read_recipe

    [text] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "stages.md").read_text(), re.S)
    (tmp_path / "recipe.toml").write_text(text)
    warm, own = read_recipe(tmp_path / "recipe.toml")
    assert (warm.name, own.method, own.start_from) == ("warm-up", "adamatch", "warm-up")
