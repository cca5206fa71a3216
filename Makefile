# Every door into this repository. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Downloads and tools live outside the checkout, so that every checkout shares them.
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hemoscope
TOOLS := $(CACHE)/tools
VENV := $(CACHE)/venv
# Where cargo builds, asked once and only when a recipe needs it: `make help` works without cargo.
TARGET = $(eval TARGET := $$(or $$(shell scripts/target-dir),$$(error cargo named no target folder)))$(TARGET)
PROGRAM = $(TARGET)/release/hemoscope
# The one that is scored, where it is not $(PROGRAM): the debug build gives the same counts.
SCORED ?=
ARM := aarch64-unknown-linux-gnu
ARMV7 := armv7-unknown-linux-gnueabihf
# With its symbols, and stripped.
BOARD_BUILD = $(TARGET)/$(ARM)/dist/hemoscope
BOARD_PROGRAM = $(TARGET)/board/hemoscope
BOARD ?= qemu-aarch64
EMULATED_BOARD = $(TARGET)/board/qemu-aarch64
BOARDS := $(patsubst board/%/image.env,%,$(wildcard board/*/image.env))
FRAMES_PROGRAM = $(TARGET)/release/examples/simulated_frames
# The same as `make test` has built it.
TEST_FRAMES_PROGRAM = $(TARGET)/debug/examples/simulated_frames
BASELINES = $(TARGET)/baselines/release/baselines
BOARD_BASELINES = $(TARGET)/baselines/$(ARM)/release/baselines
MODEL := models/smear-resnet
# Of the system that an image or a bundle holds; scripts/system-version says the default.
VERSION ?=
# A release's own keys: RELEASE=1 KEYRING=FILE CERT=FILE KEY=FILE, see docs/release.md.
export VERSION RELEASE KEYRING CERT KEY INTERMEDIATE NOTES
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs))
SEED ?= 7
FIELDS ?= 40
SIZE ?= 480x320

##@ Use it
.PHONY: help
help: ## Lists every door into this repository
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 } \
	  END { print "\ntarget/ stands for the folder that cargo builds in; scripts/target-dir prints it." }' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup ## Counts a simulated slide on a live screen in the terminal, and writes target/demo.png
	cargo build --release --locked
	scripts/demo "$(PROGRAM)" "$(TARGET)/demo.png" $(SEED) $(FIELDS) $(SIZE)

.PHONY: build
build: setup ## Builds target/release/hemoscope
	cargo build --release --locked

.PHONY: cross
cross: setup ## Builds target/board/hemoscope, the program for 64-bit ARM boards
	scripts/cargo-arm aarch64 build --profile dist --locked --bin hemoscope
	mkdir -p "$(TARGET)/board"
	aarch64-linux-gnu-strip -o "$(BOARD_PROGRAM)" "$(BOARD_BUILD)"

.PHONY: cross-armv7
cross-armv7: setup ## Builds target/board/hemoscope-armv7, the program for 32-bit ARM boards
	scripts/setup armv7
	scripts/cargo-arm armv7 build --profile dist --locked --bin hemoscope
	mkdir -p "$(TARGET)/board"
	arm-linux-gnueabihf-strip -o "$(BOARD_PROGRAM)-armv7" "$(TARGET)/$(ARMV7)/dist/hemoscope"

.PHONY: image
image: cross ## Builds a board's bootable image in target/board/: make image BOARD=raspberry-pi-4
	scripts/setup-board
	scripts/board-image $(BOARD) "$(BOARD_PROGRAM)" $(MODEL) "$$(scripts/update-keys keyring)" "$(TARGET)/board/$(BOARD)"

.PHONY: bundle
bundle: image ## Builds an image and the update of it for a card: make bundle BOARD=raspberry-pi-4 VERSION=1.4.0
	scripts/board-bundle $(BOARD) "$(TARGET)/board/$(BOARD)"

.PHONY: images
images: $(addprefix image-,$(BOARDS)) ## Builds the images of all boards
image-%:
	$(MAKE) image BOARD=$*

.PHONY: image-refresh
image-refresh: ## Lets the next image take the newest packages of Debian
	rm -f $(CACHE)/board/fetched

##@ Check it
.PHONY: test
test: setup ## Runs every test, those of the ARM kernels under emulation too
	cargo test --locked
	scripts/kernel-parity-aarch64

.PHONY: test-arm
test-arm: setup ## Runs the tests as a 64-bit ARM board would, on an emulated Cortex-A72: ARM_TESTS="--lib" for some
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -cpu cortex-a72 -L /usr/aarch64-linux-gnu" \
	  scripts/cargo-arm aarch64 test --profile emulated --locked $(ARM_TESTS)

.PHONY: test-armv7
test-armv7: setup ## Runs the tests as a 32-bit ARM board would, on an emulated Cortex-A7: ARM_TESTS="--lib" for some
	scripts/setup armv7
	CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUNNER="qemu-arm-static -cpu cortex-a7 -L /usr/arm-linux-gnueabihf" \
	  scripts/cargo-arm armv7 test --profile emulated --locked $(ARM_TESTS)

.PHONY: check
check: format-check clippy deny doc lint-python lint-shell spelling test-python ## Formatting, lints, licences, documentation, spelling, Python's tests

.PHONY: sanitize
sanitize: setup ## Runs the kernels with checks of every memory access and of every shared one
	scripts/kernel-sanitize

.PHONY: image-reproducible
image-reproducible: cross ## Builds an image twice and compares the two bit by bit
	scripts/setup-board
	scripts/board-image-reproducible $(BOARD) "$(BOARD_PROGRAM)" $(MODEL) "$$(scripts/update-keys keyring)" \
	  "$(TARGET)/board/reproducible"

.PHONY: board-test
board-test: image ## Boots the emulated board's image and checks camera, screen, faults: ONLY="boot camera_jpeg"
	scripts/setup-board --test
	cargo build --locked --example simulated_frames
	scripts/board-test "$(EMULATED_BOARD)" "$(BOARD_PROGRAM)" $(MODEL) "$(TEST_FRAMES_PROGRAM)" "$(TARGET)/board-test" $(ONLY)

.PHONY: update-test
update-test: image ## Updates the emulated board from cards and tries to break it: ONLY="good panics", FULL=1
	scripts/setup-board --test
	scripts/boot-script-test "$(EMULATED_BOARD)" "$(TARGET)/update-test/boot-script"
	scripts/bad-bundles-test "$(EMULATED_BOARD)" "$(TARGET)/keys" "$(TARGET)/update-test/bad-bundles"
	FULL=$(FULL) scripts/update-test "$(EMULATED_BOARD)" "$(TARGET)/keys" "$(TARGET)/update-test/board" $(ONLY)

.PHONY: boot-script-test
boot-script-test: image ## Runs the boards' U-Boot on every kind of boot state: two minutes
	scripts/setup-board --test
	scripts/boot-script-test "$(EMULATED_BOARD)" "$(TARGET)/boot-script-test"

.PHONY: kernel-parity
kernel-parity: setup ## Compares the kernels on CASES random convolutions from SEED_FROM on (20000 from the clock)
	KERNEL_PARITY_CASES=$(or $(CASES),20000) KERNEL_PARITY_SEED=$(or $(SEED_FROM),$(shell date +%s)) \
	  KERNEL_PARITY_THREADS=3 cargo test --release --manifest-path tests/kernel_parity/Cargo.toml

.PHONY: fuzz
fuzz: setup $(TOOLS)/bin/cargo-fuzz ## Feeds what reads bytes from outside with mutated input: FUZZ_SECONDS=600, FUZZ_TARGETS="jpeg png"
	FUZZ_INPUT="$(FUZZ_INPUT)" scripts/fuzz $(TOOLS)/bin/cargo-fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

.PHONY: fuzz-build
fuzz-build: setup ## Builds the fuzz targets without instrumentation and runs each over its corpus once
	cargo build --locked --manifest-path fuzz/Cargo.toml --target-dir "$(TARGET)/fuzz"
	for target in $(FUZZ_TARGETS); do "$(TARGET)/fuzz/debug/$$target" "fuzz/corpus/$$target"/*; done

.PHONY: format
format: $(VENV)/ruff-installed ## Formats Rust and Python
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	$(VENV)/bin/ruff format models/training
	$(VENV)/bin/ruff format --config models/training/pyproject.toml board

.PHONY: format-check
format-check:
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml

.PHONY: clippy
clippy: setup ## Lints Rust; a warning is an error
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## Checks the licences and sources of every dependency
	$(TOOLS)/bin/cargo-deny --locked check bans licenses sources

.PHONY: advisories
advisories: $(TOOLS)/bin/cargo-deny ## Checks dependencies against the RustSec database (needs the internet)
	$(TOOLS)/bin/cargo-deny --locked check advisories

.PHONY: doc
doc: setup ## Builds the documentation; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

.PHONY: lint-python
lint-python: $(VENV)/ruff-installed ## Lints the training code and the board's test
	cd models/training && $(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check --config models/training/pyproject.toml board
	$(VENV)/bin/ruff check --config models/training/pyproject.toml board

.PHONY: lint-shell
lint-shell: $(VENV)/check-installed ## Lints every shell script, those of the boards too
	git ls-files -z scripts .ci board | xargs -0 grep -lI --null '^#!.*sh' | xargs -0 $(VENV)/bin/shellcheck

.PHONY: spelling
spelling: $(VENV)/check-installed ## Checks the spelling of code and documents; exceptions stand in typos.toml
	$(VENV)/bin/typos

.PHONY: test-python
test-python: $(if $(TRAINING),$(VENV)/training-installed) $(VENV)/test-installed ## Runs the training code's tests; with TRAINING=1 those that need torch (6 GB) too
	cd models/training && $(VENV)/bin/python -m pytest --quiet

.PHONY: bless
bless: ## Rewrites the golden screens from what the program draws now; look at them before you commit
	HEMOSCOPE_BLESS=1 cargo test --locked --test screens

.PHONY: known-answer
known-answer: setup ## Writes the model's known_answer.json anew: a new version has to count its frame to the bit
	cargo build --release --locked
	"$(PROGRAM)" update known-answer --model $(MODEL) > $(MODEL)/known_answer.json.new
	mv $(MODEL)/known_answer.json.new $(MODEL)/known_answer.json

##@ Measure it
.PHONY: bench
bench: build cross $(VENV)/measure-installed ## Measures everything on docs/performance.md again (about ten minutes), and writes target/bench/ratios.json
	cargo build --release --locked --example simulated_frames
	cargo bench --locked --bench frame_path
	cargo bench --locked --bench network --no-run
	CARGO_TARGET_DIR="$(TARGET)/baselines" cargo build --release --locked --manifest-path benches/baselines/Cargo.toml
	CARGO_TARGET_DIR="$(TARGET)/baselines" scripts/cargo-arm aarch64 build --release --locked \
	  --no-default-features --manifest-path benches/baselines/Cargo.toml
	cd models/training && CARGO_TARGET_DIR="$(TARGET)" $(VENV)/bin/python -m hemoscope_training.benchmark --root ../.. \
	  --model ../../$(MODEL) --program "$(PROGRAM)" --board-program "$(BOARD_PROGRAM)" \
	  --frames-program "$(FRAMES_PROGRAM)" --baselines "$(BASELINES)" \
	  --board-baselines "$(BOARD_BASELINES)" \
	  --plugin-source "$(abspath benches/guest_instructions.c)" --out "$(TARGET)/bench" $(BENCH_OPTIONS)

.PHONY: bench-frame
bench-frame: $(VENV)/measure-installed ## Makes the frame that is built into hemoscope bench again
	cargo build --release --locked --example simulated_frames
	cd models/training && $(VENV)/bin/python -m hemoscope_training.simulated_frames \
	  "$(FRAMES_PROGRAM)" "$(TARGET)/bench/frame" 16 640x480
	cp "$(TARGET)/bench/frame/000015.jpg" src/analysis/built_in_frame.jpg

.PHONY: size
size: cross ## Says which crates the board's program is made of
	cd models/training && python3 -m hemoscope_training.binary_size "$(BOARD_BUILD)"

.PHONY: score
score: $(if $(SCORED),,build) $(VENV)/measure-installed ## Scores the program on annotated frames: make score DATA=DIR
	@test -n "$(DATA)" || { echo "make score: name the folder with dev.json and images/: make score DATA=DIR" >&2; exit 2; }
	program="$$(realpath "$(or $(SCORED),$(PROGRAM))")"; data="$$(realpath "$(DATA)")"; cd models/training; \
	$(VENV)/bin/python -m hemoscope_training.evaluate run --program "$$program" --model ../../$(MODEL) \
	  --data "$$data" --coco dev.json --out "$(TARGET)/score"

.PHONY: trust
trust: $(if $(SCORED),,build) $(VENV)/measure-installed ## Says what smears made worse end as: make trust DATA=DIR
	@test -n "$(DATA)" || { echo "make trust: name the folder with dev.json and images/: make trust DATA=DIR" >&2; exit 2; }
	program="$$(realpath "$(or $(SCORED),$(PROGRAM))")"; data="$$(realpath "$(DATA)")"; cd models/training; \
	$(VENV)/bin/python -m hemoscope_training.trust --program "$$program" --model ../../$(MODEL) \
	  --data "$$data" --out "$(TARGET)/trust"

.PHONY: sessions
sessions: ## Counts whole sessions on the simulated smear, and says how many intervals hold its ratio: make sessions SESSIONS=200
	HEMOSCOPE_SESSIONS="$(or $(SESSIONS),40)" cargo test --locked --test sessions -- --ignored --nocapture --test-threads 1

.PHONY: ablation
ablation: build $(VENV)/measure-installed ## Measures each preprocessing step: make ablation DATA=DIR
	@test -n "$(DATA)" || { echo "make ablation: name the folder with dev.json and images/: make ablation DATA=DIR" >&2; exit 2; }
	cd models/training && $(VENV)/bin/python -m hemoscope_training.ablation \
	  --program "$(PROGRAM)" --model ../../$(MODEL) --data "$(abspath $(DATA))" --out "$(TARGET)/ablation"

##@ Train it
.PHONY: train
train: $(VENV)/training-installed ## Trains a network: make train DATA=DIR (about an hour on two idle cores)
	@test -n "$(DATA)" || { echo "make train: name the folder with train.json and images/: make train DATA=DIR" >&2; exit 2; }
	cd models/training && $(VENV)/bin/python -m hemoscope_training.train --data "$(abspath $(DATA))" \
	  --partial-annotations extra_partial.json --run runs/smear --compile

.PHONY: prune
prune: $(VENV)/training-installed ## Prunes a trained network: make prune DATA=DIR PLAIN=plain.onnx (about half an hour on two idle cores)
	@test -n "$(DATA)" -a -n "$(PLAIN)" || { echo "make prune: name the folder with train.json and images/, and the network: make prune DATA=DIR PLAIN=plain.onnx" >&2; exit 2; }
	cd models/training && $(VENV)/bin/python -m hemoscope_training.prune --data "$(abspath $(DATA))" \
	  --plain "$(abspath $(PLAIN))" --partial-annotations extra_partial.json --run runs/prune

##@ Set it up
.PHONY: setup
setup: ## Installs the system's packages that building and testing need
	scripts/setup

$(TOOLS)/bin/cargo-deny:
	CARGO_PROFILE_DEV_DEBUG=false cargo install --debug cargo-deny --version 0.20.2 --locked --root $(TOOLS)

$(TOOLS)/bin/cargo-fuzz:
	CARGO_PROFILE_DEV_DEBUG=false cargo install --debug cargo-fuzz --version 0.13.2 --locked --root $(TOOLS)

$(VENV)/bin/python:
	python3 -m venv $(VENV) || { echo "python3 needs its venv module: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/ruff-installed: models/training/requirements-lint.txt | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/check-installed: scripts/requirements-check.txt | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/measure-installed: models/training/requirements-measure.txt | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/test-installed: models/training/requirements-test.txt models/training/requirements-measure.txt | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/training-installed: models/training/requirements.txt | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --requirement $<
	touch $@

.PHONY: clean
clean: ## Removes what was built
	cargo clean
