//! What moves money and is no capture, as arrays of columns: refunds, transfers, settlements, payouts, what leaves our treasury, and
//! who asked.

use super::text;
use super::write::{Statement, column, number};
use crate::batch::{Delta, PayoutRow, StepRow};

pub(super) fn refunds(delta: &Delta) -> Statement<'static> {
    let rows = &delta.refunds;
    sqlx::query(text::REFUNDS)
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.refunded.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| row.refunded.amount.atomic()))
        .bind(column(rows, |row| row.refunded.fee.atomic()))
        .bind(column(rows, |row| row.refunded.remains.atomic()))
        .bind(column(rows, |row| row.refunded.reason.name()))
        .bind(column(rows, |row| row.idempotency_key.clone()))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn transfers(delta: &Delta) -> Statement<'static> {
    let rows = &delta.transfers;
    sqlx::query(text::TRANSFERS)
        .bind(column(rows, |row| row.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.kind.name()))
        .bind(column(rows, |row| row.debit.0))
        .bind(column(rows, |row| row.credit.0))
        .bind(column(rows, |row| row.amount.atomic()))
        .bind(column(rows, |row| row.wallet.map(|(_, account)| account.0)))
        .bind(column(rows, |row| row.payout.map(|payout| payout.as_bytes().to_vec())))
        .bind(column(rows, |row| row.idempotency_key.clone()))
        .bind(column(rows, |row| row.external_reference.clone()))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn settlements(delta: &Delta) -> Statement<'static> {
    let rows = &delta.settlements;
    sqlx::query(text::SETTLEMENTS)
        .bind(column(rows, |row| row.settlement.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| i64::from(row.settlement.number)))
        .bind(column(rows, |row| row.settlement.since))
        .bind(column(rows, |row| row.settlement.cut))
        .bind(column(rows, |row| row.through))
        .bind(column(rows, |row| number(row.settlement.payments)))
        .bind(column(rows, |row| row.settlement.gross.atomic()))
        .bind(column(rows, |row| row.settlement.fee.atomic()))
        .bind(column(rows, |row| row.settlement.refunds.atomic()))
        .bind(column(rows, |row| row.settlement.adjustments.atomic()))
        .bind(column(rows, |row| row.settlement.net.atomic()))
        .bind(column(rows, |row| row.payable.0))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn payouts(delta: &Delta) -> Statement<'static> {
    let rows = &delta.payouts;
    sqlx::query(text::PAYOUTS)
        .bind(column(rows, |row| row.payout.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.payout.settlement.as_bytes().to_vec()))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| row.payable.0))
        .bind(column(rows, |row| row.payout.destination.rail()))
        .bind(column(rows, |row| row.wallet.map(|account| account.0)))
        .bind(column(rows, PayoutRow::destination))
        .bind(column(rows, |row| row.payout.amount.atomic()))
        .bind(column(rows, |row| row.payout.paid.as_ref().map(|paid| paid.transfer.as_bytes().to_vec())))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn paid(delta: &Delta) -> Statement<'static> {
    sqlx::query(text::PAID)
        .bind(column(&delta.paid, |row| row.payout.as_bytes().to_vec()))
        .bind(column(&delta.paid, |row| row.transfer.as_bytes().to_vec()))
        .bind(delta.marker.batch)
}

pub(super) fn outgoing(delta: &Delta) -> Statement<'static> {
    let rows = &delta.outgoing;
    sqlx::query(text::OUTGOING)
        .bind(column(rows, |row| row.outgoing.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.payment))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| row.outgoing.to.network.to_string()))
        .bind(column(rows, |row| row.outgoing.to.token.to_vec()))
        .bind(column(rows, |row| row.outgoing.to.address.to_vec()))
        .bind(column(rows, |row| row.outgoing.amount.atomic()))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
        .bind(column(rows, |row| row.outgoing.suspense_of.map(|payment| payment.as_bytes().to_vec())))
}

pub(super) fn steps(delta: &Delta) -> Statement<'static> {
    stepping(text::STEPS, &delta.steps).bind(delta.marker.at.0).bind(delta.marker.batch)
}

pub(super) fn stepped(delta: &Delta) -> Statement<'static> {
    let tries = column(&delta.steps, |row| i64::from(row.tries));
    stepping(text::STEPPED, &delta.steps).bind(delta.marker.at.0).bind(tries)
}

fn stepping(text: &'static str, rows: &[StepRow]) -> Statement<'static> {
    sqlx::query(text)
        .bind(column(rows, |row| row.outgoing.as_bytes().to_vec()))
        .bind(column(rows, |row| row.number))
        .bind(column(rows, |row| row.state.name()))
        .bind(column(rows, |row| row.transaction.map(|hash| hash.to_vec())))
        .bind(column(rows, |row| row.reason.clone()))
}

pub(super) fn movers(delta: &Delta) -> Statement<'static> {
    sqlx::query(text::MOVERS)
        .bind(column(&delta.movers, |row| row.moved.to_vec()))
        .bind(column(&delta.movers, |row| row.who.to_string()))
        .bind(delta.marker.batch)
}

pub(super) fn verdicts(delta: &Delta) -> Statement<'static> {
    let rows = &delta.verdicts;
    sqlx::query(text::VERDICTS)
        .bind(column(rows, |row| row.payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.network.to_string()))
        .bind(column(rows, |row| row.token.as_bytes().to_vec()))
        .bind(column(rows, |row| row.amount.atomic()))
        .bind(column(rows, |row| row.transaction.map(|moved| moved.as_bytes().to_vec())))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn resolutions(delta: &Delta) -> Statement<'static> {
    let rows = &delta.resolutions;
    sqlx::query(text::RESOLUTIONS)
        .bind(column(rows, |row| row.resolution.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.resolution.payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.number))
        .bind(column(rows, |row| row.resolution.owed))
        .bind(column(rows, |row| if row.resolution.is_loss { -1_i64 } else { 1 }))
        .bind(column(rows, |row| row.account.0))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| row.resolution.amount.atomic()))
        .bind(column(rows, |row| row.resolution.booked.map(|booked| booked.as_bytes().to_vec())))
        .bind(column(rows, |row| row.resolution.reason.clone()))
        .bind(column(rows, |row| row.idempotency_key.clone()))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}

pub(super) fn differences(delta: &Delta) -> Statement<'static> {
    let rows = &delta.differences;
    sqlx::query(text::DIFFERENCES)
        .bind(column(rows, |row| row.difference.payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.number))
        .bind(column(rows, |row| row.difference.differs.name()))
        .bind(column(rows, |row| row.difference.booked))
        .bind(column(rows, |row| row.difference.network.to_string()))
        .bind(column(rows, |row| row.account.0))
        .bind(column(rows, |row| row.provider.0))
        .bind(column(rows, |row| row.difference.amount.atomic()))
        .bind(column(rows, |row| row.difference.differs.transaction().to_vec()))
        .bind(column(rows, |row| row.difference.late.map(|late| late.as_bytes().to_vec())))
        .bind(delta.marker.at.0)
        .bind(delta.marker.batch)
}
