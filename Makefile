# Everything runs in .venv, which is made when it is needed. Only python3, a C++17 compiler and make must be there.
PYTHON ?= python3
BIN := .venv/bin
# What an installation is made of, besides Python files, which are used where they lie.
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/dropnorm/kernels/cpu/*)
# Tests run in this many processes, each with one thread, so that they do not fight for the cores.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
DATA ?= digits

.DEFAULT_GOAL := help
.PHONY: help study test bench lint docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

study: .venv/installed ## run the main job on scikit-learn's bundled digits; DATA=iris and others too
	$(BIN)/dropnorm study $(DATA)

test: .venv/development lint ## run every check: format, lint, types, imports, tests, snippets of the docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS)

bench: .venv/development ## measure what the README claims, as ratios
	$(BIN)/python benchmarks/run_all.py

lint: .venv/development ## format, lint, types and the imports' directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/documentation ## build the documentation into docs/_build
	$(BIN)/sphinx-build -q -W -b html docs docs/_build
	@echo "docs/_build/index.html"

clean: ## remove what the other targets made, but for studies
	rm -rf .venv build dist docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/python:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/development: .venv/python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ .venv/installed

.venv/documentation: .venv/python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@ .venv/installed
