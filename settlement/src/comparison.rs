//! [`Comparison`]: whether the chains show what the books say of payments that are closed, and of what has left our treasury.
//!
//! What is open is the reconciler's. A difference that two looks show is written down once: its value goes into suspense or comes out of it
//! ([`ledger::Difference`]), and a person decides. Of what has left and is not shown nothing is written: it is told. Next: [`left`] for that,
//! [`crate::reconciler`] for what is open.

mod left;
mod seen;
mod shares;

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, B256, OutgoingId, PaymentId, UnixMillis};
use futures_util::StreamExt;
use ledger::{Alike, Booked, BookedIntent, Ledger, LedgerError, OpenIntent};
use tokio::sync::watch;

use crate::chain::{Chain, RpcError};
use crate::duty::Duty;
use crate::rail::Rail;
use crate::ticks::Ticks;

use seen::{Seen, Shown};
use shares::{Found, is_left};

pub use left::{Stray, behind, left_since};
pub use shares::Shares;

/// Payments that are read of the books at once.
pub const PAGE_MAX: u32 = 1_000;

/// How far back the books are compared again and again, in milliseconds.
const BACK_MS: i64 = 3 * 3_600_000;

/// How long after a difference was found it is looked for again: a node that lags behind shows the same of what is right.
const SURE: Duration = Duration::from_secs(30);

/// What is looked at once more.
struct Only {
    payments: HashSet<PaymentId>,
    outgoing: HashSet<OutgoingId>,
}

/// Networks' chains, by their names (CAIP-2).
pub type Chains = HashMap<Arc<str>, Arc<Chain>>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Closed ones that the chain was asked for.
    pub compared: usize,
    /// Closed ones, and transfers, whose network cannot be read, or is no longer taken.
    pub unread: usize,
    /// Closed ones of networks that have no nodes here: what their facilitators said is all that is known.
    pub not_compared: usize,
    /// Calls that run, and payments of which nobody knows what became of them.
    pub held: Vec<PaymentId>,
    /// Captured and not settled for good.
    pub due: Vec<PaymentId>,
    /// What the chain shows otherwise, and is not written down.
    pub differences: Vec<Difference>,
    /// Transfers out of our treasury that the chain was asked for.
    pub left: usize,
    /// Those of them that it does not show.
    pub strays: Vec<Stray>,
    /// What is in suspense by earlier ones, in atomic units.
    pub suspense: i64,
    /// How many of `differences` are of payments that one transaction does not tell apart.
    pub alike: HashMap<Alike, u64>,
}

/// A payment of which the books say something else than the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub payment: PaymentId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Atomic units of its token: how much moved, or did not.
    pub amount: Amount,
    /// In which way.
    pub way: Way,
}

/// How books and chain differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Booked as moved in this transaction; the chain shows no transfer of so much by it anywhere.
    NotMoved(B256),
    /// Booked as moved, in another transaction than this one, which the chain shows.
    Elsewhere(B256),
    /// Written off; the chain shows that it moved, in this transaction.
    Collected(B256),
    /// Voided; the chain shows that it moved, in this transaction.
    Unbooked(B256),
    /// Written down as not moved before; the chain shows that it did, in this transaction.
    Returned(B256),
}

// === impl Comparison ===

impl Comparison {
    /// Takes in what the books say of some payments.
    pub async fn add(&mut self, booked: Vec<BookedIntent>, books: &dyn Shares, chains: &Chains) {
        let mut closed = Vec::new();
        for booked in booked {
            let open = &booked.open;
            match booked.outcome {
                Booked::Held => self.held.push(open.payment),
                Booked::Due => self.due.push(open.payment),
                Booked::Settled(_) | Booked::WrittenOff | Booked::Void if !open.intent.is_read() => {
                    self.not_compared += 1;
                }
                Booked::Settled(_) | Booked::WrittenOff | Booked::Void => closed.push(booked),
            }
        }
        let mut looks = pin!(seen::look(closed, chains).await);
        while let Some(seen) = looks.next().await {
            if self.take(seen, books).await.is_err() {
                self.unread += 1;
            }
        }
    }

    async fn take(&mut self, seen: Result<Seen, Unread>, books: &dyn Shares) -> Result<(), Unread> {
        let seen = seen?;
        let way = way(books, &seen, &mut self.alike).await?;
        self.compared += 1;
        let OpenIntent { payment, intent, .. } = seen.booked.open;
        let network = Arc::clone(&intent.network);
        self.differences.extend(way.map(|(way, amount)| Difference { payment, network, amount, way }));
        Ok(())
    }
}

/// The name that is before those of all payments from this time on.
#[must_use]
pub fn since(at: UnixMillis) -> PaymentId {
    PaymentId::generate(at, [0; 10])
}

/// Compares what came in the last hours every `interval`, where that is our `duty`, until `stop` says so.
pub async fn run(
    ledger: Ledger,
    rail: Rail,
    duty: Arc<dyn Duty>,
    interval: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = Ticks::new(interval, stop.clone());
    while ticks.next().await {
        // Who had it before others did is told so once, and had it then: asked but once an hour, nobody would look in that hour.
        if !duty.is_ours().await && !duty.is_ours().await {
            continue;
        }
        let looked = tokio::select! {
            looked = look(&ledger, &rail) => looked,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = looked {
            tracing::warn!(%error, "the books cannot be compared with the chains now");
        }
    }
}

/// Compares, and writes down what is shown twice.
async fn look(ledger: &Ledger, rail: &Rail) -> Result<(), LedgerError> {
    let from = ledger.time().plus(-BACK_MS);
    let mut found = compare_of(ledger, rail, from, None).await?;
    if !found.differences.is_empty() || !found.strays.is_empty() {
        tokio::time::sleep(SURE).await;
        again(ledger, rail, from, &mut found).await?;
        write_down(ledger, &found.differences).await?;
        found.suspense = ledger.suspense().await?;
    }
    tell(&found, rail);
    Ok(())
}

/// Writes down differences that are sure, once each.
///
/// # Errors
/// The books did not take them all.
pub async fn write_down(ledger: &Ledger, differences: &[Difference]) -> Result<(), LedgerError> {
    for Difference { payment, way, amount, .. } in differences {
        let shown = match way {
            Way::NotMoved(_) => ledger::Shown::NotMoved,
            Way::Elsewhere(shown) | Way::Collected(shown) | Way::Unbooked(shown) | Way::Returned(shown) => {
                ledger::Shown::Moved(*shown, *amount)
            }
        };
        if let Some(written) = ledger.differ(*payment, shown).await? {
            let (way, late) = (written.differs.name(), written.late.map(|late| late.to_string()));
            tracing::error!(%payment, way, late, "what the chain shows otherwise is in suspense now");
        }
    }
    Ok(())
}

/// Compares what came in the last hours once.
///
/// # Errors
/// The books cannot be read.
pub async fn compare(ledger: &Ledger, rail: &Rail) -> Result<Comparison, LedgerError> {
    compare_of(ledger, rail, ledger.time().plus(-BACK_MS), None).await
}

/// Keeps of what differed what differs still. Nodes are asked for nothing else, and it is looked for where it was found: a first look that took
/// long lets nothing drop out of the second.
pub(crate) async fn again(
    ledger: &Ledger,
    rail: &Rail,
    from: UnixMillis,
    found: &mut Comparison,
) -> Result<(), LedgerError> {
    let payments = found.differences.iter().map(|difference| difference.payment).collect();
    let outgoing = found.strays.iter().map(|stray| stray.outgoing).collect();
    let second = compare_of(ledger, rail, from, Some(&Only { payments, outgoing })).await?;
    found.differences.retain(|difference| second.differences.contains(difference));
    found.strays.retain(|stray| second.strays.contains(stray));
    Ok(())
}

/// All from a time on, or only these.
async fn compare_of(
    ledger: &Ledger,
    rail: &Rail,
    from: UnixMillis,
    only: Option<&Only>,
) -> Result<Comparison, LedgerError> {
    let (chains, mut comparison) = (rail.chains(), Comparison::default());
    let mut after = since(from);
    loop {
        let mut booked = ledger.booked(after, PAGE_MAX).await?;
        let Some(last) = booked.last() else { break };
        after = last.open.payment;
        booked.retain(|booked| only.is_none_or(|only| only.payments.contains(&booked.open.payment)));
        comparison.add(booked, ledger, &chains).await;
    }
    left::add(&mut comparison, ledger, &chains, from, only).await?;
    comparison.suspense = ledger.suspense().await?;
    Ok(comparison)
}

fn tell(comparison: &Comparison, rail: &Rail) {
    for Difference { payment, network, amount, way } in &comparison.differences {
        tracing::error!(%payment, %network, %amount, ?way, "the chain shows something else than the books say");
    }
    for Stray { outgoing, network, amount, to, transaction } in &comparison.strays {
        tracing::error!(%outgoing, %network, %amount, %to, %transaction, "the books say that it left, and the chain does not show it");
    }
    let Comparison { compared, left, unread, .. } = comparison;
    tracing::info!(
        compared,
        left,
        unread,
        differences = comparison.differences.len(),
        strays = comparison.strays.len(),
        "books and chains were compared"
    );
    rail.observer().compared(comparison);
}

/// Neither nodes nor books tell.
#[derive(Debug)]
struct Unread;

impl From<RpcError> for Unread {
    fn from(_: RpcError) -> Self {
        Self
    }
}

impl From<LedgerError> for Unread {
    fn from(_: LedgerError) -> Self {
        Self
    }
}

/// In which way the chain differs, if it does, from what the books say, and for how much: how it was closed, and in which transaction how much
/// of it moved by all that is written down.
async fn way(
    books: &dyn Shares,
    Seen { booked, signed, chain, shown }: &Seen,
    found: &mut Found,
) -> Result<Option<(Way, Amount)>, Unread> {
    let Shown::Otherwise(mut shown) = *shown else { return Ok(None) };
    let BookedIntent { open, outcome, moved, stands, .. } = booked;
    if let Some((transaction, value)) = shown
        && !is_left(books, chain, open.payment, signed, value, transaction, found).await?
    {
        shown = None;
    }
    Ok(match (*moved, shown) {
        (Some(booked), None) => Some((Way::NotMoved(booked), *stands)),
        // What is booked did not move. What did instead is found once that is written down.
        (Some(booked), Some((_, value))) if value != *stands => Some((Way::NotMoved(booked), *stands)),
        (Some(booked), Some((shown, _))) => {
            Some((Way::Elsewhere(shown), *stands)).filter(|_| shown != booked)
        }
        (None, None) => None,
        (None, Some((shown, value))) => Some(match outcome {
            Booked::Void => (Way::Unbooked(shown), value),
            Booked::WrittenOff => (Way::Collected(shown), value),
            Booked::Settled(_) | Booked::Held | Booked::Due => (Way::Returned(shown), value),
        }),
    })
}
