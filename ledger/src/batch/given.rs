//! What only one batch has to know: read by the writer before `decide`, in the same state of the books.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use domain::{B256, OutgoingId, PaymentId, PayoutId, TransactionId};

use super::{AccountId, GivenClosed, GivenOutgoing, GivenSuspended, PaymentRow, TransferRow};
use crate::account::Refunded;
use crate::resolution::Resolution;
use crate::settlement::Payout;
use crate::share::Alike;

/// Facts that only this batch needs: read by the writer before `decide`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Transfers that stand under an idempotency key of the batch.
    pub(crate) transfers: HashMap<String, TransferRow>,
    /// Refunds that do.
    pub(crate) refunds: HashMap<String, Refunded>,
    /// Payments that the batch wants to refund.
    pub(crate) payments: HashMap<PaymentId, GivenPayment>,
    /// What providers earned and were not settled with for: those that the batch settles with, or refunds payments of.
    pub(crate) earned: HashMap<AccountId, i64>,
    /// Providers that the batch settles with.
    pub(crate) providers: HashMap<Arc<str>, GivenProvider>,
    /// Payouts that the batch pays.
    pub(crate) payouts: HashMap<PayoutId, GivenPayout>,
    /// Closed payments on public networks of which a chain shows something.
    pub(crate) closed: HashMap<PaymentId, GivenClosed>,
    /// What is in suspense of payments of which a person decides, and decisions that stand under an idempotency key of the batch.
    pub(crate) suspended: HashMap<PaymentId, GivenSuspended>,
    pub(crate) resolutions: HashMap<String, Resolution>,
    /// Transfers out of our treasury that the batch goes on with.
    pub(crate) outgoing: HashMap<OutgoingId, GivenOutgoing>,
    /// What left by transactions that the batch names.
    pub(crate) left: Vec<(OutgoingId, B256)>,
    /// What transactions of networks that are not read here paid for: those that the batch names.
    pub(crate) spent: HashMap<(Arc<str>, TransactionId), PaymentId>,
    /// What transactions that do not tell payments apart are booked for: those that the batch names.
    pub(crate) shares: HashMap<Alike, HashSet<PaymentId>>,
    /// What people gave back today, by network; only where the batch gives something back.
    pub(crate) refunded_today: HashMap<Arc<str>, i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct GivenPayment {
    pub(crate) row: PaymentRow,
    /// None: it was never refunded.
    pub(crate) back: Option<GivenBack>,
    /// Whether it is still to come from a public network, or may still be undone there.
    pub(crate) is_open: bool,
    /// Its refunds that were not sent yet.
    pub(crate) outgoing: Vec<OutgoingId>,
}

/// All that was given back of one payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenBack {
    pub(crate) amount: i64,
    pub(crate) fee: i64,
    /// In how many parts.
    pub(crate) parts: i64,
}

/// Where a provider's settlements stand on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenProvider {
    pub(crate) payable: Option<AccountId>,
    /// The last settlement's; zero before the first.
    pub(crate) number: u32,
    pub(crate) cut: i64,
    pub(crate) through: i64,
}

/// A payout on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenPayout {
    pub(crate) payout: Payout,
    pub(crate) payable: AccountId,
}
