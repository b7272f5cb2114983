"""What the command says of itself: help, version, methods; and how little it imports for that."""

import json
import subprocess
import sys


def test_methods(leaven):
    from leaven.methods.registry import names

    listed = leaven("methods").out
    assert all(name in listed for name in names())
    rows = json.loads(leaven("methods", "--json").out)
    assert [row["name"] for row in rows] == names()
    assert all(row["settings"] and row["paper"] for row in rows)
    one = leaven("methods", "fixmatch").out
    assert "--threshold 0.95" in one
    assert "--no-alignment" in one
    assert "adamatch" not in one
    assert "Defaults: τ, λ_u and μ are the paper's" in one
    (row,) = json.loads(leaven("methods", "FixMatch", "--json").out)
    assert {h["name"]: h["default"] for h in row["hyperparameters"]}["threshold"] == 0.95


def test_help_and_version(leaven):
    import leaven as package

    assert "fit" in leaven().out
    assert leaven("--version").out.strip() == package.__version__
    for command in (
        "demo",
        "fit",
        "evaluate",
        "predict",
        "report",
        "export",
        "methods",
        "query",
        "simulate",
        "episodes",
        "probe",
        "bench",
        "worth",
        "label",
        "labels",
        "stream",
        "synthesize",
        "labels",
    ):
        said = leaven(command, "--help")
        assert (said.code, said.err) == (0, "")
    words = leaven("fit", "--help").out
    assert "sgd, adamw or lars (sgd)" in words  # and not eaten as markup
    assert "--checkpoint-every" in words


def test_help_of_a_method_lists_its_options(leaven):
    words = leaven("fit", "--method", "fixmatch", "--help").out
    assert "Hyper-parameters of fixmatch" in words
    assert "--threshold 0.95" in words
    assert "0 to 1" in words
    assert "--no-alignment" in words
    assert "--labels" in words  # the command's own, too
    assert "Defaults: τ, λ_u and μ are the paper's" in words
    assert "Hyper-parameters" not in leaven("fit", "--help").out


def test_a_value_out_of_range_is_refused_before_anything_is_written(leaven, tmp_path):
    said = leaven("fit", "nowhere", "--method", "fixmatch", "--threshold", "9", "-o", str(tmp_path / "run"))
    assert said.code == 2
    assert "'threshold' was given '9', but 0 to 1 was expected" in said.err
    assert not (tmp_path / "run").exists()


def test_help_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['leaven', '--help']; from leaven.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'numpy', 'lightning_fabric', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_baseline_that_is_ahead_is_told():
    from pathlib import Path
    from types import SimpleNamespace

    from leaven.cli.fit import _note
    from leaven.methods.fewshot.maml import MAML
    from leaven.methods.pretrain.rotation import Rotation
    from leaven.methods.semi.fixmatch import FixMatch

    def rows(*figures):
        return [{"method": m, "split": s, "accuracy": a} for m, s, a in figures]

    fitted = [SimpleNamespace(labels={"labels": 8}, evaluations={}, trained=None)]
    ahead = _note(fitted, rows(("supervised", "test", 0.8), ("fixmatch", "test", 0.7)), Path("runs/x"), FixMatch)
    assert ahead is not None
    assert "test" in ahead
    assert "runs/x/baseline" in ahead
    assert _note(fitted, rows(("supervised", "test", 0.7), ("fixmatch", "test", 0.8)), Path("runs/x"), FixMatch) is None
    assert _note(fitted, rows(("supervised", "test", 0.7)), Path("runs/x"), FixMatch) is None
    assert "leaven evaluate runs/x" in str(_note(fitted, [], Path("runs/x"), FixMatch))
    assert "leaven probe runs/x" in str(_note(fitted, [], Path("runs/x"), Rotation))
    assert "leaven episodes runs/x" in str(_note(fitted, [], Path("runs/x"), MAML))
