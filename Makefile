# Everything a developer does with this repository. `make` alone explains itself.
#
# The environment is .venv, made by a system Python; only the package index is asked for anything.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_ONCE ?=

.DEFAULT_GOAL := help
.PHONY: help env demo demo-once images test lint wheel bench fuzz quality clean

help: ## Show what can be made
	@echo "django-hili. Say make, and one of:"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo "Another Python: make demo PYTHON=python3.13"

demo: $(VENV)/.for-running ## Run the example site and its worker, enhance the sample photo (Ctrl-C stops; DEMO_ONCE=1: by itself)
	@$(BIN)/python example_project/demo.py $(if $(DEMO_ONCE),--once)

test: $(VENV)/.for-working ## Run the tests; what needs a missing service says that it was skipped
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.for-working ## Check style, types, import order and migrations
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export HILI_TEST_DIR="$$folder" && set -ex && \
	$(BIN)/mypy && \
	DJANGO_SETTINGS_MODULE=tests.settings $(BIN)/django-admin makemigrations --check --dry-run --pythonpath .
	HILI_DEMO_DIR=$(CURDIR)/.demo $(BIN)/python example_project/manage.py makemigrations --check --dry-run

wheel: $(VENV)/.for-working ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build

bench: $(VENV)/.for-working ## Run the benchmarks of tests/benchmarks
	$(BIN)/python -m pytest -q -o python_files="bench_*.py" tests/benchmarks $(PYTEST_ARGS)

fuzz: $(VENV)/.for-working ## Feed twelve thousand broken photos to the door and to the engine
	$(BIN)/python -W ignore -m tests.fuzz.run --cases $(or $(CASES),12000) --first $(or $(FIRST),0)

chaos: $(VENV)/.for-working ## Kill, freeze and cheat workers against the sandbox, with its ledger as the oracle
	$(BIN)/python -m pytest -q tests/chaos tests/acceptance/test_crash.py $(PYTEST_ARGS)

quality: $(VENV)/.for-working ## Measure what the local engine does to photos
	$(BIN)/python -m training.evaluate

images: $(VENV)/.for-working ## Make the pictures in docs/images anew (needs Chromium)
	$(BIN)/python -m tests.browser.pictures

env: $(VENV)/.for-working ## Build the environment only

clean: ## Remove the environment, the demo's data and everything built
	rm -rf $(VENV) .demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The environment: one stamp for running the demo, one for working on the code.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "django-hili needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; }

$(VENV)/.for-running: pyproject.toml | $(BIN)/python
	@echo "Building the environment in $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable ".[local]"
	@touch $@

$(VENV)/.for-working: pyproject.toml | $(VENV)/.for-running
	@echo "Adding what tests and checks need …"
	@$(BIN)/python -m pip install --quiet --editable ".[local]" --group test --group lint
	@touch $@
