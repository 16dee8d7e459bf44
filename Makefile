# Everything a person types. `make demo` and `make test` need only Python 3.11 or newer and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-lock
DEMO_INSTANCE ?= demo-instance

.PHONY: help setup demo test check check-types check-rest format bench lock clean

help:  ## Say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup: $(STAMP)  ## Create .venv with uv and everything in requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "closedloop needs Python 3.11 or newer; this is %s. Set PYTHON=/path/to/python3.11." % sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $(STAMP)

demo: setup  ## Build the demo contact centre, run the whole loop, serve it
	$(BIN)/closedloop demo --instance $(DEMO_INSTANCE)

test: setup  ## Run all tests, those of the database on SQLite and on PostgreSQL
	$(BIN)/python tools/run_tests.py

check: setup  ## Format, lint, types, import contracts
	@$(MAKE) --no-print-directory -j 2 check-types check-rest

check-types:
	$(BIN)/mypy

check-rest:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

format: setup  ## Put the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup  ## Slow proofs, with real data in DATA=DIR where they need it
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

lock:  ## Renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dev --no-header --no-emit-index-url pyproject.toml -o requirements.lock

clean:  ## Remove what was built, keep the instances
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache artifacts
