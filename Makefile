# Every target that runs something prepares the machine first; that costs nothing when there is nothing to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One worker more than a small machine has cores: about a third of the suite waits, for processes to start
# and for jobs to end, and what another worker has to compute fits in there.
WORKERS ?= 3
SEED ?= 1
REQUESTS ?= 1000
EXAMPLES ?= 20000
ALERTS ?= 10000

.PHONY: setup up demo test test-setup bench check format chaos fuzz storm infra docs lock audit package test-az acceptance clean

setup: $(READY)

# local/setup says in a sentence what is missing. It is asked when its inputs are newer than the last finished set-up,
# when that one's Python is gone, and when a Python is named, which may be another one.
$(READY): $(wildcard requirements*.txt local/requirements-worker.txt local/azurite/package*.json local/azurite/.npmrc local/setup/*.py) \
		$(if $(filter file,$(origin PYTHON)),,asked) $(if $(wildcard $(BIN)/python),,asked)
	@command -v "$(PYTHON)" >/dev/null || { echo "make setup: there is no $(PYTHON) on the PATH:" \
		"install Python 3.13, or name another, as in \`make demo PYTHON=python3.12\`." >&2; exit 1; }
	@"$(PYTHON)" -m local.setup

.PHONY: asked
asked:

up: setup
	$(BIN)/python -m local.up --restart

demo: setup
	$(BIN)/python -m local.demo

# Each worker begins with a stretch of whole files, so that what a file shares is started once, and takes from
# another's stretch when its own is done.
test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

# Sets up copies of the project with the oldest and the newest pip, on a day on which every package has a newer version.
test-setup: setup
	$(BIN)/python -m pytest tests/setup/proof_of_setup.py

# A real az drives the vault emulator and runs the scripts of docs/examples; it takes some minutes.
AZ ?= $(shell command -v az)

test-az: setup
	@test -n "$(AZ)" || { echo "test-az did not run: there is no az on the PATH. Install azure-cli 2.91.0 in an environment of its own and name it: make test-az AZ=/path/to/az" >&2; exit 1; }
	AZ="$(abspath $(AZ))" $(BIN)/python -m pytest -q -rs tests/az/test_real_az.py

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

# Builds and lints infra/, and compares its layout and snapshots, where a compiler is on the PATH or named by BICEP;
# says that it did not where there is none. `make infra UPDATE=--update` writes layout and snapshots.
infra: setup
	$(BIN)/python -m tests.infra $(UPDATE)

# The pages that are made from the code; the tests compare them.
docs: setup
	$(BIN)/python -m docs.make_architecture
	$(BIN)/python -m docs.make_lifecycle
	$(BIN)/python -m docs.make_service_codes
	$(BIN)/python -m docs.make_schemas

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the pinned and hashed requirements out of the `.in` files, for Python 3.11 to 3.13 on every system. What these
# need keeps its version; `make lock UPGRADE=--upgrade` takes the newest. Extras are written out, as in `pyjwt[crypto]`:
# without them an older pip looks that name up anew, and finds a version for which the file has no hash.
UPGRADE ?=
LOCK = $(BIN)/uv --quiet --no-config pip compile $(UPGRADE) --universal --generate-hashes --no-strip-extras --no-emit-index-url \
	--no-python-downloads --custom-compile-command "make lock"

lock: setup
	$(LOCK) --python-version 3.11 requirements-installer.in -o requirements-installer.txt
	$(LOCK) --python-version 3.11 requirements.in -o requirements.txt
	$(LOCK) --python-version 3.11 -c requirements.txt -c requirements-installer.txt requirements-dev.in -o requirements-dev.txt
	$(LOCK) --python-version 3.13 --no-deps local/requirements-worker.in -o local/requirements-worker.txt

# Secrets in the files, then known vulnerabilities of what is deployed; the second needs PyPI's own service. A package
# that could not be looked up makes it fail: what was not asked is not known to be safe.
audit: setup
	$(BIN)/python -m pytest -q tests/security/test_secrets.py
	$(BIN)/pip-audit --strict --require-hashes --disable-pip -r requirements.txt || { \
		echo "make audit: a package has a known vulnerability, or could not be looked up (no network, or an index" \
			"without that service); the lines above say which. Nothing is known to be safe until this passes." >&2; exit 1; }

# What is deployed, as one zip file in dist/, for the Python that infra/ gives the app unless PYTHON_VERSION names
# another; docs/package.md explains it. COMPILER names a Python of that version where none is found; CHANGES=allow packs
# files that are not committed. The first two are not taken from the environment: images of Python set PYTHON_VERSION to
# their own.
PYTHON_VERSION =
COMPILER =
CHANGES ?=

package: setup
	$(BIN)/python -m infra.package build $(if $(PYTHON_VERSION),--python-version $(PYTHON_VERSION)) \
		$(if $(COMPILER),--compiler $(COMPILER)) $(if $(filter allow,$(CHANGES)),--allow-changes)

clean:
	rm -rf $(VENV) .data dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
