SHELL := bash
.DEFAULT_GOAL := help
PYTEST_ARGS ?=

.PHONY: help setup poc serve test check lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything into .venv
	@scripts/01_install.sh

poc: ## Set everything up and run the whole guide on a real Cassandra
	@scripts/run_poc.sh

serve: setup ## Serve predictions from Feast on port 8000
	@scripts/05_serve.sh

test: setup check ## Install what the tests need and run all of them
	@. scripts/environment.sh && python -m pytest $(PYTEST_ARGS)

check: setup ## Lint, format, types, floors
	@. scripts/environment.sh && ruff check . && ruff format --check . && mypy && lint-imports

lock: setup ## Compile the requirements files anew from pyproject.toml
	@scripts/lock_requirements.sh

clean: ## Stop the embedded Cassandra and remove everything the scripts made
	@scripts/clean.sh
