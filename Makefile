# Two commands from a clone: `make run` and `make test`. Everything lives in .venv and .kinfold.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

# For what runs, for example: make soak ARGS="--seconds 60 --seed 7", make test ARGS=tests/jobs
ARGS ?=

.PHONY: run test check setup bench bench-documents-1m screenshots docs soak lint format lock

run: $(READY)
	@exec $(BIN)/python -m embedded

# Everything: what CI runs, and the line before a push.
test: setup
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

# The same without the tests marked slow: the line between two edits.
check: setup
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

setup:
	@PYTHON=$(PYTHON) bash scripts/test_setup.sh

bench: $(READY)
	$(BIN)/python -m bench

bench-documents-1m: $(READY)
	$(BIN)/python -m bench.documents --documents 1000000

screenshots: $(READY)
	SCREENSHOTS=docs/operations/images $(BIN)/python -m pytest tests/console/test_console_in_browser.py

# The tables of the docs that are made from code.
docs: $(READY)
	$(BIN)/python -m scripts.write_docs

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
	@echo "Building $(VENV) for $$(grep -c == $<) Python packages: a minute or two, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --progress-bar off -r $< \
		| sed -un -e 's/^Collecting \([^ ]*\).*/  fetching \1/p' -e 's/^Installing .*/  installing them all/p'
	@touch $@
