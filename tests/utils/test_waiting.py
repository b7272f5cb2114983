"""Threads of a step wait briefly for each other, so that other programs get the core."""

import os
import sys

import pytest

from leaven.utils import children, waiting

SET = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in SET:
        monkeypatch.delenv(name, raising=False)


def test_the_command_says_so_before_torch_is_loaded(monkeypatch):
    import leaven.cli

    environment = dict(os.environ)
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(leaven.cli, "_run", lambda: pytest.fail("too late") if not set(SET) & set(environment) else 0)
    monkeypatch.setattr(leaven.cli, "forget_current_folder", lambda: None)
    monkeypatch.setattr(leaven.cli, "our_program", lambda: None)
    monkeypatch.setattr("warnings.showwarning", None)
    with pytest.raises(SystemExit):
        leaven.cli.main()
    assert environment["GOMP_SPINCOUNT"] == waiting.TURNS


def test_every_process_that_we_start_is_told(tmp_path):
    (tmp_path / "told.py").write_text("import os; print(os.environ['GOMP_SPINCOUNT'])")
    process = children.start("told", variables={"PYTHONPATH": str(tmp_path)}, stdout=children.subprocess.PIPE)
    assert process.communicate()[0].decode().strip() == waiting.TURNS
    with children.safely():
        assert os.environ["GOMP_SPINCOUNT"] == waiting.TURNS
    assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.parametrize("name", SET)
def test_what_a_person_has_set_stays(monkeypatch, name):
    monkeypatch.setenv(name, "7")
    assert waiting.briefly() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp on Linux")
def test_libgomp_takes_it():
    shown = children.subprocess.run(
        [sys.executable, "-c", "import torch"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | waiting.briefly() | {"OMP_DISPLAY_ENV": "verbose"},
    ).stderr
    assert f"GOMP_SPINCOUNT = '{waiting.TURNS}'" in shown
