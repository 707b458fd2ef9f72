//! [`Store`] and [`Shelves`]: the ledger's two ways to the simulated disk, one to write and one to read.

use std::future::poll_fn;
use std::task::Poll;

use async_trait::async_trait;
use domain::{IdempotencyKey, PaymentId, ReplayKey, UnixMillis, WalletId, Window};

use super::disk::{Disk, Fault, Shelf};
use super::planted::Planted;
use super::tables::Tables;
use crate::batch::{AccountId, Delta, GivenPayment, Owner, WindowKey};
use crate::books::session::Connection;
use crate::commit::{CommitStore, Loaded, StoreError, Wanted};
use crate::facts::{AgentFacts, WalletFacts, WindowFacts};
use crate::reads::{Reads, Used};
use crate::receipt::StoredResponse;
use crate::{LedgerError, PaymentRecord};

pub(super) struct Store(pub(super) Shelf);

pub(super) struct Shelves(pub(super) Shelf);

// === impl Store ===

impl Store {
    fn write(&self, delta: &Delta) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        disk.write(delta).map_err(|words| {
            disk.notes.push(format!("batch {}: a wall refused: {words}", delta.marker.batch));
            StoreError::Refused(words)
        })
    }

    fn refuse(&self, delta: &Delta) -> StoreError {
        let mut disk = self.0.lock();
        disk.refused.extend(delta.payments.iter().map(|row| row.id));
        let automatic = delta.refunds.iter().filter(|row| row.idempotency_key.is_none());
        disk.refused_refunds.extend(automatic.map(|row| row.refunded.payment));
        StoreError::Refused("simulated".to_owned())
    }

    async fn let_go(&self) {
        self.0.lock().stalled = true;
        poll_fn(|_| if self.0.lock().stalled { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    fn fail(&self, fatal: bool) -> StoreError {
        self.0.lock().fatal |= fatal;
        let words = "simulated".to_owned();
        if fatal { StoreError::Fatal(words) } else { StoreError::Broken(words) }
    }
}

impl CommitStore for Store {
    async fn load(&mut self, wanted: &Wanted, at: UnixMillis) -> Result<Loaded, StoreError> {
        let mut disk = self.0.lock();
        let rate = disk.rates.load;
        if disk.fails(rate, "facts could not be read") {
            disk.split = true;
            return Err(StoreError::Broken("simulated".to_owned()));
        }
        Ok(load(&disk.tables, wanted, at))
    }

    async fn commit(&mut self, delta: &Delta) -> Result<(), StoreError> {
        let fault = self.0.lock().draw(delta.marker.batch);
        let planted = self.0.lock().planted;
        match fault {
            None => self.write(delta),
            Some(Fault::Refused) => Err(self.refuse(delta)),
            Some(Fault::Busy) => {
                if planted == Planted::DoubleCapture {
                    self.write(delta)?;
                }
                Err(StoreError::Busy("simulated".to_owned()))
            }
            Some(Fault::BrokenBefore) if planted == Planted::FalseAcknowledgement => Ok(()),
            Some(Fault::BrokenBefore) => Err(self.fail(false)),
            Some(Fault::BrokenAfter) => self.write(delta).and(Err(self.fail(false))),
            Some(Fault::SlowBefore) => {
                self.let_go().await;
                self.write(delta)
            }
            Some(Fault::SlowAfter) => {
                let written = self.write(delta);
                self.let_go().await;
                written
            }
            Some(Fault::FatalBefore) => Err(self.fail(true)),
            Some(Fault::FatalAfter) => self.write(delta).and(Err(self.fail(true))),
        }
    }

    async fn resolve(&mut self, batch: i64) -> Result<bool, StoreError> {
        let mut disk = self.0.lock();
        let rate = disk.rates.resolve;
        disk.unresolved = disk.fails(rate, "nobody can tell whether the batch stands");
        if disk.unresolved {
            return Err(StoreError::Broken("simulated".to_owned()));
        }
        Ok(disk.tables.marker.batch >= batch)
    }

    async fn expire(&mut self, at: UnixMillis) -> Result<(), StoreError> {
        self.0.lock().tables.expire(at);
        Ok(())
    }

    async fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn load(tables: &Tables, wanted: &Wanted, at: UnixMillis) -> Loaded {
    let mut loaded = Loaded::default();
    for wallet in &wanted.wallets {
        if let Some(facts) = wallet_facts(tables, *wallet) {
            loaded.wallets.push((*wallet, facts));
        }
    }
    let (day, month) = (Window::Day.before(at), Window::Month.before(at));
    for agent in &wanted.agents {
        let mut facts = AgentFacts::default();
        for (key, sum) in tables.windows_of(*agent) {
            if key.start >= key.window.before(at) {
                let (window, start, scope) = (key.window, key.start, key.scope.clone());
                facts.windows.push(WindowFacts { window, start, scope, spent: sum.spent, limit: sum.limit });
            }
        }
        for (key, calls) in tables.calls.iter().filter(|(key, _)| key.agent == *agent && key.month >= month) {
            facts.calls.push((key.provider, key.month, calls.calls));
        }
        let free = tables.free_of(*agent).into_iter().filter(|((_, start), _)| *start >= day);
        facts.free.extend(free.map(|((route, start), calls)| (route, start, calls)));
        loaded.agents.push((*agent, facts));
    }
    for row in &tables.transfers {
        let key = row.idempotency_key.clone().filter(|key| wanted.transfers.contains(key));
        loaded.given.transfers.extend(key.map(|key| (key, row.clone())));
    }
    for row in &tables.refunds {
        let key = row.idempotency_key.clone().filter(|key| wanted.refunds.contains(key));
        loaded.given.refunds.extend(key.map(|key| (key, row.refunded)));
    }
    let payments = tables.payments.iter().filter(|row| wanted.payments.contains(&row.id));
    let given = |row: &crate::batch::PaymentRow| {
        (
            row.id,
            GivenPayment { row: row.clone(), back: tables.back(row), is_open: false, outgoing: Vec::new() },
        )
    };
    loaded.given.payments = payments.map(given).collect();
    let providers = loaded.given.payments.values().map(|given| given.row.provider_account);
    loaded.given.earned = providers.map(|provider| (provider, balance(tables, provider))).collect();
    loaded
}

fn wallet_facts(tables: &Tables, wallet: WalletId) -> Option<WalletFacts> {
    let account = tables.accounts.iter().find(|account| account.owner == Owner::Wallet(wallet))?;
    Some(WalletFacts { account: account.id, balance: balance(tables, account.id), floor: true })
}

fn balance(tables: &Tables, account: AccountId) -> i64 {
    tables.balances[&account].credit - tables.balances[&account].debit
}

// === impl Shelves ===

impl Shelves {
    /// One question. It may take a while, before and after it saw the rows, and it may fail.
    async fn ask<T>(&self, question: impl FnOnce(&Tables) -> T + Send) -> Result<T, LedgerError> {
        self.wait().await;
        let answer = {
            let mut disk = self.0.lock();
            let rate = disk.rates.read;
            if disk.fails(rate, "a read failed") {
                return Err(LedgerError::Read("simulated".to_owned()));
            }
            question(&disk.tables)
        };
        self.wait().await;
        Ok(answer)
    }

    async fn wait(&self) {
        let mut polls = {
            let Disk { random, rates, .. } = &mut *self.0.lock();
            if random.chance(rates.slow_read) { 1 + random.below(5) } else { 0 }
        };
        poll_fn(|_| {
            polls = polls.saturating_sub(1);
            if polls > 0 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

#[async_trait]
impl Reads for Shelves {
    async fn wallet(&self, wallet: WalletId) -> Result<Option<i64>, LedgerError> {
        self.ask(|tables| wallet_facts(tables, wallet).map(|facts| facts.balance)).await
    }

    async fn spent(&self, key: &WindowKey) -> Result<i64, LedgerError> {
        self.ask(|tables| tables.windows.get(key).map_or(0, |sum| sum.spent)).await
    }

    async fn payment(&self, payment: PaymentId) -> Result<Option<PaymentRecord>, LedgerError> {
        let record = |tables: &Tables| {
            let row = tables.payments.iter().find(|row| row.id == payment)?;
            row.record(tables.back(row)).ok()
        };
        self.ask(record).await
    }

    async fn response(
        &self,
        payment: PaymentId,
        at: UnixMillis,
    ) -> Result<Option<StoredResponse>, LedgerError> {
        let kept = |tables: &Tables| {
            let mut rows = tables.responses.iter();
            rows.find(|(other, _, expires_at)| *other == payment && *expires_at > at).map(|row| row.1.clone())
        };
        self.ask(kept).await
    }

    async fn replay(&self, key: &ReplayKey) -> Result<Option<Used>, LedgerError> {
        let used = |tables: &Tables| {
            let row = tables.payments.iter().find(|row| row.replay == Some(*key))?;
            Some(Used { payment: row.id, fingerprint: row.fingerprint })
        };
        self.ask(used).await
    }

    async fn identifier(&self, key: &IdempotencyKey, at: UnixMillis) -> Result<Option<Used>, LedgerError> {
        let used = |tables: &Tables| {
            let row = tables.identifiers.iter().find(|row| row.key == *key && row.expires_at > at)?;
            Some(Used { payment: row.payment, fingerprint: row.fingerprint })
        };
        self.ask(used).await
    }

    async fn connection(&self) -> Result<Connection, LedgerError> {
        Err(LedgerError::Read("the simulated disk speaks no SQL".to_owned()))
    }
}
