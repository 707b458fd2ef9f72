//! The facts that a batch or a hold wants, read on the writer's connection, between two batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{AgentId, B256, OutgoingId, PaymentId, UnixMillis, WalletId, Window};

use super::differences::{CLOSED, ClosedColumns};
use super::intents::transaction;
use super::outgoing::{LEFT, OUTGOING, OutgoingColumns, REFUNDED_TODAY, UNSENT};
use super::resolutions::{GivenColumns, RESOLVED, ResolutionColumns, SUSPENDED};
use super::rows::{PAYMENT, PaymentColumns, fixed, hex_list, text_list};
use super::session::{Session, on_either};
use super::settlements::{LAST_SETTLEMENT, LastColumns, PAYOUT, PayoutColumns};
use super::shares;
use super::transfers::{REFUND, RefundColumns, TRANSFER, TransferColumns};
use super::windows::{read_scope, window};
use crate::batch::{AccountId, Given, GivenPayment};
use crate::commit::{Loaded, Wanted};
use crate::facts::{AgentFacts, WalletFacts, WindowFacts};

const WALLETS: &str = "
select a.wallet, a.id, b.credits - b.debits, b.floor from account a join balance b on b.account = a.id
where a.wallet in (select unhex(value) from json_each($1))";

/// What agents have used up, as one list of three kinds: windows by their period, [`CALLS`], [`FREE`]. `$2` the hour before,
/// `$3` the day before, `$4` the month before: what a running hold may still be charged to. A free call that was given back
/// is no longer one.
const USED: &str = "
with asked as (select unhex(value) as agent from json_each($1))
select agent, period, start, scope, spent, lim from spend_window
where agent in (select agent from asked) and start >= case period when 2 then $2 when 0 then $3 else $4 end
union all
select agent, 100, month, cast(provider as text), calls, 0 from call_count
where agent in (select agent from asked) and month >= $4
union all
select agent, 101, held_at - held_at % 86400000, route, count(*), 0 from payment
where free = 1 and agent in (select agent from asked) and held_at >= $3
  and not exists (select 1 from refund where refund.payment = payment.seq and remains = 0)
group by 1, 3, 4";

/// Kinds in [`USED`], beyond all periods: calls of a month at a provider, free calls of a day on a route.
const CALLS: i64 = 100;
const FREE: i64 = 101;

/// What the providers of these payments earned and were not settled with for.
const EARNED: &str = "
select account, credits - debits from balance
where account in (select provider from payment where id in (select unhex(value) from json_each($1)))";

/// The same by their names.
const EARNED_BY: &str = "
select b.account, b.credits - b.debits from account a join balance b on b.account = a.id
where a.kind = 'provider' and a.provider in (select value from json_each($1))";

/// Of transactions `$2` on networks `$1` those that have paid, each on its network.
const SPENT: &str = "
select i.payment, i.network, i.hash from intent i
where i.network in (select value from json_each($1)) and i.hash in (select unhex(value) from json_each($2))
  and substr(i.network, 1, 7) <> 'eip155:' and i.hash is not null and i.spent_before is null";

pub(crate) async fn load(
    session: &mut Session<'_>,
    wanted: &Wanted,
    at: UnixMillis,
) -> Result<Loaded, sqlx::Error> {
    let mut loaded = Loaded::default();
    if !wanted.wallets.is_empty() {
        loaded.wallets = wallets(session, wanted).await?;
    }
    if !wanted.agents.is_empty() {
        loaded.agents = agents(session, wanted, at).await?;
    }
    moved(session, wanted, at, &mut loaded.given).await?;
    outgoing(session, wanted, &mut loaded.given).await?;
    left(session, wanted, &mut loaded.given).await?;
    spent(session, wanted, &mut loaded.given).await?;
    loaded.given.shares = shares::booked(session, &wanted.shares).await?;
    settled(session, wanted, &mut loaded.given).await?;
    closed(session, wanted, &mut loaded.given).await?;
    suspended(session, wanted, &mut loaded.given).await?;
    Ok(loaded)
}

async fn wallets(
    session: &mut Session<'_>,
    wanted: &Wanted,
) -> Result<Vec<(WalletId, WalletFacts)>, sqlx::Error> {
    let keys = hex_list(wanted.wallets.iter().map(|wallet| wallet.as_bytes().as_slice()));
    let rows: Vec<(Vec<u8>, i64, i64, i64)> =
        on_either!(session, c => sqlx::query_as(WALLETS).bind(keys).fetch_all(c))?;
    let wallet = |(id, account, balance, floor): (Vec<u8>, i64, i64, i64)| {
        let facts = WalletFacts { account: AccountId(account), balance, floor: floor == 1 };
        Ok((WalletId::from_bytes(fixed(&id)?), facts))
    };
    rows.into_iter().map(wallet).collect()
}

async fn agents(
    session: &mut Session<'_>,
    wanted: &Wanted,
    at: UnixMillis,
) -> Result<Vec<(AgentId, AgentFacts)>, sqlx::Error> {
    let keys = hex_list(wanted.agents.iter().map(|agent| agent.as_bytes().as_slice()));
    let [hour, day, month] = [Window::Hour, Window::Day, Window::Month].map(|window| window.before(at));
    let mut agents: BTreeMap<AgentId, AgentFacts> =
        wanted.agents.iter().map(|agent| (*agent, AgentFacts::default())).collect();

    let rows: Vec<(Vec<u8>, i64, i64, String, i64, i64)> = on_either!(session, c =>
        sqlx::query_as(USED).bind(&keys).bind(hour.0).bind(day.0).bind(month.0).fetch_all(c))?;
    for (agent, kind, start, name, used, limit) in rows {
        let facts = agents.entry(AgentId::from_bytes(fixed(&agent)?)).or_default();
        let start = UnixMillis(start);
        match kind {
            CALLS => facts.calls.push((account(&name)?, start, u64::try_from(used).unwrap_or(0))),
            FREE => facts.free.push((name.into(), start, used)),
            period => {
                let (window, scope) = (window(period)?, read_scope(&name)?);
                facts.windows.push(WindowFacts { window, start, scope, spent: used, limit });
            }
        }
    }
    Ok(agents.into_iter().collect())
}

fn account(number: &str) -> Result<AccountId, sqlx::Error> {
    number.parse().map(AccountId).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Payments that are to be refunded, and what stands under idempotency keys.
async fn moved(
    session: &mut Session<'_>,
    wanted: &Wanted,
    at: UnixMillis,
    given: &mut Given,
) -> Result<(), sqlx::Error> {
    if !wanted.transfers.is_empty() {
        let keys = text_list(&wanted.transfers)?;
        let rows: Vec<TransferColumns> =
            on_either!(session, c => sqlx::query_as(TRANSFER).bind(keys).fetch_all(c))?;
        for row in rows {
            given.transfers.insert(row.idempotency_key.clone().unwrap_or_default(), row.read()?);
        }
    }
    if !wanted.refunds.is_empty() {
        let keys = text_list(&wanted.refunds)?;
        let rows: Vec<RefundColumns> =
            on_either!(session, c => sqlx::query_as(REFUND).bind(keys).fetch_all(c))?;
        for row in rows {
            given.refunds.insert(row.idempotency_key.clone().unwrap_or_default(), row.read()?);
        }
    }
    if !wanted.payments.is_empty() {
        let keys = hex_list(wanted.payments.iter().map(|payment| payment.as_bytes().as_slice()));
        let payments: Vec<PaymentColumns> =
            on_either!(session, c => sqlx::query_as(PAYMENT).bind(&keys).fetch_all(c))?;
        let earned: Vec<(i64, i64)> =
            on_either!(session, c => sqlx::query_as(EARNED).bind(&keys).fetch_all(c))?;
        given.earned.extend(earned.into_iter().map(|(account, earned)| (AccountId(account), earned)));
        for columns in payments {
            let is_open = columns.is_open();
            let (row, back) = columns.read()?;
            given.payments.insert(row.id, GivenPayment { row, back, is_open, outgoing: Vec::new() });
        }
        let unsent: Vec<OutgoingColumns> =
            on_either!(session, c => sqlx::query_as(UNSENT).bind(&keys).fetch_all(c))?;
        for row in unsent {
            let row = row.given()?;
            let payment = row.outgoing.refund_of.and_then(|payment| given.payments.get_mut(&payment));
            payment.into_iter().for_each(|payment| payment.outgoing.push(row.outgoing.id));
            given.outgoing.insert(row.outgoing.id, row);
        }
        let day = Window::Day.start(at);
        let today: Vec<(String, i64)> =
            on_either!(session, c => sqlx::query_as(REFUNDED_TODAY).bind(day.0).fetch_all(c))?;
        given.refunded_today = today.into_iter().map(|(network, sum)| (network.into(), sum)).collect();
    }
    Ok(())
}

/// Transfers out of our treasury.
async fn outgoing(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if wanted.outgoing.is_empty() {
        return Ok(());
    }
    let keys = hex_list(wanted.outgoing.iter().map(|id| id.as_bytes().as_slice()));
    let rows: Vec<OutgoingColumns> =
        on_either!(session, c => sqlx::query_as(OUTGOING).bind(keys).fetch_all(c))?;
    for row in rows {
        let row = row.given()?;
        given.outgoing.insert(row.outgoing.id, row);
    }
    Ok(())
}

/// What left by transactions.
async fn left(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if wanted.left.is_empty() {
        return Ok(());
    }
    let keys = hex_list(wanted.left.iter().map(|hash| hash.as_slice()));
    let rows: Vec<(Vec<u8>, Vec<u8>)> =
        on_either!(session, c => sqlx::query_as(LEFT).bind(keys).fetch_all(c))?;
    for (id, hash) in rows {
        given.left.push((OutgoingId::from_bytes(fixed(&id)?), B256::new(fixed(&hash)?)));
    }
    Ok(())
}

/// What transactions paid for, where one pays once.
async fn spent(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if wanted.spent.is_empty() {
        return Ok(());
    }
    let networks = text_list(&wanted.spent.iter().map(|(network, _)| network).collect::<Vec<_>>())?;
    let hashes: Vec<_> = wanted.spent.iter().flat_map(|(_, transaction)| transaction.spellings()).collect();
    let hashes = hex_list(hashes.iter().map(Vec::as_slice));
    let rows: Vec<(Vec<u8>, String, Vec<u8>)> =
        on_either!(session, c => sqlx::query_as(SPENT).bind(networks).bind(hashes).fetch_all(c))?;
    for (payment, network, hash) in rows {
        let named = (Arc::from(network.as_str()), transaction(&network, &hash)?);
        given.spent.insert(named, PaymentId::from_bytes(fixed(&payment)?));
    }
    Ok(())
}

/// Where settlements stand, and payouts.
async fn settled(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if !wanted.providers.is_empty() {
        let names = text_list(&wanted.providers)?;
        let rows: Vec<LastColumns> =
            on_either!(session, c => sqlx::query_as(LAST_SETTLEMENT).bind(&names).fetch_all(c))?;
        let earned: Vec<(i64, i64)> =
            on_either!(session, c => sqlx::query_as(EARNED_BY).bind(&names).fetch_all(c))?;
        given.earned.extend(earned.into_iter().map(|(account, earned)| (AccountId(account), earned)));
        for row in rows {
            given.providers.extend([row.given()?]);
        }
    }
    if !wanted.payouts.is_empty() {
        let keys = hex_list(wanted.payouts.iter().map(|payout| payout.as_bytes().as_slice()));
        let rows: Vec<PayoutColumns> =
            on_either!(session, c => sqlx::query_as(PAYOUT).bind(keys).fetch_all(c))?;
        for row in rows {
            let row = row.given()?;
            given.payouts.insert(row.payout.id, row);
        }
    }
    Ok(())
}

/// Payments of which a chain shows something.
async fn closed(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if wanted.closed.is_empty() {
        return Ok(());
    }
    let keys = hex_list(wanted.closed.iter().map(|payment| payment.as_bytes().as_slice()));
    let rows: Vec<ClosedColumns> = on_either!(session, c => sqlx::query_as(CLOSED).bind(keys).fetch_all(c))?;
    for row in rows {
        given.closed.extend([row.read()?]);
    }
    Ok(())
}

/// What is in suspense, and what was decided of it.
async fn suspended(session: &mut Session<'_>, wanted: &Wanted, given: &mut Given) -> Result<(), sqlx::Error> {
    if wanted.suspended.is_empty() {
        return Ok(());
    }
    let keys = hex_list(wanted.suspended.iter().map(|payment| payment.as_bytes().as_slice()));
    let rows: Vec<GivenColumns> =
        on_either!(session, c => sqlx::query_as(SUSPENDED).bind(keys).fetch_all(c))?;
    for row in rows {
        given.suspended.extend([row.read()?]);
    }
    let keys = text_list(&wanted.resolutions)?;
    let rows: Vec<ResolutionColumns> =
        on_either!(session, c => sqlx::query_as(RESOLVED).bind(keys).fetch_all(c))?;
    for row in rows {
        given.resolutions.insert(row.idempotency_key.clone(), row.read()?);
    }
    Ok(())
}
