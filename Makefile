# Everything runs in .venv, which is made when it is needed. Only python3, a C++17 compiler and make must be there.
PYTHON ?= python3
BIN := .venv/bin
# What an installation is made of, besides Python files, which are used where they lie.
SOURCES := pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/dropnorm/kernels/cpu/*)
# Tests run in this many processes, each with one thread, so that they do not fight for the cores.
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
DATA ?= digits

.DEFAULT_GOAL := help
.PHONY: help study test test-keras-all fuzz kills sanitize bench acceptance picture lint docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

study: .venv/installed ## run the main job on scikit-learn's bundled digits; DATA=iris and others too
	$(BIN)/dropnorm study $(DATA)

test: .venv/development lint ## run every check: format, lint, types, imports, tests, snippets of the docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS)

test-keras-all: .venv/development ## run the tests of Keras layers and models on torch, JAX and TensorFlow
	DROPNORM_KERAS_BACKENDS=jax,tensorflow OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) tests/keras tests/surgery/keras tests/study/keras

fuzz: .venv/development ## damage stores, models, study files and data, and run every command on them; SECONDS=600, SEED=0
	OMP_NUM_THREADS=1 DROPNORM_FUZZ_SECONDS=$(or $(SECONDS),600) DROPNORM_FUZZ_SEED=$(or $(SEED),0) \
	$(BIN)/python -m pytest -q tests/test_fuzz.py

kills: .venv/development ## kill studies at random moments, KILLS=50 of each kind, and compare what they end with to the byte
	KILLS=$(or $(KILLS),50) $(BIN)/python benchmarks/kills.py

SANITIZED := $(wildcard tests/kernels/test_cpu*.py) tests/kernels/test_training.py tests/kernels/test_dense.py
# Python itself is not watched, so that what watches must be loaded before it. Both it and the kernels come from GCC.
sanitize: build/sanitize/installed ## run the kernels' tests so that a stray memory access or undefined behaviour stops them
	LD_PRELOAD=$$($(CXX) -print-file-name=libasan.so):$$($(CXX) -print-file-name=libubsan.so) \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 OMP_NUM_THREADS=1 PYTHONPATH=tests/kernels \
	$(BIN)/python -m pytest -q -n $(WORKERS) -p sanitized $(SANITIZED)

bench: .venv/benchmarks ## measure what the README claims, as ratios
	$(BIN)/python benchmarks/run_all.py

acceptance: .venv/development ## study the whole of FASHION_MNIST=path/to/its.npz, and hold it against a plain loop
	FASHION_MNIST=$(FASHION_MNIST) $(BIN)/python benchmarks/fashion.py
	FASHION_MNIST=$(FASHION_MNIST) $(BIN)/python benchmarks/large_nets.py

picture: .venv/development ## take the README's picture of a report again; chromium must be there
	$(BIN)/python docs/images/report.py

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

# What is installed already, and compiled, is only given the packages of an extra.
.venv/development: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt 'dropnorm[dev]'
	@touch $@

.venv/documentation: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt 'dropnorm[docs]'
	@touch $@

.venv/benchmarks: .venv/development
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt 'dropnorm[bench]'
	@touch $@

build/sanitize/installed: .venv/development $(SOURCES)
	rm -rf $(@D)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(@D) \
	-C cmake.build-type=Debug -C cmake.define.DROPNORM_SANITIZE=ON .
	@touch $@
