# Everything a person runs. `make compare` and `make test` make their own virtual environment first: they need only
# Python >= 3.11 with venv, make, git and a package index.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
JOBS   ?= auto

# Tests that run a second time with checked array bounds, and a third time without the JIT.
BOUNDS_TESTS ?= tests/hw tests/hv
PYTHON_TESTS ?= tests/spec tests/hw tests/hv tests/lab tests/differential tests/translation

.DEFAULT_GOAL := help
.PHONY: help compare test test-slow test-python test-bounds lint format types layers bench guests guests-check \
	docs clean

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-18s %s\n", $$1, $$2}'

# ------------------------------------------------------------------------------------------- virtual environment
# One stamp for each set of packages. A stamp older than pyproject.toml means: ask pip again.
$(VENV)/.run: pyproject.toml scripts/bootstrap
	@scripts/bootstrap "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.dev: pyproject.toml scripts/bootstrap
	@scripts/bootstrap "$(PYTHON)" "$(VENV)" dev
	@touch $@ $(VENV)/.run

$(VENV)/.guests: pyproject.toml scripts/bootstrap
	@scripts/bootstrap "$(PYTHON)" "$(VENV)" guests
	@touch $@ $(VENV)/.run

# ------------------------------------------------------------------------------------------------ the main things
compare: $(VENV)/.run  ## the same interrupts under every design: one table, and why they differ (ARGS=...)
	@$(BIN)/irqvisor compare $(ARGS)

test: $(VENV)/.dev  ## style, types, layers, and the quick tests
	@echo "== style";      $(MAKE) --no-print-directory lint
	@echo "== types";      $(MAKE) --no-print-directory types
	@echo "== layers";     $(MAKE) --no-print-directory layers
	@echo "== tests without the JIT";          $(MAKE) --no-print-directory test-python
	@echo "== tests with checked bounds";      $(MAKE) --no-print-directory test-bounds
	@echo "== tests";      $(BIN)/irqvisor doctor --compile >/dev/null
	@$(PY) -m pytest -q -n $(JOBS) -m "not slow"

test-slow: $(VENV)/.dev  ## the tests that take more than a quarter second each
	@$(BIN)/irqvisor doctor --compile >/dev/null
	@$(PY) -m pytest -q -n $(JOBS) -m slow

test-python: $(VENV)/.dev  ## quick tests as plain Python: readable tracebacks, breakpoints, honest coverage
	@NUMBA_DISABLE_JIT=1 $(PY) -m pytest -q -n $(JOBS) -m "not slow and not compiled" $(wildcard $(PYTHON_TESTS))

test-bounds: $(VENV)/.dev  ## tests of the machine with every array index checked
	@NUMBA_BOUNDSCHECK=1 $(BIN)/irqvisor doctor --compile >/dev/null
	@NUMBA_BOUNDSCHECK=1 $(PY) -m pytest -q -n $(JOBS) -m "not slow" $(wildcard $(BOUNDS_TESTS))

# ------------------------------------------------------------------------------------------------------- the rest
lint: $(VENV)/.dev  ## ruff: rules and format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .

format: $(VENV)/.dev  ## let ruff write the format
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

types: $(VENV)/.dev  ## mypy, strict on what people call
	@$(PY) -m mypy

layers: $(VENV)/.dev  ## import contracts
	@$(BIN)/lint-imports

bench: $(VENV)/.dev  ## speed: instructions, deliveries, whole scenarios, other emulators (ARGS=...: some of benchmarks/)
	@$(PY) -m pytest benchmarks -q -o addopts="--strict-markers --import-mode=importlib" --benchmark-only \
		--benchmark-group-by=group --benchmark-sort=name --benchmark-columns=min,median,stddev,rounds $(ARGS)
	@$(if $(ARGS),,$(BIN)/irqvisor bench)

guests: $(VENV)/.guests  ## build the guest images from guests/
	@$(PY) scripts/build_guests.py
	@$(PY) scripts/build_zoo.py

guests-check: $(VENV)/.guests  ## build them again and compare bytes with what is shipped
	@$(PY) scripts/build_guests.py --check
	@$(PY) scripts/build_zoo.py --check

docs: $(VENV)/.dev  ## check that every name and link in the pages exists
	@$(PY) -m pytest -q -n 0 tests/test_project.py

clean:  ## remove the virtual environment and what tools left behind
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name '*.egg-info' -type d -prune -exec rm -rf {} +
