//! A [`Delta`] as the arguments of the writer's statements: what payments write value by value, the rest as JSON arrays of
//! arrays, bytes in hex, in the order that [`super::text`] names.

mod suspense;

use std::fmt::Write;
use std::sync::Arc;

use domain::{Amount, PaymentId, TransactionId};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Encode, Sqlite, Type};

use super::text::{self, Size};
use crate::batch::{
    AccountId, CallChange, CallKey, ClosedRow, Delta, HoldRow, IntentRow, KEPT_MS, NewAccount, OutgoingRow,
    Owner, PaymentRow, PayoutRow, RefundRow, SettlementRow, StepRow, TransferRow, WindowChange, WindowKey,
};
use crate::books::holds::{capture, price};
use crate::books::rows::{headers, hex_list};
use crate::books::windows::{charged as charged_to, limits, period, scope};
use crate::outgoing::Outgoing;

/// One JSON array of arrays, as it grows.
struct Rows {
    text: String,
}

/// One array in it.
struct Row<'a> {
    text: &'a mut String,
}

/// Values that are bound one by one. Adding one to SQLite's arguments cannot fail: encoders of integers, text and blobs
/// always succeed.
struct Values {
    arguments: SqliteArguments,
}

/// How many rows of each kind there are to bind.
pub(super) fn size(delta: &Delta) -> Size {
    Size::of(delta.payments.len(), delta.balances.len(), always(delta).count(), called(delta).count())
}

/// The arguments, with rows bound for this size.
pub(super) fn arguments(delta: &Delta, size: Size) -> SqliteArguments {
    let mut values = Values { arguments: SqliteArguments::default() };
    values.rows(size.payments() * text::PAYMENT_VALUES, delta.payments.iter(), payment);
    values.rows(size.balances() * text::BALANCE_VALUES, delta.balances.iter(), |values, (account, moved)| {
        values.add(account.0).add(moved.debit).add(moved.credit);
    });
    values.rows(size.windows() * text::WINDOW_VALUES, always(delta), |values, (key, change)| {
        values.add(key.agent.as_bytes().as_slice()).add(period(key.window)).add(key.start.0);
        values.add(change.spent).add(change.limit);
    });
    values.rows(size.calls() * text::CALL_VALUES, called(delta), |values, (key, change)| {
        values.add(key.agent.as_bytes().as_slice()).add(key.provider.0).add(key.month.0);
        values.add(i64::try_from(change.made).unwrap_or(i64::MAX)).add(change.spent);
    });
    values.add(hex_list(delta.ended.iter().map(|payment| payment.as_bytes().as_slice())));
    values.add(Rows::of(delta.holds.iter(), hold).finish());
    for rows in counted(delta).into_iter().chain(rare(delta)) {
        values.add(rows.finish());
    }
    let marker = delta.marker;
    let open: Vec<u8> = delta.open.iter().flat_map(|payment| *payment.as_bytes()).collect();
    values.add(marker.batch).add(marker.at.0).add(open);
    values.add(i64::try_from(delta.balances.len()).unwrap_or(i64::MAX));
    values.add(marker.seq).add(marker.gross).add(marker.at.plus(KEPT_MS).0);
    for rows in settled(delta) {
        values.add(rows.finish());
    }
    values.add(while_set(delta).finish());
    values.add(Rows::of(delta.intents.iter(), intent).finish());
    values.add(hex_list(delta.unsigned.iter().map(|payment| payment.as_bytes().as_slice())));
    values.add(Rows::of(delta.closed.iter(), closed).finish());
    values.add(Rows::of(delta.outgoing.iter(), outgoing).finish());
    values.add(Rows::of(delta.steps.iter(), step).finish());
    values.add(Rows::of(delta.kept.iter(), kept).finish());
    values.add(Rows::of(delta.differences.iter(), suspense::difference).finish());
    values.add(Rows::of(delta.resolutions.iter(), suspense::resolution).finish());
    values.add(Rows::of(delta.verdicts.iter(), suspense::verdict).finish());
    values.arguments
}

fn charged(delta: &Delta) -> impl Iterator<Item = (&WindowKey, &WindowChange)> {
    delta.windows.iter().filter(|(_, change)| change.limit > 0 || change.spent > 0)
}

/// Windows that every payment is charged to.
fn always(delta: &Delta) -> impl Iterator<Item = (&WindowKey, &WindowChange)> {
    charged(delta).filter(|(key, _)| key.is_always())
}

/// `$23`
fn while_set(delta: &Delta) -> Rows {
    Rows::of(charged(delta).filter(|(key, _)| !key.is_always()), |row, (key, change)| {
        window(row, key).number(change.spent).number(change.limit);
    })
}

fn called(delta: &Delta) -> impl Iterator<Item = (&CallKey, &CallChange)> {
    delta.calls.iter().filter(|(_, change)| change.made > 0)
}

/// In the order of the columns.
fn payment(values: &mut Values, row: &PaymentRow) {
    values.add(row.seq).add(row.id.as_bytes().as_slice()).add(row.agent.as_bytes().as_slice());
    values.add(row.wallet_account.0).add(row.provider_account.0).add(row.fee_account.0);
    values.add(Arc::clone(&row.route)).add(row.gross.atomic()).add(row.fee.atomic());
    values.add(row.revision).add(i64::try_from(row.call).unwrap_or(i64::MAX));
    values.add(row.replay.as_ref().map(|key| key.as_bytes().as_slice()));
    values.add(row.digest.as_ref().map(|digest| digest.as_slice()));
    values.add(row.fingerprint.as_bytes().as_slice());
    values.add(row.idempotency.as_ref().map(|key| key.as_bytes().as_slice()));
    values.add(row.held_at.0).add(charged_to(&row.windows)).add(row.free);
}

/// `$3` and `$4`.
fn counted(delta: &Delta) -> [Rows; 2] {
    let keyed = delta.payments.iter().filter_map(|row| Some((row, row.idempotency?)));
    [
        Rows::of(delta.usage.iter(), |mut row, (key, usage)| {
            row.number(key.minute).number(key.provider.0).text(&key.route);
            row.number(usage.payments).number(usage.gross).number(usage.fee);
            row.number(usage.refunds).number(usage.refunded).number(usage.refunded_fee);
        }),
        Rows::of(keyed, |mut row, (payment, key)| {
            row.bytes(key.as_bytes()).bytes(payment.id.as_bytes()).bytes(payment.fingerprint.as_bytes());
        }),
    ]
}

/// `$5` to `$11`.
fn rare(delta: &Delta) -> [Rows; 7] {
    let returned = delta.windows.iter().filter(|(_, change)| change.returned > 0);
    let uncalled = delta.calls.iter().filter(|(_, change)| change.returned > 0 || change.refunded > 0);
    [
        Rows::of(delta.accounts.iter(), account),
        Rows::of(delta.refunds.iter(), refund),
        Rows::of(delta.transfers.iter(), transfer),
        Rows::of(delta.responses.iter(), |mut row, (payment, stored)| {
            row.bytes(payment.as_bytes()).number(stored.status).text(&headers(stored)).bytes(&stored.body);
        }),
        Rows::of(returned, |row, (key, change)| {
            window(row, key).number(change.returned);
        }),
        Rows::of(uncalled, |mut row, (key, change)| {
            row.bytes(key.agent.as_bytes())
                .number(key.provider.0)
                .number(key.month.0)
                .number(change.returned)
                .number(change.refunded);
        }),
        Rows::of(delta.released.iter(), |mut row, (key, payment)| {
            row.bytes(key.as_bytes()).bytes(payment.as_bytes());
        }),
    ]
}

fn hold(mut row: Row<'_>, hold: &HoldRow) {
    let request = &hold.request;
    row.bytes(request.payment.as_bytes()).bytes(request.agent.as_bytes());
    row.number(hold.wallet_account.0).number(hold.provider_account.0);
    row.text(&request.route).text(&price(&request.price)).number(hold.cost.maximum.atomic());
    row.number(request.revision).number(request.fee.get());
    row.limit(request.per_day).limit(request.per_month).text(&limits(&request.limits));
    row.number(i32::from(hold.cost.free));
    row.optional(request.replay.as_ref().map(|key| key.as_bytes().as_slice()));
    row.optional(request.digest.as_ref().map(|digest| digest.as_slice()));
    row.bytes(request.fingerprint.as_bytes());
    row.optional(request.idempotency.as_ref().map(|key| key.as_bytes().as_slice()));
    row.number(hold.held_at.0).text(capture(request.capture)).limit(hold.owed_after_a_crash());
}

/// `$24`
fn intent(mut row: Row<'_>, begun: &IntentRow) {
    let intent = &begun.intent;
    row.bytes(begun.payment.as_bytes()).text(&intent.network).bytes(intent.token.as_bytes());
    row.bytes(intent.payer.as_bytes()).bytes(intent.pay_to.as_bytes());
    row.text(intent.custody.name()).text(intent.settle.name()).number(begun.amount.atomic());
    row.number(intent.valid_before).number(intent.since_block);
    row.text(&intent.payload).text(&intent.requirements).number(begun.held_at.0);
    row.optional(intent.deposit.as_ref().map(|wallet| wallet.as_bytes().as_slice()));
}

/// `$26`
fn closed(mut row: Row<'_>, closed: &ClosedRow) {
    row.bytes(closed.payment.as_bytes()).word(closed.end.name());
    row.optional(closed.end.transaction().as_ref().map(TransactionId::as_bytes));
    match closed.share {
        Some((value, one_of)) => row.number(value.atomic()).number(one_of),
        None => row.null().null(),
    };
}

/// `$27`
fn outgoing(mut row: Row<'_>, begun: &OutgoingRow) {
    let Outgoing { id, to, amount, suspense_of, .. } = &begun.outgoing;
    row.bytes(id.as_bytes()).account(begun.payment.map(AccountId)).number(begun.provider.0);
    row.text(&to.network).bytes(to.token.as_slice()).bytes(to.address.as_slice()).number(amount.atomic());
    row.optional(suspense_of.as_ref().map(|payment| payment.as_bytes().as_slice()));
}

/// `$28`
fn step(mut row: Row<'_>, step: &StepRow) {
    row.bytes(step.outgoing.as_bytes()).number(step.number).text(step.state.name());
    row.optional(step.transaction.as_ref().map(|hash| hash.as_slice())).word(step.reason.as_deref());
    row.number(step.tries);
}

/// `$29`
fn kept(mut row: Row<'_>, (payment, owed): &(PaymentId, Amount)) {
    row.bytes(payment.as_bytes()).number(owed.atomic());
}

fn account(mut row: Row<'_>, account: &NewAccount) {
    row.number(account.id.0);
    match &account.owner {
        Owner::Wallet(wallet) => row.text("wallet").bytes(wallet.as_bytes()).null(),
        Owner::Provider(name) => row.text("provider").null().text(name),
        Owner::Fee(name) => row.text("fee").null().text(name),
        Owner::Payable(name) => row.text("payable").null().text(name),
        Owner::Chain(token) => row.text("chain").bytes(token.wallet.as_bytes()).null(),
        Owner::Direct(name) => row.text("direct").null().text(name),
        Owner::Receivable(name) => row.text("receivable").null().text(name),
    };
    match &account.owner {
        Owner::Chain(token) => row.text(&token.name),
        _ => row.null(),
    };
}

fn refund(mut row: Row<'_>, refund: &RefundRow) {
    let refunded = &refund.refunded;
    row.number(refund.seq).bytes(refunded.id.as_bytes()).number(refund.provider.0);
    row.number(refunded.amount.atomic()).number(refunded.fee.atomic()).number(refunded.remains.atomic());
    row.text(refunded.reason.name()).word(refund.idempotency_key.as_deref());
}

fn transfer(mut row: Row<'_>, transfer: &TransferRow) {
    row.bytes(transfer.id.as_bytes()).text(transfer.kind.name());
    row.number(transfer.debit.0).number(transfer.credit.0).number(transfer.amount.atomic());
    row.account(transfer.wallet.map(|(_, account)| account));
    row.optional(transfer.payout.as_ref().map(|payout| payout.as_bytes().as_slice()));
    row.word(transfer.idempotency_key.as_deref()).text(&transfer.external_reference);
}

/// `$19` to `$22`.
fn settled(delta: &Delta) -> [Rows; 4] {
    [
        Rows::of(delta.settlements.iter(), settlement),
        Rows::of(delta.payouts.iter(), payout),
        Rows::of(delta.paid.iter(), |mut row, paid| {
            row.bytes(paid.payout.as_bytes()).bytes(paid.transfer.as_bytes());
        }),
        Rows::of(delta.movers.iter(), |mut row, mover| {
            row.bytes(&mover.moved).text(&mover.who);
        }),
    ]
}

fn settlement(mut row: Row<'_>, row_of: &SettlementRow) {
    let settlement = &row_of.settlement;
    row.bytes(settlement.id.as_bytes()).number(row_of.provider.0).number(settlement.number);
    row.number(settlement.since).number(settlement.cut).number(row_of.through).number(settlement.payments);
    row.number(settlement.gross.atomic()).number(settlement.fee.atomic());
    row.number(settlement.refunds.atomic()).number(settlement.adjustments.atomic());
    row.number(settlement.net.atomic()).number(row_of.payable.0);
}

fn payout(mut row: Row<'_>, row_of: &PayoutRow) {
    let payout = &row_of.payout;
    row.bytes(payout.id.as_bytes()).bytes(payout.settlement.as_bytes());
    row.number(row_of.provider.0).number(row_of.payable.0);
    row.text(payout.destination.rail()).account(row_of.wallet).word(row_of.destination().as_deref());
    row.number(payout.amount.atomic());
    row.optional(payout.paid.as_ref().map(|paid| paid.transfer.as_bytes().as_slice()));
}

fn window<'a>(mut row: Row<'a>, key: &WindowKey) -> Row<'a> {
    row.bytes(key.agent.as_bytes()).number(period(key.window)).number(key.start.0);
    row.text(&scope(key.scope.as_ref()));
    row
}

// === impl Values ===

impl Values {
    fn add<'t>(&mut self, value: impl Encode<'t, Sqlite> + Type<Sqlite>) -> &mut Self {
        let _ = self.arguments.add(value);
        self
    }

    /// Every row, and NULL for what is left of so many values.
    fn rows<T>(&mut self, values: usize, rows: impl Iterator<Item = T>, mut add: impl FnMut(&mut Self, T)) {
        let end = self.arguments.len() + values;
        self.arguments.reserve(values, 0);
        for row in rows {
            add(self, row);
        }
        while self.arguments.len() < end {
            self.add(None::<i64>);
        }
    }
}

// === impl Rows ===

impl Rows {
    fn of<T>(items: impl Iterator<Item = T>, mut write: impl FnMut(Row<'_>, T)) -> Self {
        let mut text = String::from("[");
        for item in items {
            text.push_str(if text.len() == 1 { "[" } else { ",[" });
            write(Row { text: &mut text }, item);
            text.push(']');
        }
        text.push(']');
        Self { text }
    }

    fn finish(self) -> String {
        self.text
    }
}

// === impl Row ===

impl Row<'_> {
    fn comma(&mut self) {
        if !self.text.ends_with('[') {
            self.text.push(',');
        }
    }

    fn number(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.comma();
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
        self
    }

    fn text(&mut self, value: &str) -> &mut Self {
        self.comma();
        // A string always serializes.
        self.text.push_str(&serde_json::to_string(value).unwrap_or_default());
        self
    }

    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.comma();
        self.text.push('"');
        for byte in value {
            self.text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            self.text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        self.text.push('"');
        self
    }

    fn optional(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.bytes(value),
            None => self.null(),
        }
    }

    fn word(&mut self, word: Option<&str>) -> &mut Self {
        match word {
            Some(word) => self.text(word),
            None => self.null(),
        }
    }

    fn account(&mut self, account: Option<AccountId>) -> &mut Self {
        match account {
            Some(account) => self.number(account.0),
            None => self.null(),
        }
    }

    fn limit(&mut self, limit: Option<Amount>) -> &mut Self {
        match limit {
            Some(limit) => self.number(limit.atomic()),
            None => self.null(),
        }
    }

    fn null(&mut self) -> &mut Self {
        self.comma();
        self.text.push_str("null");
        self
    }
}
