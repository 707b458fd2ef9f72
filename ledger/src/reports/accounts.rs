//! Accounts by their owner's name.

use domain::WalletId;

use crate::books::session::{Session, on_either};

pub(super) async fn of_provider(session: &mut Session<'_>, name: &str) -> Result<Option<i64>, sqlx::Error> {
    let text = "select id from account where kind = 'provider' and provider = $1";
    on_either!(session, c => sqlx::query_scalar(text).bind(name).fetch_optional(c))
}

pub(super) async fn of_wallet(
    session: &mut Session<'_>,
    wallet: WalletId,
) -> Result<Option<i64>, sqlx::Error> {
    let (text, key) = ("select id from account where wallet = $1", wallet.as_bytes().to_vec());
    on_either!(session, c => sqlx::query_scalar(text).bind(key).fetch_optional(c))
}
