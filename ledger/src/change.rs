//! [`Change`]: what one batch changed, told to the other processes on the same books, so that they need not read it again.
//!
//! Holds that began, with all that a capture of them moves; and of those that ended, only how. What else a batch changed is not
//! told but named: whoever has it in memory forgets it. Next: [`wire`] for the bytes, `elsewhere` for who takes it over.

mod wire;

use std::collections::HashSet;

use domain::{AgentId, Amount, BasisPoints, Capture, PaymentId, Price, WalletId};

use crate::batch::{AccountId, Delta, FoundHold, HeldAt, HoldRow};

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
        let mut change = Self { begun, captured, voided, ..Self::default() };
        if delta.is_rare() {
            change.wallets = delta.wallets.keys().copied().collect();
            let windows = delta.windows.keys().map(|key| key.agent);
            let free = delta.free.keys().map(|key| key.agent);
            let agents = windows.chain(delta.calls.keys().map(|key| key.agent)).chain(free);
            change.agents = agents.collect::<HashSet<_>>().into_iter().collect();
        }
        change
    }
}

// === impl Theirs ===

impl From<&HoldRow> for Theirs {
    fn from(row: &HoldRow) -> Self {
        let mut request = row.request.clone();
        // Of all the rest only its own process knows, and needs to.
        request.price = Price::Fixed(row.cost.maximum);
        (request.provider, request.intent, request.digest, request.free_per_day) = ("".into(), None, None, 0);
        (request.capture, request.revision, request.fee) = (Capture::After, 0, BasisPoints::default());
        let hold = FoundHold { request, held: HeldAt::new(row.held_at), free: row.cost.free };
        Self { hold, provider: row.provider_account }
    }
}
