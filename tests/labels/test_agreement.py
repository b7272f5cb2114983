"""Agreement against worked examples that others published, and numbers worked out by hand."""

import numpy as np
import pytest

from leaven.labels.agreement import agreement, cohen, confusion, fleiss, krippendorff, observed
from leaven.labels.consensus import agreed
from leaven.labels.dawid_skene import dawid_skene, estimate

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units
OBSERVERS = {"A": "123321412...", "B": "1233224125.3", "C": ".3332342251.", "D": "12332441251."}
# Fleiss' kappa as the encyclopaedia works it out: ten subjects, 14 raters, five categories
FLEISS = [
    "0 0 0 0 14",
    "0 2 6 4 2",
    "0 0 3 5 6",
    "0 3 9 2 0",
    "2 2 8 1 1",
    "7 7 0 0 0",
    "3 2 6 3 0",
    "2 5 3 2 2",
    "6 5 2 1 0",
    "0 2 2 3 7",
]
# Dawid and Skene (1979), table 1: 45 patients, the answers of observer 1 (three times) and of observers 2 to 5
PATIENTS = """
    1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
    1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111
    1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111
    2322222 1211111 2222222"""


def by_unit(rows):
    return {str(u): {a: row[u] for a, row in rows.items() if row[u] != "."} for u in range(12)}


def test_krippendorff_with_votes_missing():
    assert krippendorff(by_unit(OBSERVERS)) == pytest.approx(0.743, abs=5e-4)
    # by hand: units ab, aa, b. -> two items; coincidences aa 2, ab 1, ba 1; n = 4; Do = 2/4, De = 2*3*1/(4*3)
    assert krippendorff({"1": {"x": "a", "y": "b"}, "2": {"x": "a", "y": "a"}, "3": {"x": "b"}}) == pytest.approx(0.0)


def test_fleiss():
    votes = {}
    for n, line in enumerate(FLEISS):
        names = [str(k) for k, count in enumerate(map(int, line.split())) for _ in range(count)]
        votes[str(n)] = {f"rater {i}": name for i, name in enumerate(names)}
    assert fleiss(votes) == pytest.approx(0.210, abs=5e-4)
    assert observed(votes) == pytest.approx(0.378, abs=5e-4)
    votes["0"].popitem()
    assert fleiss(votes) is None  # not as many each


def test_cohen():
    """50 proposals, two readers: both yes 20, both no 15, yes and no 5, no and yes 10: 0.7 seen, 0.5 by chance."""
    pairs = [("yes", "yes")] * 20 + [("no", "no")] * 15 + [("yes", "no")] * 5 + [("no", "yes")] * 10
    votes = {str(n): {"a": x, "b": y} for n, (x, y) in enumerate(pairs)} | {"alone": {"a": "yes"}}
    assert cohen(votes, "a", "b") == pytest.approx(0.4)
    assert confusion(votes, "a", "b", ("yes", "no")).tolist() == [[20, 5], [10, 15]]
    found = agreement(votes)
    assert found.items == 50
    assert found.pairs == [("a", "b", 50, pytest.approx(0.7), pytest.approx(0.4))]


def test_what_is_not_defined_is_none():
    alone = {"1": {"a": "x"}, "2": {"b": "x"}}
    assert (observed(alone), fleiss(alone), krippendorff(alone)) == (None, None, None)
    assert agreement(alone).pairs == []
    same = {"1": {"a": "x", "b": "x"}}  # chance alone would agree always
    assert (observed(same), fleiss(same), krippendorff(same), cohen(same, "a", "b")) == (1.0, None, None, None)


def test_dawid_and_skenes_own_example():
    said = [(i, 0 if j < 3 else j - 2, int(c) - 1) for i, row in enumerate(PATIENTS.split()) for j, c in enumerate(row)]
    probabilities, errors, shares = estimate(np.array(said), 45, 5, 4)
    assert shares.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]  # as they give them
    expected = loops(PATIENTS.split(), 400)
    np.testing.assert_allclose(probabilities, expected[0], atol=1e-4)
    np.testing.assert_allclose(errors, expected[1], atol=1e-4)


def loops(rows, times):
    """The same EM in plain loops and probabilities, without logarithms."""
    counts = [[[0] * 4 for _ in range(5)] for _ in rows]
    for i, row in enumerate(rows):
        for j, c in enumerate(row):
            counts[i][0 if j < 3 else j - 2][int(c) - 1] += 1
    t = [[sum(counts[i][a][k] for a in range(5)) / 7 for k in range(4)] for i in range(len(rows))]
    for _ in range(times):
        p = [sum(row[k] for row in t) / len(t) for k in range(4)]
        pi = [[[0.0] * 4 for _ in range(4)] for _ in range(5)]
        for a in range(5):
            for k in range(4):
                total = [sum(t[i][k] * counts[i][a][c] for i in range(len(rows))) for c in range(4)]
                pi[a][k] = [x / sum(total) for x in total]
        for i in range(len(rows)):
            f = []
            for k in range(4):
                x = p[k]
                for a in range(5):
                    for c in range(4):
                        x *= pi[a][k][c] ** counts[i][a][c]
                f.append(x)
            t[i] = [x / sum(f) for x in f]
    return t, pi


def test_a_careless_annotator_is_found_out():
    """Two who are nearly always right outvote three who guess; a majority follows the guesses."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    names = "abc"
    votes = {}
    for n, right in enumerate(truth):
        good = {f"good {j}": names[right] if rng.random() < 0.95 else names[rng.integers(3)] for j in range(2)}
        votes[str(n)] = good | {f"guess {j}": names[rng.integers(3)] for j in range(3)}
    found = agreed(votes, names, "dawid_skene")
    right = np.mean([found.labels.get(str(n)) == names[k] for n, k in enumerate(truth)])
    by_majority = np.mean(
        [agreed(votes, names, "majority").labels.get(str(n)) == names[k] for n, k in enumerate(truth)]
    )
    assert right > by_majority + 0.1
    assert found.accuracy["good 0"] == pytest.approx(0.967, abs=0.03)
    assert found.accuracy["guess 0"] == pytest.approx(1 / 3, abs=0.08)


def test_the_majority_of_each_item_by_hand():
    """Of one vote that one, of several the most frequent, whatever the rest; none where two are as frequent."""
    votes = {"one": "c", "two": "cc", "torn": "cd", "most": "dcd", "even": "cdcd", "three": "dcde", "open": "dcedce"}
    found = agreed({item: dict(enumerate(given)) for item, given in votes.items()}, "cde", "majority")
    assert found.labels == {"one": "c", "two": "c", "most": "d", "three": "d"}
    assert found.ties == ["torn", "even", "open"]


def test_dawid_skene_leaves_ties_out_and_knows_only_classes_that_occur():
    found = dawid_skene({"1": {"a": "x"}, "2": {"a": "y", "b": "y"}}, ("z", "x", "y"))
    assert found.classes == ("x", "y")
    tie = agreed({"1": {"a": "x", "b": "y"}}, ("x", "y"), "dawid_skene")
    assert (tie.labels, tie.ties) == ({}, ["1"])
    assert agreed({}, (), "dawid_skene").labels == {}


def test_annotators_are_judged_by_what_they_answered():
    """By hand: ann and bob are always right and leave no doubt about the five items, three cats, a dog and a hen.

    cat_only answered two cats, both right: 1. dull says cat of four items, three of them cats: 3/4, where the mean of
    its diagonal (1, 0, and no hen seen: 0) is 1/3 and the diagonal weighed by all items 3/5. hen_too is right of the
    dog and of the hen and wrong of one cat of two: 3/4, where by all items it would be 3/10 + 2/5.
    """
    truth = dict(zip("12345", ("cat", "cat", "cat", "dog", "hen"), strict=True))
    votes = {item: {"ann": label, "bob": label} for item, label in truth.items()}
    for item in "12":
        votes[item]["cat_only"] = "cat"
    for item in "1234":
        votes[item]["dull"] = "cat"
    for item, label in (("1", "cat"), ("2", "hen"), ("4", "dog"), ("5", "hen")):
        votes[item]["hen_too"] = label
    found = dawid_skene(votes, ("cat", "dog", "hen"))
    assert found.probabilities.argmax(1).tolist() == [0, 0, 0, 1, 2]
    expected = {"ann": 1.0, "bob": 1.0, "cat_only": 1.0, "dull": 3 / 4, "hen_too": 3 / 4}
    assert found.accuracy == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found.answered[found.annotators.index("dull")], [3 / 4, 1 / 4, 0], atol=1e-6)
