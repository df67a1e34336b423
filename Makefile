# Every target finds or installs what it needs, as root or not, and says what it did. Nothing has to be set up before.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Nothing built here is shipped, and stamping asks git, which refuses checkouts of another user.
export GOFLAGS := $(GOFLAGS) -buildvcs=false

# What scripts/setup.sh unpacked or built here, where it may not install.
export PATH := $(CURDIR)/.bin:$(PATH)

# One PostgreSQL for all packages of a run; see internal/pgtest.
WITH_POSTGRES := go run ./internal/pgtest/pgrun

# Tests wait for servers, so more packages run beside each other than there are processors.
export JOBS := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n + (n + 1) / 2)))

# What the tests need beside Go; see scripts/setup.sh.
NEEDS := postgres redis pgbouncer s3 chromium

# What a caller may set.
PKG ?= ./...
ARGS ?=
FUZZTIME ?= 60s
FUZZ ?= .
BENCH ?=
STORM ?= 60s
SKIP ?=

.PHONY: help
help: ## list the targets
	@echo "make <target>; PostgreSQL comes from SEPTUM_POSTGRES_URL, Docker, this machine or a download, whichever works first"
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  %-12s %s\n", $$1, $$2 }'

.PHONY: setup
setup: ## find or install all that the other targets need
	@scripts/setup.sh $(NEEDS) cc lint
	@go mod download
	@echo "setup: done"

.PHONY: demo
demo: ## three hospitals, their story, and every attack refused (ARGS=-serve keeps it up)
	@QUIET=1 scripts/setup.sh postgres
	@go run ./examples/hms $(ARGS)

.PHONY: test
test: ## run all tests (PKG=./rls ARGS='-run X -v' runs some)
	@QUIET=1 scripts/setup.sh $(NEEDS)
	@$(WITH_POSTGRES) go test -p $(JOBS) $(ARGS) $(PKG)
	@if [ -d benchmarks ]; then echo "go -C benchmarks vet ./..."; go -C benchmarks vet ./...; fi

.PHONY: race
race: ## run tests under the race detector, with fewer generated cases (-short), but for those of scripts/race-once.txt
	@QUIET=1 scripts/setup.sh $(NEEDS) cc
	@skip=$$(scripts/once.sh scripts/race-once.txt); $(WITH_POSTGRES) go test -p $(JOBS) -race -short -vet=off -skip "$$skip$(if $(SKIP),|$(SKIP))" -timeout 20m $(ARGS) $(PKG)

.PHONY: storm
storm: ## run the storms for STORM=60s each, under the race detector: cancels, kills, crashes, invalidations, all at once
	@QUIET=1 scripts/setup.sh $(NEEDS) cc
	@SEPTUM_STORM=$(STORM) $(WITH_POSTGRES) scripts/storm.sh $(PKG) $(ARGS)

.PHONY: lint
lint: ## vet, golangci-lint (pinned, built into .bin) and shell syntax
	@QUIET=1 scripts/setup.sh lint
	@go vet ./...
	@.bin/golangci-lint run
	@bash -n .ci/run scripts/*.sh
	@echo "lint: ok"

.PHONY: fuzz
fuzz: ## fuzz all targets for FUZZTIME=60s together (FUZZ=pattern picks some; MUTANTS=2000000 tries that many mutants)
	@QUIET=1 scripts/setup.sh $(NEEDS)
	@$(WITH_POSTGRES) scripts/fuzz.sh "$(FUZZTIME)" "$(FUZZ)"

.PHONY: bench
bench: ## measure against the goals, side by side with peers (BENCH=exec runs a part)
	@QUIET=1 scripts/setup.sh $(NEEDS)
	@$(WITH_POSTGRES) go -C benchmarks run . $(BENCH)

.PHONY: oracle
oracle: ## compare the prover's parser with PostgreSQL's own, compiled from C
	@QUIET=1 scripts/setup.sh cc
	@CGO_ENABLED=1 go -C internal/sqlproof/oracle test -count=1 $(ARGS) ./...

.PHONY: test-matrix
test-matrix: ## run the tests that depend on the server on PostgreSQL 16, 17 and 18 (Linux)
	@scripts/test-matrix.sh $(ARGS)

.PHONY: test-docker
test-docker: ## run pgtest and rlstest on a Docker engine, started for it when there is none (root)
	@scripts/test-docker.sh $(ARGS)

.PHONY: audit-gnumed
audit-gnumed: ## fetch and build GNUmed's database, and run init, audit and plan on it (Debian; some ten minutes)
	@scripts/gnumed.sh

.PHONY: clean
clean: ## remove what the targets made in this directory
	@rm -rf .bin .cache dist
	@echo "clean: removed .bin, .cache and dist; downloads and build results are in Go's own caches (go clean -cache)"
