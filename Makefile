# What a newcomer needs: `make run`, `make test`. Each target does all that it depends on.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# everything that the extension module is made of
SOURCES := $(shell find bpf catalogue crates -type f) Cargo.toml Cargo.lock pyproject.toml
C_FILES := $(wildcard bpf/*.c bpf/include/*.h bench/*.c tests/e2e/*.c tests/e2e/deeds/*.c tests/e2e/deeds/*.h tests/kernels/modules/*.c \
	tests/kernels/modules/*.h)

.PHONY: all run test test-kernels lint format bench docs prerequisites clean
all: dist/tracee

run: dist/tracee
	@$(shell [ "$$(id -u)" = 0 ] || echo sudo) dist/tracee $(ARGS)

test: dist/tracee $(VENV)/.tools
	$(BIN)/python scripts/test.py

# takes two hours for all kernels: ARGS='--kernels 6.1 --attach best'
test-kernels: dist/tracee $(VENV)/.tools
	scripts/prerequisites.sh $(if $(findstring arm64,$(ARGS)),kernels-arm64,kernels)
	$(BIN)/python tests/kernels/run.py $(ARGS)

lint: dist/tracee $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	scripts/check-bpf.sh

format: $(VENV)/.tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all
	$(BIN)/clang-format -i $(C_FILES)

bench: dist/tracee
	scripts/prerequisites.sh bench
	$(BIN)/python bench/bench.py $(ARGS)

docs: dist/tracee

prerequisites: $(VENV)/.ready

$(VENV)/.ready: scripts/prerequisites.sh
	scripts/prerequisites.sh build
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'maturin>=1.8,<2'
	@touch $@

$(VENV)/.tools: scripts/requirements-dev.txt | $(VENV)/.ready
	scripts/prerequisites.sh test
	$(BIN)/pip install --quiet --disable-pip-version-check -r scripts/requirements-dev.txt
	@touch $@

dist/tracee: $(SOURCES) scripts/launcher.sh scripts/make-docs.py | $(VENV)/.ready
	$(BIN)/maturin develop --quiet --release
	$(BIN)/python scripts/make-docs.py docs/events
	@mkdir -p dist
	@cp scripts/launcher.sh $@
	@echo "dist/tracee is ready"

clean:
	rm -rf target dist build docs/events $(VENV) src/tracee/_core*.so
