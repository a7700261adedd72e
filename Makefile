# What people type. Each target says in its '##' line what it does; 'make' alone lists them.
# What was installed or built leaves a stamp in .build/, so that a second run starts at once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run run-village demo test test-all test-long check bench lock build clean
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Set here and not in the shell: the packaged Node stands in where the machine has none.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A lock names every package: pip needs to find out nothing, and has failed where it tried to
# (an extra of a pinned package, once a newer release of it is out).
PIP := $(BIN)/python -m pip install --quiet --no-deps --disable-pip-version-check --no-input --only-binary :all:

FRONT_SOURCES := $(shell find package.json package-lock.json tsconfig.json eduhub/web/player eduhub/web/uploader eduhub/web/keeper eduhub/web/styles eduhub/web/static/*.js eduhub/web/static/*.svg -type f 2>/dev/null)
PO_FILES := $(shell find eduhub/web/translations -name '*.po' 2>/dev/null)
# A hub that is tried out on this machine speaks plain HTTP.
TRYOUT := EDUHUB_SECURE_COOKIES=$${EDUHUB_SECURE_COOKIES:-no} EDUHUB_LOG_FORMAT=$${EDUHUB_LOG_FORMAT:-text}

help: ## list these targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z%-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-13s %s\n", $$1, $$2}'

run: build ## a hub with demo lessons, on http://127.0.0.1:8080 (Ctrl-C stops it)
	@$(TRYOUT) $(BIN)/eduhub demo
	@$(TRYOUT) exec $(BIN)/eduhub serve

run-village: build ## a hub and a school's box that has joined it
	@$(TRYOUT) $(BIN)/eduhub demo
	@$(TRYOUT) exec $(BIN)/python -m eduhub.ops.village

demo: build ## only load the demo lessons
	@$(TRYOUT) $(BIN)/eduhub demo

test: .build/dev.stamp build ## what a change should pass, in some minutes; says what it left out and why
	@$(BIN)/python .ci/test.py

test-all: .build/dev.stamp build ## every test this machine can run, on PostgreSQL too: what CI runs
	@$(BIN)/python .ci/test.py --all

test-long: .build/dev.stamp build ## the tests that run for minutes
	@$(BIN)/python .ci/test.py --long

check: .build/dev.stamp build ## the static gate: style, types, layers, dependencies, locks
	@$(BIN)/python .ci/check.py

bench: .build/dev.stamp build ## every benchmark (BENCH=short: a quick form of each)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; BENCH=$${BENCH:-full} $(BIN)/python "$$file"; done

bench-%: .build/dev.stamp build ## one benchmark: make bench-encode
	@BENCH=$${BENCH:-full} $(BIN)/python benchmarks/bench_$(subst -,_,$*).py

lock: .build/uv.stamp ## resolve the lock files anew (needs the network)
	@$(VENV)/bin/python .ci/locks.py make .build/uv/bin/uv

build: .build/run.stamp .build/front.stamp .build/translations.stamp ## install, and build the pages' front end and translations

clean: ## remove everything that was installed or built (the data in media/ stays)
	rm -rf $(VENV) .build node_modules eduhub/web/static/built eduhub/web/static/*.br eduhub/web/static/*.gz .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.build/venv.stamp:
	@mkdir -p .build
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed. If it has another name: make PYTHON=python3.12 run")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@touch $@

.build/run.stamp: requirements-run.lock pyproject.toml | .build/venv.stamp
	@echo "Installing what EduHub needs into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements-run.lock
	@$(PIP) --no-build-isolation --no-index --editable .
	@touch $@

.build/dev.stamp: requirements-dev.lock .build/run.stamp
	@echo "Installing what tests and checks need ..."
	@$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.build/uv.stamp: | .build/run.stamp
	@$(PYTHON) -m venv .build/uv
	@.build/uv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: uv
	@touch $@

.build/node.stamp: requirements-node.lock | .build/run.stamp
	@if node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1; then :; \
	else echo "Installing Node, to build the pages ..."; $(PIP) --require-hashes -r requirements-node.lock; fi
	@touch $@

.build/front.stamp: $(FRONT_SOURCES) | .build/node.stamp
	@echo "Building the pages' front end ..."
	@npm ci --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@npm run --silent build
	@touch $@

.build/translations.stamp: $(PO_FILES) | .build/run.stamp
	@$(BIN)/pybabel -q compile -d eduhub/web/translations 2>&1 | { grep -v '^compiling' || true; }
	@touch $@
