# Everything a developer does with this repository. `make` alone explains itself.
#
# The environment is .venv, made by a system Python; only the package index is asked for anything.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO_ONCE ?=
# Most tests wait for processes and servers: more of them at once than there are cores.
TEST_WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help env demo demo-once demo-sandbox images test proofs lint wheel bench fuzz chaos histories ablation quality clean-demo clean

help: ## Show what can be made
	@echo "django-hili. Say make, and one of:"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo "Another Python: make demo PYTHON=python3.13"

demo: $(VENV)/.for-running ## Run the example site and its worker, enhance the sample photo (Ctrl-C stops; DEMO_ONCE=1: by itself)
	@$(BIN)/python example_project/demo.py $(if $(DEMO_ONCE),--once)

demo-sandbox: $(VENV)/.for-running ## The same with a stand-in for the Hili service: the whole way to a vendor and back
	@EXAMPLE_PROVIDER=sandbox $(BIN)/python example_project/demo.py $(if $(DEMO_ONCE),--once)

test: $(VENV)/.for-working ## Run the tests; what needs a missing service says that it was skipped
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

proofs: ## Run the tests that prove clauses of the policies, and write down in the package how they ended
	$(MAKE) test PYTEST_ARGS="-m clause --proofs django_hili/privacy/audit/proofs.json"

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

fuzz: $(VENV)/.for-working ## Feed twelve thousand broken photos to the door and to the engine, there as masks too
	$(BIN)/python -W ignore -m tests.fuzz.run --cases $(or $(CASES),12000) --first $(or $(FIRST),0)

chaos: $(VENV)/.for-working ## Kill, freeze, cut off and cheat workers, 2000 times (KILLS, PAUSES, CUTS, SEED, SECONDS, OUTAGE)
	HILI_CHAOS_KILLS=$(or $(KILLS),2000) HILI_CHAOS_PAUSES=$(or $(PAUSES),500) HILI_CHAOS_CUTS=$(or $(CUTS),100) \
	HILI_CHAOS_SEED=$(or $(SEED),0) HILI_CHAOS_SIMULATE_SECONDS=$(or $(SECONDS),1800) HILI_OUTAGE_SECONDS=$(or $(OUTAGE),600) \
	$(BIN)/python -m pytest -q tests/chaos tests/acceptance/test_crash.py tests/acceptance/test_outage.py \
	  tests/acceptance/test_in_flight.py $(PYTEST_ARGS)

histories: $(VENV)/.for-working ## Let 500 sites live at random, with crashes and restores; every invariant is asked after every step
	$(BIN)/python -W ignore -m tests.privacy.histories --count $(or $(COUNT),500) --first $(or $(FIRST),0)

ablation: $(VENV)/.for-working ## Switch each of the 35 privacy controls off and see that tests of its clauses notice
	$(BIN)/python -m tests.ablation --jobs $(or $(JOBS),2) $(ABLATION_ARGS)

quality: $(VENV)/.for-working ## Measure what the local engine does to photos
	$(BIN)/python -m training.evaluate

images: $(VENV)/.for-working ## Make the pictures in docs/images anew (needs Chromium)
	$(BIN)/python -m tests.browser.pictures

env: $(VENV)/.for-working ## Build the environment only

clean-demo: ## Remove what the demo wrote, and nothing else
	rm -rf .demo

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
