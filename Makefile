# make help lists the targets. Everything that needs servers or tools sets them up first.

PYTHON = .venv/bin/python
BIN = .venv/bin
# Without the folder of the commands in the search path: queue_mover.py is no package.
IMPORTS = env PYTHONSAFEPATH=1 $(BIN)/lint-imports
# Each has two PostgreSQL clusters of its own, and mostly waits: more than there are cores pay.
WORKERS = 4
# How many of the slowest tests are listed at the end.
SLOWEST =
KEEP =
# Where the demo puts a picture of itself: an animated SVG.
RECORD ?=
# What runs through PgBouncer too: on these sides, all of these tests; with each `make test` a part.
SIDES = source target both
POOLED = $(addprefix tests/,moving sharing command sources reliability flavour service check \
	observation admin web)
POOLED_PART = tests/moving/test_batches.py tests/moving/test_encodings.py \
	tests/moving/test_crash.py::test_killed_again_and_again \
	tests/command/test_outages.py::test_one_line_when_a_server_goes_and_one_when_it_is_back \
	tests/sources/test_under_load.py
# Of the Debian package: which Debian it is for; without one, the host's.
SUITE =
# Of the torture: how much of it; without a SEED it takes any, and shows it.
SEED =
FAULTS = 500
SECONDS = 1800
# Of the model: how many schedules each of its machines tries.
EXAMPLES = 10000

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: setup
setup: ## Install what is missing: Debian packages, virtual environment
	@scripts/setup

.PHONY: demo
demo: setup ## Show the main job on real servers; KEEP=1 leaves them running, RECORD=FILE.svg draws it
	@KEEP=$(KEEP) RECORD=$(RECORD) $(PYTHON) -m demo

.PHONY: test
test: setup ## Run the whole test suite; SLOWEST=20 lists the slowest; ARGS are passed to pytest
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(if $(SLOWEST),--durations=$(SLOWEST)) $(ARGS)
	$(PYTHON) -m pytest -n 2 --dist worksteal --pooled both $(POOLED_PART)

.PHONY: test-pooled
test-pooled: setup ## Run the tests of the main job through PgBouncer on SIDES: source target both
	set -e; for side in $(SIDES); do \
		$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --pooled $$side $(POOLED) $(ARGS); \
	done

.PHONY: torture
torture: setup ## Break everything while events move; SEED, FAULTS, SECONDS set how
	$(PYTHON) -m torture $(if $(SEED),--seed $(SEED)) --faults $(FAULTS) --seconds $(SECONDS)

.PHONY: model
model: setup ## Try many more schedules of the protocol's model than the tests do; SEED, EXAMPLES
	MODEL_EXAMPLES=$(EXAMPLES) MODEL_SEED=$(or $(SEED),$(shell date +%s)) $(PYTHON) -m pytest -n 2 \
		--timeout=0 -k test_each_event_once tests/torture/test_model.py tests/torture/test_sharing_model.py

.PHONY: bench
bench: setup ## Measure everything and put the results into docs/performance.md (half an hour)
	$(PYTHON) -m bench --publish $(ARGS)

.PHONY: bench-quick
bench-quick: setup ## The same with small sizes, in two minutes; publishes nothing
	$(PYTHON) -m bench --quick $(ARGS)

.PHONY: check
check: setup ## Lint, format, types, and the one-way import rule
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(IMPORTS)
	$(PYTHON) scripts/generate --check

.PHONY: docs
docs: setup ## Write the texts that come from the parameter table
	$(PYTHON) scripts/generate

.PHONY: site
site: setup ## Build the site into site/, and check its links
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[site]'
	$(PYTHON) scripts/generate --check
	env NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	$(PYTHON) -m manuals.site_check site

.PHONY: coverage
coverage: setup ## Measure which lines the tests reach, in all processes; ARGS are passed to pytest
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[coverage]'
	scripts/coverage $(or $(ARGS),-n $(WORKERS) --dist worksteal)

.PHONY: release
release: ## Check, build and tag the version; refuses if anything is missing
	@python3 scripts/release

.PHONY: wheel
wheel: setup ## Build wheel and source distribution into dist/, and check them
	$(PYTHON) -m pip install --quiet --disable-pip-version-check -e '.[release]'
	rm -f dist/queue_mover-*
	$(PYTHON) -m build --outdir dist .
	$(PYTHON) -m twine check --strict dist/queue_mover-*

.PHONY: deb
deb: ## Build the Debian package queue-mover3 into dist/; SUITE=trixie for another Debian (root)
	@scripts/build-deb $(SUITE)

.PHONY: test-deb
test-deb: setup ## Install, run, upgrade and remove the Debian package in a clean Debian, or in SUITE (root)
	package="$$(scripts/build-deb $(SUITE))" && QUEUE_MOVER_DEB="$$package" QUEUE_MOVER_SUITE=$(SUITE) \
		$(PYTHON) -m pytest -s --timeout=1800 tests/packages

.PHONY: format
format: setup ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: clean
clean: ## Remove what is generated, the virtual environment included
	rm -rf .venv build dist site coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info
