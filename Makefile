# Each target alone sets up what it needs; doing it twice does nothing twice.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs stubs clean

demo: .venv/ready
	@$(BIN)/python -m demo

test: .venv/ready
	@$(BIN)/python -m pytest -q

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs assignments autograder solutions layers demo

docs: .venv/ready
	@$(BIN)/python docs/build.py

stubs: .venv/ready
	@$(BIN)/autograder stubs

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Setting up .venv (a few minutes the first time) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv
