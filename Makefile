# Two commands on a fresh machine: `make demo` and `make test`. Both install what they miss (tests/setup.sh).

.PHONY: demo test test-all bench lint

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

demo:
	@sh tests/setup.sh build
	cargo build --release --locked -p faregate
	@exec $(TARGET)/release/faregate demo

# The tests start the real binary, so it is built first. Where the database matters they run on SQLite, then on PostgreSQL;
# each command takes the whole workspace, so that dependencies are built for one set of features. But for the first: the demo builds the
# binary alone, with no features but those that it asks for itself.
test:
	@sh tests/setup.sh build
	@sh tests/setup.sh clients >/dev/null
	@sh tests/setup.sh contracts >/dev/null
	@sh tests/setup.sh legacy >/dev/null
	@sh tests/setup.sh solana >/dev/null
	@sh tests/setup.sh postgres
	@sh tests/setup.sh prometheus
	cargo check --locked -p faregate
	cargo build --locked --workspace --bins
	cargo test --locked --workspace --no-fail-fast
	FAREGATE_TEST_DATABASE=postgres cargo test --locked --workspace --no-fail-fast --lib --test money --test crash
	FAREGATE_TEST_DATABASE=postgres cargo test --locked --workspace --no-fail-fast --test clients -- x402 onchain foreign --skip stock

# And with every stock client that was ever tried.
test-all: test
	@sh tests/setup.sh more >/dev/null
	cargo test --locked --workspace --features tests/all-clients --test clients -- stock onchain::

bench:
	@sh tests/setup.sh build
	cargo build --release --locked --workspace --bins
	@exec $(TARGET)/release/benches

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
