"""The table of few-shot heads, at the size of a toy."""

import json

from benchmarks import heads

CHEAP = ("nearest", "cosine", "laplacian")


def test_the_whole_table_at_the_size_of_a_toy(capsys):
    words = ("--toy", "--json", "--tasks", "4", "--seeds", "2", "--steps", "2", "--heads", *CHEAP)
    heads.main(words)
    rows = json.loads(capsys.readouterr().out)
    tasks = [row for row in rows if "ways" in row]
    assert len(tasks) == 2 * 2 * 2 * len(CHEAP)
    assert {(row["queries"], row["ways"], row["shots"]) for row in tasks} == {
        (balance, ways, shots) for balance in ("balanced", "dirichlet") for ways in (5, 10) for shots in (1, 5)
    }
    assert all(row["tasks"] == 4 and row["low"] <= row["accuracy"] <= row["high"] for row in rows if "tasks" in row)
    mean = {shots: [row["accuracy"] for row in tasks if row["shots"] == shots] for shots in (1, 5)}
    assert min(mean[1]) > 0.3  # chance is a fifth or a tenth
    assert sum(mean[5]) > sum(mean[1])
    few = [row for row in rows if "ways" not in row]
    assert [row["head"] for row in few] == [*CHEAP, "fixmatch"]
    assert {row["unlabelled"] for row in few} == {290}
    assert all(row["accuracy"] > 0.3 for row in few[:-1])
