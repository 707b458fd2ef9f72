//! [`Funds`]: what a payer has on chain, as a node showed it a moment ago.

use std::future::Future;
use std::sync::Arc;

use alloy_primitives::U256;
use domain::{Address, Amount, Asset, Clock, UnixMillis};
use protocol::transfer::Transfer;

use super::RailError;
use super::kept::Kept;

/// How long an answer stands that suffices.
const FRESH_MS: i64 = 10_000;

/// How long one stands that does not, and how long nobody asks again after a failure.
const SHORT_MS: i64 = 1_000;

/// For how long a payer that had enough is no stranger: to ask about it again is nobody's trick.
const KNOWN_MS: i64 = 3_600_000;

/// Purses that are kept; the older half is forgotten.
const PURSES_MAX: usize = 65_536;

/// What a payer could pay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// Atomic units of the token.
    pub balance: U256,
    /// Atomic units of it that Permit2 may move; none where it is not asked.
    pub allowance: Option<U256>,
}

/// What is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The payer has not so much.
    Balance,
    /// The payer has not allowed Permit2 to move so much.
    Allowance,
}

/// What is known of a purse without asking a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What is in it, as read so lately that it stands.
    Funds(Funds),
    /// That nobody tricks us into asking about it: there was enough within the last hour, or a node is being asked, or has just failed.
    Expected,
    /// Nothing: whoever pays out of it may be anybody.
    Stranger,
}

/// What a payment is paid out of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Purse {
    /// CAIP-2.
    pub network: Arc<str>,
    /// The token in it.
    pub token: Address,
    /// Whose it is.
    pub payer: Address,
    /// Whether Permit2 moves what is in it, which its payer must have allowed.
    pub by_permit: bool,
}

type Answer = Result<Funds, RailError>;

/// What is remembered of one; locked while it is asked for, so that it is asked for once.
type Entry = tokio::sync::Mutex<Option<(UnixMillis, Answer)>>;

/// Answers, and for how long they stand.
pub(super) struct Purses {
    kept: Kept<Purse, Entry>,
}

// === impl Funds ===

impl Funds {
    /// What does not cover this amount.
    #[must_use]
    pub fn lack(&self, amount: Amount) -> Option<Lack> {
        let amount = U256::from(amount.atomic().unsigned_abs());
        if self.balance < amount {
            Some(Lack::Balance)
        } else {
            self.allowance.filter(|allowance| *allowance < amount).map(|_| Lack::Allowance)
        }
    }

    /// The most that they cover, and what is too little for more.
    #[must_use]
    pub fn covered(&self) -> (Amount, Lack) {
        let (units, lack) = match self.allowance.filter(|allowance| *allowance < self.balance) {
            Some(allowance) => (allowance, Lack::Allowance),
            None => (self.balance, Lack::Balance),
        };
        (amount(units), lack)
    }

    /// What the payer has, whether Permit2 may move it or not.
    #[must_use]
    pub fn held(&self) -> Amount {
        amount(self.balance)
    }
}

// === impl Purse ===

impl Purse {
    /// That of a payment in this asset.
    #[must_use]
    pub fn of(asset: &Asset, transfer: &Transfer) -> Self {
        Self {
            network: Arc::clone(&asset.network),
            token: asset.address,
            payer: transfer.from(),
            by_permit: matches!(transfer, Transfer::Permit(_)),
        }
    }
}

// === impl Purses ===

impl Purses {
    pub(super) fn new() -> Self {
        Self { kept: Kept::new(PURSES_MAX) }
    }

    /// What is remembered, or else is read now.
    pub(super) async fn get(
        &self,
        purse: &Purse,
        amount: Amount,
        clock: &dyn Clock,
        read: impl Future<Output = Answer>,
    ) -> Answer {
        let entry = self.kept.entry(purse.clone());
        let mut remembered = entry.lock().await;
        let now = clock.now();
        if let Some((at, answer)) = &*remembered
            && stands(*at, answer, amount, now)
        {
            return answer.clone();
        }
        let answer = read.await;
        *remembered = Some((now, answer.clone()));
        answer
    }

    /// What is remembered.
    pub(super) fn known(&self, purse: &Purse, amount: Amount, now: UnixMillis) -> Known {
        let Some(entry) = self.kept.find(purse) else { return Known::Stranger };
        let Ok(remembered) = entry.try_lock() else { return Known::Expected };
        let Some((at, answer)) = &*remembered else { return Known::Stranger };
        match answer {
            Ok(funds) if stands(*at, answer, amount, now) => Known::Funds(*funds),
            Ok(_) if suffices(answer, amount) && is_younger(*at, KNOWN_MS, now) => Known::Expected,
            Err(_) if stands(*at, answer, amount, now) => Known::Expected,
            Ok(_) | Err(_) => Known::Stranger,
        }
    }
}

/// More than an amount can say is enough for any.
fn amount(units: U256) -> Amount {
    Amount::from_atomic(i64::try_from(units).unwrap_or(i64::MAX)).unwrap_or_default()
}

/// Whether it is not asked for again yet.
fn stands(at: UnixMillis, answer: &Answer, amount: Amount, now: UnixMillis) -> bool {
    let age_max = if suffices(answer, amount) { FRESH_MS } else { SHORT_MS };
    is_younger(at, age_max, now)
}

fn suffices(answer: &Answer, amount: Amount) -> bool {
    answer.as_ref().is_ok_and(|funds| funds.lack(amount).is_none())
}

/// A clock that was set back makes nothing fresher.
fn is_younger(at: UnixMillis, age_max: i64, now: UnixMillis) -> bool {
    (0..age_max).contains(&now.0.saturating_sub(at.0))
}
