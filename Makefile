# Everything a contributor runs. Needs Python 3.11+ and make; the rest comes from the lock file into .venv.
PYTHON ?= python3
LOCK   := requirements/airflow-3.3.txt

VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
STAMP  := $(VENV)/.installed
CODE   := airflow_provider_sfdm benchmarks dags tests tools
ARGS   ?=

# Without its bytecode cache every Airflow process would compile Airflow again, seconds each.
unexport PYTHONDONTWRITEBYTECODE
# An environment that is active in the caller's shell is not ours.
unexport VIRTUAL_ENV
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz chaos check bench format lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' \
		| while IFS='|' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(STAMP) ## map a function over 336,776 flights with a real Airflow on this machine
	@$(BIN)/python -m tools.demo $(ARGS)

test: $(STAMP) ## run the tests; ARGS="tests/core -k csv" runs some of them
	@$(BIN)/python -m pytest $(ARGS)

fuzz: $(STAMP) ## random and broken input for all that reads some; ARGS="--minutes 10 --seed 1"
	@nice $(BIN)/python -m tools.fuzz $(ARGS)

chaos: $(STAMP) ## kill what runs maps, on two executors, and look what is lost; ARGS="--short" is shorter
	@$(BIN)/python -m tools.chaos $(ARGS)

check: $(STAMP) ## format, lint, types
	@$(BIN)/ruff format --quiet --check --output-format concise . || { echo 'Not formatted: run `make format`.' >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy $(ARGS)

bench: $(STAMP) ## measure speed and memory; see benchmarks/README.md
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(STAMP) ## rewrite the code as `make check` wants it
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

lock: $(UV) ## bring the lock file up to date with setup.cfg and requirements/*.in
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --upgrade setup.cfg $(LOCK:.txt=.in) --output-file $(LOCK)
	@echo 'Wrote $(LOCK).'

clean: ## remove the environment, the caches and what the programs wrote
	@rm -rf $(VENV) .airflow-* .reports .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The environment: made by venv, filled by uv from the lock (with hashes), the package itself linked into it.
$(STAMP): $(LOCK) setup.cfg pyproject.toml $(UV)
	@echo 'Installing what $(LOCK) names into $(VENV) ...'
	@$(uv_index) $(UV) pip sync --quiet --require-hashes --compile-bytecode --python $(BIN)/python $(LOCK)
	@$(UV) pip install --quiet --offline --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

$(UV): requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo 'Python 3.11 or newer is needed; "$(PYTHON)" is' "$$($(PYTHON) --version 2>&1)." \
			'Name another one: make PYTHON=python3.12 ...' >&2; exit 1; }
	@echo 'Making $(VENV) with' "$$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo 'This Python cannot make environments; on Debian: apt-get install python3-venv' >&2; exit 1; }
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

# uv does not read pip's configuration: hand it the index that pip was told to use, if it was told.
define uv_index
index="$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)"; \
	if [ -n "$$index" ] && [ -z "$$UV_DEFAULT_INDEX" ]; then export UV_DEFAULT_INDEX="$$index"; fi;
endef
