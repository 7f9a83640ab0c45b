# Two commands do all the set-up: `make quickstart` and `make test`.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do $$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin

FILE ?= data/smollm2/forth_bridge.txt
QUESTION ?= Who built the bridge?

.PHONY: help install quickstart real test slow check format clean

help:  ## show these lines
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

install: $(VENV)/installed  ## make .venv with pinned dependencies and the arc-* commands

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found; install one, or say make PYTHON=/path/to/python" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

quickstart: install  ## train, evaluate and compare an ARC-Encoder on the toy world (about ten minutes on two cores)
	$(BIN)/arc-quickstart

real: install  ## a real language model answers about FILE from text and from vectors (SmolLM2 is fetched once, 93 MB)
	$(BIN)/arc-models get smollm2_135m
	$(BIN)/arc-ask checkpoint=data/smollm2/compressor decoder=smollm2_135m document='$(FILE)' 'question="$(QUESTION)"' factors=[2,4,8]
	$(BIN)/arc-eval checkpoint=data/smollm2/compressor decoder=smollm2_135m benchmark=real_questions system=[open_book,arc,truncate,closed_book] factors=[2,4,8] costs=false

test: install  ## fast tests (a few minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

slow: install  ## slow tests: processes, wheel, every command of the documentation
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist loadscope

check: install  ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment and caches, keep logs
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
