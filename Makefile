# Every target sets up what it needs; a machine with Python 3.11 or later and make is enough.
# Settings: PYTHON=python3.12 chooses the interpreter, VENV=/path its environment, WORKERS=4 how many tests run at once,
# PYTEST_ARGS='-k sse' what else pytest is told.

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-check test test-wheel check format messages screenshots bench fuzz faults soak clean

VENV ?= .venv
BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto
PYTEST_ARGS ?=
# A file is one worker's, so that what its tests share is set up once.
PYTEST := -m pytest -q -n $(WORKERS) --dist loadfile
PIP_FLAGS := -qq --disable-pip-version-check --no-input

# Recorded provider streams that lie beside a checkout are used where they exist.
STREAMS := $(abspath ../shared/streams)
export TRACEKIT_STREAMS ?= $(if $(wildcard $(STREAMS)/manifest.json),$(STREAMS))

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

venv: $(STAMP) ## Make the environment in .venv and install tracekit into it, editable

$(STAMP): pyproject.toml constraints.txt scripts/find-python
	@python=$$(PYTHON='$(PYTHON)' sh scripts/find-python) && \
	echo "installing into $(VENV) with $$($$python --version)" && \
	{ [ -x $(BIN)/python ] || $$python -m venv $(VENV); }
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## Chat with a scripted model in the browser and see each answer recorded
	@$(BIN)/tracekit demo $(DEMO_ARGS)

demo-check: $(STAMP) ## The same without a person: send chats, compare what was recorded with what was sent
	@$(BIN)/tracekit demo --check

test: $(STAMP) ## Run all tests, on SQLite and on a real PostgreSQL
	@$(BIN)/python $(PYTEST) $(PYTEST_ARGS)

test-wheel: $(STAMP) ## Build the wheel and run all tests against it, away from this checkout
	@BIN='$(BIN)' sh scripts/test-wheel $(PYTEST) -p no:cacheprovider $(PYTEST_ARGS)

check: $(STAMP) ## Lint, formatting, types, layers, and known weaknesses of what is installed
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python scripts/audit

format: $(STAMP) ## Put the code in shape
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

messages: $(STAMP) ## Compile the console's translations after a change of their .po files
	@$(BIN)/pybabel -q compile --domain tracekit --directory admin/tracekit_admin/locale

screenshots: $(STAMP) ## Take the pictures of the README anew; needs Chromium
	@cd tests && $(BIN)/python -m browser.screenshots ../docs/images

bench: $(STAMP) ## Measure the cost of recording, each figure beside its floor
	@cd tests && $(BIN)/python -m benchmarks $(BENCH_ARGS)

FUZZ_MINUTES ?= 10

fuzz: $(STAMP) ## Property-based tests with ever new examples, for FUZZ_MINUTES (10)
	@sh scripts/fuzz $(FUZZ_MINUTES) $(BIN)/python -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

faults: $(STAMP) ## The tests of faults, those that take long at full length: a hundred kills of a worker
	@TRACEKIT_KILLS=100 $(BIN)/python -m pytest -q --timeout 3600 tests/faults $(PYTEST_ARGS)

soak: $(STAMP) ## Many paced streams for 15 minutes, recording on and off, and the account of all frames
	@cd tests && $(BIN)/python -m benchmarks.soak $(SOAK_ARGS)

clean: ## Remove what these targets made
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
