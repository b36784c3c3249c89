# HoneyLink's build. Every target sets up what it needs, given Python 3.11 to 3.14 and a Rust toolchain.
# Dependencies come from requirements/*.lock, pinned with hashes. What is installed is remembered by stamp files
# inside .venv, so a second run starts at once, and a changed lock or Rust source is picked up by itself.

PYTHON     ?= python3
CARGO_MUTANTS_VERSION := 26.0.0

# Each holds to the versions of those before it.
LOCKS  := run dev wheel mutants
BIN    := .venv/bin
BINARY := python/honeylink/_native.abi3.so
RUST   := Cargo.toml Cargo.lock $(shell find rust -name target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print) python/honeylink/_native.pyi

say      = @printf '==> %s\n'
pip      = $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet
# A lock is complete: pip resolves nothing, and so takes nothing that came out later. That it is complete is checked then,
# when the other locks that are installed, and have changed too, are installed with it: they fit each other as they are now.
install  = for lock in $(LOCKS); do \
	if [ $$lock = $(1) ] || { [ -e .venv/$$lock.stamp ] && [ requirements/$$lock.lock -nt .venv/$$lock.stamp ]; }; then \
	$(pip) --no-deps --require-hashes -r requirements/$$lock.lock || exit 1; fi; done && $(check-installed)
check-installed = { found=$$($(BIN)/python -m pip check 2>&1) || $(call fail,the packages in .venv do not fit together. \
	Start anew with: make clean && make test. If that does not help: make lock. pip check says: $$found); }
# Each core takes test files as it has time for them, and eight are enough: each process starts a database of its own.
# What a file's tests share stays in one process.
pytest   = $(BIN)/python -m pytest -p no:benchmark --numprocesses logical --maxprocesses 8 --dist loadfile
NEED_DATABASE := tests/scheduler/test_link_session.py
UNIT_TESTS := tests/domain tests/keys tests/fec $(filter-out $(NEED_DATABASE),$(wildcard tests/scheduler/test_*.py)) tests/benches \
	tests/mutation tests/packaging/test_locks.py $(addprefix tests/test_,errors.py settings.py pickling.py arbitrary_arguments.py)
# The venv is named outright: maturin must not pick another one that happens to be active.
in-venv  = env -u CONDA_PREFIX VIRTUAL_ENV="$$PWD/.venv" PATH="$$PWD/$(BIN):$$PATH"
# pyo3's build script asks this interpreter, so that lint, tests and build agree on one.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run check test lint types imports test-rust test-neon test-python test-wheel test-long mutants bench bench-api bench-growth wheel lock \
	fmt clean always

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: export HONEYLINK_DATA_DIR := $(or $(HONEYLINK_DATA_DIR),$(CURDIR)/.honeylink)
run: .venv/native.stamp ## start a complete local HoneyLink; ONCE=1 plays one session through it and stops
	$(say) 'Starting HoneyLink$(if $(ONCE), once)'
	@exec $(BIN)/honeylink quickstart $(if $(ONCE),--once)

check: lint types imports .venv/native.stamp ## the inner loop, under a minute: lints, types, import rules, what needs no database
	$(say) 'Testing what needs no database'
	@$(pytest) $(UNIT_TESTS)

test: lint types imports test-rust test-python test-wheel ## what every change must pass
	$(say) 'All checks passed'

lint: .venv/dev.stamp ## formatting and lints of Python and Rust
	$(say) 'Linting Python'
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	$(say) 'Linting Rust'
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

types: .venv/dev.stamp .venv/native.stamp ## strict types, and the native stub against the binary
	$(say) 'Checking types'
	@$(BIN)/mypy --explicit-package-bases python/honeylink tests benches
	@$(BIN)/python -m mypy.stubtest honeylink._native

imports: .venv/dev.stamp .venv/native.stamp ## who may import whom
	$(say) 'Checking import rules'
	@$(BIN)/lint-imports --no-logo

test-rust: .venv/dev.stamp ## tests of the Rust workspace
	$(say) 'Testing Rust'
	@cargo test --locked --workspace -- --quiet

test-neon: ## tests of the codec's ARM engine, under qemu (Debian packages gcc-aarch64-linux-gnu and qemu-user)
	$(say) 'Testing the codec on 64-bit ARM'
	@command -v qemu-aarch64 >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null || $(call fail,qemu-aarch64 and aarch64-linux-gnu-gcc are \
		needed. On Debian and Ubuntu: apt install gcc-aarch64-linux-gnu qemu-user)
	@rustup target add aarch64-unknown-linux-gnu
	@CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64 -L /usr/aarch64-linux-gnu' \
		cargo test --locked -p honeylink-fec --target aarch64-unknown-linux-gnu -- --quiet

test-python: .venv/dev.stamp .venv/native.stamp ## tests of the Python package, with branch coverage
	$(say) 'Testing Python'
	@$(pytest) --cov

# What was compiled already is packed once more, as a wheel for this machine; `make wheel` builds the portable one, anew.
test-wheel: .venv/dev.stamp .venv/native.stamp ## a wheel of the build that exists, in an empty environment
	$(say) 'Packing and testing a wheel of this build'
	@rm -rf build/dist
	@$(in-venv) maturin sdist --out build/dist
	@$(in-venv) maturin build --release --locked --compatibility linux --out build/dist
	@WHEEL_DIR=build/dist $(BIN)/python -m pytest -m wheel -p no:benchmark tests/packaging

test-long: .venv/dev.stamp .venv/native.stamp wheel ## on top of `make test`: portable wheel, long tests, a sample of mutants
	$(say) 'Trying the properties of the scheduler a hundred times as often'
	@CASES_FACTOR=100 cargo test --locked -p honeylink-scheduler --tests -- --quiet
	$(say) 'Running the long tests'
	@$(BIN)/python -m pytest -m 'long and not wheel'
	$(say) 'Trying mutants of the day'
	@$(MAKE) --no-print-directory mutants SAMPLE=20 SEED=$(or $(SEED),$(shell date +%Y%m%d))

mutants: .venv/dev.stamp .venv/native.stamp .venv/mutants.stamp build/cargo-mutants/bin/cargo-mutants ## change the code in small ways: do tests notice?
	$(say) 'Trying mutants (hours for all of them; AREAS="keys access" SAMPLE=20 SEED=1 for some)'
	@CARGO_MUTANTS=$(CURDIR)/build/cargo-mutants/bin/cargo-mutants \
		$(BIN)/python -m tests.mutation $(AREAS) $(if $(SAMPLE),--sample $(SAMPLE)) --seed $(or $(SEED),0)

bench: .venv/dev.stamp .venv/native.stamp ## measure, and write the table in benches/README.md
	$(say) 'Running the benchmarks'
	@mkdir -p build
	@$(BIN)/python -m pytest benches --benchmark-json=build/bench.json
	@$(BIN)/python benches/report.py build/bench.json

bench-api: .venv/dev.stamp .venv/native.stamp ## the API under load, in half an hour; QUICK=1 takes under three minutes
	$(say) 'Loading the API$(if $(QUICK), (quick))'
	@QUICK=$(QUICK) $(BIN)/python -m benches.api

bench-growth: .venv/dev.stamp .venv/native.stamp ## only what a session costs by how many are stored
	$(say) 'Measuring growth'
	@$(BIN)/python -m benches.api.growth

wheel: .venv/dev.stamp dist/.stamp ## an sdist and an abi3 manylinux wheel in dist/, proven in an empty environment
	$(say) 'Testing the wheel in an empty environment'
	@WHEEL_DIR=dist $(BIN)/python -m pytest -m wheel -p no:benchmark tests/packaging

lock: build/uv/bin/uv ## pin the dependencies of pyproject.toml; UPGRADE=1 takes newer versions
	$(say) 'Resolving'
	@$(call compile,run) --extra server --extra embedded --group build pyproject.toml
	@$(call compile,dev) --extra server --extra embedded --extra charts --group dev -c requirements/run.lock pyproject.toml
	@$(call compile,wheel) --group wheel -c requirements/dev.lock
	@$(call compile,mutants) --group mutants -c requirements/dev.lock
	@$(call compile,uv) --group lock

fmt: .venv/dev.stamp ## format and fix what can be fixed by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@cargo fmt --all

clean: ## remove all that was built; the data in .honeylink stays
	rm -rf .venv target dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks .coverage
	rm -f python/honeylink/_native*.so

# --- what the targets stand on ---------------------------------------------------------------------------------

# The package itself has no newest Python; the embedded database has wheels up to 3.14.
.venv/bin/python:
	$(say) 'Checking tools'
	@command -v "$(PYTHON)" >/dev/null || $(call fail,Python 3.11 to 3.14 is needed and "$(PYTHON)" was not found. \
		Name one with: make PYTHON=/path/to/python3)
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || $(call fail,Python 3.11 to 3.14 \
		is needed and "$(PYTHON)" is $$("$(PYTHON)" -V 2>&1). Name another with: make PYTHON=python3.13)
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || $(call fail,"$(PYTHON)" has no venv module. \
		On Debian and Ubuntu install the package python3-venv.)
	@$(need-rust)
	@printf '==> Creating .venv with %s\n' "$$("$(PYTHON)" -V)"
	@"$(PYTHON)" -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/run.stamp: requirements/run.lock .venv/bin/python
	$(say) 'Installing the packages of requirements/run.lock (a minute at most)'
	@$(call install,run)
	@touch $@

.venv/%.stamp: requirements/%.lock .venv/run.stamp
	$(say) 'Installing the packages of requirements/$*.lock (a minute at most)'
	@$(call install,$*)
	@touch $@

# A release build, for the tests too: they shall prove what is shipped. maturin shows the compiler at work, which pip
# would hide; pip then installs what was built, without asking for anything that is not in the lock.
.venv/native.stamp: $(RUST) pyproject.toml .venv/run.stamp $(if $(wildcard $(BINARY)),,always)
	$(say) 'Building the native module (a minute or two the first time)'
	@$(need-rust)
	@$(in-venv) maturin develop --release --locked --skip-install
	@$(in-venv) MATURIN_PEP517_ARGS=--locked $(pip) --no-build-isolation --no-deps --editable .
	@touch $@

# zig links against glibc 2.17 on any Linux. Elsewhere the platform's own linker gives a portable wheel.
dist/.stamp: $(RUST) pyproject.toml README.md $(shell find python -type f ! -name '*.so' ! -name '*.pyc') .venv/wheel.stamp
	$(say) 'Building the sdist, and from it the wheel'
	@rm -rf dist
	@$(in-venv) CARGO_TARGET_DIR="$$PWD/target" maturin build --release --locked --sdist --out dist \
		$(if $(filter Linux,$(shell uname -s)),--zig --compatibility manylinux2014)
	@touch $@

build/uv/bin/uv: requirements/uv.lock
	$(say) 'Installing uv'
	@"$(PYTHON)" -m venv --clear build/uv
	@build/uv/bin/pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r requirements/uv.lock
	@touch $@

build/cargo-mutants/bin/cargo-mutants:
	$(say) 'Building cargo-mutants $(CARGO_MUTANTS_VERSION) (a few minutes)'
	@$(need-rust)
	@cargo install --quiet --locked --root build/cargo-mutants --version $(CARGO_MUTANTS_VERSION) cargo-mutants

# One lock for every platform and each Python from 3.11. It carries hashes and no address: any index will do.
compile = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) -o requirements/$(1).lock

fail = { printf '%s\n' '' "HoneyLink cannot be built here: $(strip $(subst ",',$(1)))" >&2; exit 1; }
oldest-rust = $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
need-rust = { command -v cargo >/dev/null && command -v rustc >/dev/null || $(call fail,cargo was not found. \
	Install a Rust toolchain (rustup is the usual way).); } && rust=$$(rustc --version | cut -d ' ' -f 2) && \
	{ printf '%s\n' $(oldest-rust) "$$rust" | sort -V -C || $(call fail,Rust $(oldest-rust) or later is needed and \
	rustc is $$rust. Update it with: rustup update stable); }
