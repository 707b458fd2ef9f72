//! [`Place`]: a chain of this machine with payers who have money, a new one for each row.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use domain::Address;
use protocol::signature::SigningKey;
use tests::chain::blocks::Ticking;
use tests::chain::{Network, Official};
use tokio::runtime::Runtime;

/// Payers take turns.
const PAYERS: u64 = 100;

/// What each has, in atomic units.
const FUNDS: u64 = 1_000_000_000;

/// What a call costs, in atomic units.
const PRICE: u64 = 1_000;

/// Who is paid.
pub(super) const RECIPIENT: Address = Address::repeat_byte(0x90);

/// How long what is due may take until it is settled.
const SETTLED_MAX: Duration = Duration::from_secs(600);

/// Between two blocks where nobody pays.
const TICK: Duration = Duration::from_secs(1);

/// Between two looks at what the recipient has.
const LOOK: Duration = Duration::from_millis(50);

/// A chain and its payers. It has a block each second, whether or not anybody pays.
pub(super) struct Place<'a> {
    runtime: &'a Runtime,
    _ticking: Ticking,
    network: Network,
    pub(super) payers: Vec<SigningKey>,
}

// === impl Place ===

impl<'a> Place<'a> {
    pub(super) fn new(runtime: &'a Runtime) -> Result<Self> {
        let network = runtime.block_on(Network::start());
        let ticking = runtime.block_on(async { network.ticking(TICK) });
        let payers = runtime.block_on(network.payers(PAYERS, FUNDS));
        let payers = payers.iter().map(|payer| SigningKey::from_hex(payer.private_key()));
        Ok(Self { runtime, payers: payers.collect::<Result<_, _>>()?, _ticking: ticking, network })
    }

    /// The official facilitator on it.
    pub(super) fn official(&self) -> Official {
        self.runtime.block_on(self.network.official())
    }

    /// The `[[networks]]` of a gateway.
    pub(super) fn section(&self, lines: &str, facilitators: &[&str]) -> String {
        self.network.section(lines, facilitators)
    }

    /// Payments that the recipient has.
    pub(super) fn received(&self) -> u64 {
        self.runtime.block_on(self.network.balance(RECIPIENT)) / PRICE
    }

    /// Waits until the recipient has so many payments and no more; how long it took.
    pub(super) fn receives(&self, payments: u64) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let received = self.received();
            ensure!(received <= payments, "{payments} payments, and {received} were received");
            if received == payments {
                return Ok(begun.elapsed());
            }
            ensure!(begun.elapsed() < SETTLED_MAX, "{received} of {payments} in {SETTLED_MAX:?}");
            std::thread::sleep(LOOK);
        }
    }
}
