//! [`Sequencer`]: makes events of what the ledger committed, and entries of the audit log of what somebody asked for; watches
//! balances.
//!
//! It reads behind the place that the registry keeps, appends, and moves the place in the same transaction: each movement
//! becomes an event once, whatever is killed, and however many sequencers run. Payments go into the log a batch at a time, at
//! most once a second; everything else, and balances that fell, as soon as it is seen. Nothing here decides about money, and
//! no request waits for it. Next: [`movements`] for what is read, `events` for what is written.

pub(crate) mod events;
pub mod movements;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Asset, WalletId};
use registry::alert::Alert;
use registry::sequence::{Funded, Reached};
use registry::{Registry, RegistryError};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::webhooks::message::MEMBERS_MAX;

use self::movements::{Head, Movement, Movements, ReadError};

/// How often the ledger is looked at where nobody says that it moved: another process's commits.
const POLL: Duration = Duration::from_millis(250);

/// Looks are at least so far apart: a busy ledger commits hundreds of times a second.
const REST: Duration = Duration::from_millis(25);

/// Payments that wait become events at the latest after this time, or when they are so many.
const TICK: Duration = Duration::from_secs(1);
const PAYMENTS_MAX: u64 = MEMBERS_MAX as u64;

/// Movements that become events in one transaction.
const MOVEMENTS_MAX: u32 = 500;

/// Wallets whose balances are read at once.
const WALLETS_MAX: u16 = 500;

/// Makes events as long as it runs.
pub struct Sequencer {
    registry: Registry,
    movements: Arc<dyn Movements>,
    asset: Asset,
    /// The place that the registry keeps, as far as is known here.
    reached: Reached,
    /// Batches up to this one were read, and had nothing but payments behind the place.
    read_to: u64,
    /// Balances were looked at up to here, whoever made the events; none before the first look.
    watched_to: Option<Head>,
    ticked_at: Instant,
    /// Since when something waits.
    behind_since: Option<Instant>,
    lag: watch::Sender<Duration>,
}

/// The ledger or the registry does not work.
#[derive(Debug, Error)]
pub enum Trouble {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The registry's database does not work.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The ledger lacks what was told of it: what it commits from now on would be taken for told, and never get its events and
    /// its entries of the audit log.
    #[error(
        "the ledger ends at batch {head}, but the registry has told of it up to batch {reached}: an older ledger stands beside \
         a newer registry. Restore both of one backup"
    )]
    Older {
        /// The ledger's last batch.
        head: u64,
        /// The registry's place.
        reached: u64,
    },
}

// === impl Sequencer ===

impl Sequencer {
    /// One for this process. `asset` is what amounts are of.
    #[must_use]
    pub fn new(registry: Registry, movements: Arc<dyn Movements>, asset: Asset) -> Self {
        let now = Instant::now();
        Self {
            registry,
            movements,
            asset,
            reached: Reached::default(),
            read_to: 0,
            watched_to: None,
            // The first payments need not wait.
            ticked_at: now.checked_sub(TICK).unwrap_or(now),
            behind_since: None,
            lag: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Where no events were ever made, they begin now: what the ledger has already is history. Before anything moves, so that
    /// nothing is taken for history that is not.
    ///
    /// # Errors
    /// The ledger or the registry does not work, or they are not of one moment.
    pub async fn prepare(&self) -> Result<(), Trouble> {
        let head = self.movements.head().await?;
        if self.registry.has_begun().await? {
            let reached = self.registry.reached().await?;
            let is_older = head.batch < reached.batch || head.seq < reached.seq;
            return if is_older {
                Err(Trouble::Older { head: head.batch, reached: reached.batch })
            } else {
                Ok(())
            };
        }
        let (mut funded, mut upto) = (HashMap::<WalletId, Funded>::new(), 0);
        while upto < head.batch {
            let changes = self.movements.changes(upto, head.batch, MOVEMENTS_MAX).await?;
            upto = changes.upto;
            funded.extend(changes.items.iter().filter_map(Movement::funded).map(|last| (last.wallet, last)));
        }
        let funded: Vec<Funded> = funded.into_values().collect();
        self.registry.begin_at(Reached { batch: head.batch, seq: head.seq }, &funded).await?;
        Ok(())
    }

    /// How long what is not in the log yet has been waiting.
    #[must_use]
    pub fn lag(&self) -> watch::Receiver<Duration> {
        self.lag.subscribe()
    }

    /// Until `stop` is true. `committed` is told when the ledger of this process moved.
    pub async fn run(mut self, committed: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            let more = match self.look().await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "the ledger's movements cannot be made events now");
                    self.behind_since.get_or_insert_with(Instant::now);
                    false
                }
            };
            let waited = self.behind_since.map_or(Duration::ZERO, |since| since.elapsed());
            self.lag.send_replace(waited);
            if more {
                continue;
            }
            tokio::time::sleep(REST).await;
            tokio::select! {
                () = committed.notified() => (),
                () = tokio::time::sleep(POLL) => (),
                ended = stop.changed() => if ended.is_err() { break },
            }
        }
    }

    /// One look at the ledger; whether there is more at once.
    pub(crate) async fn look(&mut self) -> Result<bool, Trouble> {
        let head = self.movements.head().await?;
        if self.watched_to.is_none() {
            self.begin(head).await?;
        }
        if self.reached.seq < head.seq {
            self.behind_since.get_or_insert_with(Instant::now);
        }
        let changes = self.movements.changes(self.read_to, head.batch, MOVEMENTS_MAX).await?;
        let waiting = head.seq.saturating_sub(self.reached.seq);
        let is_due = waiting >= PAYMENTS_MAX || (waiting > 0 && self.ticked_at.elapsed() >= TICK);
        let upto = if is_due { head.seq.min(self.reached.seq + PAYMENTS_MAX) } else { self.reached.seq };
        if changes.items.is_empty() && !is_due {
            // A place that moved with every batch would be a commit for every commit.
            self.read_to = self.read_to.max(changes.upto);
        } else if !self.append(&changes.items, Reached { batch: changes.upto, seq: upto }).await? {
            // Another sequencer was first.
            self.reached = self.registry.reached().await?;
            self.read_to = self.reached.batch;
            return Ok(true);
        }
        self.watch(head).await?;
        if self.reached.seq == head.seq {
            self.behind_since = None;
        }
        Ok(changes.upto < head.batch || head.seq.saturating_sub(self.reached.seq) >= PAYMENTS_MAX)
    }

    /// Where it goes on; and what fell while nobody looked.
    async fn begin(&mut self, head: Head) -> Result<(), Trouble> {
        self.reached = self.registry.reached().await?;
        self.read_to = self.reached.batch;
        let mut after = None;
        loop {
            let wallets = self.registry.alerted_wallets(after, WALLETS_MAX.into()).await?;
            let Some(last) = wallets.last() else { break };
            after = Some(*last);
            self.judge(&wallets).await?;
        }
        self.watched_to = Some(head);
        Ok(())
    }

    /// Appends events and moves the place; false where it is not what it was.
    async fn append(&mut self, items: &[Movement], to: Reached) -> Result<bool, Trouble> {
        let from = self.reached;
        let captured = match to.seq > from.seq {
            true => self.movements.captured(from.seq, to.seq).await?,
            false => Vec::new(),
        };
        let wallets: Vec<WalletId> = items.iter().filter_map(Movement::wallet).collect();
        let owners = self.registry.wallet_owners(&wallets).await?;
        let captured = captured.iter().map(|batch| (events::captured(batch, &self.asset), None));
        let moved = items.iter();
        let moved = moved.map(|item| (events::moved(item, &owners, &self.asset), item.who.clone()));
        let made: Vec<_> = captured.chain(moved).collect();
        let funded: Vec<_> = items.iter().filter_map(Movement::funded).collect();
        if !self.registry.advance((from, to), &made, &funded).await? {
            return Ok(false);
        }
        if to.seq > from.seq {
            (self.ticked_at, self.behind_since) = (Instant::now(), None);
        }
        (self.reached, self.read_to) = (to, to.batch);
        Ok(true)
    }

    /// Looks at the balances of wallets that moved.
    async fn watch(&mut self, head: Head) -> Result<(), Trouble> {
        let watched_to = self.watched_to.unwrap_or(head);
        if head == watched_to {
            return Ok(());
        }
        // An alert that is made after this question is judged by whoever makes it.
        if !self.registry.alerted_wallets(None, 1).await?.is_empty() {
            let touched = self.movements.touched(watched_to, head).await?;
            for wallets in touched.chunks(WALLETS_MAX.into()) {
                self.judge(wallets).await?;
            }
        }
        self.watched_to = Some(head);
        Ok(())
    }

    async fn judge(&self, wallets: &[WalletId]) -> Result<(), Trouble> {
        let alerted = self.registry.with_alerts(wallets).await?;
        if alerted.is_empty() {
            return Ok(());
        }
        let balances = self.movements.balances(&alerted).await?;
        let asset = &self.asset;
        let describe = |alert: &Alert, balance, threshold| -> Value {
            events::low_balance(alert, balance, threshold, asset)
        };
        Ok(self.registry.judge(&balances, describe).await?)
    }
}

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Sequencer").field("reached", &self.reached).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
