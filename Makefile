# The habits of this house; `make` alone lists them.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ADDRESSES := ^--(index-url|extra-index-url|find-links)
CODE := domain application projections adapters api bench tests

.DEFAULT_GOAL := help
.PHONY: help demo up test check format bench bench-airline lock clean

help: ## list the habits
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## a small fleet of agents, governed end to end in under a minute
	@$(BIN)/magistrate demo

up: $(INSTALLED) ## run everything on this machine, on loopback, with a Postgres of its own
	@$(BIN)/magistrate up

test: check ## types, lint, import rules and every test
	@$(BIN)/python -m pytest -n 2

check: $(INSTALLED) ## formatting, lint, types and import rules, without the tests
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy $(CODE)
	@$(BIN)/pyright

format: $(INSTALLED) ## put imports and layout in order
	@$(BIN)/ruff check --fix --select I $(CODE)
	@$(BIN)/ruff format $(CODE)

bench: $(INSTALLED) ## every benchmark beside its peer, or some: make bench ONLY=append,decide
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

bench-airline: $(INSTALLED) ## how the airline's policy judges recorded runs: make bench-airline DATA=DIR
	@test -n "$(DATA)" || { echo "say where the recorded runs are: make bench-airline DATA=DIR" >&2; exit 2; }
	@$(BIN)/python -m bench.airline "$(DATA)"

lock: ## pin every dependency anew, by hash (needs uv)
	@export PATH="$(abspath $(BIN)):$$PATH"; \
	command -v uv >/dev/null || { echo "install uv first: $(BIN)/pip install uv" >&2; exit 2; }; \
	export="uv export --quiet --format requirements-txt --no-header --no-emit-project --all-extras"; \
	$$export --all-groups | grep -v -E '$(ADDRESSES)' > requirements.lock; \
	$$export --no-dev --group build | grep -v -E '$(ADDRESSES)' > deploy/requirements.lock

clean: ## forget what was installed and built
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(INSTALLED): requirements.lock pyproject.toml
	@python=; for name in python3.11 python3.12 python3.13 python3; do \
		if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	test -n "$$python" || { echo "Magistrate needs Python 3.11 or newer, and found none as python3.11, python3.12, python3.13 or python3." >&2; exit 2; }; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV) || { echo "Python cannot make virtual environments here: on Debian and Ubuntu, apt install python3-venv" >&2; rm -rf $(VENV); exit 2; }
	@echo "installing into $(VENV) (once; a minute or two)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@
