//! One open payment: what the chain shows of it, whether it is handed to a settler, and what is written down.

use std::sync::Arc;

use alloy_primitives::U256;
use domain::{Amount, B256, Party, Settle};
use ledger::{Close, LedgerError, Moved, OpenIntent};

use super::Shared;
use crate::chain::Evidence;
use crate::rail::{Closed, Last, RailError, Settling, units};
use crate::signed::Signed;

/// Seconds that a payment must have left to be handed to a settler: facilitators refuse less.
const TIME_LEFT_MIN: u64 = 6;

/// The same beside what the last block's own time says, in seconds: of a slow network it may be so old.
const TIME_LEFT_THERE_MIN: u64 = TIME_LEFT_MIN + 12;

/// What is known of a payment now.
enum Case {
    /// So many units moved, and what the books are told of that.
    Moved(Box<Moved>, U256),
    /// It never will.
    Never,
    /// Neither yet.
    Open,
}

// === impl Shared ===

impl Shared {
    /// Looks after a payment of which nobody knows whether its value moved.
    pub(super) async fn unknown(self: Arc<Self>, open: OpenIntent) {
        let case = match Signed::of(&open.intent) {
            Ok(signed) => {
                // What a crash left may never have been asked for: nothing was delivered for it.
                let was_asked = self.rail.last_heard(&open.payment).is_some();
                self.follow(&open, &signed, was_asked).await
            }
            Err(error) => {
                self.misread(open.payment, &open.intent.network, &error);
                Case::Open
            }
        };
        let (evidence, closed) = match case {
            Case::Moved(moved, value) => (close(*moved, value), Closed::Moved),
            Case::Never => (Close::Void, Closed::Void),
            Case::Open => return self.end(&open),
        };
        let written = self.ledger.close(open.payment, evidence).await;
        self.written(&open, closed, written);
    }

    /// Looks after a payment that was captured and is not settled.
    pub(super) async fn due(self: Arc<Self>, open: OpenIntent) {
        let case = match Signed::of(&open.intent) {
            Ok(signed) => self.collect(&open, &signed).await,
            Err(error) => {
                self.misread(open.payment, &open.intent.network, &error);
                Case::Open
            }
        };
        match case {
            Case::Moved(moved, value) => {
                if value != units(open.amount) {
                    let transaction = moved.transaction;
                    tracing::error!(payment = %open.payment, %transaction, %value, "another amount has moved than is due");
                }
                let written = self.ledger.settled(open.payment, *moved).await;
                self.written(&open, Closed::Settled, written);
            }
            Case::Never => {
                self.distrust(&open.intent.payer);
                let written = self.ledger.write_off(open.payment).await;
                self.written(&open, Closed::WrittenOff(open.amount), written.map(drop));
            }
            Case::Open => self.end(&open),
        }
    }

    /// What was deferred goes to a settler at once; what went to one before, or stood in a block already, is looked for first.
    async fn collect(&self, open: &OpenIntent, signed: &Signed) -> Case {
        let last = self.rail.last_heard(&open.payment);
        match last {
            Some(Last::Moved(transaction)) => return self.moved(open, signed, transaction).await,
            // It stands in a block still: more is to be seen once that one counts.
            Some(Last::Shown { counts_with })
                if self.rail.last_block(&signed.network) < Some(counts_with)
                    && self.rail.is_used(signed).await == Ok(true) =>
            {
                return Case::Open;
            }
            _ => {}
        }
        let was_asked = last.is_some() || open.seen.is_some() || self.known.lock().was_asked(&open.payment);
        if open.intent.settle == Settle::Deferred && !was_asked && self.has_time(signed).await {
            self.ask(open, signed).await
        } else {
            self.follow(open, signed, true).await
        }
    }

    /// What the chain shows; where it shows nothing yet, it is handed to a settler, if it may be.
    async fn follow(&self, open: &OpenIntent, signed: &Signed, may_ask: bool) -> Case {
        let (evidence, moved) = match self.evidence(open, signed).await {
            Ok(shown) => shown,
            Err(error) => {
                tracing::debug!(payment = %open.payment, %error, "the chain shows nothing of a payment");
                return Case::Open;
            }
        };
        let is_void = evidence == Evidence::Void;
        let is_void_for_long = self.known.lock().void(&open.payment, is_void, self.rail.now());
        match evidence {
            Evidence::Moved { transaction, value, .. } => {
                return Case::Moved(Box::new(moved.unwrap_or_else(|| transaction.into())), value);
            }
            Evidence::Void if is_void_for_long => return Case::Never,
            Evidence::Unused { at } if at >= signed.valid_before() => return Case::Never,
            Evidence::Void => return Case::Open,
            Evidence::Unused { .. } => {}
        }
        // It may stand in a block that does not count yet; one that is taken back lets it go out again (case D13).
        let is_free = may_ask && self.has_time(signed).await && self.rail.is_used(signed).await == Ok(false);
        if is_free { self.ask(open, signed).await } else { Case::Open }
    }

    /// What the chain shows. A transfer that other payments are booked for is none of this one: its nonce is used, and paid nobody.
    async fn evidence(
        &self,
        open: &OpenIntent,
        signed: &Signed,
    ) -> Result<(Evidence, Option<Moved>), RailError> {
        let evidence = self.rail.evidence(signed, open.amount).await?;
        let Evidence::Moved { transaction, value, .. } = evidence else { return Ok((evidence, None)) };
        let moved = self.rail.counted(signed, amount(value).unwrap_or(open.amount), transaction).await?;
        if let Some(share) = &moved.share {
            // Where the books cannot be read, they refuse it when it is written down.
            let paid = self.ledger.paid_by(&share.alike, open.payment).await.unwrap_or_default();
            if paid >= u64::from(share.one_of) {
                tracing::warn!(payment = %open.payment, %transaction, "what moved there has paid for other payments");
                return Ok((Evidence::Void, None));
            }
        }
        Ok((evidence, Some(moved)))
    }

    /// All that was asked for.
    async fn moved(&self, open: &OpenIntent, signed: &Signed, transaction: B256) -> Case {
        let moved = self.rail.moved(signed, open.amount, transaction).await;
        Case::Moved(Box::new(moved), units(open.amount))
    }

    async fn ask(&self, open: &OpenIntent, signed: &Signed) -> Case {
        self.known.lock().ask(&open.payment);
        match self.rail.collect(open.payment, signed, open.amount).await {
            Settling::Moved(transaction) => self.moved(open, signed, transaction).await,
            Settling::Refused(_) => {
                // What was served and is refused now may be paid yet, by a payer who finds the money in time.
                self.distrust(&open.intent.payer);
                Case::Open
            }
            Settling::Shown(_) | Settling::Told(_) | Settling::Unavailable(_) | Settling::Unknown(_) => {
                Case::Open
            }
        }
    }

    /// Who pays where nothing is read is never served before it has paid.
    fn distrust(&self, payer: &Party) {
        if let Some(payer) = payer.evm() {
            self.rail.distrust(payer);
        }
    }

    /// Whether it can be settled still, by our clock or by the chain's own time: where ours is ahead, it is not to cost an honest payer's word.
    async fn has_time(&self, signed: &Signed) -> bool {
        let has_left = |now: u64, least: u64| signed.valid_before() > now.saturating_add(least);
        has_left(self.rail.now().seconds().unsigned_abs(), TIME_LEFT_MIN)
            || self.rail.time_there(signed).await.is_ok_and(|there| has_left(there, TIME_LEFT_THERE_MIN))
    }

    fn written(&self, open: &OpenIntent, closed: Closed, written: Result<(), LedgerError>) {
        let (payment, network) = (open.payment, &open.intent.network);
        match written {
            Ok(()) => {
                if let Closed::WrittenOff(amount) = closed {
                    tracing::warn!(%payment, %network, %amount, "served, and can never be collected: written off");
                } else {
                    tracing::info!(%payment, %network, outcome = ?closed, "closed by what the chain shows");
                }
                self.rail.forget(&payment);
                self.rail.observer().closed(network, closed);
            }
            Err(error) => {
                if matches!(error, LedgerError::TransactionSpent) {
                    // Others have all that it shows: whatever a settler said, it is looked for on chain from now on.
                    self.rail.forget(&payment);
                }
                tracing::warn!(%payment, %error, "what the chain shows is not written down yet; it is tried again");
            }
        }
        self.end(open);
    }

    fn end(&self, open: &OpenIntent) {
        self.known.lock().end(&open.payment, self.rail.now());
    }
}

/// What is written down of value that moved: what the chain shows, whatever was asked for.
fn close(moved: Moved, value: U256) -> Close {
    match amount(value) {
        Some(amount) => Close::MovedPart(moved, amount),
        None => Close::Moved(moved),
    }
}

fn amount(value: U256) -> Option<Amount> {
    i64::try_from(value).ok().and_then(Amount::from_atomic)
}
