//! [`Disk`]: the simulated disk and what goes wrong with it. It outlives a crash; what goes wrong is drawn from the seed.

use std::sync::Arc;

use domain::{Address, Asset, PaymentId, UnixMillis};
use parking_lot::Mutex;

use super::planted::Planted;
use super::random::Random;
use super::tables::Tables;
use crate::batch::{Delta, EXTERNAL, FoundHold, HeldAt, HoldRow, Marker, NewAccount, Owner, TransferRow};
use crate::commit::Start;
use crate::facts::{Captured, ProviderFacts, REPLAY_KEEP_SECONDS};
use crate::{Refunded, TransferKind};

/// The disk, as the store, the reads and the world share it.
pub(super) type Shelf = Arc<Mutex<Disk>>;

pub(super) struct Disk {
    pub(super) tables: Tables,
    /// What every batch that stands brought, in order: the evidence of what became of unknown outcomes.
    pub(super) journal: Vec<Batch>,
    pub(super) random: Random,
    pub(super) rates: Rates,
    pub(super) planted: Planted,
    /// How many faults there were.
    pub(super) fired: u64,
    /// Payments that a wall refused, in whatever batch.
    pub(super) refused: Vec<PaymentId>,
    /// And refunds.
    pub(super) refused_refunds: Vec<PaymentId>,
    /// A commit waits until the world lets it go.
    pub(super) stalled: bool,
    /// The writer cannot be told whether its last batch stands.
    pub(super) unresolved: bool,
    /// A batch failed, or half of one, and the writer goes on: not everyone who was in it is there to be told.
    pub(super) split: bool,
    /// A sync failed: the process has to end.
    pub(super) fatal: bool,
    /// What happened, for the list of events.
    pub(super) notes: Vec<String>,
}

/// Percent of the calls that go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) commit: u64,
    pub(super) slow: u64,
    pub(super) load: u64,
    pub(super) read: u64,
    pub(super) slow_read: u64,
    pub(super) resolve: u64,
}

/// One batch that stands.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) marker: Marker,
    /// Payments, with what each took and its number among the calls of the month.
    pub(super) payments: Vec<(PaymentId, i64, u64)>,
    pub(super) refunds: Vec<Refunded>,
    pub(super) transfers: Vec<TransferRow>,
    pub(super) responses: Vec<PaymentId>,
    /// Rows of holds that it wrote, with whether each is of a free call, and deleted.
    pub(super) holds: Vec<(PaymentId, bool)>,
    pub(super) ended: Vec<PaymentId>,
    /// Those of them whose capture a wall had refused before.
    pub(super) refused: Vec<PaymentId>,
}

/// What goes wrong with one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Refused,
    Busy,
    BrokenBefore,
    BrokenAfter,
    SlowBefore,
    SlowAfter,
    FatalBefore,
    FatalAfter,
}

// === impl Disk ===

impl Disk {
    pub(super) fn new(random: Random, rates: Rates, planted: Planted) -> Self {
        Self {
            tables: Tables::new(),
            journal: Vec::new(),
            random,
            rates,
            planted,
            fired: 0,
            refused: Vec::new(),
            refused_refunds: Vec::new(),
            stalled: false,
            unresolved: false,
            split: false,
            fatal: false,
            notes: Vec::new(),
        }
    }

    /// Whether a call of this rate goes wrong.
    pub(super) fn fails(&mut self, rate: u64, words: &str) -> bool {
        let fails = self.random.chance(rate);
        if fails {
            self.fired += 1;
            self.notes.push(words.to_owned());
        }
        fails
    }

    pub(super) fn draw(&mut self, batch: i64) -> Option<Fault> {
        use Fault::{
            BrokenAfter, BrokenBefore, Busy, FatalAfter, FatalBefore, Refused, SlowAfter, SlowBefore,
        };
        let fault = if self.random.chance(self.rates.slow) {
            self.random.pick(&[SlowBefore, SlowAfter])
        } else if self.random.chance(self.rates.commit) {
            let common = [Refused, Busy, BrokenBefore, BrokenAfter, Refused, Busy, BrokenBefore, BrokenAfter];
            if self.random.chance(10) {
                self.random.pick(&[FatalBefore, FatalAfter])
            } else {
                self.random.pick(&common)
            }
        } else {
            return None;
        };
        let fails = !matches!(fault, SlowBefore | SlowAfter);
        self.fired += u64::from(fails);
        self.split |= fails;
        self.notes.push(format!("batch {batch}: {fault:?}"));
        Some(fault)
    }

    /// Writes a batch, all of it or nothing.
    pub(super) fn write(&mut self, delta: &Delta) -> Result<(), String> {
        let mut draft = self.tables.clone();
        draft.write(delta, self.planted)?;
        self.tables = draft;
        self.journal.push(Batch {
            marker: delta.marker,
            payments: delta.payments.iter().map(|row| (row.id, row.gross.atomic(), row.call)).collect(),
            refunds: delta.refunds.iter().map(|row| row.refunded).collect(),
            transfers: delta.transfers.clone(),
            responses: delta.responses.iter().map(|(payment, _)| *payment).collect(),
            holds: delta.holds.iter().map(|row| (row.request.payment, row.cost.free)).collect(),
            ended: delta.ended.clone(),
            refused: delta.ended.iter().filter(|id| self.refused.contains(id)).copied().collect(),
        });
        Ok(())
    }

    /// Wallet and units of what was moved under a key; negative where it went out.
    pub(super) fn moved(&self, key: u8) -> Option<(u8, i64)> {
        let key = key.to_string();
        let row = self.tables.transfers.iter().find(|row| row.idempotency_key.as_ref() == Some(&key))?;
        Some(moved(row))
    }

    /// Whether nothing is left of a payment.
    pub(super) fn refunded(&self, payment: PaymentId) -> bool {
        let whole = |refunded: &Refunded| refunded.payment == payment && refunded.is_whole();
        self.tables.refunds.iter().any(|row| whole(&row.refunded))
    }

    /// What a process that starts now begins with.
    pub(super) fn start(&mut self, now: UnixMillis) -> Start {
        (self.stalled, self.unresolved, self.split, self.fatal) = (false, false, false, false);
        let tables = &self.tables;
        let seconds = u64::try_from(now.max(tables.marker.at).seconds()).unwrap();
        let horizon = seconds - REPLAY_KEEP_SECONDS;
        let captured = tables.payments.iter().filter_map(|row| {
            let key = row.replay.filter(|key| key.valid_before() >= horizon)?;
            Some(Captured { key, payment: row.id, fingerprint: row.fingerprint })
        });
        let provider = |account: &NewAccount| match &account.owner {
            Owner::Provider(name) => {
                let fee = Owner::Fee(Arc::clone(name));
                let fee = tables.accounts.iter().find(|other| other.owner == fee).unwrap().id;
                Some((name.to_string(), ProviderFacts { account: account.id, fee }))
            }
            _ => None,
        };
        let found = |row: &HoldRow| {
            let (request, held) = (row.request.clone(), HeldAt::new(row.held_at));
            FoundHold { request, held, free: row.cost.free, owed: row.owed_after_a_crash() }
        };
        let holds = tables.holds.iter().map(found);
        Start {
            asset: Asset {
                network: "eip155:402402".into(),
                chain_id: 402_402,
                address: Address::ZERO,
                name: "Simulated USD".into(),
                version: "1".into(),
            },
            secret: [0; 32],
            marker: tables.marker,
            next_account: tables.accounts.iter().map(|account| account.id.0).max().unwrap_or(EXTERNAL.0) + 1,
            providers: tables.accounts.iter().filter_map(provider).collect(),
            direct: Vec::new(),
            replays: captured.collect(),
            horizon,
            open: tables.open.clone(),
            holds: if self.planted == Planted::ForgottenHolds { Vec::new() } else { holds.collect() },
            lease: None,
        }
    }
}

/// Wallet and units of a transfer; negative where they went out.
pub(super) fn moved(row: &TransferRow) -> (u8, i64) {
    let (wallet, _) = row.wallet.unwrap();
    let units = row.amount.atomic();
    (wallet.as_bytes()[0], if row.kind == TransferKind::Withdrawal { -units } else { units })
}
