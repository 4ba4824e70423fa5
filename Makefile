# Every target that runs something prepares the machine first; that costs nothing when there is nothing to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Two workers halve the wall time on a small machine; more of them only wait for one another's stacks.
WORKERS ?= 2
SEED ?= 1
REQUESTS ?= 1000
EXAMPLES ?= 20000
ALERTS ?= 10000

.PHONY: setup up demo test bench check format chaos fuzz storm docs lock audit acceptance clean

setup: $(READY)

$(READY): requirements.txt requirements-dev.txt local/requirements-worker.txt local/azurite/package.json local/azurite/package-lock.json
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Python 3.11 to 3.13 is needed, this is " + sys.version.split()[0] + ": run make with PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --ignore-requires-python -r local/requirements-worker.txt
	mkdir -p $(VENV)/azurite
	cp local/azurite/package.json local/azurite/package-lock.json local/azurite/.npmrc $(VENV)/azurite/
	cd $(VENV)/azurite && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --ignore-scripts
	touch $(READY)

up: setup
	$(BIN)/python -m local.up

demo: setup
	$(BIN)/python -m local.demo

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

# The campaigns at full size; small ones are part of the tests.
chaos: setup
	$(BIN)/python -m tests.chaos --seed $(SEED) --requests $(REQUESTS)

fuzz: setup
	$(BIN)/python -m tests.fuzz --seed $(SEED) --examples $(EXAMPLES)

storm: setup
	$(BIN)/python -m tests.storm --alerts $(ALERTS)

# The whole product in a subscription: make acceptance SUBSCRIPTION=<id> REGION=westeurope, or LOCAL=1 for this machine.
# docs/acceptance.md says what it does, costs and leaves; RUN, PACKAGE, VAULTED, KEEP and TEARDOWN are explained there.
acceptance: setup
	$(BIN)/python -m tests.acceptance \
		$(if $(LOCAL),--local,$(if $(SUBSCRIPTION),--subscription $(SUBSCRIPTION)) $(if $(REGION),--region $(REGION))) \
		$(if $(RUN),--run $(RUN)) $(if $(PACKAGE),--package $(PACKAGE)) $(if $(VAULTED),--vaulted) \
		$(if $(KEEP),--keep) $(if $(TEARDOWN),--teardown)

# What the app costs, beside peers and floors; docs/performance.md explains it.
bench: setup
	$(BIN)/python -m bench

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pages that are made from the code; the tests compare them.
docs: setup
	$(BIN)/python -m docs.make_lifecycle
	$(BIN)/python -m docs.make_service_codes
	$(BIN)/python -m docs.make_schemas

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the pinned and hashed requirements out of the `.in` files, for Python 3.11 to 3.13 on every system. What these
# need keeps its version; `make lock UPGRADE=--upgrade` takes the newest.
UPGRADE ?=
LOCK = $(BIN)/uv --quiet --no-config pip compile $(UPGRADE) --universal --generate-hashes --no-emit-index-url \
	--no-python-downloads --custom-compile-command "make lock"

lock: setup
	$(LOCK) --python-version 3.11 requirements.in -o requirements.txt
	$(LOCK) --python-version 3.11 -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(LOCK) --python-version 3.13 --no-deps local/requirements-worker.in -o local/requirements-worker.txt

# Secrets in the files, then known vulnerabilities of what is deployed; the second needs PyPI's own service. A package
# that could not be looked up makes it fail: what was not asked is not known to be safe.
audit: setup
	$(BIN)/python -m pytest -q tests/security/test_secrets.py
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements.txt || { \
		echo "make audit: a package has a known vulnerability, or could not be looked up (no network, or an index" \
			"without that service); the lines above say which. Nothing is known to be safe until this passes." >&2; exit 1; }

clean:
	rm -rf $(VENV) .data .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
