# Everything below needs python3 and pip, nothing else; `make` alone lists the targets.
PYTHON ?= python3
VENV := .venv
# processes that the tests are shared among
WORKERS ?= 2
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
# compiled once: where Python may not cache bytecode every process would compile what it
# imports, 2 CPU seconds of 3 for the recommender
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode
DBT := cd dbt_project && $(BIN)/dbt
export PATH := $(BIN):$(PATH)

.DEFAULT_GOAL := help
CLUSTER := $(VENV)/.cluster
SQLFMT := $(VENV)/sqlfmt/bin/sqlfmt
.PHONY: help setup demo build ui test test-long spark-up spark-down test-spark test-spark-long lint format docs bench bench-scale bench-recommender bench-server lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

# the stamp is newer than the lock: set-up runs once, and again when the lock changes
$(READY): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	touch $@

# Spark and the peers of the benchmarks
$(CLUSTER): requirements-cluster.lock $(READY)
	$(INSTALL) --require-hashes -r requirements-cluster.lock
	touch $@

setup: $(READY)  ## create .venv with the locked packages

demo: $(READY)  ## make demo districts, build everything, publish, say what to look at
	trackline demo
	$(DBT) build
	trackline publish
	trackline status
	@echo "Look at: data/serve/<district>/current.json and the files that it names;"
	@echo "  duckdb.connect('data/warehouse.duckdb', read_only=True).sql('from frames.district_lakeview');"
	@echo "  dq_rejected_rows and dq_files for what was wrong with the deliveries;"
	@echo "  make docs for every table and column, make ui for Dagster."

build: $(READY)  ## one nightly build of the districts in seeds/
	$(DBT) build

ui: $(READY)  ## the Dagster UI on http://127.0.0.1:3000
	$(DBT) parse --quiet
	dagster dev

test: $(READY) $(SQLFMT)  ## every test but the exhaustive ones
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long" --ignore tests/spark

test-long: $(READY) $(SQLFMT)  ## the exhaustive runs too
	pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/spark

spark-up: $(CLUSTER)  ## a Spark cluster on loopback: a master, two workers, a Connect server
	python -m trackline.cluster up

spark-down: $(READY)  ## end it; its tables stay in data/spark
	python -m trackline.cluster down

test-spark: $(CLUSTER)  ## the same tables on a Spark cluster; skipped without Java
	pytest -m "not long" tests/spark

test-spark-long: $(CLUSTER)  ## that, and three nights of the Open University
	pytest tests/spark

# an environment of its own, for it has pins of its own
$(SQLFMT): requirements-sqlfmt.lock $(READY)
	$(BIN)/uv venv --quiet --clear $(VENV)/sqlfmt
	$(BIN)/uv pip install --quiet --python $(VENV)/sqlfmt/bin/python --require-hashes -r requirements-sqlfmt.lock
	touch $@

lint: $(READY) $(SQLFMT)  ## ruff and sqlfmt
	ruff check . && ruff format --check . && $(SQLFMT) --quiet --check dbt_project

format: $(READY) $(SQLFMT)  ## format Python and SQL
	ruff check --fix . ; ruff format . ; $(SQLFMT) --quiet dbt_project

docs: $(READY)  ## the documentation site of the tables, as one file
	$(DBT) docs generate --static

bench: $(CLUSTER)  ## the measured comparisons (minutes, gigabytes)
	python -m benchmarks

lock:  ## renew the locks from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra server --extra s3 --extra postgres --extra mysql $(LOCK) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra spark --extra bench -c requirements.lock $(LOCK) -o requirements-cluster.lock
	echo "shandy-sqlfmt[jinjafmt]" | $(BIN)/uv pip compile - $(LOCK) -o requirements-sqlfmt.lock
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras --no-annotate --no-header --quiet --upgrade

clean:  ## remove what the build made (not the landing files)
	rm -rf data/warehouse.duckdb* data/serve data/models dbt_project/target dbt_project/logs

bench-scale: $(CLUSTER)  ## every table of a consortium's year and nights; pandas, polars beside it
	python -m benchmarks.scale --rows 100e6 --folder data/bench-scale --peers --write

bench-recommender: $(CLUSTER)  ## the recommender against its peers, scale and simulations
	python -m benchmarks.recommender --write

bench-server: $(READY)  ## the prediction server over HTTP, into docs/benchmarks-server.md
	python -m benchmarks.server --output docs/benchmarks-server.md
