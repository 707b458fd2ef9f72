//! [`Exposure`]: what payers on public networks were let in with and is not settled yet. What fails then is somebody's loss, so that
//! no payer may have more of it than is said.
//!
//! It is counted in memory, from a payment's verification until its value moved or never will. What is settled later counts until
//! the books say that everything which expires as early was: they are settled in that order. Where several gateways share the books this
//! is only the first look, and the hold is judged by what all of them have open ([`ledger::HoldRequest::unsettled_max`]). Next:
//! [`crate::stage::hold`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, Party, PaymentId};
use ledger::{Ledger, OpenIntent};
use parking_lot::Mutex;

/// How often the books are asked what was settled.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Payments of an earlier process that are counted at the start.
const FOUND_MAX: u32 = 10_000;

/// A payer on a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Debtor {
    pub(crate) network: Arc<str>,
    pub(crate) payer: Party,
}

/// What all payers have open. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposure {
    open: Arc<Mutex<Open>>,
}

/// One payment that is open; no more when it is dropped.
#[must_use = "a payment that is not counted is a risk that nobody sees"]
#[derive(Debug)]
pub(crate) struct Exposed {
    exposure: Exposure,
    share: Option<Share>,
}

#[derive(Debug, Default)]
struct Open {
    /// Atomic units; no entry where there are none.
    units: HashMap<Debtor, i64>,
    /// What is to be settled, by its expiry (Unix seconds) and the number it came with.
    deferred: BTreeMap<(u64, u64), Share>,
    unknown: HashMap<PaymentId, Share>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Share {
    debtor: Debtor,
    units: i64,
}

// === impl Exposure ===

impl Exposure {
    /// Counts a payment, unless its payer has more than `most` open with it. Gives all that it has open then.
    pub(crate) fn take(&self, debtor: Debtor, amount: Amount, most: Amount) -> Option<(Exposed, Amount)> {
        let share = Share { debtor, units: amount.atomic() };
        let total = self.open.lock().add(&share, most.atomic())?;
        let exposed = Exposed { exposure: self.clone(), share: Some(share) };
        Some((exposed, Amount::from_atomic(total)?))
    }

    /// Follows what the books say of payments that nobody waits for any more.
    pub(crate) async fn follow(self, ledger: Ledger) {
        self.find(&ledger).await;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.look(&ledger).await;
        }
    }

    /// What an earlier process left.
    async fn find(&self, ledger: &Ledger) {
        let due = ledger.due(FOUND_MAX).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what earlier payers have open is not known");
            Vec::new()
        });
        let mut open = self.open.lock();
        for found in due {
            let share = Share::of(&found);
            if open.add(&share, i64::MAX).is_some() {
                open.defer(found.intent.valid_before, share);
            }
        }
        for found in ledger.unknown() {
            let share = Share::of(&found);
            if !open.unknown.contains_key(&found.payment) && open.add(&share, i64::MAX).is_some() {
                open.unknown.insert(found.payment, share);
            }
        }
    }

    async fn look(&self, ledger: &Ledger) {
        let (next, some_deferred, unknown) = {
            let open = self.open.lock();
            let unknown: Vec<PaymentId> = open.unknown.keys().copied().collect();
            (open.next, !open.deferred.is_empty(), unknown)
        };
        if some_deferred && let Ok(due) = ledger.due(1).await {
            self.open.lock().settled(due.first().map(|first| first.intent.valid_before), next);
        }
        if !unknown.is_empty() {
            let left: HashSet<PaymentId> = ledger.unknown().iter().map(|open| open.payment).collect();
            let closed = unknown.into_iter().filter(|payment| !left.contains(payment));
            let mut open = self.open.lock();
            closed.for_each(|payment| open.close(payment));
        }
    }
}

// === impl Exposed ===

impl Exposed {
    /// It was captured, and is settled later.
    pub(crate) fn defer(mut self, valid_before: u64) {
        if let Some(share) = self.share.take() {
            self.exposure.open.lock().defer(valid_before, share);
        }
    }

    /// Nobody knows what became of it; its hold was left unknown already.
    pub(crate) fn leave_unknown(mut self, payment: PaymentId) {
        if let Some(share) = self.share.take() {
            self.exposure.open.lock().unknown.insert(payment, share);
        }
    }
}

impl Drop for Exposed {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            self.exposure.open.lock().remove(&share);
        }
    }
}

// === impl Open ===

impl Open {
    /// What its payer has then; none where that would be too much.
    fn add(&mut self, share: &Share, most: i64) -> Option<i64> {
        let before = self.units.get(&share.debtor).copied().unwrap_or(0);
        let total = before.checked_add(share.units).filter(|total| *total <= most)?;
        self.units.insert(share.debtor.clone(), total);
        Some(total)
    }

    fn remove(&mut self, share: &Share) {
        if let Some(units) = self.units.get_mut(&share.debtor) {
            *units = units.saturating_sub(share.units);
            if *units <= 0 {
                self.units.remove(&share.debtor);
            }
        }
    }

    fn defer(&mut self, valid_before: u64, share: Share) {
        let number = self.next;
        self.next = number.saturating_add(1);
        self.deferred.insert((valid_before, number), share);
    }

    /// Everything was settled that came before number `next` and expires before `first`, or all of it where there is none.
    fn settled(&mut self, first: Option<u64>, next: u64) {
        let is_settled = |(valid_before, number): &(u64, u64)| {
            *number < next && first.is_none_or(|first| *valid_before < first)
        };
        let upto = (first.unwrap_or(u64::MAX), u64::MAX);
        let settled: Vec<_> = self.deferred.range(..=upto).map(|(key, _)| *key).filter(is_settled).collect();
        for key in settled {
            if let Some(share) = self.deferred.remove(&key) {
                self.remove(&share);
            }
        }
    }

    fn close(&mut self, payment: PaymentId) {
        if let Some(share) = self.unknown.remove(&payment) {
            self.remove(&share);
        }
    }
}

// === impl Share ===

impl Share {
    fn of(open: &OpenIntent) -> Self {
        let debtor = Debtor { network: Arc::clone(&open.intent.network), payer: open.intent.payer };
        Self { debtor, units: open.amount.atomic() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: i64) -> Amount {
        Amount::from_atomic(units).unwrap()
    }

    fn debtor(byte: u8) -> Debtor {
        Debtor { network: "eip155:84532".into(), payer: domain::Address::repeat_byte(byte).into() }
    }

    #[test]
    fn a_payer_has_no_more_open_than_is_said_and_gets_it_back() {
        let exposure = Exposure::default();
        let take = |byte, amount| exposure.take(debtor(byte), units(amount), units(100));
        let (first, total) = take(1, 60).unwrap();
        assert_eq!(total, units(60));
        assert!(take(1, 41).is_none());
        let (second, total) = take(1, 40).unwrap();
        assert_eq!(total, units(100));
        assert!(take(2, 100).is_some(), "another payer has its own");
        drop(first);
        assert_eq!(take(1, 60).unwrap().1, units(100));
        drop(second);
        assert!(exposure.open.lock().units.is_empty());
    }

    #[test]
    fn what_is_settled_later_counts_until_all_that_expires_as_early_was_settled() {
        let exposure = Exposure::default();
        let defer = |valid_before| {
            exposure.take(debtor(1), units(10), units(100)).unwrap().0.defer(valid_before);
        };
        [30, 10, 20].into_iter().for_each(defer);
        let open = || exposure.open.lock().units.get(&debtor(1)).copied().unwrap_or(0);
        let settled = |first, next| exposure.open.lock().settled(first, next);
        settled(Some(10), 3);
        assert_eq!(open(), 30);
        settled(Some(20), 3);
        assert_eq!(open(), 20);
        defer(5);
        settled(None, 3);
        assert_eq!(open(), 10, "what was captured after the books were asked is not among what they said");
        settled(None, 4);
        assert_eq!(open(), 0);
    }

    #[test]
    fn what_nobody_knows_of_counts_until_it_is_closed() {
        let exposure = Exposure::default();
        let payment = PaymentId::from_bytes([1; 16]);
        exposure.take(debtor(1), units(10), units(10)).unwrap().0.leave_unknown(payment);
        assert!(exposure.take(debtor(1), units(1), units(10)).is_none());
        exposure.open.lock().close(payment);
        assert!(exposure.take(debtor(1), units(10), units(10)).is_some());
    }
}
