"""Settings that say of themselves what they are."""

from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
import pytest

from leaven.errors import LeavenError
from leaven.methods.ranges import COUNT, SHARE
from leaven.run.options import Options, options_from
from leaven.train.fields import TRAINING, Choices, annotated, documented, require_allowed
from leaven.train.plan import Plan


@documented
@dataclass
class Settings:
    """What is set."""

    rounds: Annotated[int, "How often ({default}).", "In all.", COUNT, TRAINING] = 3
    share: Annotated[float | None, "Of what there is.", SHARE] = None
    kind: Annotated[str, "hot or cold.", Choices(("hot", "cold"))] = "hot"
    other: int = 0


def test_an_annotation_says_it_once():
    rounds = annotated(Settings)["rounds"]
    assert (rounds.help, rounds.more, rounds.range, rounds.option) == ("How often (3).", "In all.", COUNT, TRAINING)
    assert annotated(Settings)["share"].option is None
    assert list(annotated(Settings)) == ["rounds", "share", "kind"]
    assert Settings.__doc__ is not None
    words = Settings.__doc__.splitlines()
    assert words[:6] == ["What is set.", "", "Parameters", "----------", "rounds : int", "    How often (3). In all."]
    assert "share : float | None" in words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rounds": 0}, "rounds is 0, but at least 1 was expected"),
        ({"rounds": np.int64(0)}, "rounds is 0, but at least 1 was expected"),
        ({"rounds": "many"}, "rounds is many, but at least 1 was expected"),
        ({"share": float("nan")}, "share is nan, but 0 to 1 was expected"),
        ({"kind": "warm"}, "The kind 'warm' is not known; choose hot, cold"),
    ],
)
def test_what_is_not_allowed(given, words):
    with pytest.raises(LeavenError, match=words):
        require_allowed(Settings(**given))
    require_allowed(Settings(rounds=np.int64(2), share=1, kind="cold"))


@pytest.mark.parametrize("kind", [Plan, Options])
def test_every_field_of_a_run_is_annotated(kind):
    assert set(annotated(kind)) == {field.name for field in fields(kind)}


def test_options_by_plain_names():
    given = {"steps": 7, "lr": None, "dropout": 0.1, "threshold": 0.9, "plan": {"seed": 1}}
    expected = Options("fixmatch", {"threshold": 0.9}, plan={"steps": 7, "seed": 1}, dropout=0.1)
    assert options_from("fixmatch", given) == expected
    with pytest.raises(LeavenError, match="resolution is 0, but at least 1 was expected"):
        Options(resolution=0)
