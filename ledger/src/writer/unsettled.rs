//! [`Unsettled`]: what payers on public networks have open, by the books and with what a round adds: one limit for all processes that
//! share them.
//!
//! The database keeps the sum of a payer's open intents, and it is read inside the batch's transaction, in which nobody else writes: one
//! row, however many are open. What the batch itself ends is not counted: it is gone in the same commit.

use std::collections::HashMap;

use domain::Amount;

use crate::command::Work;
use crate::commit::Wanted;
use crate::error::HoldError;
use crate::hold::{HoldRequest, Stage};
use crate::intent::Signer;

#[derive(Debug, Default)]
pub(super) struct Unsettled {
    /// In atomic units.
    units: HashMap<Signer, i64>,
}

// === impl Wanted ===

impl Wanted {
    /// What must be known of those who hold now. Agents' holds want nothing.
    pub(super) fn unsettled(&mut self, works: &[Work]) {
        for work in works {
            if let Work::Hold { holding, .. } = work
                && holding.stage != Stage::Recorded
                && let Some((signer, _)) = limit(&holding.request)
            {
                self.signers.insert(signer);
            }
        }
        if !self.signers.is_empty() {
            self.ending.extend(works.iter().filter_map(Work::ends_intent));
        }
    }
}

// === impl Unsettled ===

impl Unsettled {
    pub(super) fn new(units: HashMap<Signer, i64>) -> Self {
        Self { units }
    }

    /// Whether a payer may have this open as well.
    pub(super) fn check(&self, request: &HoldRequest, amount: Amount) -> Result<(), HoldError> {
        let Some((signer, most)) = limit(request) else { return Ok(()) };
        let open = self.units.get(&signer).copied().unwrap_or(0);
        match open.checked_add(amount.atomic()) {
            Some(total) if total <= most.atomic() => Ok(()),
            _ => Err(HoldError::UnsettledPayments { most }),
        }
    }

    /// It has.
    pub(super) fn add(&mut self, request: &HoldRequest, amount: Amount) {
        if let Some((signer, _)) = limit(request) {
            let units = self.units.entry(signer).or_default();
            *units = units.saturating_add(amount.atomic());
        }
    }
}

/// Whose limit a request comes under, and which.
fn limit(request: &HoldRequest) -> Option<(Signer, Amount)> {
    Some((request.intent.as_ref()?.signer(), request.unsettled_max?))
}
