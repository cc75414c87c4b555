# Needs Linux, make, and Python from 3.10 on with its venv module; everything else goes into .venv.
# A C++ compiler makes simulation fast; without one the demo simulates in Python, and says so.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/dnn2fpga demo

test: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto -m "not slow"

test-slow: $(VENV)/test.stamp
	$(BIN)/pytest -n auto -m slow

bench: $(VENV)/bench.stamp
	$(BIN)/python -m dnn2fpga.bench
	$(BIN)/python bench/beside_peers.py
	$(BIN)/python bench/pareto.py

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "Python 3.10 or later is needed: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { rm -rf $(VENV); echo "Python's venv module is needed: on Debian, apt install python3-venv"; exit 1; }

# The stamps are newer than pyproject.toml once what it asks for is installed. TensorFlow is for tests and bench alone.
$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[toolchain]'
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[toolchain,dev,keras]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@ $(VENV)/demo.stamp
