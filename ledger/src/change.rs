//! [`Change`]: what one batch changed, told to the other processes on the same books, so that they need not read it again.
//!
//! Holds that began, with all that a capture of them moves; and of those that ended, only how. What else a batch changed is not
//! told but named: whoever has it in memory forgets it. Next: [`wire`] for the bytes, `elsewhere` for who takes it over.

mod wire;

use std::collections::{HashMap, HashSet};

use domain::{AgentId, Amount, BasisPoints, Capture, PaymentId, Price, WalletId};

use crate::batch::{AccountId, CallChange, Delta, FoundHold, HeldAt, HoldRow};

/// What a batch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) begun: Vec<Theirs>,
    /// Holds that were captured, and what they cost.
    pub(crate) captured: Vec<(PaymentId, Amount)>,
    /// Holds that ended otherwise.
    pub(crate) voided: Vec<PaymentId>,
    /// Whose balances and sums changed by something else than a capture.
    pub(crate) wallets: Vec<WalletId>,
    pub(crate) agents: Vec<AgentId>,
}

/// What another process holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Theirs {
    /// Its price is the most that it can cost; who is paid is named by `provider`.
    pub(crate) hold: FoundHold,
    pub(crate) provider: AccountId,
}

// === impl Change ===

impl Change {
    pub(crate) fn of(delta: &Delta) -> Self {
        let captured: Vec<_> = delta.payments.iter().map(|row| (row.id, row.gross)).collect();
        let paid: HashSet<PaymentId> = captured.iter().map(|(payment, _)| *payment).collect();
        let voided = delta.ended.iter().filter(|payment| !paid.contains(*payment)).copied().collect();
        let begun = delta.holds.iter().map(Theirs::from).collect();
        let (wallets, agents) = (wallets(delta), agents(delta));
        Self { begun, captured, voided, wallets, agents }
    }
}

/// Those whose balance is not what its captures leave.
fn wallets(delta: &Delta) -> Vec<WalletId> {
    let mut paid: HashMap<WalletId, i64> = HashMap::new();
    for row in &delta.payments {
        *paid.entry(row.wallet).or_default() -= row.gross.atomic();
    }
    let others = delta.wallets.iter().filter(|(wallet, change)| paid.get(*wallet).unwrap_or(&0) != *change);
    others.map(|(wallet, _)| *wallet).collect()
}

/// Those who were given something back.
fn agents(delta: &Delta) -> Vec<AgentId> {
    let windows = delta.windows.iter().filter(|(_, change)| change.returned > 0).map(|(key, _)| key.agent);
    let is_back = |change: &CallChange| change.returned > 0 || change.refunded > 0;
    let calls = delta.calls.iter().filter(|(_, change)| is_back(change)).map(|(key, _)| key.agent);
    let free = delta.free.iter().filter(|(_, change)| **change < 0).map(|(key, _)| key.agent);
    windows.chain(calls).chain(free).collect::<HashSet<_>>().into_iter().collect()
}

// === impl Theirs ===

impl From<&HoldRow> for Theirs {
    fn from(row: &HoldRow) -> Self {
        let mut request = row.request.clone();
        // Of all the rest only its own process knows, and needs to.
        request.price = Price::Fixed(row.cost.maximum);
        (request.provider, request.intent, request.digest, request.free_per_day) = ("".into(), None, None, 0);
        (request.capture, request.revision, request.fee) = (Capture::After, 0, BasisPoints::default());
        let hold = FoundHold { request, held: HeldAt::new(row.held_at), free: row.cost.free, owed: None };
        Self { hold, provider: row.provider_account }
    }
}
