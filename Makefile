# The commands of the project; each does the set-up that it needs, and that is quick the second time.
BIN := .venv/bin
.PHONY: demo test setup check bench roles first-guest reference conformance acceptance format clean

setup:
	@.ci/setup

demo: setup
	@$(BIN)/python tests/tools/demo.py

test: setup
	@$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m "not alone" tests

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy -p atlas
	@$(BIN)/mypy tests
	@$(BIN)/lint-imports
	@PYTHONPATH=tests $(BIN)/python tests/tools/roles.py --check

roles: setup
	@PYTHONPATH=tests $(BIN)/python tests/tools/roles.py

bench: setup
	@PYTHONPATH=tests $(BIN)/python tests/tools/bench.py
	@$(BIN)/python tests/tools/bench_lab.py

acceptance: setup
	@PYTHONPATH=tests $(BIN)/python tests/tools/acceptance.py $(PROGRAM) $(OPTIONS)

first-guest: setup
	@$(BIN)/python -m pytest -q -m alone --durations=1 tests/live/test_first_real_guest.py

reference: setup
	@$(BIN)/python -m pytest -q -s tests/live/test_lab_reference.py

conformance: setup
	@PYTHONPATH=tests $(BIN)/python tests/tools/conformance.py

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf .venv .tools build dist *.egg-info
