# Two commands for a newcomer: `make demo` and `make test`. Everything lives in .venv; nothing outside the checkout is touched
# (but for `make test-editors`, which brings real editors into ~/.cache/hermitcrab-editors and needs apt).
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
ROOMS := server/hermitcrab
TESTED := server tests benches

.PHONY: demo test check bench mutants test-editors stories format lint imports types unit docs clean help
.DEFAULT_GOAL := help

help: ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.run: pyproject.toml
	@echo "setting up $(VENV) (once; later runs skip this) ..."
ifdef UV
	@[ -x $(BIN)/python ] || $(UV) venv -q --python '>=3.11' $(VENV)
	@$(UV) pip install -q --python $(BIN)/python -e .
else
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e .
endif
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "adding what the tests need ..."
ifdef UV
	@$(UV) pip install -q --python $(BIN)/python --group dev
else
	@$(BIN)/python -m pip install -q --disable-pip-version-check -U 'pip>=25.1'
	@$(BIN)/python -m pip install -q --group dev
endif
	@touch $@

demo: $(VENV)/.run ## set up, then watch it fix a small project (SEED=7 for another one)
	@$(BIN)/hermitcrab demo $(if $(SEED),--seed $(SEED)) $(if $(PROJECT),--project $(PROJECT))

test: $(VENV)/.dev lint imports types ## set up, run all tests but the editors', list what was not run and why
	@sh tests/setup-strace.sh || true
	@$(BIN)/pytest -n 2 --dist worksteal -m 'not editor' -rs
	@echo "not run here: tests in real editors (make test-editors); Windows and macOS (nobody has run them yet)"

check: $(VENV)/.dev lint imports types ## before a commit: format, lint, imports, types, stories and unit tests (a minute and a half)
	@$(BIN)/pytest -n 2 -m 'not editor and not slow' tests/stories tests/unit tests/test_mutants.py tests/test_noisy.py

mutants: $(VENV)/.dev ## break each law on purpose and see its tests notice (NAME=law_1_... for one)
	@$(BIN)/python tests/mutants/run.py $(NAME)

test-editors: $(VENV)/.dev ## bring the real editors (Debian, apt) and run their tests
	@sh tests/editors/setup/setup-neovim.sh
	@$(BIN)/pytest -m editor -rs tests/editors

bench: $(VENV)/.dev ## measure against anchors, about two minutes; MARKDOWN=1 writes docs/benchmarks.md
	@$(BIN)/python -c 'import pylsp' 2>/dev/null || $(if $(UV),$(UV) pip install -q --python $(BIN)/python,$(BIN)/python -m pip install -q) --group bench || true
	@$(BIN)/python -m benches $(if $(MARKDOWN),--markdown)

stories: $(VENV)/.dev ## run the stories; UPDATE=1 rewrites their outcomes
	@UPDATE=$(UPDATE) $(BIN)/pytest -q tests/stories

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check -q $(TESTED) || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check -q $(TESTED)

imports: $(VENV)/.dev
	@$(BIN)/lint-imports

types: $(VENV)/.dev
	@$(BIN)/basedpyright

format: $(VENV)/.dev ## format and fix what can be fixed
	@$(BIN)/ruff format $(TESTED)
	@$(BIN)/ruff check --fix $(TESTED)

docs: $(VENV)/.dev ## make the generated pages anew
	@$(BIN)/hermitcrab schema --markdown > docs/protocol.md

clean: ## throw the environment away
	rm -rf $(VENV)
