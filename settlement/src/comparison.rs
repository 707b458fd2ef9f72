//! [`Comparison`]: whether the chains show what the books say of payments that are closed.
//!
//! What is open is the reconciler's; what was voided has left nothing in the books. A difference is told and counted, and nothing is
//! changed by it: a person decides. Next: [`crate::reconciler`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, B256, PaymentId, UnixMillis};
use ledger::{Booked, BookedIntent, Ledger, LedgerError};
use tokio::sync::watch;

use crate::chain::{Chain, Depth, Evidence, RpcError};
use crate::duty::Duty;
use crate::rail::{Rail, units};
use crate::signed::Signed;
use crate::ticks::Ticks;

/// Payments that are read of the books at once.
pub const PAGE_MAX: u32 = 1_000;

/// How far back the books are compared again and again, in milliseconds.
const BACK_MS: i64 = 3 * 3_600_000;

/// Networks' chains, by their names (CAIP-2).
pub type Chains = HashMap<Arc<str>, Arc<Chain>>;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Closed ones that the chain was asked for.
    pub compared: usize,
    /// Closed ones whose network cannot be read, or is no longer taken.
    pub unread: usize,
    /// Calls that run, and payments of which nobody knows what became of them.
    pub held: Vec<PaymentId>,
    /// Captured and not settled for good.
    pub due: Vec<PaymentId>,
    /// What the chain shows otherwise.
    pub differences: Vec<Difference>,
}

/// A payment of which the books say something else than the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub payment: PaymentId,
    /// CAIP-2.
    pub network: Arc<str>,
    /// Atomic units of its token.
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
}

// === impl Comparison ===

impl Comparison {
    /// Takes in what the books say of some payments.
    pub async fn add(&mut self, booked: Vec<BookedIntent>, chains: &Chains) {
        for BookedIntent { open, outcome } in booked {
            match outcome {
                Booked::Held => self.held.push(open.payment),
                Booked::Due => self.due.push(open.payment),
                Booked::Settled(_) | Booked::WrittenOff => {
                    let (signed, chain) = (Signed::of(&open.intent), chains.get(&open.intent.network));
                    let (Ok(signed), Some(chain)) = (signed, chain) else {
                        self.unread += 1;
                        continue;
                    };
                    match way(chain, &signed, open.amount, outcome).await {
                        Ok(way) => {
                            self.compared += 1;
                            let (payment, network) = (open.payment, Arc::clone(&open.intent.network));
                            let difference = |way| Difference { payment, network, amount: open.amount, way };
                            self.differences.extend(way.map(difference));
                        }
                        Err(_) => self.unread += 1,
                    }
                }
            }
        }
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
    stop: watch::Receiver<bool>,
) {
    let mut ticks = Ticks::new(interval, stop);
    while ticks.next().await {
        if !duty.is_ours().await {
            continue;
        }
        match compare(&ledger, &rail).await {
            Ok(comparison) => tell(&comparison, &rail),
            Err(error) => tracing::warn!(%error, "the books cannot be compared with the chains now"),
        }
    }
}

/// Compares what came in the last hours once.
///
/// # Errors
/// The books cannot be read.
pub async fn compare(ledger: &Ledger, rail: &Rail) -> Result<Comparison, LedgerError> {
    let (chains, mut comparison) = (rail.chains(), Comparison::default());
    let mut after = since(ledger.time().plus(-BACK_MS));
    loop {
        let booked = ledger.booked(after, PAGE_MAX).await?;
        let Some(last) = booked.last() else { return Ok(comparison) };
        after = last.open.payment;
        comparison.add(booked, &chains).await;
    }
}

fn tell(comparison: &Comparison, rail: &Rail) {
    for Difference { payment, network, amount, way } in &comparison.differences {
        tracing::error!(%payment, %network, %amount, ?way, "the chain shows something else than the books say");
    }
    let (compared, unread) = (comparison.compared, comparison.unread);
    tracing::info!(
        compared,
        unread,
        differences = comparison.differences.len(),
        "books and chains were compared"
    );
    rail.observer().compared(comparison);
}

/// In which way the chain differs, if it does.
async fn way(
    chain: &Chain,
    signed: &Signed,
    amount: Amount,
    outcome: Booked,
) -> Result<Option<Way>, RpcError> {
    let moves = (signed.transfer(), units(amount));
    let look = || chain.look(signed.token, signed.transfer(), signed.since_block, Depth::Counts);
    match outcome {
        Booked::Settled(transaction) if chain.stands(signed.token, moves, transaction).await? => Ok(None),
        Booked::Settled(booked) => match look().await? {
            Evidence::Moved { transaction, .. } if transaction != booked => {
                Ok(Some(Way::Elsewhere(transaction)))
            }
            // Of `upto`, another amount than was asked for may have moved in it.
            Evidence::Moved { value, .. } if value == units(amount) => Ok(None),
            Evidence::Moved { .. } | Evidence::Unused { .. } | Evidence::Void => {
                Ok(Some(Way::NotMoved(booked)))
            }
        },
        Booked::WrittenOff => match look().await? {
            Evidence::Moved { transaction, .. } => Ok(Some(Way::Collected(transaction))),
            Evidence::Unused { .. } | Evidence::Void => Ok(None),
        },
        Booked::Held | Booked::Due => Ok(None),
    }
}
