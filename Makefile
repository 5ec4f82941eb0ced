# SPDX-License-Identifier: Apache-2.0
# Each target does all of its own set-up. `make help` lists them.

VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
UV_PIN := uv==0.13.9

# Extra words for a command: make demo ARGS="--for 120", make test ARGS="tests/house -x"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check soak simulate planted validation reliability grafana-types screens schemathesis format bench compare quality servers lock sbom clean
.NOTPARALLEL:

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(VENV)/.project ## make .venv with the command .venv/bin/coldchain

$(VENV)/.python:
	@sh tools/make-venv.sh $(VENV)
	@touch $@

$(VENV)/.locked: $(VENV)/.python requirements.lock
	@echo "setup: installing the locked dependencies"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.project: $(VENV)/.locked pyproject.toml
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## the whole chain with simulated appliances, on this machine alone
	@$(BIN)/coldchain demo $(ARGS)

test: setup servers ## every test, a worker for each core; one alone: make test ARGS="-n0 tests/house -x"
	@$(PY) -m pytest -n auto --dist worksteal $(ARGS)

check: setup ## format, lint, types, floors, then every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(PY) tools/sbom.py --audit requirements.lock
	@$(MAKE) --no-print-directory test

MINUTES ?= 10
SEED    ?= 1

soak: setup ## the whole chain under a seeded schedule of faults: make soak MINUTES=10 SEED=1
	@PYTHONPATH=.:tests/support $(PY) -m soak --minutes $(MINUTES) --seed $(SEED) $(ARGS)

SEEDS   ?= 100

simulate: setup ## the chain on a virtual clock and simulated disks, many seeds: make simulate SEEDS=100 ARGS=--exhaustive
	@PYTHONPATH=.:tests/support $(PY) -m sim --seeds $(SEEDS) $(ARGS)

planted: setup ## plant known bugs in a copy of the tree, one by one, and see the tests catch each
	@$(PY) tools/planted.py $(ARGS)

grafana-types: setup ## type-check the dashboards against Grafana's own schema, from npm
	@npm install --silent --no-fund --no-audit --prefix build/grafana-schema @grafana/schema@13 typescript@5
	@$(PY) -m pytest -m npm tests/dashboards

screens: setup servers ## every page, four languages, phone and desk, light and dark, axe; pictures in build/screens
	@COLDCHAIN_SCREENS=build/screens $(PY) -m pytest -n 2 --timeout 3600 tests/dashboards/test_console_screens.py $(ARGS)

EXAMPLES ?= 300

schemathesis: setup ## ask all that docs/openapi.json describes, many times: make schemathesis EXAMPLES=300
	@COLDCHAIN_EXAMPLES=$(EXAMPLES) $(PY) -m pytest -n 0 --timeout 3600 tests/dashboards/test_console_described.py $(ARGS)

validation: setup servers ## run what requirements name, write docs/validation.md for a quality manager
	@$(PY) tools/validation.py $(ARGS)

reliability: setup servers ## run all that injects faults, write docs/reliability.md: ARGS="--soak FILE --planted FILE"
	@$(PY) tools/reliability.py $(ARGS)

format: setup ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup servers ## print the figures of benchmarks/, or of one: make bench ARGS=benchmarks/bench_ingest.py
	@set -e; for script in $(or $(ARGS),$(sort $(wildcard benchmarks/bench_*.py) benchmarks/speed.py)); do \
	  echo "== $$script"; PYTHONPATH=.:tests/support $(PY) $$script; done

compare: setup servers ## a pipeline of Mosquitto and Node-RED 4 (from npm) beside ours, under the same faults
	@npm install --silent --no-fund --no-audit --prefix build/node-red node-red@4 node-red-contrib-influxdb
	@PYTHONPATH=.:tests/support $(PY) -m benchmarks.compare $(ARGS)

YEARS ?= 20

quality: setup ## missed, nuisance, causes on simulated fleets, with a bar: make quality YEARS=1000 ARGS=--write
	@PYTHONPATH=. nice -n 15 $(PY) -m benchmarks.quality --years $(YEARS) $(ARGS)

servers: $(VENV)/.python ## install the real servers that the tests use, where that is allowed
	@$(PY) tools/install_servers.py

COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --quiet

lock: setup ## resolve the dependencies anew: requirements.lock, and deploy/requirements.lock for the image
	@$(PY) -m pip install --quiet --disable-pip-version-check '$(UV_PIN)'
	@$(COMPILE) --group dev --output-file requirements.lock
	@$(COMPILE) --constraints requirements.lock --output-file deploy/requirements.lock
	@grep -c == requirements.lock deploy/requirements.lock

sbom: setup ## what the image is made of: build/sbom.json, CycloneDX, from deploy/requirements.lock
	@$(PY) tools/sbom.py deploy/requirements.lock build/sbom.json

clean: ## remove .venv and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
