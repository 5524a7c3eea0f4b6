# The commands of this project. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# Where rustup keeps its programs, for shells that have not been told yet.
export PATH := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

TARGET   := $(or $(CARGO_TARGET_DIR),target)
SHRBUF   := $(TARGET)/debug/shrbuf
HEADERS  := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/shrbuf/suites/sid/linux-libc-dev
PROGRAMS := target/programs

# The guest of tools/oracle and tools/compliance-table.
export SANDBOX ?= $(SHRBUF) sandbox --engine qemu

# How long each target is fuzzed by `make fuzz`, how often a property is tried by `make properties`,
# how often each engine is started by `make bench`, and how long `make soak` goes on.
SECONDS ?= 60
ROUNDS  ?= 200000
RUNS    ?= 20
MINUTES ?= 60

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

setup: ## install what is missing on this Debian machine, and say what and why
	@tools/setup

demo: build ## a clip and a photograph cross from video-sim to display-sim without a copy; writes a PNG
	@tools/demo $(SHRBUF) $(TARGET)/debug/picture

test: build headers ## the tests that need only a compiler, then those in a user-mode Linux
	@tools/test-lanes pure uml

test-uml612: build ## the tests of mapped nodes in a newer user-mode Linux, fetched: 6.12, which has FUSE passthrough
	@SHRBUF_UML=$$(tools/uml-kernel trixie) tools/test-lanes uml612

test-qemu: build ## the tests in a QEMU guest: slower, and with a full kernel
	@tools/test-lanes qemu

oracle: build programs ## prove the test programs on the kernel's own driver vivid, in a QEMU guest
	@cargo test --locked --test conformance
	@PROGRAMS=$(PROGRAMS) tools/oracle
	@tools/compliance-table

lint: headers ## format, clippy, documentation, licences, shell, C and Go: everything without a warning
	@HEADERS=$(HEADERS)/usr/include tools/lint

fuzz: ready ## what hostile callers could send, SECONDS a target (default 60), guided by the code that it reaches
	@tools/fuzz $(SECONDS)

properties: ready ## the tests with random input in the readers of foreign bytes, ROUNDS inputs each (default 200000)
	@mkdir -p target
	@PROPTEST_CASES=$(ROUNDS) cargo test --locked --release --workspace --lib --bins any_bytes | tee target/properties.log
	@grep -q '^test .*any_bytes.* ok$$' target/properties.log || { echo 'properties: there was no such test'; exit 1; }

soak: build headers ## all kinds of clients at random, with kills and changes of the nodes, for MINUTES (default 60)
	@tools/soak $(SHRBUF) $(MINUTES)

mutants: headers ## single defects, each of which must turn a named test to FAIL; MUTANTS='cloexec limit' takes those only
	@HEADERS=$(HEADERS)/usr/include tools/mutants $(MUTANTS)

faults: build ## daemon, helper and client killed at every step, 20 times each; an hour and more. SHRBUF_FAULTS='20,expbuf' takes those only
	@SHRBUF_FAULTS=$${SHRBUF_FAULTS:-full} cargo test --locked -p shrbuf-cli --test sandbox_uml_faults -- --nocapture

bench: ready ## what the nodes cost and what that is made of, beside vivid and v4l2loopback; RUNS sandboxes of each engine (default 20)
	@cargo build --locked --release --workspace --bins --example memo
	@tools/bench-nodes $(TARGET)/release/shrbuf $(TARGET)/release/examples/memo
	@tools/bench-nodes $(TARGET)/release/shrbuf $(TARGET)/release/examples/memo qemu
	@tools/bench-streams $(TARGET)/release/shrbuf
	@tools/bench $(TARGET)/release/shrbuf $(RUNS)

# What the others need.
ready:
	@tools/setup --quiet

build: ready
	@cargo build --locked --workspace

headers: ready
	@tools/debian-suite sid linux-libc-dev $(HEADERS)

programs: headers
	@$(MAKE) -s -C tests/programs HEADERS=$(HEADERS)/usr/include OUT=$(abspath $(PROGRAMS))

.PHONY: help setup demo test test-uml612 test-qemu oracle lint fuzz properties soak mutants faults bench ready build headers programs
