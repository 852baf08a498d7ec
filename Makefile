# Two verbs: `make run` opens the dashboard, `make test` checks everything. The rest serves them.
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

.PHONY: run test test-all lint bench screenshots clean

run: .venv/run.done
	@echo "Thaw opens on http://127.0.0.1:$(PORT)  (stop with Ctrl+C)"
	$(BIN)/streamlit run dashboard.py --server.address 127.0.0.1 --server.port $(PORT)

test: .venv/test.done lint
	$(BIN)/python -m tests.browser.chromium --ensure
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-all: test
	$(BIN)/python -m tests.backbones

lint: .venv/test.done
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/test.done .venv/bench.done
	$(BIN)/python -m engine bench --write docs/performance.md

screenshots: .venv/test.done
	THAW_SCREENSHOTS=docs/screenshots $(BIN)/python -m pytest tests/browser

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/run.done: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test.done: requirements-dev.txt .venv/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/bench.done: requirements-bench.txt .venv/run.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
