//! [`Known`]: when each open payment was looked at, so that it is looked at neither twice at once nor too often.

use std::collections::{HashMap, HashSet};

use domain::{PaymentId, UnixMillis};

/// The first pause between two looks, and the longest; each is twice the one before.
const PAUSE_MS: i64 = 1_000;
const PAUSE_MS_MAX: i64 = 15_000;

/// For how long a nonce must be shown as used for nothing: nodes that lag behind others show the same of one that paid us.
const VOID_MS: i64 = 30_000;

/// Of all that is open.
#[derive(Default)]
pub(super) struct Known {
    payments: HashMap<PaymentId, Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    is_running: bool,
    /// Not before.
    next: UnixMillis,
    pause_ms: i64,
    /// It was handed to a settler.
    was_asked: bool,
    /// Since when its nonce is shown as used for nothing.
    void_since: Option<UnixMillis>,
    /// It was told that it cannot be read.
    is_unreadable: bool,
}

// === impl Known ===

impl Known {
    /// Forgets what is open no more. How many of the rest cannot be read.
    pub(super) fn keep(&mut self, open: &HashSet<PaymentId>) -> usize {
        self.payments.retain(|payment, look| look.is_running || open.contains(payment));
        self.payments.values().filter(|look| look.is_unreadable).count()
    }

    /// Whether it is looked after from now on.
    pub(super) fn begin(&mut self, payment: PaymentId, now: UnixMillis) -> bool {
        let look = self.payments.entry(payment).or_insert(Look::first(now));
        // No pause is longer: a clock that was set back would have it wait for as long.
        let is_time = look.next <= now || look.next > now.plus(PAUSE_MS_MAX);
        let begins = !look.is_running && is_time;
        look.is_running |= begins;
        begins
    }

    /// It cannot be read. Whether that is new.
    pub(super) fn misread(&mut self, payment: PaymentId, now: UnixMillis) -> bool {
        let look = self.payments.entry(payment).or_insert(Look::first(now));
        !std::mem::replace(&mut look.is_unreadable, true)
    }

    /// Nobody looks after it any more; the next time after a pause.
    pub(super) fn end(&mut self, payment: &PaymentId, now: UnixMillis) {
        if let Some(look) = self.payments.get_mut(payment) {
            look.is_running = false;
            look.next = now.plus(look.pause_ms);
            look.pause_ms = PAUSE_MS_MAX.min(look.pause_ms.saturating_mul(2));
        }
    }

    /// It goes to a settler. Whether it went to one before.
    pub(super) fn ask(&mut self, payment: &PaymentId) {
        if let Some(look) = self.payments.get_mut(payment) {
            look.was_asked = true;
        }
    }

    pub(super) fn was_asked(&self, payment: &PaymentId) -> bool {
        self.payments.get(payment).is_some_and(|look| look.was_asked)
    }

    /// Its nonce is shown as used for nothing, or not. Whether that has been so for long enough to be believed.
    pub(super) fn void(&mut self, payment: &PaymentId, is_void: bool, now: UnixMillis) -> bool {
        let Some(look) = self.payments.get_mut(payment) else { return false };
        let since = look.void_since.filter(|since| *since <= now);
        look.void_since = is_void.then_some(since.unwrap_or(now));
        look.void_since.is_some_and(|since| now >= since.plus(VOID_MS))
    }
}

// === impl Look ===

impl Look {
    const fn first(now: UnixMillis) -> Self {
        let (is_running, was_asked, is_unreadable) = (false, false, false);
        Self { is_running, next: now, pause_ms: PAUSE_MS, was_asked, void_since: None, is_unreadable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_clock_that_was_set_back_keeps_no_payment_waiting_longer_than_its_longest_pause() {
        let (mut known, payment) = (Known::default(), PaymentId::from_bytes([1; 16]));
        for _ in 0..8 {
            assert!(known.begin(payment, NOW.plus(PAUSE_MS_MAX)), "each pause is over");
            known.end(&payment, NOW);
        }
        assert!(!known.begin(payment, NOW.plus(PAUSE_MS_MAX - 1)));
        assert!(!known.begin(payment, NOW), "just so long");
        assert!(known.begin(payment, NOW.plus(-600_000)));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_nothing_from_being_void_for_longer_than_it_takes() {
        let (mut known, payment) = (Known::default(), PaymentId::from_bytes([1; 16]));
        assert!(known.begin(payment, NOW));
        assert!(!known.void(&payment, true, NOW));
        let earlier = NOW.plus(-600_000);
        assert!(!known.void(&payment, true, earlier));
        assert!(known.void(&payment, true, earlier.plus(VOID_MS)));
    }
}
