//! Accounts by their owner's name.

use domain::WalletId;

use crate::books::session::{Session, on_either};

pub(super) async fn of_provider(session: &mut Session<'_>, name: &str) -> Result<Option<i64>, sqlx::Error> {
    let text = "select id from account where kind = 'provider' and provider = $1";
    on_either!(session, c => sqlx::query_scalar(text).bind(name).fetch_optional(c))
}

/// All that it earns on: from wallets, and at its own address on public networks.
pub(super) async fn earning(session: &mut Session<'_>, name: &str) -> Result<Vec<i64>, sqlx::Error> {
    let text = "select id from account where kind in ('provider', 'direct') and provider = $1 order by id";
    on_either!(session, c => sqlx::query_scalar(text).bind(name).fetch_all(c))
}

/// Numbers for a condition; they are accounts', so that a text of them is safe.
pub(super) fn listed(accounts: &[i64]) -> String {
    let numbers: Vec<String> = accounts.iter().map(i64::to_string).collect();
    numbers.join(", ")
}

pub(super) async fn of_wallet(
    session: &mut Session<'_>,
    wallet: WalletId,
) -> Result<Option<i64>, sqlx::Error> {
    let (text, key) = ("select id from account where wallet = $1", wallet.as_bytes().to_vec());
    on_either!(session, c => sqlx::query_scalar(text).bind(key).fetch_optional(c))
}
