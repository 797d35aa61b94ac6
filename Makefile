# Two commands from a clone: `make run` and `make test`. Everything lives in .venv and .kinfold.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Of the soak, for example: make soak ARGS="--seconds 60 --seed 7"
ARGS ?=

.PHONY: run test bench bench-documents-1m screenshots soak lint format lock

run: $(READY)
	@exec $(BIN)/python -m embedded

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

bench: $(READY)
	$(BIN)/python -m bench

bench-documents-1m: $(READY)
	$(BIN)/python -m bench.documents --documents 1000000

screenshots: $(READY)
	SCREENSHOTS=docs/operations/images $(BIN)/python -m pytest tests/console/test_console_in_browser.py

soak: $(READY)
	$(BIN)/python -m tests.failures.soak $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(READY)
	$(BIN)/uv pip compile -q --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt

$(READY): requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -r requirements-dev.txt
	@touch $@
