# Every target that runs something prepares the machine first; that costs nothing when there is nothing to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup up demo test check format clean

setup: $(READY)

$(READY): requirements.txt requirements-dev.txt local/requirements-worker.txt local/azurite/package.json local/azurite/package-lock.json Makefile
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": run make with PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python -r local/requirements-worker.txt
	mkdir -p $(VENV)/azurite
	cp local/azurite/package.json local/azurite/package-lock.json local/azurite/.npmrc $(VENV)/azurite/
	cd $(VENV)/azurite && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts
	touch $(READY)

up: setup
	$(BIN)/python -m local.up

demo: setup
	$(BIN)/python -m local.demo

test: setup
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .data .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
