# Everything happens in .venv, installed from requirements.lock: exact versions, each with its hashes.
PYTHON ?= python3
# requirements-run.lock is the part of it that runs: what a container installs.
LOCKED := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
BIN := .venv/bin
# The lock names everything, so nothing is resolved. uv takes a third of pip's time; where it does not reach the
# index, because only pip was told of a mirror, pip installs.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --no-deps
INSTALLED := .venv/.installed
# A machine that forbids bytecode would have each process of `lumira run` compile every module at every start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test quick torture bench screenshots check lint format lock clean coverage docs

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: $(INSTALLED) ## Make .venv and install Lumira into it; nothing to do when it is up to date.

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Lumira needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@echo "Installing into .venv, about a minute…"
	@$(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.lock
	@$(PIP) --require-hashes -r .venv/uv.lock
	@$(UV) --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	@$(UV) --no-build-isolation -e . || $(PIP) --no-build-isolation -e .
	@touch $@

run: install ## Serve the desk with demo data on http://127.0.0.1:8501.
	$(BIN)/lumira run --demo

test: install ## Run every test.
	$(BIN)/python -m pytest -n auto --dist worksteal

quick: install ## Run what needs no browser and no processes of Lumira's own: nine tests of ten, 140 s on two cores.
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not (browser or long or whole)" --ignore tests/torture

bench: install ## Print what speed is claimed, as ratios measured in one run.
	@for program in benchmarks/*.py; do echo "== $$program"; $(BIN)/python $$program || exit 1; done

coverage: install ## Run every test and print what of lumira/ they ran, branches too.
	$(BIN)/python -m pytest -n auto --dist worksteal --cov=lumira --cov-branch --cov-report=term:skip-covered

torture: install ## The proofs of tests/torture at length, about 15 minutes.
	TORTURE_ROUNDS=$(or $(TORTURE_ROUNDS),8) $(BIN)/python -m pytest -n 2 --dist worksteal tests/torture

docs: install ## Build the documentation into site/.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

screenshots: install ## Photograph every page from the demo data; docs/screenshots keeps a few.
	$(BIN)/python docs/take_screenshots.py --every

check: lint test ## What has to pass before a change lands.

lint: install ## Style, types, the direction of imports, secrets in files, known holes in dependencies.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	.ci/secrets
	.ci/audit

format: install ## Rewrite the code in the house's style.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: install ## Renew both locks with the newest versions pyproject.toml allows.
	$(BIN)/uv pip compile pyproject.toml --upgrade --all-extras $(LOCKED) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra embedded -c requirements.lock $(LOCKED) -o requirements-run.lock

clean: ## Remove .venv and every cache; data under .lumira stays.
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
