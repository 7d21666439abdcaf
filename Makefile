SHELL := bash
.DEFAULT_GOAL := help
PYTEST_ARGS ?=
ROWS ?= 10000

.PHONY: help setup poc serve test check faults mutants benchmark monitor lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything into .venv
	@scripts/01_install.sh

poc: ## Set everything up and run the whole guide on a real Cassandra
	@scripts/run_poc.sh

serve: setup ## Serve predictions from Feast on port 8000
	@scripts/05_serve.sh

test: setup check ## Install what the tests need and run all of them, some on every Python that is at hand
	@scripts/install_test_packages.sh
	@scripts/run_tests.sh $(PYTEST_ARGS)

check: setup ## Lint, format, types, floors
	@. scripts/environment.sh && ruff check . && ruff format --check . && mypy && mypy --explicit-package-bases tests && lint-imports

faults: setup ## Break it on purpose in every way that a test knows, and write docs/reliability.md (half an hour)
	@scripts/install_test_packages.sh
	@. scripts/environment.sh; FAULT_REPORT=docs/reliability.md exec python -m pytest -m fault

mutants: setup ## Change the code of four rooms on purpose, and count what the unit tests see of it (half an hour)
	@. scripts/environment.sh && exec python scripts/try_mutants.py

benchmark: setup ## Measure every piece and write docs/performance.md (half an hour)
	@set -euo pipefail; . scripts/environment.sh; results=data/benchmarks; \
	python scripts/benchmark_serving.py --json $$results/serving.json; \
	python scripts/benchmark_rates.py --json $$results/rates.json; \
	python scripts/compare_feast_cassandra.py --with feast-server --json $$results/comparison.json --plot $$results/comparison.png; \
	python scripts/benchmark_registry.py --json $$results/registry.json; \
	python scripts/benchmark_scoring.py --json $$results/scoring.json; \
	python scripts/benchmark_materialization.py --rows $(ROWS) --json $$results/materialization.json; \
	python scripts/measure_storage.py --json $$results/storage.json; \
	python scripts/write_performance.py $$results

monitor: setup ## Watch the running servers with Prometheus, and Grafana where Docker is
	@. scripts/environment.sh && exec python scripts/start_monitoring.py

lock: setup ## Compile the requirements files anew from pyproject.toml
	@scripts/lock_requirements.sh

clean: ## Stop the embedded Cassandra and remove everything the scripts made
	@scripts/clean.sh
