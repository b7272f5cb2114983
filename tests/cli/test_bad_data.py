"""Bad data through the real command: one sentence that names the thing, exit code 2, nothing at the ``-o`` path."""

import numpy as np
import pytest
from helpers_cli import FAST, make_folder, picture, write_csv


@pytest.fixture
def fit(refused, tmp_path):
    """``leaven fit`` that is refused and leaves nothing."""

    def command(*words):
        sentence = refused("fit", *words, "-o", tmp_path / "runs" / "x", *FAST)
        assert not (tmp_path / "runs").exists()
        return sentence

    return command


def test_missing_folder(fit, tmp_path):
    assert str(tmp_path / "nowhere") in fit(tmp_path / "nowhere")


def test_empty_folder(fit, tmp_path):
    (tmp_path / "empty").mkdir()
    assert f"{tmp_path / 'empty'} has no images" in fit(tmp_path / "empty")


def test_data_is_a_file(fit, place):
    assert "000.png" in fit(place / "photos" / "000.png")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file,label\n000.png,dark\nghost.png,light\n", "ghost.png"),
        ("file,label\n000.png,dark\n000.png,light\n", "000.png twice"),
        ("name,colour,size\n000.png,dark,1\n", "name, colour, size"),
        ("file,label\n000.png,dark\n001.png,dark\n", "the class dark"),
        ("file,label\n000.png,\n001.png,\n", "None of the 24 items"),
        ("", "is empty"),
    ],
)
def test_label_tables(fit, place, tmp_path, text, named):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    sentence = fit(place / "photos", "--labels", table)
    assert named in sentence


def test_missing_label_table(fit, place, tmp_path):
    assert "gone.csv does not exist" in fit(place / "photos", "--labels", tmp_path / "gone.csv")


def test_fewer_than_two_classes(fit, tmp_path):
    make_folder(tmp_path / "one", 4, by_class=True, classes=("dark",) * 3)
    assert "at least two classes" in fit(tmp_path / "one")


def test_class_only_in_the_test_folder(fit, place, tmp_path):
    make_folder(tmp_path / "test", 6, by_class=True, classes=("dark", "light", "purple"))
    words = (place / "photos", "--labels", place / "labels.csv", "--test", tmp_path / "test")
    assert "purple" in fit(*words)


def test_unlabelled_test_folder(fit, place):
    assert "more" in fit(place / "photos", "--labels", place / "labels.csv", "--test", place / "more")


def test_strict_names_the_broken_images(fit, place, broken):
    sentence = fit(broken, "--labels", place / "labels.csv", "--strict")
    assert "2 of the 24 images" in sentence
    assert "021.png" in sentence
    assert "022.png" in sentence


def test_broken_images_are_skipped_and_counted(leaven, place, broken, tmp_path):
    out = tmp_path / "run"
    said = leaven("fit", broken, "--labels", place / "labels.csv", "-o", out, *FAST, "--json")
    assert said.code == 0
    assert said.err.startswith("leaven: 2 of the 24 images in ")
    assert said.err.count("leaven: ") == 1  # beside the three lines that say what is trained
    assert "021.png" in said.err
    assert "022.png" in said.err
    assert "skipped" in said.err
    assert '"items": 22' in (out / "config.json").read_text()


@pytest.fixture
def broken(tmp_path):
    """The photos, of which one is cut short and one is no image."""
    make_folder(tmp_path / "broken", 24)
    whole = (tmp_path / "broken" / "021.png").read_bytes()
    (tmp_path / "broken" / "021.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken" / "022.png").write_text("I am no image")
    return tmp_path / "broken"


def test_all_images_broken(fit, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("nothing")
    assert "None of the 1 image" in fit(tmp_path / "bad")


def test_source_and_target_with_different_classes(fit, place, tmp_path):
    make_folder(tmp_path / "source", 9, by_class=True, classes=("dark", "light", "checks"))
    sentence = fit(place / "photos", "--source", tmp_path / "source", "--labels", place / "labels.csv")
    assert "the class stripes, expected only checks, dark, light" in sentence


def test_unlabelled_source(fit, place):
    assert "labelled source" in fit(place / "photos", "--source", place / "more")


def test_more_classes_than_labels(fit, tmp_path):
    np.savez(tmp_path / "few.npz", x=np.eye(4, dtype=np.float32), y=[0, 1, -1, -1], classes=list("abcde"))
    sentence = fit(tmp_path / "few.npz")
    assert "5 classes, 2 labels" in sentence
    assert "c, d, e" in sentence


def test_too_few_labels_to_hide_or_hold_out(fit, place, tmp_path):
    labels = place / "labels.csv"
    assert "per_class=4" in fit(place / "photos", "--labels", labels, "--per-class", "4")
    assert "per_class is 0" in fit(place / "photos", "--labels", labels, "--per-class", "0")
    one = write_csv(tmp_path / "one.csv", {"000.png": "dark", "001.png": "light"})
    assert "No class has 2 labelled items" in fit(place / "photos", "--labels", one, "--validation", "0.5")


def test_options_without_meaning_for_arrays(fit, place, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(4, dtype=np.float32), y=[0, 1, 0, 1])
    assert "--labels" in fit(tmp_path / "a.npz", "--labels", place / "labels.csv")
    assert "--size" in fit(tmp_path / "a.npz", "--size", "16")


def test_npz_with_python_objects(fit, tmp_path):
    np.savez(tmp_path / "evil.npz", x=np.array([{"a": 1}], dtype=object))
    assert "evil.npz" in fit(tmp_path / "evil.npz")


def test_target_labels_asked_for_where_there_are_none(fit, place, tmp_path):
    make_folder(tmp_path / "source", 9, by_class=True)
    words = (place / "test", "--source", tmp_path / "source")  # the target's subfolders are no labels
    assert "--per-class" in fit(*words, "--per-class", "1")
    assert "no label to hold out" in fit(*words, "--validation", "0.5")


def test_mixed_kinds(fit, place, tmp_path):
    names = ["dark", "light", "stripes"]
    np.savez(tmp_path / "features.npz", x=np.eye(3, dtype=np.float32), y=[0, 1, 2], classes=names)
    assert "features" in fit(place / "photos", "--source", tmp_path / "features.npz")


def test_wrong_size(fit, place, tmp_path):
    (tmp_path / "im").mkdir()
    picture("dark", np.random.default_rng(0)).save(tmp_path / "im" / "a.png")
    labels = place / "labels.csv"
    assert "size is -3" in fit(place / "photos", "--labels", labels, "--size", "-3")
    assert "from 1 to 16,384" in fit(place / "photos", "--labels", labels, "--size", "100000")  # and not a full disk
    assert "channels is 7" in fit(place / "photos", "--labels", labels, "--channels", "7")
