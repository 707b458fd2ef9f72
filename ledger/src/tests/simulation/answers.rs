//! What the ledger has to answer, as far as the model knows. More than one answer is right where the model leaves the ledger a
//! choice, such as when an expired replay key leaves its memory.

use domain::UnixMillis;

use super::call::{Call, WALLETS};
use super::kind::Kind;
use super::model::{Attempt, DAY, Delivery, Model, Paid, Response, State, day};
use crate::facts::REPLAY_KEEP_SECONDS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Hold,
    /// What is available.
    Funds(i64),
    /// What is left of a limit.
    Limit(Kind, i64),
    UnknownWallet,
    TooMany,
    Running,
    Reused,
    Prior(usize),
    Redelivery(usize),
    /// Nothing was captured under these keys.
    Nothing,
}

/// What is known of a call's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Running,
    Reused,
    Captured(usize),
}

// === impl Answer ===

impl Answer {
    /// Whether it says that nothing was charged.
    pub(super) fn is_fresh(self) -> bool {
        !matches!(self, Self::Running | Self::Reused | Self::Prior(_) | Self::Redelivery(_))
    }
}

// === impl Model ===

impl Model {
    /// What asking for a hold may be answered. `own` is the attempt that asks.
    pub(super) fn hold(&self, own: usize, now: UnixMillis, holds_max: u32) -> Vec<Answer> {
        self.answers(&self.attempts[own].call, Some(own), now, || self.funds(own, holds_max))
    }

    /// What asking for an earlier payment may be answered.
    pub(super) fn prior(&self, call: &Call, now: UnixMillis) -> Vec<Answer> {
        self.answers(call, None, now, || Answer::Nothing)
    }

    fn answers(
        &self,
        call: &Call,
        own: Option<usize>,
        now: UnixMillis,
        fresh: impl Fn() -> Answer,
    ) -> Vec<Answer> {
        let known = self.keys(call, own, now).into_iter();
        let answers = known.flat_map(|known| match known {
            Known::Nothing => vec![fresh()],
            Known::Running => vec![Answer::Running],
            Known::Reused => vec![Answer::Reused],
            Known::Captured(index) => self.captured(index, now),
        });
        answers.collect()
    }

    /// Captured payments that a call's keys name.
    pub(super) fn named(&self, call: &Call, own: Option<usize>, now: UnixMillis) -> Vec<usize> {
        let known = self.keys(call, own, now).into_iter();
        let captured = known.filter_map(|known| match known {
            Known::Captured(index) => Some(index),
            _ => None,
        });
        captured.collect()
    }

    fn keys(&self, call: &Call, own: Option<usize>, now: UnixMillis) -> Vec<Known> {
        let mut known = Vec::new();
        let all = || self.attempts.iter().enumerate().filter(|(index, _)| Some(*index) != own);
        let same_nonce = |other: &Attempt| {
            let nonce = |call: &Call| Some((call.agent, call.signed?.nonce));
            call.signed.is_some() && nonce(&other.call) == nonce(call)
        };
        let same_word = |other: &Attempt| {
            call.word.is_some() && (other.call.agent, other.call.word) == (call.agent, call.word)
        };
        let same_payment = |other: &Attempt| other.call.signed == call.signed;
        let captured = |index: usize, same: bool| {
            if same && self.attempts[index].call.body == call.body {
                Known::Captured(index)
            } else {
                Known::Reused
            }
        };
        let paid = |index: usize| match self.attempts[index].state {
            State::Paid(paid) => Some(paid),
            _ => None,
        };
        // The same nonce, as long as memory keeps it; when it stops to is the ledger's business.
        let last = all().filter(|(index, other)| same_nonce(other) && paid(*index).is_some());
        if let Some((index, other)) =
            last.max_by_key(|(_, other)| other.call.signed.map(|signed| signed.until))
        {
            known.push(captured(index, same_payment(other)));
            let until = other.call.signed.map_or(0, |signed| signed.until);
            if until + REPLAY_KEEP_SECONDS as i64 >= self.latest.seconds() {
                return known;
            }
        }
        let running = |other: &Attempt| other.state.is_running();
        // The identifier is asked before the nonce.
        let words =
            all().filter(|(_, other)| running(other) && same_word(other)).map(|(_, other)| (other, true));
        let nonces = all().filter(|(_, other)| running(other) && same_nonce(other));
        for (other, same) in words.chain(nonces.map(|(_, other)| (other, same_payment(other)))) {
            known.push(if same && other.call.body == call.body { Known::Running } else { Known::Reused });
            if other.state != State::Asking {
                return known;
            }
        }
        let named = |paid: Paid| !paid.refunded && paid.at.0 + DAY > now.0;
        let word = all().filter(|(index, other)| same_word(other) && paid(*index).is_some_and(named));
        if let Some((index, _)) = word.max_by_key(|(index, _)| paid(*index).map(|paid| paid.at)) {
            known.push(captured(index, true));
            // A clock that was ahead for a while may have ended its day for good.
            if paid(index).is_some_and(|paid| paid.at.0 + DAY > self.latest.0) {
                return known;
            }
        }
        let exact = |(index, other): &(usize, &Attempt)| {
            call.signed.is_some() && same_nonce(other) && same_payment(other) && paid(*index).is_some()
        };
        known.push(all().find(exact).map_or(Known::Nothing, |(index, _)| captured(index, true)));
        known
    }

    /// What is said of a captured payment.
    pub(super) fn captured(&self, index: usize, now: UnixMillis) -> Vec<Answer> {
        let attempt = &self.attempts[index];
        let State::Paid(paid) = attempt.state else { return Vec::new() };
        let stored = matches!(attempt.response, Response::Stands(at) if at.0 + DAY > now.0);
        match attempt.delivery {
            _ if paid.refunded || stored => vec![Answer::Prior(index)],
            Delivery::Running | Delivery::Refunding => vec![Answer::Running],
            Delivery::Open if attempt.is_old(self.latest) => {
                vec![Answer::Redelivery(index), Answer::Prior(index)]
            }
            Delivery::Open => vec![Answer::Redelivery(index)],
            Delivery::Over => vec![Answer::Prior(index)],
        }
    }

    /// Whether a call would be one of the day's free ones now.
    pub(super) fn is_free_now(&self, own: usize) -> bool {
        let Attempt { call, held_at, .. } = &self.attempts[own];
        let same = |other: &Attempt| {
            other.free && other.call.agent == call.agent && day(other.held_at) == day(*held_at)
        };
        let made = self.charged().filter(|(other, _)| same(other)).count();
        let running = self.holding().filter(|other| same(other)).count();
        made + running < call.free_per_day as usize
    }

    /// What a call without an earlier payment is told.
    pub(super) fn funds(&self, own: usize, holds_max: u32) -> Answer {
        let Attempt { call, held_at, .. } = &self.attempts[own];
        if self.holds_of(call.agent) >= holds_max as usize {
            return Answer::TooMany;
        }
        if call.wallet() >= WALLETS {
            return Answer::UnknownWallet;
        }
        let most = if self.is_free_now(own) { 0 } else { call.cost.most() };
        let available = self.available(call.wallet());
        if available < most {
            return Answer::Funds(available);
        }
        let short = |kind: Kind| {
            let used = self.spent(call.agent, kind, *held_at) + self.held_in(call.agent, kind, *held_at);
            let left = (kind.limit(call)? - used).max(0);
            (left < most).then_some(Answer::Limit(kind, left))
        };
        Kind::of(call).find_map(short).unwrap_or(Answer::Hold)
    }
}
