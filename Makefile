# make run: serve the app (simulator without a key). make test, make check: before a commit.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check crash soak format lock audit clean

run: $(VENV)/app.stamp
	$(BIN)/python app.py

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# make crash ROUNDS=1000: kill the app at random moments, then count. make soak MINUTES=60.
ROUNDS ?= 100
MINUTES ?= 10
EXAMPLES ?= 200

crash: $(VENV)/dev.stamp
	$(BIN)/python tests/soak/crash.py $(ROUNDS)

soak: $(VENV)/dev.stamp
	end=$$(($$(date +%s) + 60 * $(MINUTES))); \
	while [ $$(date +%s) -lt $$end ]; do \
		KLING_UI_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -q -n 0 \
			tests/soak/test_machine.py tests/soak/test_properties.py || exit 1; \
	done

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# What is installed is what the .lock files name, hash by hash; requirements*.txt say what we want.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --upgrade

$(VENV)/app.stamp: requirements.lock | $(BIN)/python
	$(PIP) --require-hashes -r requirements.lock
	touch $@

$(VENV)/dev.stamp: requirements.lock requirements-dev.lock | $(BIN)/python
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

# make lock: bring both lock files up to date. make audit: known holes, where their list can be reached.
lock: | $(BIN)/python
	$(PIP) uv
	$(COMPILE) requirements.txt -o requirements.lock
	$(COMPILE) requirements-dev.txt -c requirements.lock -o requirements-dev.lock

audit: $(VENV)/app.stamp
	$(PIP) pip-audit
	$(BIN)/pip-audit --disable-pip --require-hashes -r requirements.lock
