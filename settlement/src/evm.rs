//! Our own settler for one EVM network: what payers signed is moved by transactions of our own key, many in one.
//!
//! Many tasks ask ([`EvmSettler::settle`]) and one [`Task`] sends: what is asked while a transaction is on its way goes into the next one
//! (group commit). A call that fails costs the others nothing (Multicall3). A transaction is written down before it is sent ([`Outbox`])
//! and sent again under its own nonce until the chain has one of that nonce, whatever crashes; what it moved is judged by its receipt,
//! in a block that counts. Where several processes have the key, one at a time sends ([`turns`]), and the others hand it what they
//! have ([`errands`]). Next: [`task`] for the steps, [`dispatch`] and [`watch`] for what they are, [`flight`] for the life of a
//! transaction, [`judge`] for what counts as moved.

mod batch;
mod burning;
mod contracts;
mod dispatch;
mod errands;
mod fate;
mod fees;
mod flight;
mod history;
mod judge;
mod member;
mod outbox;
mod outcome;
mod proof;
mod rlp;
#[cfg(test)]
pub(crate) mod stub;
mod task;
#[cfg(test)]
mod tests;
mod transaction;
mod trouble;
mod turns;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, address};
use parking_lot::Mutex;
use protocol::signature::SigningKey;
use tokio::sync::{mpsc, oneshot};

pub use errands::{Errands, Messenger};
pub use fees::Fees;
pub use member::{Member, Order};
pub use outbox::{Landed, Outbox, OutboxError, Over, Recorded, Resumed, Sent, Unclosed};
pub use proof::{Proof, Signer};
pub use task::Task;
pub use transaction::Version;
pub use trouble::Unable;

pub(crate) use contracts::Multicall;
#[cfg(test)]
pub(crate) use contracts::Token;

use crate::chain::{Chain, Depth};
use crate::rail::Settling;

/// Multicall3's address, the same on every chain.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// Members that wait to be taken in; whoever asks for one more waits.
const ASKS_MAX: usize = 1024;

/// How long a payment is waited for until nobody knows what becomes of it. A turn that passes on takes about six seconds, a full network
/// longer than anybody waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a network is sent to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// In transactions and their signatures.
    pub chain_id: u64,
    /// Most that is offered for a unit of gas, in wei.
    pub fee_cap: u64,
    /// Blocks without a transaction until more is offered for it.
    pub bump_after: u64,
    /// How often the network is looked at while a transaction is on its way; more often at first.
    pub poll: Duration,
    /// How long the first one waits for others to come along, where no transaction is on its way.
    pub gather: Duration,
    /// Who makes the contracts of payers here, when they pay first (ERC-6492): their gas is ours.
    pub factories: Arc<[Address]>,
    /// The first nonce that the outbox is to know: what the key sent before is nobody's business here.
    pub first_nonce: u64,
}

/// Asks for members to be moved. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EvmSettler {
    asks: mpsc::Sender<Ask>,
    readiness: Readiness,
    address: Address,
    factories: Arc<[Address]>,
}

/// What whoever sends tells those who ask.
#[derive(Clone, Debug, Default)]
struct Readiness {
    /// Whether transactions can be sent.
    able: Arc<AtomicBool>,
    /// Why they cannot, as this process met it when it was its turn.
    unable: Arc<Mutex<Option<Unable>>>,
    /// Whether the last step failed, and another process might do better. One that takes long has not failed.
    failing: Arc<AtomicBool>,
    /// Whether it is this process that sends.
    has_turn: Arc<AtomicBool>,
    /// Whether the outbox knows all that the key sent.
    knows_all: Arc<AtomicBool>,
}

/// A member and who waits for it.
#[derive(Debug)]
struct Ask {
    member: Member,
    waiter: Waiter,
}

/// Who waits, and for what.
#[derive(Debug)]
struct Waiter {
    until: Depth,
    answer: oneshot::Sender<Settling>,
}

// === impl EvmSettler ===

impl EvmSettler {
    /// The settler, and the task that works for it: the caller runs that one. One of a key and a network works at a time: where
    /// several processes have the key, [`Task::on_duty`] says which.
    #[must_use]
    pub fn new<O: Outbox>(
        settings: Settings,
        key: SigningKey,
        chain: Arc<Chain>,
        outbox: O,
    ) -> (Self, Task<O>) {
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (address, factories) = (key.address(), Arc::clone(&settings.factories));
        let settler = Self { asks, readiness: Readiness::default(), address, factories };
        let task = Task::new(settings, key, chain, outbox, asked, settler.readiness.clone());
        (settler, task)
    }

    /// Who sends, and pays for the gas: the facilitator that an `upto` offer names.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Who makes contracts of payers here.
    #[must_use]
    pub fn factories(&self) -> &[Address] {
        &self.factories
    }

    /// Whether transactions can be sent: the task runs, its nodes answer, its account has coins for gas, gas costs no more than may be
    /// offered, and what was sent comes into blocks.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.asks.is_closed() && self.readiness.able.load(Ordering::Relaxed)
    }

    /// Why this process can send nothing; none where it can, or another one had the turn since.
    #[must_use]
    pub fn unable(&self) -> Option<Unable> {
        *self.readiness.unable.lock()
    }

    /// Whether its outbox knows all that its key sent. Where it does not, no transfer of our own is begun: it may have left before.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        self.readiness.knows_all.load(Ordering::Relaxed)
    }

    /// Whether this process's task works for the key now.
    #[must_use]
    pub fn has_turn(&self) -> bool {
        self.readiness.has_turn.load(Ordering::Relaxed)
    }

    /// Moves a member's value and waits until a block shows it, or until that one counts. Asked for again, under the same identifier,
    /// it is still moved once. Whoever stops waiting changes nothing.
    pub async fn settle(&self, member: Member, until: Depth) -> Settling {
        let settling = self.try_settle(member, until).await;
        settling.unwrap_or_else(|| Settling::Unknown("the settler has ended".to_owned()))
    }

    /// The same; none where the settler has ended, or another process has the turn.
    async fn try_settle(&self, member: Member, until: Depth) -> Option<Settling> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { member, waiter: Waiter { until, answer } }).await.ok()?;
        answered.await.ok()
    }
}
