//! [`Exposure`]: what payers on public networks were let in with and is not settled yet. What fails then is somebody's loss, so that
//! no payer may have more of it than is said.
//!
//! It is counted in memory, from a payment's verification until its value moved or never will. What nobody waits for any more counts until
//! the books say that it is closed, each payment for itself. Where several gateways share the books this is only the first look, and
//! the hold is judged by what all of them have open ([`ledger::HoldRequest::unsettled_max`]). Next: [`crate::stage::hold`].

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use domain::{Amount, Party, PaymentId};
use ledger::{Ledger, OpenIntent};
use parking_lot::Mutex;

/// How often the books are asked what was closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Payments that they are asked about at once. Of more, the others' turn is the next time.
const ASKED_MAX: usize = 10_000;

/// Due payments of an earlier process that are counted at the start, of each network.
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
    /// What is settled later, and what nobody knows of.
    left: BTreeMap<PaymentId, Share>,
    /// The last of these that the books were asked about; none where it is the first one's turn.
    asked: Option<PaymentId>,
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

    /// Follows what the books say of payments on these networks (CAIP-2) that nobody waits for any more.
    pub(crate) async fn follow(self, ledger: Ledger, networks: Vec<Arc<str>>) {
        self.find(&ledger, &networks).await;
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.look(&ledger).await;
        }
    }

    /// What an earlier process left.
    async fn find(&self, ledger: &Ledger, networks: &[Arc<str>]) {
        let mut found = ledger.unknown();
        for network in networks {
            match ledger.due(network, FOUND_MAX).await {
                // What a block shows is not open any more.
                Ok(due) => found.extend(due.into_iter().filter(|due| due.seen.is_none())),
                Err(error) => {
                    tracing::warn!(%network, %error, "what earlier payers have open is not known");
                }
            }
        }
        let mut open = self.open.lock();
        for found in found {
            let share = Share::of(&found);
            if open.add(&share, i64::MAX).is_some() {
                open.leave(found.payment, share);
            }
        }
    }

    async fn look(&self, ledger: &Ledger) {
        let asked = self.open.lock().next();
        if asked.is_empty() {
            return;
        }
        match ledger.still_open(&asked).await {
            Ok(still) => {
                let mut open = self.open.lock();
                asked
                    .iter()
                    .filter(|payment| !still.contains(payment))
                    .for_each(|payment| open.close(payment));
            }
            Err(error) => {
                tracing::debug!(%error, "what was settled meanwhile is not known; it is asked again")
            }
        }
    }
}

// === impl Exposed ===

impl Exposed {
    /// Nobody waits for it any more: it is settled later, or nobody knows what became of it. The books have it by now.
    pub(crate) fn leave(mut self, payment: PaymentId) {
        if let Some(share) = self.share.take() {
            self.exposure.open.lock().leave(payment, share);
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

    /// Counts it until the books say that it is closed: once, however often it is found.
    fn leave(&mut self, payment: PaymentId, share: Share) {
        if let Some(before) = self.left.insert(payment, share) {
            self.remove(&before);
        }
    }

    fn close(&mut self, payment: &PaymentId) {
        if let Some(share) = self.left.remove(payment) {
            self.remove(&share);
        }
    }

    /// Those that the books are asked about now.
    fn next(&mut self) -> Vec<PaymentId> {
        let after = self.asked.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.left.range((after, Bound::Unbounded)).map(|(payment, _)| *payment);
        let next: Vec<_> = next.take(ASKED_MAX).collect();
        self.asked = next.last().copied().filter(|_| next.len() == ASKED_MAX);
        next
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

    fn left(exposure: &Exposure, byte: u8) -> PaymentId {
        let payment = PaymentId::from_bytes([byte; 16]);
        exposure.take(debtor(1), units(10), units(i64::MAX)).unwrap().0.leave(payment);
        payment
    }

    fn units_of(exposure: &Exposure, debtor: &Debtor) -> i64 {
        exposure.open.lock().units.get(debtor).copied().unwrap_or(0)
    }

    #[test]
    fn what_nobody_waits_for_counts_until_it_is_closed_itself_and_once() {
        let exposure = Exposure::default();
        let payments = [1, 2, 3].map(|byte| left(&exposure, byte));
        left(&exposure, 2);
        assert_eq!(units_of(&exposure, &debtor(1)), 30);
        assert_eq!(exposure.open.lock().next(), payments);
        exposure.open.lock().close(&payments[1]);
        assert_eq!(units_of(&exposure, &debtor(1)), 20);
        assert_eq!(exposure.open.lock().next(), [payments[0], payments[2]]);
        payments.iter().for_each(|payment| exposure.open.lock().close(payment));
        assert!(exposure.open.lock().units.is_empty());
    }

    #[test]
    fn of_more_than_are_asked_about_at_once_each_has_its_turn() {
        let exposure = Exposure::default();
        let number = |number: usize| PaymentId::from_bytes(u128::try_from(number).unwrap().to_be_bytes());
        for count in 0..ASKED_MAX + 2 {
            exposure.take(debtor(1), units(1), units(i64::MAX)).unwrap().0.leave(number(count));
        }
        let next = || exposure.open.lock().next();
        assert_eq!(next().last(), Some(&number(ASKED_MAX - 1)));
        assert_eq!(next(), [number(ASKED_MAX), number(ASKED_MAX + 1)]);
        assert_eq!(next().first(), Some(&number(0)));
    }
}
