//! A [`Delta`] as the arguments of the writer's statements: payments value by value, the rest as JSON arrays of arrays, bytes
//! in hex.
//!
//! Written by hand into strings: this runs for every payment, and a tree of values would cost more than the insert.

use std::fmt::Write;
use std::sync::Arc;

use domain::{Amount, Window};
use sqlx::Arguments;
use sqlx::sqlite::SqliteArguments;

use crate::batch::{
    Delta, HoldRow, KEPT_MILLIS, NewAccount, Owner, PaymentRow, RefundRow, TransferRow, WindowKey,
};
use crate::books::holds::price;
use crate::books::rows::{headers, hex_list};

/// One JSON array of arrays, as it grows.
struct Rows {
    text: String,
}

/// One array in it.
struct Row<'a> {
    text: &'a mut String,
}

/// The arguments in the order that `text` names.
pub(super) fn arguments(delta: &Delta) -> SqliteArguments {
    let marker = delta.marker;
    let mut arguments = SqliteArguments::default();
    for row in &delta.payments {
        payment(&mut arguments, row);
    }
    // Adding a value to SQLite's arguments cannot fail: encoders of integers, text and blobs always succeed.
    let _ = arguments.add(hex_list(delta.ended.iter().map(|payment| payment.as_bytes().as_slice())));
    let text = |arguments: &mut SqliteArguments, rows: Rows| {
        let _ = arguments.add(rows.finish());
    };
    for rows in captures(delta) {
        text(&mut arguments, rows);
    }
    let open: Vec<u8> = delta.open.iter().flat_map(|payment| *payment.as_bytes()).collect();
    let balances = i64::try_from(delta.balances.len()).unwrap_or(i64::MAX);
    let _ = arguments.add(marker.batch);
    let _ = arguments.add(marker.at.0);
    let _ = arguments.add(open);
    let _ = arguments.add(balances);
    let _ = arguments.add(marker.seq);
    let _ = arguments.add(marker.gross);
    for rows in rare(delta) {
        text(&mut arguments, rows);
    }
    let _ = arguments.add(marker.at.plus(KEPT_MILLIS).0);
    text(&mut arguments, Rows::of(delta.holds.iter(), hold));
    arguments
}

/// `$2` to `$6`.
fn captures(delta: &Delta) -> [Rows; 5] {
    let charged = delta.windows.iter().filter(|(_, change)| change.limit > 0 || change.spent > 0);
    let called = delta.calls.iter().filter(|(_, change)| change.made > 0);
    let keyed = delta.payments.iter().filter_map(|row| Some((row, row.idempotency?)));
    [
        Rows::of(delta.balances.iter(), |mut row, (account, moved)| {
            row.number(account.0).number(moved.debit).number(moved.credit);
        }),
        Rows::of(charged, |row, (key, change)| {
            window(row, key).number(change.spent).number(change.limit);
        }),
        Rows::of(called, |mut row, (key, change)| {
            row.bytes(key.agent.as_bytes()).number(key.provider.0).number(key.month.0).number(change.made);
        }),
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

/// `$13` to `$19`.
fn rare(delta: &Delta) -> [Rows; 7] {
    let returned = delta.windows.iter().filter(|(_, change)| change.returned > 0);
    let uncalled = delta.calls.iter().filter(|(_, change)| change.returned > 0);
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
                .number(change.returned);
        }),
        Rows::of(delta.released.iter(), |mut row, (key, payment)| {
            row.bytes(key.as_bytes()).bytes(payment.as_bytes());
        }),
    ]
}

/// In the order of the columns. Adding cannot fail, see above.
fn payment(arguments: &mut SqliteArguments, row: &PaymentRow) {
    let _ = arguments.add(row.seq);
    let _ = arguments.add(row.id.as_bytes().as_slice());
    let _ = arguments.add(row.agent.as_bytes().as_slice());
    let _ = arguments.add(row.wallet_account.0);
    let _ = arguments.add(row.provider_account.0);
    let _ = arguments.add(row.fee_account.0);
    let _ = arguments.add(Arc::clone(&row.route));
    let _ = arguments.add(row.gross.atomic());
    let _ = arguments.add(row.fee.atomic());
    let _ = arguments.add(row.revision);
    let _ = arguments.add(i64::try_from(row.call).unwrap_or(i64::MAX));
    let _ = arguments.add(row.replay.as_ref().map(|key| key.as_bytes().as_slice()));
    let _ = arguments.add(row.digest.as_ref().map(|digest| digest.as_slice()));
    let _ = arguments.add(row.fingerprint.as_bytes().as_slice());
    let _ = arguments.add(row.idempotency.as_ref().map(|key| key.as_bytes().as_slice()));
    let _ = arguments.add(row.held_at.0);
}

fn hold(mut row: Row<'_>, hold: &HoldRow) {
    let request = &hold.request;
    row.bytes(request.payment.as_bytes()).bytes(request.agent.as_bytes());
    row.number(hold.wallet_account.0).number(hold.provider_account.0);
    row.text(&request.route).text(&price(&request.price)).number(hold.maximum.atomic());
    row.number(request.revision).number(request.fee.get());
    row.limit(request.per_day).limit(request.per_month);
    row.optional(request.replay.as_ref().map(|key| key.as_bytes().as_slice()));
    row.optional(request.digest.as_ref().map(|digest| digest.as_slice()));
    row.bytes(request.fingerprint.as_bytes());
    row.optional(request.idempotency.as_ref().map(|key| key.as_bytes().as_slice()));
    row.number(hold.held_at.0);
}

fn account(mut row: Row<'_>, account: &NewAccount) {
    row.number(account.id.0);
    match &account.owner {
        Owner::Wallet(wallet) => row.text("wallet").bytes(wallet.as_bytes()).null(),
        Owner::Provider(name) => row.text("provider").null().text(name),
        Owner::Fee(name) => row.text("fee").null().text(name),
    };
}

fn refund(mut row: Row<'_>, refund: &RefundRow) {
    let refunded = &refund.refunded;
    row.number(refund.seq).bytes(refunded.id.as_bytes()).number(refunded.amount.atomic());
    row.number(refunded.fee.atomic()).text(refunded.reason.name());
}

fn transfer(mut row: Row<'_>, funding: &TransferRow) {
    let transfer = &funding.transfer;
    row.bytes(transfer.id.as_bytes()).number(funding.credit.0).number(transfer.amount.atomic());
    row.text(&funding.idempotency_key).text(&transfer.external_reference);
}

fn window<'a>(mut row: Row<'a>, key: &WindowKey) -> Row<'a> {
    let period = match key.window {
        Window::Day => 0,
        Window::Month => 1,
    };
    row.bytes(key.agent.as_bytes()).number(period).number(key.start.0);
    row
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
