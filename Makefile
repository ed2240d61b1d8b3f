# The only door: CI and people call these targets.
.DEFAULT_GOAL := help
.PHONY: help run up demo test expiry-year fuzz model check fmt bench faults overload schemas sqlx-prepare clean

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

run: ## Build, start everything (NATS, Postgres, all services), play the sample group; Ctrl-C stops it
	cargo run --quiet -p jifen -- up --demo

up: ## Build and start everything, without any data
	cargo run --quiet -p jifen -- up

demo: ## Play the sample group into a running system
	cargo run --quiet -p jifen -- demo

test: ## Everything that must hold: unit, contract, integration on real servers, end to end
	cargo build --workspace --all-targets
	$(TARGET)/debug/with-servers cargo test --workspace --no-fail-fast

expiry-year: ## A year of ends for 100,000 members, each lot at the same cost: MEMBERS=1000000 for more
	cargo build -p jifen-points -p jifen-testkit --all-targets
	MEMBERS=$(or $(MEMBERS),100000) $(TARGET)/debug/with-servers cargo test -p jifen-points --test it a_year_of_ends -- --nocapture

fuzz: ## Bad input with other seeds and for longer than `make test` does: SEED=1000 ROUNDS=20
	cargo build --workspace --all-targets
	SEED=$(or $(SEED),1000) ROUNDS=$(or $(ROUNDS),20) $(TARGET)/debug/with-servers cargo test --workspace --test input --no-fail-fast

model: ## Compare the ledger with its model for longer than `make test` does: STEPS=1000000 SEED=1
	cargo build -p jifen-points --tests
	MODEL_STEPS=$(or $(STEPS),1000000) MODEL_SEED=$(or $(SEED),1) cargo test -p jifen-points --test it model -- --nocapture

check: ## Formatting, lints, generated files
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; else echo "cargo-deny is not installed: licences not checked"; fi

fmt: ## Format
	cargo fmt --all

bench: ## Measure against the floor: 4 minutes behind the release build; BENCH=--full for all, BENCH="floor points" for some
	cargo build --release -p jifen -p jifen-bench
	$(TARGET)/release/jifen-bench $(BENCH)

faults: ## Kill, stop and cut a running system at seeded moments and compare with a model (SEED=, ROUNDS=)
	cargo build -p jifen -p jifen-faults
	$(TARGET)/debug/jifen-faults

overload: ## Ten times as much as the system takes, damaged accounts, a gateway that never answers (SEED=, SECONDS=)
	cargo build -p jifen -p jifen-faults
	$(TARGET)/debug/jifen-faults overload --seconds $(or $(SECONDS),60)

schemas: ## Write schemas/ anew from shared/contracts
	cargo run --quiet -p jifen-contracts --example schemas

sqlx-prepare: ## Write the offline caches of the SQL macros anew
	cargo run --quiet -p jifen-testkit --bin sqlx_prepare

clean: ## Remove what was built and the state of `make run`
	cargo clean
	rm -rf .jifen
