//! [`Rail`]: the one thing that is asked about public networks: what a payer has there, and whether value moved.
//!
//! Whatever a facilitator says, the chain has the last word: a success that it does not show is not booked, and a refusal whose nonce is
//! used is none. A network that cannot be read, or nobody who settles there: payments are refused before anything is forwarded.
//! Next: [`pool`] for who settles, [`crate::chain`] for what counts as evidence.

pub(crate) mod breaker;
mod contract_signatures;
mod funds;
mod head;
mod kept;
mod line;
mod memory;
mod observer;
pub mod pool;
mod settlers;
mod share;
pub(crate) mod shares;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::U256;
use domain::{Address, Amount, B256, Clock, Network, PaymentId, TransactionId, UnixMillis};
use ledger::{Ledger, LedgerError};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::chain::{Depth, Evidence, RpcError};
use crate::comparison::Chains;
use crate::signed::Signed;
use crate::ticks::Ticks;
use funds::Purses;
use memory::Memory;
use pool::Queue;
use shares::Shares;
use trust::{DEBTORS_MAX, REMEMBERED_MS, Trust};

pub use contract_signatures::{ContractSignature, Validity};
pub use funds::{Funds, Known, Lack, Purse};
pub use line::{Line, Settler};
pub(crate) use memory::Last;
pub use observer::{Closed, RailObserver, Unobserved};
pub use pool::{Member, Pool};
pub use settlers::Settlers;
pub(crate) use share::share;

/// How far other processes' clocks may be apart from ours, in milliseconds: so much is read again of what was written down before.
const APART_MS: i64 = 600_000;

/// What became of a payment that was to be settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settling {
    /// Value moved, as the chain shows in blocks that count, in this transaction.
    Moved(B256),
    /// Value moved, as the chain shows in a block that does not count yet, in this transaction. It may be served; it is due until
    /// the block counts.
    Shown(B256),
    /// Value moved, as whoever settled it says, in this transaction of a network that is not read here. Nobody runs errands there.
    #[serde(skip)]
    Told(TransactionId),
    /// Nothing moved: the payment is not worth it, and the code says why.
    Refused(String),
    /// Nothing moved: nobody could be asked to settle it. The same payment may come again.
    Unavailable(String),
    /// It may have moved, or still may. Only evidence closes it.
    Unknown(String),
}

/// Why a network cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RailError {
    /// No payments are taken there.
    #[error("no payments are taken on {0}")]
    NoNetwork(Arc<str>),
    /// It cannot be read.
    #[error("the network cannot be read: {0}")]
    Nodes(#[from] RpcError),
    /// Its nodes failed a moment ago, again and again.
    #[error("the nodes of the network are left alone after failures")]
    NodesLeftAlone,
    /// Nobody may ask it so often.
    #[error("the network was asked too often about such signatures")]
    AskedTooOften,
    /// Nobody settles there now.
    #[error("nobody settles payments on the network now")]
    Settler,
}

/// What one payer may take of everybody's settlers.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// Settlements at once; more of the same payer wait.
    pub running_max: usize,
    /// How long they wait for the payer's others.
    pub wait_max: Duration,
}

/// Payments on public networks. Cheap to clone.
#[derive(Clone)]
pub struct Rail {
    inner: Arc<Inner>,
}

struct Inner {
    networks: Vec<Network>,
    lines: Vec<Line>,
    purses: Purses,
    payers: Shares<Address>,
    wait_max: Duration,
    memory: Memory,
    trust: Trust,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn RailObserver>,
    /// How often [`Settlers`] of a network have changed.
    changes: watch::Sender<u64>,
}

// === impl Rail ===

impl Rail {
    /// Over these networks.
    #[must_use]
    pub fn new(
        lines: Vec<Line>,
        payer: Share,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn RailObserver>,
    ) -> Self {
        let networks = lines.iter().map(|line| line.network.clone()).collect();
        let (purses, payers) = (Purses::new(), Shares::new(payer.running_max));
        let (wait_max, memory, trust) = (payer.wait_max, Memory::default(), Trust::default());
        let changes = watch::Sender::default();
        let inner =
            Inner { networks, lines, purses, payers, wait_max, memory, trust, clock, observer, changes };
        Self { inner: Arc::new(inner) }
    }

    /// On which payments are taken, as the operator ordered them.
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.inner.networks
    }

    /// The last block that counted when it was last looked: any settlement from now on lies behind it. None before the
    /// network was first read.
    #[must_use]
    pub fn last_block(&self, network: &str) -> Option<u64> {
        self.line(network).ok()?.last_block()
    }

    /// Looks at every network and asks its facilitators, an interval after the other, until `stop` says so.
    pub async fn follow(self, interval: Duration, stop: watch::Receiver<bool>) {
        let (mut looks, mut asks) = (Ticks::new(interval, stop.clone()), Ticks::new(interval, stop));
        let looking = async {
            while looks.next().await {
                self.refresh().await;
            }
        };
        let asking = async {
            while asks.next().await {
                self.learn().await;
            }
        };
        tokio::join!(looking, asking);
    }

    /// Who may settle payments of `upto` on a network, as far as is known.
    #[must_use]
    pub fn settlers(&self, network: &str) -> Settlers {
        self.line(network).map(Line::settlers).unwrap_or_default()
    }

    /// Sees each change of who may.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Asks each network's facilitators who settles payments of `upto`, where it is time to.
    pub async fn learn(&self) {
        for line in &self.inner.lines {
            if line.learn(&*self.inner.clock).await {
                let settlers = line.settlers();
                tracing::info!(network = %line.network.id, ?settlers, "payments of `upto` are settled");
                self.inner.changes.send_modify(|changes| *changes += 1);
            }
        }
    }

    /// Looks at every network once.
    pub async fn refresh(&self) {
        for line in &self.inner.lines {
            line.refresh(&*self.inner.clock, &*self.inner.observer).await;
        }
    }

    /// Whether a payment of this payer could be settled there now, by what was last heard. Asks nobody.
    ///
    /// # Errors
    /// [`RailError::NoNetwork`], [`RailError::NodesLeftAlone`], [`RailError::Settler`].
    pub fn ready(&self, network: &str, payer: Address) -> Result<(), RailError> {
        self.line(network)?.ready(payer, &*self.inner.clock)
    }

    /// What is in it, and what its payer has allowed Permit2 where that is to move it: as read at most 10 s ago where it covers
    /// `amount`, else at most a second ago. Whoever has payments under way counts them in.
    ///
    /// # Errors
    /// [`RailError::NoNetwork`], [`RailError::Nodes`], [`RailError::NodesLeftAlone`].
    pub async fn funds(&self, purse: &Purse, amount: Amount) -> Result<Funds, RailError> {
        let Inner { purses, clock, observer, .. } = &*self.inner;
        let line = self.line(&purse.network)?;
        let read = line.funds(purse, Watched { clock: &**clock, observer: &**observer });
        purses.get(purse, amount, &**clock, read).await
    }

    /// What is known of it without asking anybody.
    #[must_use]
    pub fn known(&self, purse: &Purse, amount: Amount) -> Known {
        let Inner { purses, clock, .. } = &*self.inner;
        purses.known(purse, amount, clock.now())
    }

    /// Whether a payment's payer is a contract that has signed it, as read at most 10 s ago. Who may be asked how often, see [`contract_signatures`].
    ///
    /// # Errors
    /// [`RailError::NoNetwork`], [`RailError::Nodes`], [`RailError::NodesLeftAlone`], [`RailError::AskedTooOften`].
    pub async fn validate(&self, signature: ContractSignature<'_>) -> Result<Validity, RailError> {
        let watched = Watched { clock: &*self.inner.clock, observer: &*self.inner.observer };
        self.line(signature.network)?.validate(&signature, watched).await
    }

    /// Has so much of a payment settled, and sees on chain that it was. Takes as long as the settler does; whoever gives up
    /// waiting knows nothing: the payment is unknown then.
    pub async fn settle(&self, payment: PaymentId, signed: &Signed, amount: Amount) -> Settling {
        let Inner { payers, wait_max, .. } = &*self.inner;
        let began = self.now();
        let settling = match tokio::time::timeout(*wait_max, payers.turn(signed.payer())).await {
            Ok(_turn) => self.settle_now(payment, signed, amount, Queue::Waiting).await,
            Err(_) => Settling::Unavailable("too many payments of this payer are being settled".to_owned()),
        };
        self.tell(payment, signed, &settling, began);
        settling
    }

    /// Whether a payer paid all that it was served for: whoever did not is served only after it has paid.
    #[must_use]
    pub fn is_trusted(&self, payer: Address) -> bool {
        self.inner.trust.trusts(&payer, self.now())
    }

    /// Remembers who did not pay, of earlier processes: before anybody is served.
    ///
    /// # Errors
    /// The books cannot be read.
    pub async fn remember(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        self.remember_since(ledger, self.now().plus(-REMEMBERED_MS)).await
    }

    /// Remembers those that other processes write down, an interval after the other, until `stop` says so.
    pub async fn hear_of_debtors(self, ledger: Ledger, interval: Duration, stop: watch::Receiver<bool>) {
        let (mut ticks, mut heard) = (Ticks::new(interval, stop), self.now());
        while ticks.next().await {
            let now = self.now();
            match self.remember_since(&ledger, heard.plus(-APART_MS)).await {
                Ok(()) => heard = now,
                Err(error) => tracing::warn!(%error, "who did not pay cannot be read; it is tried again"),
            }
        }
    }

    async fn remember_since(&self, ledger: &Ledger, since: UnixMillis) -> Result<(), LedgerError> {
        let now = self.now();
        let most = u32::try_from(DEBTORS_MAX).unwrap_or(u32::MAX);
        for debtor in ledger.debtors(since, most).await? {
            let Some(payer) = debtor.payer.evm() else { continue };
            self.inner.trust.distrust(payer, debtor.at, now);
        }
        Ok(())
    }

    /// As [`Self::settle`], for what is settled behind the requests, by the order of its deadlines.
    pub(crate) async fn collect(&self, payment: PaymentId, signed: &Signed, amount: Amount) -> Settling {
        let began = self.now();
        let settling = self.settle_now(payment, signed, amount, Queue::Behind).await;
        self.tell(payment, signed, &settling, began);
        settling
    }

    /// What became of a payment of which so much was asked for, in blocks that count.
    pub(crate) async fn evidence(&self, signed: &Signed, amount: Amount) -> Result<Evidence, RailError> {
        Ok(self.line(&signed.network)?.evidence(signed, amount, Depth::Counts).await?)
    }

    /// Whether the nonce of a payment is used, in whichever block.
    pub(crate) async fn is_used(&self, signed: &Signed) -> Result<bool, RailError> {
        Ok(self.line(&signed.network)?.is_used(signed).await?)
    }

    /// Unix seconds of the last block of a payment's network.
    pub(crate) async fn time_there(&self, signed: &Signed) -> Result<u64, RailError> {
        Ok(self.line(&signed.network)?.last().await?.time)
    }

    /// What this process last heard of a payment that it had settled.
    pub(crate) fn last_heard(&self, payment: &PaymentId) -> Option<Last> {
        self.inner.memory.last(payment)
    }

    /// The networks' chains, by their names (CAIP-2).
    #[must_use]
    pub fn chains(&self) -> Chains {
        let lines = self.inner.lines.iter();
        lines.map(|line| (Arc::clone(&line.network.id), Arc::clone(line.chain()))).collect()
    }

    pub(crate) fn forget(&self, payment: &PaymentId) {
        self.inner.memory.forget(payment);
    }

    pub(crate) fn distrust(&self, payer: Address) {
        let now = self.now();
        self.inner.trust.distrust(payer, now, now);
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.inner.clock.now()
    }

    pub(crate) fn observer(&self) -> &dyn RailObserver {
        &*self.inner.observer
    }

    fn tell(&self, payment: PaymentId, signed: &Signed, settling: &Settling, began: UnixMillis) {
        match settling {
            Settling::Moved(transaction) | Settling::Shown(transaction) => {
                tracing::debug!(%payment, network = %signed.network, %transaction, "value moved");
            }
            other => tracing::info!(%payment, network = %signed.network, outcome = ?other, "not settled"),
        }
        let took_ms = self.now().0.saturating_sub(began.0);
        self.inner.observer.settled(&signed.network, settling, took_ms);
    }

    async fn settle_now(
        &self,
        payment: PaymentId,
        signed: &Signed,
        amount: Amount,
        queue: Queue,
    ) -> Settling {
        let Inner { memory, clock, observer, .. } = &*self.inner;
        let line = match self.line(&signed.network) {
            Ok(line) => line,
            Err(error) => return Settling::Unavailable(error.to_string()),
        };
        let watched = Watched { clock: &**clock, observer: &**observer };
        let settling = line.settle(payment, signed, amount, watched, queue).await;
        let last = match settling {
            Settling::Moved(transaction) => Some(Last::Moved(transaction)),
            Settling::Shown(_) => line.head().map(|head| Last::Shown { counts_with: head }),
            Settling::Unknown(_) => Some(Last::Unknown),
            Settling::Told(_) | Settling::Refused(_) | Settling::Unavailable(_) => None,
        };
        if let Some(last) = last {
            memory.hear(payment, signed.valid_before(), last, clock.now());
        }
        settling
    }

    fn line(&self, network: &str) -> Result<&Line, RailError> {
        let line = self.inner.lines.iter().find(|line| *line.network.id == *network);
        line.ok_or_else(|| RailError::NoNetwork(network.into()))
    }
}

/// Who tells the time, and who counts.
#[derive(Clone, Copy)]
struct Watched<'a> {
    clock: &'a dyn Clock,
    observer: &'a dyn RailObserver,
}

/// Atomic units, as a token counts them.
pub(crate) fn units(amount: Amount) -> U256 {
    U256::from(amount.atomic().unsigned_abs())
}

#[cfg(test)]
pub(crate) mod tests;
