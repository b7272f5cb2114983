"""A stream on the command line: names in, those to label out."""

import io
import json

import pytest


@pytest.fixture
def piped(leaven, monkeypatch):
    def command(names, *words):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{name}\n" for name in names)))
        return leaven("stream", *words)

    return command


def names(place):
    return sorted(str(path) for path in (place / "photos").glob("*.png")) * 10


def test_it_prints_those_to_label_and_keeps_to_its_budget(piped, place, finished):
    given = names(place)
    said = piped(given, finished, "--budget", "0.3")
    asked = said.out.splitlines()
    assert said.code == 0
    assert set(asked) <= set(given)
    assert 0.3 * len(given) - 11 <= len(asked) <= 0.3 * len(given) + 1
    assert f"{len(asked)} of {len(given)} items" in said.err


def test_json_says_what_the_model_takes_it_for(piped, place, finished):
    rows = [json.loads(line) for line in piped(names(place), finished, "--budget", "0.3", "--json").out.splitlines()]
    assert rows
    classes = json.loads((finished / "config.json").read_text())["classes"]
    assert {row["predicted"] for row in rows} <= set(classes)
    assert all(1 / len(classes) <= row["confidence"] <= 1 for row in rows)


def test_a_stream_goes_on_where_it_was_stopped(piped, place, finished, tmp_path):
    given = names(place)
    whole = piped(given, finished, "--budget", "0.2").out.splitlines()
    state = tmp_path / "stream.json"
    parts = [
        piped(part, finished, "--budget", "0.2", "--state", state).out.splitlines()
        for part in (given[:100], given[100:])
    ]
    assert parts[0] + parts[1] == whole


def test_what_cannot_be_read_is_passed_over(piped, place, finished, tmp_path):
    (tmp_path / "no.png").write_text("no image")
    said = piped([tmp_path / "no.png", tmp_path / "none.png", *names(place)[:3]], finished)
    assert said.code == 0
    assert said.err.count("passed over") == 2
    assert "of 3 items" in said.err


def test_refusals(refused, finished, tmp_path):
    assert "budget" in refused("stream", finished, "--budget", "2")
    assert "no score 'badge'" in refused("stream", finished, "--score", "badge")
    (tmp_path / "s.json").write_text("{}")
    assert "no state of a stream" in refused("stream", finished, "--state", tmp_path / "s.json")
    assert "not a run folder" in refused("stream", tmp_path) or "no model" in refused("stream", tmp_path)
