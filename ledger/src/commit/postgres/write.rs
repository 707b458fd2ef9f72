//! A [`Delta`] as arrays of columns: one round trip for captures, a transaction of a few statements for what is rare.

use domain::Amount;
use sqlx::Connection;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;

use super::{money, text};
use crate::batch::{CallChange, CallKey, Delta, KEPT_MS, Owner, PaymentRow, WindowChange, WindowKey};
use crate::books::holds::{capture, price};
use crate::books::rows::headers;
use crate::books::windows::{self, period, scope};
use crate::change::Change;
use crate::intent::Token;

pub(super) type Statement<'q> = Query<'q, sqlx::Postgres, PgArguments>;

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    /// Of the lease.
    pub(crate) epoch: i64,
    /// Whose the holds are; 0: the one owner's, who keeps its open list in the marker and tells nobody.
    pub(crate) instance: i64,
}

/// Writes everything or nothing. `false`: the fence held it back, nothing was written.
pub(super) async fn write(
    connection: &mut PgConnection,
    delta: &Delta,
    epoch: i64,
) -> Result<bool, sqlx::Error> {
    let author = Author { epoch, instance: 0 };
    if !delta.is_rare() {
        return captures(connection, delta, author).await;
    }
    let mut transaction = connection.begin().await?;
    if !statements(&mut transaction, delta, author).await? {
        transaction.rollback().await?;
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// What a batch writes, inside a transaction. `false`: the fence held it back, and the rest is to be rolled back.
pub(crate) async fn statements(
    connection: &mut PgConnection,
    delta: &Delta,
    author: Author,
) -> Result<bool, sqlx::Error> {
    // New accounts come first: their balances may move in the same batch.
    if !delta.accounts.is_empty() {
        accounts(delta).execute(&mut *connection).await?;
    }
    if !captures(connection, delta, author).await? {
        return Ok(false);
    }
    for statement in rare(delta) {
        statement.execute(&mut *connection).await?;
    }
    Ok(true)
}

async fn captures(connection: &mut PgConnection, delta: &Delta, author: Author) -> Result<bool, sqlx::Error> {
    let marker = delta.marker;
    let is_alone = author.instance == 0;
    let statement = match (is_alone, delta.has_intents()) {
        (true, false) if !delta.has_holds() => text::CAPTURES,
        (true, false) => text::HOLDS,
        (true, true) => text::INTENTS,
        (false, false) => text::SHARED,
        (false, true) => text::SHARED_INTENTS,
    };
    let balances = i64::try_from(delta.balances.len()).unwrap_or(i64::MAX);
    let query =
        sqlx::query(statement).bind(marker.batch).bind(marker.at.0).bind(marker.seq).bind(marker.gross);
    let listed = if is_alone { open(delta) } else { Vec::new() };
    let query = query.bind(listed).bind(author.epoch).bind(marker.at.plus(KEPT_MS).0).bind(balances);
    let query = payments(query, &delta.payments);
    let moved: Vec<_> = delta.balances.iter().collect();
    let query = query
        .bind(column(&moved, |(account, _)| account.0))
        .bind(column(&moved, |(_, moved)| moved.debit))
        .bind(column(&moved, |(_, moved)| moved.credit));
    let query = usage(calls(spent(query, delta), delta), delta);
    let keyed: Vec<_> = delta.payments.iter().filter_map(|row| Some((row, row.idempotency?))).collect();
    let query = query
        .bind(column(&keyed, |(_, key)| key.as_bytes().to_vec()))
        .bind(column(&keyed, |(row, _)| row.id.as_bytes().to_vec()))
        .bind(column(&keyed, |(row, _)| row.fingerprint.as_bytes().to_vec()))
        .bind(column(&called(delta), |(_, change)| change.spent))
        .bind(column(&charged(delta), |(key, _)| scope(key.scope.as_ref())))
        .bind(column(&delta.payments, |row| windows::charged(&row.windows)))
        .bind(column(&delta.payments, |row| i64::from(row.free)));
    let query = if statement == text::CAPTURES { query } else { holds(query, delta, author) };
    let query = if is_alone { query } else { query.bind(open(delta)).bind(Change::of(delta).to_bytes()) };
    let row = query.fetch_one(connection).await?;
    sqlx::Row::try_get::<i64, _>(&row, 0).map(|written| written == 1)
}

/// The list of open deliveries as it is kept.
fn open(delta: &Delta) -> Vec<u8> {
    delta.open.iter().flat_map(|payment| *payment.as_bytes()).collect()
}

fn payments<'q>(query: Statement<'q>, rows: &[PaymentRow]) -> Statement<'q> {
    let of = |row: &PaymentRow| row.provider_account.0;
    query
        .bind(column(rows, |row| row.seq))
        .bind(column(rows, |row| row.id.as_bytes().to_vec()))
        .bind(column(rows, |row| row.agent.as_bytes().to_vec()))
        .bind(column(rows, |row| row.wallet_account.0))
        .bind(column(rows, of))
        .bind(column(rows, |row| row.fee_account.0))
        .bind(column(rows, |row| row.route.to_string()))
        .bind(column(rows, |row| row.gross.atomic()))
        .bind(column(rows, |row| row.fee.atomic()))
        .bind(column(rows, |row| i64::from(row.revision)))
        .bind(column(rows, |row| number(row.call)))
        .bind(column(rows, |row| row.replay.map(|key| key.as_bytes().to_vec())))
        .bind(column(rows, |row| row.digest.map(|digest| digest.to_vec())))
        .bind(column(rows, |row| row.fingerprint.as_bytes().to_vec()))
        .bind(column(rows, |row| row.idempotency.map(|key| key.as_bytes().to_vec())))
        .bind(column(rows, |row| row.held_at.0))
}

fn holds<'q>(query: Statement<'q>, delta: &Delta, author: Author) -> Statement<'q> {
    let rows = &delta.holds;
    let query = query
        .bind(column(&delta.ended, |payment| payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.request.payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.request.agent.as_bytes().to_vec()))
        .bind(column(rows, |row| row.wallet_account.0))
        .bind(column(rows, |row| row.provider_account.0))
        .bind(column(rows, |row| row.request.route.to_string()))
        .bind(column(rows, |row| price(&row.request.price)))
        .bind(column(rows, |row| row.cost.maximum.atomic()))
        .bind(column(rows, |row| i64::from(row.request.revision)))
        .bind(column(rows, |row| i64::from(row.request.fee.get())))
        .bind(column(rows, |row| row.request.per_day.map(Amount::atomic)))
        .bind(column(rows, |row| row.request.per_month.map(Amount::atomic)))
        .bind(column(rows, |row| row.request.replay.map(|key| key.as_bytes().to_vec())))
        .bind(column(rows, |row| row.request.digest.map(|digest| digest.to_vec())))
        .bind(column(rows, |row| row.request.fingerprint.as_bytes().to_vec()))
        .bind(column(rows, |row| row.request.idempotency.map(|key| key.as_bytes().to_vec())))
        .bind(column(rows, |row| row.held_at.0))
        .bind(column(rows, |row| windows::limits(&row.request.limits)))
        .bind(column(rows, |row| i64::from(row.cost.free)))
        .bind(column(rows, |row| capture(row.request.capture)))
        .bind(author.instance);
    intents(query, delta)
        .bind(column(rows, |row| row.owed_after_a_crash().map(Amount::atomic)))
        .bind(column(&delta.kept, |(payment, _)| payment.as_bytes().to_vec()))
        .bind(column(&delta.kept, |(_, owed)| owed.atomic()))
        .bind(column(&delta.intents, |row| row.intent.deposit.map(|wallet| wallet.as_bytes().to_vec())))
        .bind(column(&delta.closed, |row| row.share.map(|(value, _)| value.atomic())))
        .bind(column(&delta.closed, |row| row.share.map(|(_, one_of)| i64::from(one_of))))
}

fn intents<'q>(query: Statement<'q>, delta: &Delta) -> Statement<'q> {
    let rows = &delta.intents;
    query
        .bind(column(rows, |row| row.payment.as_bytes().to_vec()))
        .bind(column(rows, |row| row.intent.network.to_string()))
        .bind(column(rows, |row| row.intent.token.as_bytes().to_vec()))
        .bind(column(rows, |row| row.intent.payer.as_bytes().to_vec()))
        .bind(column(rows, |row| row.intent.pay_to.as_bytes().to_vec()))
        .bind(column(rows, |row| row.intent.custody.name()))
        .bind(column(rows, |row| row.intent.settle.name()))
        .bind(column(rows, |row| row.amount.atomic()))
        .bind(column(rows, |row| number(row.intent.valid_before)))
        .bind(column(rows, |row| number(row.intent.since_block)))
        .bind(column(rows, |row| row.intent.payload.to_string()))
        .bind(column(rows, |row| row.intent.requirements.to_string()))
        .bind(column(rows, |row| row.held_at.0))
        .bind(column(&delta.unsigned, |payment| payment.as_bytes().to_vec()))
        .bind(column(&delta.closed, |row| row.payment.as_bytes().to_vec()))
        .bind(column(&delta.closed, |row| row.end.name()))
        .bind(column(&delta.closed, |row| row.end.transaction().map(|moved| moved.as_bytes().to_vec())))
}

fn charged(delta: &Delta) -> Vec<(&WindowKey, &WindowChange)> {
    delta.windows.iter().filter(|(_, change)| change.limit > 0 || change.spent > 0).collect()
}

fn spent<'q>(query: Statement<'q>, delta: &Delta) -> Statement<'q> {
    let charged = charged(delta);
    query
        .bind(column(&charged, |(key, _)| key.agent.as_bytes().to_vec()))
        .bind(column(&charged, |(key, _)| period(key.window)))
        .bind(column(&charged, |(key, _)| key.start.0))
        .bind(column(&charged, |(_, change)| change.spent))
        .bind(column(&charged, |(_, change)| change.limit))
}

fn calls<'q>(query: Statement<'q>, delta: &Delta) -> Statement<'q> {
    let called = called(delta);
    query
        .bind(column(&called, |(key, _)| key.agent.as_bytes().to_vec()))
        .bind(column(&called, |(key, _)| key.provider.0))
        .bind(column(&called, |(key, _)| key.month.0))
        .bind(column(&called, |(_, change)| number(change.made)))
}

fn called(delta: &Delta) -> Vec<(&CallKey, &CallChange)> {
    delta.calls.iter().filter(|(_, change)| change.made > 0).collect()
}

fn usage<'q>(query: Statement<'q>, delta: &Delta) -> Statement<'q> {
    let used: Vec<_> = delta.usage.iter().collect();
    query
        .bind(column(&used, |(key, _)| key.minute))
        .bind(column(&used, |(key, _)| key.provider.0))
        .bind(column(&used, |(key, _)| key.route.to_string()))
        .bind(column(&used, |(_, usage)| usage.payments))
        .bind(column(&used, |(_, usage)| usage.gross))
        .bind(column(&used, |(_, usage)| usage.fee))
        .bind(column(&used, |(_, usage)| usage.refunds))
        .bind(column(&used, |(_, usage)| usage.refunded))
        .bind(column(&used, |(_, usage)| usage.refunded_fee))
}

fn accounts(delta: &Delta) -> Statement<'static> {
    let rows = &delta.accounts;
    let kind = |owner: &Owner| match owner {
        Owner::Wallet(_) => "wallet",
        Owner::Provider(_) => "provider",
        Owner::Fee(_) => "fee",
        Owner::Payable(_) => "payable",
        Owner::Chain(_) => "chain",
        Owner::Direct(_) => "direct",
        Owner::Receivable(_) => "receivable",
    };
    let wallet = |owner: &Owner| match owner {
        Owner::Wallet(wallet) | Owner::Chain(Token { wallet, .. }) => Some(wallet.as_bytes().to_vec()),
        _ => None,
    };
    let provider = |owner: &Owner| match owner {
        Owner::Wallet(_) | Owner::Chain(_) => None,
        Owner::Provider(name)
        | Owner::Fee(name)
        | Owner::Payable(name)
        | Owner::Direct(name)
        | Owner::Receivable(name) => Some(name.to_string()),
    };
    let token = |owner: &Owner| match owner {
        Owner::Chain(token) => Some(token.name.to_string()),
        _ => None,
    };
    sqlx::query(text::ACCOUNTS)
        .bind(column(rows, |row| row.id.0))
        .bind(column(rows, |row| kind(&row.owner)))
        .bind(column(rows, |row| wallet(&row.owner)))
        .bind(column(rows, |row| provider(&row.owner)))
        .bind(delta.marker.at.0)
        .bind(column(rows, |row| token(&row.owner)))
}

/// What a batch seldom has; only what it does have.
fn rare(delta: &Delta) -> Vec<Statement<'static>> {
    let mut statements = Vec::new();
    if !delta.refunds.is_empty() {
        statements.push(money::refunds(delta));
    }
    if !delta.transfers.is_empty() {
        statements.push(money::transfers(delta));
    }
    if !delta.settlements.is_empty() {
        statements.extend([money::settlements(delta), money::payouts(delta)]);
    }
    if !delta.paid.is_empty() {
        statements.push(money::paid(delta));
    }
    if !delta.differences.is_empty() {
        statements.push(money::differences(delta));
    }
    if !delta.resolutions.is_empty() {
        statements.push(money::resolutions(delta));
    }
    if !delta.outgoing.is_empty() {
        statements.push(money::outgoing(delta));
    }
    if !delta.steps.is_empty() {
        statements.extend([money::steps(delta), money::stepped(delta)]);
    }
    if !delta.verdicts.is_empty() {
        statements.push(money::verdicts(delta));
    }
    if !delta.movers.is_empty() {
        statements.push(money::movers(delta));
    }
    if !delta.responses.is_empty() {
        statements.push(responses(delta));
    }
    statements.extend(given_back(delta));
    statements
}

fn responses(delta: &Delta) -> Statement<'static> {
    let rows = &delta.responses;
    sqlx::query(text::RESPONSES)
        .bind(column(rows, |(payment, _)| payment.as_bytes().to_vec()))
        .bind(column(rows, |(_, stored)| i64::from(stored.status)))
        .bind(column(rows, |(_, stored)| headers(stored)))
        .bind(column(rows, |(_, stored)| stored.body.to_vec()))
        .bind(delta.marker.at.plus(KEPT_MS).0)
}

/// What refunds take out of windows, tiers and identifiers.
fn given_back(delta: &Delta) -> Vec<Statement<'static>> {
    let windows: Vec<_> = delta.windows.iter().filter(|(_, change)| change.returned > 0).collect();
    let uncalled = |change: &CallChange| change.returned > 0 || change.refunded > 0;
    let calls: Vec<_> = delta.calls.iter().filter(|(_, change)| uncalled(change)).collect();
    let mut statements = Vec::new();
    if !windows.is_empty() {
        let query = sqlx::query(text::WINDOWS_BACK)
            .bind(column(&windows, |(key, _)| key.agent.as_bytes().to_vec()))
            .bind(column(&windows, |(key, _)| period(key.window)))
            .bind(column(&windows, |(key, _)| key.start.0))
            .bind(column(&windows, |(_, change)| change.returned))
            .bind(column(&windows, |(key, _)| scope(key.scope.as_ref())));
        statements.push(query);
    }
    if !calls.is_empty() {
        let query = sqlx::query(text::CALLS_BACK)
            .bind(column(&calls, |(key, _)| key.agent.as_bytes().to_vec()))
            .bind(column(&calls, |(key, _)| key.provider.0))
            .bind(column(&calls, |(key, _)| key.month.0))
            .bind(column(&calls, |(_, change)| number(change.returned)))
            .bind(column(&calls, |(_, change)| change.refunded));
        statements.push(query);
    }
    if !delta.released.is_empty() {
        let query = sqlx::query(text::RELEASED)
            .bind(column(&delta.released, |(key, _)| key.as_bytes().to_vec()))
            .bind(column(&delta.released, |(_, payment)| payment.as_bytes().to_vec()));
        statements.push(query);
    }
    statements
}

pub(super) fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Counts stay far below 63 bits.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
