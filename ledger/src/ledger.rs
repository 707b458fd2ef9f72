//! [`Ledger`]: the handle that every request and the control plane use. Cheap to clone.
//!
//! It answers from memory what memory knows, waits for the writer where facts or a commit are needed, and reads the
//! rest beside the writer. The admission of one payment stands in [`admission`], what it would be told in [`trial`], what
//! people move in [`money`], what leaves our treasury in [`outgoing`], lists and reports in [`reports`].

mod admission;
mod differences;
mod money;
mod outgoing;
mod reports;
mod several;
mod trial;
pub mod undelivered;
mod unknown;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{AgentId, Amount, Asset, Clock, PaymentId, UnixMillis, WalletId, Window, WindowLimit};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::account::{Funding, PaymentRecord, Spent, Transfer, WalletBalance, WindowSpent};
use crate::audit::AuditReport;
use crate::batch::WindowKey;
use crate::command::{Command, Reply, Work};
use crate::database::{Coordination, Database};
use crate::error::{LedgerError, OpenError};
use crate::health::Health;
use crate::observer::Observer;
use crate::outgoing::Outlet;
use crate::shared::Shared;
use crate::writer::{self, Writer};
pub use trial::Trial;

/// How often facts are read again for one hold, where others push them out of a full memory.
const LOADS_MAX: usize = 8;

/// How a ledger is opened. Every queue and cache has its limit here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the books are.
    pub database: Database,
    /// Whether other processes write them too; PostgreSQL only.
    pub coordination: Coordination,
    /// Whether this process answers those who pay. Only such a one takes over what a process left that is gone: nobody but its heir can
    /// deliver once more what was paid and not delivered.
    pub delivers: bool,
    /// The wallet network's chain id; fixed at first start.
    pub chain_id: u64,
    /// The EIP-712 name of the wallet asset; fixed at first start.
    pub asset_name: String,
    /// The EIP-712 version of the wallet asset; fixed at first start.
    pub asset_version: String,
    /// Holds, queued operations and undelivered receipts together; above it new ones are refused.
    pub queue_max: usize,
    /// Holds of one agent at once.
    pub agent_holds_max: u32,
    /// Operations in one commit.
    pub batch_max: usize,
    /// From this many operations in the last batch on, the next one gathers first.
    pub gather_from: usize,
    /// For how long it gathers at most; it ends earlier when nothing more comes.
    pub gather: Duration,
    /// How far ledger time may be ahead of the wall clock, in milliseconds, before signed payments are refused.
    pub skew_ms_max: i64,
    /// A commit that takes longer closes the ledger for new holds.
    pub commit_age_max: Duration,
    /// Wallets, and agents, kept in memory; idle ones above it are forgotten and read again when needed.
    pub accounts_max: usize,
    /// Networks (CAIP-2) on which money can leave our treasury.
    pub outlets: HashMap<Arc<str>, Outlet>,
}

/// The ledger. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) shared: Arc<Shared>,
    /// In whose name it moves money.
    who: Option<Arc<str>>,
    /// What is asked of the writer through this handle comes to nothing.
    is_dry_run: bool,
}

// === impl Settings ===

impl Settings {
    /// The defaults for a database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            coordination: Coordination::Alone,
            delivers: true,
            chain_id: 402_402,
            asset_name: "Faregate USD".to_owned(),
            asset_version: "1".to_owned(),
            queue_max: 16_384,
            agent_holds_max: 2_048,
            batch_max: 128,
            gather_from: 8,
            gather: Duration::from_millis(2),
            skew_ms_max: 30_000,
            commit_age_max: Duration::from_secs(5),
            accounts_max: 65_536,
            outlets: HashMap::new(),
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// Opens the books, creating and migrating them, takes the owner's lock or lease and starts the writer on a thread and runtime of its
    /// own. Blocks for some milliseconds; may be called inside a runtime.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Result<(Self, Writer), OpenError> {
        writer::open(settings, clock, observer, |store| store)
    }

    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, who: None, is_dry_run: false }
    }

    /// The same ledger for somebody who asks: what they move through it is written down with this name, in the commit that
    /// moves it. Whoever gives the name reads it again ([`crate::Changes::movers`]); here it means nothing.
    #[must_use]
    pub fn asked_by(&self, who: &str) -> Self {
        Self { who: Some(who.into()), ..self.clone() }
    }

    /// The same ledger for a dry run: what is asked of it is decided by the same rules against the same books, answered as if it stood, and
    /// not written. For what people ask: fundings, withdrawals, refunds, payouts, what they decide of transfers and of suspense; payments are
    /// not held through it ([`Self::trial`]).
    #[must_use]
    pub fn dry_run(&self) -> Self {
        Self { is_dry_run: true, ..self.clone() }
    }

    /// The wallet asset. Its address was made at random at first start.
    #[must_use]
    pub fn asset(&self) -> &Asset {
        &self.shared.asset
    }

    /// Made at random at first start; never leaves the process. Seeds the keys of quotes and challenges.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.shared.secret
    }

    /// Ledger time: the wall clock, but never before the last committed batch.
    #[must_use]
    pub fn time(&self) -> UnixMillis {
        self.shared.time()
    }

    /// How far ledger time is ahead of the wall clock, in milliseconds: above zero after the clock was set back.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        self.shared.ahead_ms()
    }

    /// Whether that is too far to judge what a signed payment says of time: none is taken then.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.shared.is_ahead()
    }

    /// Whether new holds are given.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.gate.health()
    }

    /// Holds, queued operations and undelivered receipts, now.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.shared.permits_taken()
    }

    /// Creates a wallet with nothing in it; one that exists stays as it is.
    ///
    /// # Errors
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn create_wallet(&self, wallet: WalletId) -> Result<(), LedgerError> {
        self.work(|reply, permit| Work::CreateWallet { wallet, reply, _permit: permit }).await
    }

    /// Creates a provider's account and its fee account; those that exist stay as they are.
    ///
    /// # Errors
    /// [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn open_provider(&self, name: &str) -> Result<(), LedgerError> {
        if self.shared.memory.lock().facts.providers.contains_key(name) {
            return Ok(());
        }
        let name = Arc::from(name);
        self.work(|reply, permit| Work::OpenProvider { name, reply, _permit: permit }).await
    }

    /// Brings money into a wallet. The same idempotency key with the same content is the first transfer again.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] for other content under the same key, [`LedgerError::UnknownWallet`],
    /// [`LedgerError::Amount`], [`LedgerError::Overloaded`], [`LedgerError::Unavailable`], [`LedgerError::Unknown`].
    pub async fn fund(&self, funding: Funding) -> Result<Transfer, LedgerError> {
        let (id, who) = (self.shared.new_transfer()?, self.who.clone());
        self.work(|reply, permit| Work::Fund { funding, id, who, reply, _permit: permit }).await
    }

    /// A wallet's balance and what is held of it; `None` where there is no such wallet.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn wallet(&self, wallet: WalletId) -> Result<Option<WalletBalance>, LedgerError> {
        if self.shared.is_one_of_several() {
            return self.shared_wallet(wallet).await;
        }
        let known = self.shared.memory.lock().wallet(&wallet);
        let known = match known {
            Some(known) => Some(known),
            // Not in memory: no hold pins it.
            None => self.shared.reads.wallet(wallet).await?.map(|balance| (balance, 0)),
        };
        Ok(known.map(|(balance, held)| WalletBalance {
            balance: amount(balance),
            held: amount(held),
            available: amount(balance - held),
        }))
    }

    /// What an agent spent and holds in today's and this month's window.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn spending(&self, agent: AgentId) -> Result<Spent, LedgerError> {
        let held = self.shared.held_at();
        let window = |window: Window| held.key(agent, window, None);
        let today = self.window_spent(&window(Window::Day), held.at).await?;
        let month = self.window_spent(&window(Window::Month), held.at).await?;
        Ok(Spent { agent, today, month })
    }

    /// What an agent spent and holds under limits that count only while they are set, in their order.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn spent_under(
        &self,
        agent: AgentId,
        limits: &[WindowLimit],
    ) -> Result<Vec<WindowSpent>, LedgerError> {
        let held = self.shared.held_at();
        let mut spent = Vec::with_capacity(limits.len());
        for counted in limits {
            let key = held.key(agent, counted.window, counted.scope.clone());
            spent.push(self.window_spent(&key, held.at).await?);
        }
        Ok(spent)
    }

    async fn window_spent(&self, key: &WindowKey, at: UnixMillis) -> Result<WindowSpent, LedgerError> {
        let (spent, reserved) = if self.shared.is_one_of_several() {
            (None, self.shared.reads.window_held(key).await?)
        } else {
            self.shared.memory.lock().window(key)
        };
        let spent = match spent {
            Some(spent) => spent,
            None => self.shared.reads.spent(key).await?,
        };
        Ok(WindowSpent { spent: amount(spent), held: amount(reserved), ends_at: key.window.end(at) })
    }

    /// A captured payment; `None` where nothing was captured under this name.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`].
    pub async fn payment(&self, id: PaymentId) -> Result<Option<PaymentRecord>, LedgerError> {
        self.shared.reads.payment(id).await
    }

    /// Checks every invariant of the books, and the memory against the books at one point between two batches.
    /// Commits wait only until the point is fixed.
    ///
    /// # Errors
    /// [`LedgerError::Away`], [`LedgerError::Read`], [`LedgerError::Unavailable`].
    pub async fn audit(&self) -> Result<AuditReport, LedgerError> {
        crate::audit::running(&self.shared).await
    }

    /// Sends work to the writer and waits for its commit.
    async fn work<T>(
        &self,
        work: impl FnOnce(Reply<T>, OwnedSemaphorePermit) -> Work,
    ) -> Result<T, LedgerError> {
        let permit = self.shared.permit().ok_or(LedgerError::Overloaded)?;
        let (reply, answer) = oneshot::channel();
        let work = work(reply, permit);
        let command = if self.is_dry_run { Command::DryRun(work) } else { Command::Operation(work) };
        self.shared.send(command).map_err(|_| LedgerError::Unavailable)?;
        answer.await.unwrap_or(Err(LedgerError::Unknown))
    }
}

/// Balances, spendings and holds are never negative; a CHECK and the memory see to it.
fn amount(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap_or_default()
}
