# Needs Python 3.11 or newer, with venv, and nothing else: each target makes .venv when it has to.
.DEFAULT_GOAL := help
.PHONY: help demo test test-mysql lint audit bench serve docs dist test-wheel test-install lock format clean

BIN := .venv/bin
OLD_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(or $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c '$(OLD_ENOUGH)' 2>/dev/null && echo $$each && break; done),python3)
# By content and place, not by time: a checkout changes times, and a moved .venv is broken.
STAMP := .venv/.made-$(shell { cat requirements.lock pyproject.toml bot/wheel/hubbub/*.py; pwd; } | cksum | cut -d' ' -f1)
UV := $(BIN)/uv --quiet --system-certs
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(STAMP) ## watch three agents and a person work on a simulated GitHub (ARGS=--keep keeps running, --pull works without webhooks)
	@echo "Playing the demo against a simulated GitHub on this machine"
	@$(BIN)/hubbub demo $(ARGS)

# Three workers for two cores, because some tests wait for processes.
# A test that runs on one engine only says so in its name; those that need none run with each.
ONE_ENGINE = $(if $(ENGINE),-k 'not $(filter-out $(ENGINE),sqlite mysql)')

# Byte code is kept even where the environment says not to, as in an installed package: without it,
# each worker and each server that a test starts compiles all modules again, which takes a tenth of
# the whole time, and half of the time of a start.
test test-mysql bench: export PYTHONDONTWRITEBYTECODE =

# Which branches the tests take. CI measures it, and fails below the bound in branch_bound.py.
MEASURED = $(if $(COVERAGE),-p tests.support.branch_coverage)

# A test that fails beside others on a busy machine and passes alone is unsteady: CI names it, and
# goes on. One that is broken fails again.
PYTEST := $(BIN)/python tests/support/throwaway_mariadb.py $(BIN)/python -m pytest
ALONE = || { echo "These failed. Those that pass now, alone, are unsteady and have to be mended:"; \
	$(PYTEST) -v --last-failed --last-failed-no-failures none --maxfail 5 $(MEASURED) $(ONE_ENGINE) $(TESTS); }

test: $(STAMP) ## run the tests on SQLite and MariaDB (TESTS=tests/room/test_x.py runs some, ENGINE=sqlite those without mysql, COVERAGE=yes reports coverage, AGAIN=yes runs what failed once more)
	@echo "Testing on SQLite and on a MariaDB"
	@$(PYTEST) -n 3 --dist worksteal $(MEASURED) $(ONE_ENGINE) $(TESTS) $(if $(AGAIN),$(ALONE))
	@$(if $(COVERAGE),$(BIN)/coverage combine --quiet && $(BIN)/coverage report && \
		$(BIN)/coverage json --quiet -o - | $(BIN)/python -m tests.support.branch_bound)

test-mysql: $(STAMP) ## run the tests of the database on the MySQL that HUBBUB_TEST_MYSQL_URL names
	@$(BIN)/python -m tests.support.given_mysql
	@$(BIN)/python tests/support/throwaway_mariadb.py $(BIN)/python -m pytest -n 3 --dist worksteal -k mysql $(TESTS)

# The program of the action, for the Python of a runner, and workflows for other repositories.
ACTION := .github/actions/agent/program
RECIPES := docs/how-to/actions/*.yml

lint: $(STAMP) ## check style, types, imports, workflows, the files for deployment and the lock file
	@echo "Checking with ruff, mypy, import-linter, zizmor and the schemas of GitHub Actions; docs/deploy with hadolint and others"
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --quiet --check
	@$(BIN)/mypy
	@MYPYPATH=$(ACTION) $(BIN)/mypy --config-file= --strict --python-version 3.11 $(ACTION)/*.py
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/zizmor --quiet --offline .github $(RECIPES)
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml $(RECIPES)
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml .github/actions/*/*/action.yml
	@.ci/deploy
	@$(CHECK_LOCK)

audit: $(STAMP) ## look for known weaknesses in the locked dependencies (needs the network)
	@echo "Looking up each dependency of requirements.lock"
	@$(UV) tool run --from pip-audit==2.10.1 pip-audit --requirement requirements.lock --disable-pip --require-hashes

bench: $(STAMP) ## measure speed, about an hour (BENCH=intake, million, repair, backfill, day, busy, workflows, trial, peers, senders, swarm, claims, calls, connected, wake, steering, page, authentication, metrics, mounts, plugins, files, start, rolling; galera, drill, failover, restore by name only)
	@echo "Measuring on SQLite and on a MariaDB; close other programs"
	@for each in $(or $(BENCH),intake million repair backfill day busy workflows trial peers senders swarm claims calls connected wake steering page authentication metrics mounts plugins files start rolling); do \
		$(BIN)/python tests/support/throwaway_mariadb.py $(BIN)/python -m tests.benchmarks.$$each || exit 1; done

serve: $(STAMP) ## run Hubbub with the settings in the environment or .env
	@echo "Starting Hubbub; Ctrl-C ends it"
	@$(BIN)/hubbub serve $(ARGS)

docs: $(STAMP) ## build the documentation into docs/_build
	@echo "Building the documentation into docs/_build"
	@$(BIN)/python -m sphinx -q -W -n docs docs/_build

dist: $(STAMP) ## build the source archive and the wheel into dist
	@echo "Building the source archive and the wheel into dist"
	@rm -rf dist
	@$(UV) build --offline --no-build-isolation --python $(BIN)/python

test-wheel: dist ## install the built wheel alone, outside the checkout, and play the demo
	@echo "Installing the wheel alone and playing the demo with it"
	@.ci/wheel

test-install: $(STAMP) ## rehearse an installation in production: as the Dockerfile and the units of systemd do (as root)
	@echo "Installing from the lock, and serving on a MariaDB as a user without rights"
	@$(BIN)/python tests/support/throwaway_mariadb.py .ci/install

lock: $(STAMP) ## resolve the dependencies into requirements.lock (UPGRADE=--upgrade takes newer versions)
	@echo "Resolving the dependencies into requirements.lock"
	@$(UV) --no-config pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
		$(UPGRADE) --output-file requirements.lock >/dev/null
	@$(CHECK_LOCK)

format: $(STAMP) ## format the code and fix what ruff can fix
	@echo "Formatting with ruff"
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --quiet --fix

clean: ## remove .venv and everything that was built
	@echo "Removing .venv, caches and builds"
	@rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist docs/_build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# No name, version, hash or comment in the lock has a slash; every address and path has one.
CHECK_LOCK = ! grep -nE '/|@|--[^h]' requirements.lock || \
	{ echo "requirements.lock must hold no address, path or option" >&2; exit 1; }

ifeq ($(wildcard $(BIN)/python),)
.PHONY: $(STAMP)
endif
$(STAMP):
	@echo "Setting up .venv from requirements.lock"
	@command -v $(PYTHON) >/dev/null || \
		{ echo "There is no $(PYTHON) here: install Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -c '$(OLD_ENOUGH)' || { echo "Hubbub needs Python 3.11 or newer;" \
		"$(PYTHON) is older. Install one and name it, as in: make demo PYTHON=python3.12" >&2; exit 1; }
	@grep -qsF ' $(CURDIR)/.venv' .venv/pyvenv.cfg && $(BIN)/python -c 'import pip' 2>/dev/null || \
		$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual" \
		"environment. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.txt
	@$(PIP) --require-hashes -r .venv/uv.txt
	@$(UV) pip sync --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock || \
		{ echo "uv could not; pip takes over, which is slower"; \
		$(PIP) --require-hashes -r requirements.lock; }
	@$(UV) pip install --python $(BIN)/python --offline --no-deps --no-build-isolation --editable . || \
		$(PIP) --no-build-isolation --editable .
	@rm -f .venv/.made-* && touch $@
