"""What a file says of its method without being imported is what the class says."""

import ast
import subprocess
import sys

import pytest

from leaven.errors import LeavenError
from leaven.methods import registry
from leaven.methods.listing import Source, listing, of_class


@pytest.mark.parametrize("name", registry.names())
def test_a_method_is_listed_as_its_class_is(name):
    assert listing(name) == of_class(registry.get(name))


def test_one_of_elsewhere_is_listed_by_its_class():
    found = listing("leaven.methods.semi.fixmatch:FixMatch")
    assert found.hyperparameters == listing("FixMatch").hyperparameters


@pytest.mark.parametrize("words", [["methods"], ["methods", "fixmatch"], ["fit", "--method", "aral", "--help"]])
def test_listing_methods_loads_no_torch(words):
    script = (
        f"import sys; sys.argv = {['leaven', *words]}; from leaven.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('torch', 'numpy', 'lightning_fabric', 'sklearn', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert len(done.stdout.splitlines()) > 5
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("text", ["print('executed')", "[0 for _ in SHARE]", "SHARE.ge", "(lambda: 0)()"])
def test_nothing_of_a_file_is_executed(text, capsys):
    with pytest.raises(LeavenError, match="only plain values are read there; write out"):
        Source("leaven.methods.semi.fixmatch").value(ast.parse(text, mode="eval").body)
    assert capsys.readouterr().out == ""
