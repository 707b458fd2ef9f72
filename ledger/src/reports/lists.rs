//! The shorter lists: refunds, transfers, wallets, settlements, payouts. Their cursors are names, which are ordered by time.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{PaymentId, PayoutId, SettlementId, TransferId, UnixMillis, WalletId};
use sqlx::AssertSqlSafe;

use super::{Listed, Page, accounts};
use crate::account::{Refunded, Transfer};
use crate::books::rows::{fixed, hex_list};
use crate::books::session::{Session, on_either};
use crate::books::settlements::{PAYOUT, PayoutColumns, SettlementColumns, payouts, settlements};
use crate::books::transfers::{RefundColumns, TransferColumns, refunds, transfers};
use crate::settlement::{Payout, Settlement};

/// A wallet in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedWallet {
    /// Its name.
    pub wallet: WalletId,
    /// Its place in the order of all accounts: the cursor.
    pub number: i64,
    /// Ledger time of the commit that made it.
    pub created_at: UnixMillis,
}

/// Which payouts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayoutFilter {
    /// Of this provider.
    pub provider: Option<Arc<str>>,
    /// Still to be paid, or paid.
    pub paid: Option<bool>,
}

/// What was given back of a payment, in order.
pub(crate) async fn refunds_of(
    session: &mut Session<'_>,
    payment: PaymentId,
) -> Result<Vec<Refunded>, sqlx::Error> {
    let text = concat!(refunds!(), "where p.id = $1 order by r.remains desc");
    let key = payment.as_bytes().to_vec();
    let rows: Vec<RefundColumns> = on_either!(session, c => sqlx::query_as(text).bind(key).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.read()?)).collect()
}

/// What moved in and out of a wallet beside payments.
pub(crate) async fn transfers_of(
    session: &mut Session<'_>,
    wallet: WalletId,
    page: &Page<TransferId>,
) -> Result<Listed<Transfer, TransferId>, sqlx::Error> {
    let Some(account) = accounts::of_wallet(session, wallet).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let text = ordered(transfers!(), &format!("t.wallet = {account}"), "t.id", page);
    let after = page.after.map(|id| id.as_bytes().to_vec());
    let rows: Vec<TransferColumns> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false).bind(page.asked());
        match after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let items: Vec<Transfer> = rows
        .into_iter()
        .map(|row| Ok(row.read()?.transfer()))
        .filter_map(Result::transpose)
        .collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |transfer| transfer.id))
}

/// All wallets, in the order in which they were made.
pub(crate) async fn wallets(
    session: &mut Session<'_>,
    page: &Page<i64>,
) -> Result<Listed<ListedWallet, i64>, sqlx::Error> {
    let select = "select a.wallet, a.id, a.created_at from account a ";
    let text = ordered(select, "a.kind = 'wallet'", "a.id", page);
    let rows: Vec<(Vec<u8>, i64, i64)> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(page.asked());
        match page.after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let wallet = |(wallet, number, created_at): (Vec<u8>, i64, i64)| {
        let wallet = WalletId::from_bytes(fixed(&wallet)?);
        Ok(ListedWallet { wallet, number, created_at: UnixMillis(created_at) })
    };
    let items = rows.into_iter().map(wallet).collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |wallet: &ListedWallet| wallet.number))
}

/// The committed balances of those that exist.
pub(crate) async fn balances(
    session: &mut Session<'_>,
    wallets: &[WalletId],
) -> Result<HashMap<WalletId, i64>, sqlx::Error> {
    let text = "select a.wallet, b.credits - b.debits from account a join balance b on b.account = a.id
        where a.wallet in (select unhex(value) from json_each($1))";
    let keys = hex_list(wallets.iter().map(|wallet| wallet.as_bytes().as_slice()));
    let rows: Vec<(Vec<u8>, i64)> = on_either!(session, c => sqlx::query_as(text).bind(keys).fetch_all(c))?;
    rows.into_iter().map(|(wallet, balance)| Ok((WalletId::from_bytes(fixed(&wallet)?), balance))).collect()
}

/// Settlements, of one provider or of all.
pub(crate) async fn settlements(
    session: &mut Session<'_>,
    provider: Option<&str>,
    page: &Page<SettlementId>,
) -> Result<Listed<Settlement, SettlementId>, sqlx::Error> {
    let Some(condition) = of_provider(session, "s", provider).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    let text = ordered(settlements!(), &condition, "s.id", page);
    let after = page.after.map(|id| id.as_bytes().to_vec());
    let rows: Vec<SettlementColumns> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false).bind(page.asked());
        match after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let items = rows.into_iter().map(|row| Ok(row.read()?)).collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |settlement: &Settlement| settlement.id))
}

/// One settlement.
pub(crate) async fn settlement(
    session: &mut Session<'_>,
    id: SettlementId,
) -> Result<Option<Settlement>, sqlx::Error> {
    let (text, key) = (concat!(settlements!(), "where s.id = $1"), id.as_bytes().to_vec());
    let row: Option<SettlementColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(key).fetch_optional(c))?;
    row.map(|row| Ok(row.read()?)).transpose()
}

/// The settlement that a payment of this provider and number is a member of.
pub(crate) async fn settlement_of(
    session: &mut Session<'_>,
    provider: &str,
    number: i64,
) -> Result<Option<Settlement>, sqlx::Error> {
    let text = concat!(
        settlements!(),
        "where a.kind = 'provider' and a.provider = $1 and s.cut >= $2 and s.since < $2 order by s.cut limit 1"
    );
    let row: Option<SettlementColumns> =
        on_either!(session, c => sqlx::query_as(text).bind(provider).bind(number).fetch_optional(c))?;
    row.map(|row| Ok(row.read()?)).transpose()
}

/// Payouts.
pub(crate) async fn payouts(
    session: &mut Session<'_>,
    filter: &PayoutFilter,
    page: &Page<PayoutId>,
) -> Result<Listed<Payout, PayoutId>, sqlx::Error> {
    let Some(mut condition) = of_provider(session, "o", filter.provider.as_deref()).await? else {
        return Ok(Listed { items: Vec::new(), next: None });
    };
    match filter.paid {
        Some(true) => condition.push_str(" and o.transfer is not null"),
        Some(false) => condition.push_str(" and o.transfer is null"),
        None => {}
    }
    let text = ordered(payouts!(), &condition, "o.id", page);
    let after = page.after.map(|id| id.as_bytes().to_vec());
    let rows: Vec<PayoutColumns> = on_either!(session, c => {
        let query = sqlx::query_as(AssertSqlSafe(text)).persistent(false).bind(page.asked());
        match after {
            Some(after) => query.bind(after).fetch_all(c),
            None => query.fetch_all(c),
        }
    })?;
    let items = rows.into_iter().map(|row| Ok(row.read()?)).collect::<Result<_, sqlx::Error>>()?;
    Ok(page.listed(items, |payout: &Payout| payout.id))
}

/// One payout.
pub(crate) async fn payout(session: &mut Session<'_>, id: PayoutId) -> Result<Option<Payout>, sqlx::Error> {
    let keys = hex_list([id.as_bytes().as_slice()].into_iter());
    let row: Option<PayoutColumns> =
        on_either!(session, c => sqlx::query_as(PAYOUT).bind(keys).fetch_optional(c))?;
    row.map(|row| Ok(row.read()?)).transpose()
}

/// The condition for rows of a provider; none where there is no such provider.
pub(super) async fn of_provider(
    session: &mut Session<'_>,
    table: &str,
    provider: Option<&str>,
) -> Result<Option<String>, sqlx::Error> {
    let Some(name) = provider else { return Ok(Some("1 = 1".to_owned())) };
    let account = accounts::of_provider(session, name).await?;
    Ok(account.map(|account| format!("{table}.provider = {account}")))
}

/// A page's text: `$1` how many, `$2` the cursor where there is one.
pub(super) fn ordered<C>(select: &str, condition: &str, cursor: &str, page: &Page<C>) -> String {
    let (behind, direction) = (page.order.behind(), page.order.direction());
    let after = if page.after.is_some() { format!("and {cursor} {behind} $2") } else { String::new() };
    format!("{select} where {condition} {after} order by {cursor} {direction} limit $1")
}
