//! [`CommitStore`]: the seam between the writer and a database. [`Store`] is whichever the settings name.
//!
//! A store reads facts, writes one [`Delta`] in one transaction, and can say afterwards whether a batch stands. It
//! decides nothing. Tests put a failing, forgetful or slow one in front of the real one.

pub(crate) mod postgres;
pub(crate) mod shared;
pub(crate) mod sqlite;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::{
    AgentId, Asset, B256, IdempotencyKey, OutgoingId, PaymentId, PayoutId, TransactionId, UnixMillis,
    WalletId,
};
use thiserror::Error;

use crate::batch::{Delta, FoundHold, Given, Marker};
use crate::change::{Change, Theirs};
use crate::commit::postgres::PostgresStore;
use crate::commit::shared::SharedStore;
use crate::commit::sqlite::SqliteStore;
use crate::facts::{AgentFacts, Captured, ProviderFacts, WalletFacts};
use crate::health::Deadline;
use crate::intent::Signer;
use crate::reads::Used;
use crate::share::Alike;

/// One writer's way to its database.
pub(crate) trait CommitStore: 'static {
    /// Where others write too: waits for their batch, begins one and says what they wrote since the last. Until it is committed
    /// or ended nobody else writes. None where it was begun before.
    async fn begin(&mut self) -> Result<Option<Others>, StoreError> {
        Ok(None)
    }

    /// Reads facts that are not in memory. `at` says which windows are still open. Where others write too, the batch was begun.
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError>;

    /// Writes a batch, all of it or nothing.
    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError>;

    /// Ends a batch that began and has nothing to write. What others wrote, by which it was decided, is on disk then; where that fails,
    /// nobody may be answered.
    async fn end(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes over what processes left that are gone, where there are several. `again`: nobody knows whether the last one stands, and
    /// whatever is this process's by now is told with it.
    async fn orphans(&mut self, again: bool) -> Result<Orphans, StoreError> {
        let _ = again;
        Ok(Orphans::default())
    }

    /// After an error that says neither: whether the batch of this number stands.
    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError>;

    /// Deletes identifiers and responses that are older than a day, some at a time.
    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError>;

    /// The last word: everything out of the log and into the file.
    async fn close(self) -> Result<(), StoreError>;
}

/// Why a store did not do it.
#[derive(Clone, Debug, Error)]
pub(crate) enum StoreError {
    /// A constraint: rolled back, nothing written. A bug somewhere, or a second writer.
    #[error("the database refused: {0}")]
    Refused(String),
    /// Somebody holds the database; nothing was begun.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// Nobody knows whether it was written: ask [`CommitStore::resolve`].
    #[error("the database failed: {0}")]
    Broken(String),
    /// The disk did not keep what it was given, or the books are another's: nothing this process says from now on counts
    /// (cases C15, T3).
    #[error("the books cannot be trusted any more: {0}")]
    Fatal(String),
}

/// A store of either database.
pub(crate) enum Store {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    /// PostgreSQL too, with others.
    Shared(SharedStore),
}

/// Facts that a batch or a hold needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) wallets: BTreeSet<WalletId>,
    pub(crate) agents: BTreeSet<AgentId>,
    /// Idempotency keys of transfers, and of refunds.
    pub(crate) transfers: BTreeSet<String>,
    pub(crate) refunds: BTreeSet<String>,
    pub(crate) payments: BTreeSet<PaymentId>,
    /// Where the settlements of these stand.
    pub(crate) providers: BTreeSet<Arc<str>>,
    pub(crate) payouts: BTreeSet<PayoutId>,
    /// Closed payments on public networks.
    pub(crate) closed: BTreeSet<PaymentId>,
    pub(crate) outgoing: BTreeSet<OutgoingId>,
    /// Payments of which something may be in suspense, and idempotency keys of decisions on it.
    pub(crate) suspended: BTreeSet<PaymentId>,
    pub(crate) resolutions: BTreeSet<String>,
    /// Transactions by which something left our treasury.
    pub(crate) left: BTreeSet<B256>,
    /// Transactions that are said to have paid, on networks that are not read here.
    pub(crate) spent: BTreeSet<(Arc<str>, TransactionId)>,
    /// What payments have in common that one transaction does not tell apart.
    pub(crate) shares: BTreeSet<Alike>,
    /// Where others write too: what these were used for.
    pub(crate) identifiers: HashSet<IdempotencyKey>,
    /// The same: what these have open on public networks, beside payments that the batch ends.
    pub(crate) signers: BTreeSet<Signer>,
    pub(crate) ending: Vec<PaymentId>,
}

/// What was found. An agent without rows has spent nothing; a wallet without a row does not exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) wallets: Vec<(WalletId, WalletFacts)>,
    pub(crate) agents: Vec<(AgentId, AgentFacts)>,
    pub(crate) given: Given,
    /// What the wanted identifiers were used for.
    pub(crate) named: HashMap<IdempotencyKey, Used>,
    /// What the wanted signers have open, in atomic units; nothing where none is named.
    pub(crate) unsettled: HashMap<Signer, i64>,
}

/// What other processes wrote since the last batch of this one, and what they hold.
#[derive(Clone, Debug)]
pub(crate) struct Others {
    pub(crate) marker: Marker,
    /// Only where accounts were opened.
    pub(crate) accounts: Option<Accounts>,
    pub(crate) since: Since,
}

/// What others changed.
#[derive(Clone, Debug)]
pub(crate) enum Since {
    /// This, batch for batch.
    Changes(Vec<Change>),
    /// Nobody can tell. These are the holds of others, and the captured replay keys that expire at `horizon` or later.
    Unknown { holds: Vec<Theirs>, replays: Vec<Captured>, horizon: u64 },
}

/// Who has accounts, and the number of the next.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub(crate) next: i64,
    pub(crate) providers: Vec<(String, ProviderFacts)>,
    pub(crate) direct: Vec<(String, ProviderFacts)>,
}

/// What a process left that is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orphans {
    pub(crate) holds: Vec<FoundHold>,
    pub(crate) open: Vec<PaymentId>,
}

/// What a writer begins with.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) asset: Asset,
    pub(crate) secret: [u8; 32],
    pub(crate) marker: Marker,
    pub(crate) next_account: i64,
    pub(crate) providers: Vec<(String, ProviderFacts)>,
    /// Those that are paid at their own address.
    pub(crate) direct: Vec<(String, ProviderFacts)>,
    /// Captured replay keys that expire at `horizon` (Unix seconds) or later.
    pub(crate) replays: Vec<Captured>,
    pub(crate) horizon: u64,
    pub(crate) open: Vec<PaymentId>,
    /// Holds that an earlier process left on disk.
    pub(crate) holds: Vec<FoundHold>,
    /// Until when the books are ours, where somebody else could take them.
    pub(crate) lease: Option<Arc<Deadline>>,
}

// === impl Store ===

impl CommitStore for Store {
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        match self {
            Self::Sqlite(store) => store.load(wanted, at).await,
            Self::Postgres(store) => store.load(wanted, at).await,
            Self::Shared(store) => store.load(wanted, at).await,
        }
    }

    async fn begin(&mut self) -> Result<Option<Others>, StoreError> {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => Ok(None),
            Self::Shared(store) => CommitStore::begin(store).await,
        }
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.commit(delta).await,
            Self::Postgres(store) => store.commit(delta).await,
            Self::Shared(store) => store.commit(delta).await,
        }
    }

    async fn end(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => Ok(()),
            Self::Shared(store) => store.end().await,
        }
    }

    async fn orphans(&mut self, again: bool) -> Result<Orphans, StoreError> {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => Ok(Orphans::default()),
            Self::Shared(store) => store.orphans(again).await,
        }
    }

    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(store) => store.resolve(batch).await,
            Self::Postgres(store) => store.resolve(batch).await,
            Self::Shared(store) => store.resolve(batch).await,
        }
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.expire(at).await,
            Self::Postgres(store) => store.expire(at).await,
            Self::Shared(store) => store.expire(at).await,
        }
    }

    async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
            Self::Shared(store) => store.close().await,
        }
    }
}

// === impl Wanted ===

impl Wanted {
    pub(crate) fn is_empty(&self) -> bool {
        self.wallets.is_empty()
            && self.agents.is_empty()
            && self.transfers.is_empty()
            && self.refunds.is_empty()
            && self.payments.is_empty()
            && self.providers.is_empty()
            && self.payouts.is_empty()
            && self.closed.is_empty()
            && self.identifiers.is_empty()
            && self.signers.is_empty()
            && self.outgoing.is_empty()
            && self.left.is_empty()
            && self.spent.is_empty()
            && self.shares.is_empty()
            && self.suspended.is_empty()
            && self.resolutions.is_empty()
    }
}
