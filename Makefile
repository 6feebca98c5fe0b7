# Freshet. `make` lists what there is to do.

BIN := .venv/bin
STAMP := .venv/.set-up

# What the environment is made from: change one of these, or add or remove a file of the package, and it is made again.
LOCKED := requirements/bootstrap.txt requirements/dev.txt setup.py pyproject.toml
PACKAGE := flink-conf freshet jobs models schemas udfs
fingerprint = { cat $(LOCKED); find $(PACKAGE) -type f ! -path '*/__pycache__/*' | sort; } | cksum

# The first Python that runs and that Freshet works on. A name alone says little: a pyenv shim may be there and fail.
IS_USABLE := import ensurepip, sys; (3, 10) <= sys.version_info[:2] <= (3, 12) or sys.exit(1); print(sys.executable)
CANDIDATES := $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3.10 python3)
NO_PYTHON = Freshet needs Python 3.10, 3.11 or 3.12 with its venv module and found none: install one (on Debian \
  python3-venv too), or name it as in `make setup PYTHON=/opt/python3.11/bin/python3`
usable = $(shell for python in $(CANDIDATES); do "$$python" -c '$(IS_USABLE)' 2>/dev/null && break; done)
base_python = $(or $(usable),$(error $(NO_PYTHON)))

# mypy and import-linter look at the working folder before they look at what is installed, and the home folder `freshet/`
# would hide the layers. From here there is nothing to mistake for the package.
FROM := tests
MYPY := ../$(BIN)/mypy --config-file ../pyproject.toml
EDITABLE := s@([^ ]*/)?build/__editable__[^/]*/freshet/(schemas|udfs|models|jobs)/@\2/@g; s@([^ ]*/)?build/__editable__[^/]*/@@g
SHELL := bash

.PHONY: help setup demo test test-unit lint check-style check-types check-layers check-documents format bench bench-quality train lock ci down clean

help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r name what; do printf '  make %-13s %s\n' "$$name" "$$what"; done

setup: ## Make .venv from the locked requirements; does nothing when it is up to date
	$(if $(shell test "$$(cat $(STAMP) 2>/dev/null)" = "$$($(fingerprint))" || echo stale),$(make_environment))

# An environment that somebody else made may lack pip, or stand on a Python that is gone; ours begins anew then.
define make_environment
@test -x $(BIN)/pip && $(BIN)/python -c '$(IS_USABLE)' >/dev/null 2>&1 || "$(base_python)" -m venv --clear .venv
@rm -f $(STAMP)
@echo "Installing what Freshet needs into .venv ..."
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
@$(call install_freshet,.venv)
@$(fingerprint) > $(STAMP)
endef

# Strict: each file is linked by name, so that type checkers and import-linter find the layers in one package.
install_freshet = $(BIN)/uv pip install --quiet --python $(1)/bin/python --no-deps --no-build-isolation \
  --config-settings editable_mode=strict -e .

demo: setup ## Start everything, run the jobs on real purchases, show a list that one event changes
	@$(BIN)/freshet demo

test: setup ## Run all tests; they start a stack of their own and stop it
	@$(BIN)/pytest

test-unit: setup ## Run the quick tests, those that start no server
	@$(BIN)/pytest --ignore=tests/stack --ignore=tests/e2e -m "not stack and not e2e and not flink"

lint: setup ## Check style, types, which module may import which, and that documents and locks are in line
	@failed=; for check in style types layers documents; do echo "== $$check"; \
	  $(MAKE) --silent --no-print-directory check-$$check || failed="$$failed $$check"; done; \
	  [ -z "$$failed" ] || { echo "Not clean:$$failed"; exit 1; }

check-style:
	$(BIN)/ruff check --output-format concise . && $(BIN)/ruff format --check .

check-types:
	set -o pipefail; cd $(FROM); $(MYPY) -p freshet 2>&1 | sed -E '$(EDITABLE)'; failed=$$?; \
	  $(MYPY) . && [ $$failed = 0 ]

check-layers:
	cd $(FROM) && ../$(BIN)/lint-imports --config ../pyproject.toml --cache-dir ../.import_linter_cache

check-documents:
	$(BIN)/pytest --quiet tests/unit/test_architecture.py tests/unit/test_readme.py tests/unit/test_gallery.py

format: setup ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup ## Run the benchmarks, some beside Quix Streams in .venv-quix; twenty minutes
	@$(BIN)/python benchmarks/run.py

bench-quality: setup ## Hold the recommendations to other libraries on real events, in .venv-quality; fifteen minutes
	@test -x .venv-quality/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python .venv-quality
	@$(BIN)/uv pip sync --quiet --python .venv-quality/bin/python --require-hashes requirements/quality.txt
	@$(call install_freshet,.venv-quality)
	@$(BIN)/python benchmarks/quality/run.py

train: setup ## Train the model anew in .venv-train, which takes gigabytes
	@test -x .venv-train/bin/python || $(BIN)/python -m venv .venv-train
	@$(BIN)/uv pip sync --python .venv-train/bin/python --require-hashes requirements/train.txt
	@$(call install_freshet,.venv-train)
	@.venv-train/bin/freshet train

lock: setup ## Write requirements/ anew from pyproject.toml; UPGRADE=1 takes newer versions
	@$(BIN)/uv --version | sed -E 's/^uv ([0-9.]+).*/uv==\1/' | $(compile) requirements/bootstrap.txt -
	@$(compile) requirements/dev.txt --extra cpu --extra dev pyproject.toml
	@$(compile) requirements/runtime.txt --extra cpu -c requirements/dev.txt pyproject.toml
	@$(compile) requirements/gpu.txt --extra gpu -c requirements/dev.txt pyproject.toml
	@$(compile) requirements/train.txt --extra cpu --extra train -c requirements/dev.txt pyproject.toml
	@echo 'quixstreams>=3.28,<4' | $(subst 3.10,3.11,$(compile)) requirements/quix.txt -
	@$(subst 3.10,3.11,$(compile)) requirements/quality.txt --overrides requirements/quality-overrides.in requirements/quality.in
compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header \
  $(if $(UPGRADE),--upgrade) -o

ci: ## Do what continuous integration does: everything that must pass
	@bash .ci/run

down: ## Stop the local stack; its data stay
	@test ! -x $(BIN)/freshet || $(BIN)/freshet down

clean: down ## Remove all that was made here: environments, caches, and the local stack's data
	rm -rf .venv .venv-quality .venv-quix .venv-train build *.egg-info .freshet .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
