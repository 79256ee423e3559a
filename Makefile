# The course's commands. Needs Python >= 3.11 and make; no network once `make setup` has run.

PYTHON ?= python3
VENV   ?= .venv
SCALE  ?= smoke
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test lint lab notebooks bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Compares contents, not times, so that a fresh checkout of the same pyproject.toml installs nothing again. torch and
# torchvision must come from one index: to take both from another (for CPU-only builds, say), set TORCH_INDEX to its URL.
setup: ## create .venv and install the course with all it needs
	@cmp -s pyproject.toml $(VENV)/installed.toml || { set -e; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "The course needs Python 3.11 or newer. Name one: make setup PYTHON=python3.12" >&2; exit 1; }; \
	  echo "Installing the course into $(VENV): a few minutes the first time"; \
	  $(PYTHON) -m venv $(VENV); \
	  $(if $(TORCH_INDEX),$(BIN)/python -m pip install --quiet --index-url $(TORCH_INDEX) torch torchvision;) \
	  $(BIN)/python -m pip install --quiet --editable '.[dev]'; \
	  cp pyproject.toml $(VENV)/installed.toml; }

run: setup ## run every lesson (SCALE=smoke, laptop or gpu) and leave a page in out/run/
	@$(BIN)/course run --scale $(SCALE)

# As many workers as cores, so one thread each.
test: export OMP_NUM_THREADS ?= 1
test: setup lint ## run every check and test, the notebooks too
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(PYTEST)

lint: setup ## check style and types only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lab: setup ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

notebooks: setup ## make notebooks/ and solutions/ from lessons/
	@$(BIN)/course build

bench: setup ## measure batches, training and start-up against the plain way
	@$(BIN)/python -m benchmarks

clean: ## remove what runs and tests leave (not .venv, not cached data)
	rm -rf build out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
