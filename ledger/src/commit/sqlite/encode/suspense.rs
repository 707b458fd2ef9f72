//! What chains show otherwise, what is decided of it, and what persons say where no chain does, as arrays.

use domain::TransactionId;

use super::Row;
use crate::batch::{DifferenceRow, ResolutionRow};
use crate::resolution::Resolution;
use crate::verdict::Verdict;

/// `$30`
pub(super) fn difference(mut row: Row<'_>, row_of: &DifferenceRow) {
    let difference = &row_of.difference;
    row.bytes(difference.payment.as_bytes()).number(row_of.number);
    row.text(difference.differs.name()).text(difference.booked).text(&difference.network);
    row.number(row_of.account.0).number(row_of.provider.0).number(difference.amount.atomic());
    row.bytes(difference.differs.transaction().as_slice());
    row.optional(difference.late.as_ref().map(|late| late.as_bytes().as_slice()));
}

/// `$31`
pub(super) fn resolution(mut row: Row<'_>, row_of: &ResolutionRow) {
    let Resolution { id, payment, owed, amount, is_loss, booked, reason, .. } = &row_of.resolution;
    row.bytes(id.as_bytes()).bytes(payment.as_bytes()).number(row_of.number).text(owed);
    row.number(if *is_loss { -1 } else { 1 }).number(row_of.account.0).number(row_of.provider.0);
    row.number(amount.atomic()).optional(booked.as_ref().map(|booked| booked.as_bytes().as_slice()));
    row.text(reason).text(&row_of.idempotency_key);
}

/// `$32`
pub(super) fn verdict(mut row: Row<'_>, verdict: &Verdict) {
    row.bytes(verdict.payment.as_bytes()).text(&verdict.network).bytes(verdict.token.as_bytes());
    row.number(verdict.amount.atomic());
    row.optional(verdict.transaction.as_ref().map(TransactionId::as_bytes));
}
