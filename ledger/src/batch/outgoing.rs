//! Rows of transfers out of our treasury, and of their steps.

use domain::{B256, OutgoingId};

use super::AccountId;
use crate::outgoing::{Outgoing, OutgoingState};

/// A row of `outgoing` that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutgoingRow {
    pub(crate) outgoing: Outgoing,
    /// The number of the payment that it gives back.
    pub(crate) payment: Option<i64>,
    pub(crate) provider: AccountId,
}

/// A row of `outgoing_step`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepRow {
    pub(crate) outgoing: OutgoingId,
    pub(crate) number: i64,
    pub(crate) state: OutgoingState,
    pub(crate) transaction: Option<B256>,
    pub(crate) reason: Option<String>,
    pub(crate) tries: u32,
}

/// One on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GivenOutgoing {
    pub(crate) outgoing: Outgoing,
    /// How many steps it has.
    pub(crate) steps: i64,
}
