import json

import pytest
from helpers_cli import FAST, make_folder

from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.episode import Episode
from leaven.train.uneven import Uneven

NEW = ("smoke", "steam", "sleet")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Two runs of few-shot methods, and a folder of classes that they have not seen."""
    from helpers_cli import call

    root = tmp_path_factory.mktemp("tasks")
    make_folder(root / "known", 24, by_class=True)
    make_folder(root / "new", 18, seed=1, by_class=True, classes=NEW)
    sizes = ("--ways", "2", "--queries", "2")
    for method in ("prototypical", "maml"):
        assert call("fit", root / "known", "-o", root / method, "--method", method, *sizes, *FAST) == 0
    return root


def test_a_mean_over_tasks(leaven, tasks):
    words = ("--ways", 3, "--shots", 2, "--queries", 4, "--episodes", 10)
    said = leaven("episodes", tasks / "prototypical", tasks / "new", *words, "--json")
    assert (said.code, said.err) == (0, "")
    content = json.loads(said.out)
    assert "note" not in content
    [row] = content["rows"]
    described = {"method": "prototypical", "ways": 3, "shots": 2, "queries": 4, "episodes": 10, "transductive": False}
    described |= {"query_balance": "balanced", "unlabelled": 0, "distractors": 0}
    assert described.items() <= row.items()
    assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
    said = leaven("episodes", tasks / "prototypical", tasks / "new", *words)
    assert f"{100 * row['accuracy']:.1f} %" in said.out
    assert json.loads(leaven("episodes", tasks / "prototypical", tasks / "new", *words, "--json").out) == content


def test_tasks_that_are_not_even(leaven, tasks, monkeypatch):
    asked = []

    def evaluate(method, pool, episode, *rest, uneven, **options):
        asked.append((episode, uneven))
        return evaluate_episodes(method, pool, episode, *rest, uneven=uneven, **options)

    monkeypatch.setattr("leaven.evaluation.episodes.evaluate_episodes", evaluate)
    words = ("--ways", 2, "--queries", 1, "--episodes", 4, "--json")
    content = json.loads(leaven("episodes", tasks / "prototypical", tasks / "new", *words, "--shots", "1-3").out)
    assert content["rows"][0]["shots"] == "1-3"
    more = ("--unlabelled-items", 2, "--distractors", 1, "--query-balance", "dirichlet")
    content = json.loads(leaven("episodes", tasks / "prototypical", tasks / "new", *words, *more).out)
    described = {"shots": 1, "unlabelled": 2, "distractors": 1, "query_balance": "dirichlet"}
    assert described.items() <= content["rows"][0].items()
    assert content["note"] == "Prototypical makes no use of unlabelled items: the tasks are the same, solved without."
    assert asked == [(Episode(2, 3, 1), Uneven(1, None)), (Episode(2, 1, 1, 2, 1), Uneven(None, 2.0))]


def test_shares_that_the_classes_are_too_small_for(leaven, tasks):
    words = ("--ways", 3, "--queries", 4, "--episodes", 4, "--query-balance", "dirichlet", "--json")
    note = json.loads(leaven("episodes", tasks / "prototypical", tasks / "new", *words).out)["note"]
    assert "more than 42 % of a task's queries" in note  # 6 items a class, one of them the shot: 5 of 12


def test_what_the_figure_is_not(leaven, tasks):
    words = ("--ways", 2, "--queries", 3, "--episodes", 4, "--json")
    content = json.loads(leaven("episodes", tasks / "maml", tasks / "known", *words).out)
    assert content["rows"][0]["transductive"]
    assert "MAML is transductive" in content["note"]
    assert "3 of the classes have the names of classes" in content["note"]


def test_the_curve_of_a_task(leaven, refused, tasks):
    """Of the same tasks: after the third step, by which MAML solves them, it is the figure itself."""
    words = ("--ways", 2, "--queries", 3, "--episodes", 4, "--curve")
    rows = json.loads(leaven("episodes", tasks / "maml", tasks / "new", *words, "--json").out)["rows"]
    found = {row["of"]: row["accuracy"] for row in rows}
    assert list(found) == ["queries", *(f"step_{i}" for i in range(11))]
    assert found["step_3"] == pytest.approx(found["queries"])
    assert "leave --curve out" in refused("episodes", tasks / "prototypical", tasks / "new", *words)


def test_any_run_has_features(leaven, finished, tasks):
    said = leaven("episodes", finished, tasks / "new", "--ways", 3, "--queries", 2, "--episodes", 4, "--json")
    assert json.loads(said.out)["rows"][0]["method"] == "fixmatch"


@pytest.mark.parametrize("balance", ["balanced", "dirichlet"])
def test_any_head_solves_the_tasks_of_any_run(leaven, finished, tasks, balance):
    """By the run's features; nearest is what a run without a way of its own does by default."""
    words = ("--ways", 3, "--shots", 2, "--queries", 2, "--episodes", 6, "--query-balance", balance, "--json")
    plain = json.loads(leaven("episodes", finished, tasks / "new", *words).out)["rows"][0]
    found = {}
    for head in ("nearest", "cl2n", "laplacian", "logistic_regression"):
        content = json.loads(leaven("episodes", finished, tasks / "new", *words, "--solve", head).out)
        [found[head]] = content["rows"]
        assert found[head]["transductive"] == ("LaplacianShot is transductive" in content.get("note", ""))
    assert {row["method"] for row in found.values()} == {"fixmatch"}
    assert [row["solved_by"] for row in found.values()] == list(found)
    assert (plain["solved_by"], plain["accuracy"]) == ("fixmatch", found["nearest"]["accuracy"])
    assert found["laplacian"]["transductive"]
    said = leaven("episodes", tasks / "prototypical", tasks / "new", *words, "--solve", "soft_kmeans")
    assert json.loads(said.out)["rows"][0]["solved_by"] == "soft_kmeans"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("prototypical", "new", "--ways", 5), "5 ways needs as many classes"),
        (("prototypical", "new", "--ways", 3), r"3 ways needs as many classes with 1 + 15 labelled items, but 0 of 3"),
        (("prototypical", "new", "--ways", 1), "--ways"),
        (("prototypical", "new", "--shots", "5-1"), "--shots is '5-1'"),
        (("prototypical", "new", "--shots", "0"), "--shots is '0'"),
        (("prototypical", "new", "--query-balance", "uneven"), "expected balanced or dirichlet"),
        (("prototypical", "new", "--distractors", 1), "--unlabelled-items"),
        (("prototypical", "new", "--episodes", 1), "--episodes"),
        (("maml", "new", "--ways", 3, "--queries", 2), "MAML has 2 ways, but a task has 3"),
        (("prototypical", "new", "--solve", "fixmatch"), "FixMatch is trained in steps, but tasks are solved at once"),
        (("prototypical", "new", "--solve", "nearst"), "did you mean 'nearest'"),
        (("new", "new"), "not a run folder"),
        (("prototypical", "nowhere"), "nowhere"),
    ],
)
def test_what_is_refused(refused, tasks, words, says):
    run, data, *options = words
    assert says in refused("episodes", tasks / run, tasks / data, *options)
