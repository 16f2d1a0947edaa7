# Chloe's commands. `make` or `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help venv demo live up down psql check test bench schema freeze clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml infrastructure/docker/constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; install one or set PYTHON=…" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint infrastructure/docker/constraints.txt --editable '.[dev,ml]'
	@touch $@

venv: $(VENV)/.installed ## Make the Python environment in .venv

demo: venv ## Trade the sample year on paper, through all services, without Docker; then serve the API
	$(BIN)/chloe standalone

live: venv ## The same on the exchange's live public candles
	$(BIN)/chloe standalone --live --data var/live

up: ## Start everything in Docker Compose (secrets are generated at the first start)
	infrastructure/scripts/make-secrets
	docker compose up --detach --build

down: ## Stop Docker Compose; data stay
	docker compose down

psql: ## Open psql as the reader on Compose's database
	docker compose exec timescaledb psql -U grafana_reader chloe

check: venv ## Style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for one in $$(find tests -mindepth 2 -name conftest.py); do $(BIN)/mypy $$one; done
	$(BIN)/lint-imports --no-cache

test: venv ## All tests; they need no network
	$(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile

bench: venv ## Speed and memory, as figures and ratios of one run
	PYTHONPATH=tests $(BIN)/python -m bench.run

schema: venv ## Write migrations/schema.sql from the migrations
	$(BIN)/python migrations/snapshot.py

freeze: venv ## Write infrastructure/docker/constraints.txt from the environment
	$(BIN)/python infrastructure/scripts/freeze.py

clean: ## Remove caches and the data of demos
	rm -rf var .pytest_cache .mypy_cache .ruff_cache .hypothesis build
