PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test lint mutants clean

demo: .venv/installed
	$(BIN)/leaven demo

# One process a core, one thread a process: threads of several tests on the same cores slow each other down. Each begins
# with a half of the files, so that what a file prepares is prepared once, and takes from the other when it is done.
test: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# Changes the formulas a line at a time: every change must make a test fail.
mutants: .venv/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.mutants

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/numpydoc lint $$(find src benchmarks tests -name '*.py')

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "leaven needs Python 3.11 or later; name one: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv
