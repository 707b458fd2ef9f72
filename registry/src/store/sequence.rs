//! Rows of `sequence` and `wallet_funding`.

use super::journal::{number, signed};
use super::pool::{execute, on_either};
use super::{Session, StoreError};
use crate::sequence::{Funded, Reached};

pub(crate) async fn reached(session: &mut Session<'_>) -> Result<Reached, StoreError> {
    const SQL: &str = "select batch, seq from sequence";
    let (batch, seq): (i64, i64) = on_either!(session, c => sqlx::query_as(SQL).fetch_one(c))?;
    Ok(Reached { batch: number(batch)?, seq: number(seq)? })
}

/// Where the first events are made from; false where some were made before.
pub(crate) async fn begin(session: &mut Session<'_>, at: Reached) -> Result<bool, StoreError> {
    const SQL: &str = "update sequence set begun = $1, batch = $2, seq = $3 where begun <> $1";
    let (batch, seq) = (signed(at.batch), signed(at.seq));
    let moved = execute!(session, sqlx::query(SQL).bind(true).bind(batch).bind(seq))?;
    Ok(moved == 1)
}

pub(crate) async fn has_begun(session: &mut Session<'_>) -> Result<bool, StoreError> {
    const SQL: &str = "select begun from sequence";
    on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))
}

/// Moves on, where the place is still `from`.
pub(crate) async fn advance(
    session: &mut Session<'_>,
    from: Reached,
    to: Reached,
) -> Result<bool, StoreError> {
    const SQL: &str = "update sequence set batch = $3, seq = $4 where batch = $1 and seq = $2";
    let moved = execute!(
        session,
        sqlx::query(SQL)
            .bind(signed(from.batch))
            .bind(signed(from.seq))
            .bind(signed(to.batch))
            .bind(signed(to.seq))
    )?;
    Ok(moved == 1)
}

/// Keeps the last funding. Of those that nobody asked for who may fund the wallet, what is below a tenth of the one that counts does not:
/// anybody may pay a little into a wallet, and a share of that warns of nothing.
pub(crate) async fn put_funding(session: &mut Session<'_>, funded: &Funded) -> Result<(), StoreError> {
    const SQL: &str = "insert into wallet_funding (wallet, amount, at) values ($1, $2, $3)
         on conflict (wallet) do update set amount = excluded.amount, at = excluded.at
         where $4 or excluded.amount >= wallet_funding.amount / 10";
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&funded.wallet.as_bytes()[..])
            .bind(funded.amount.atomic())
            .bind(funded.at.0)
            .bind(funded.is_asked)
    )?;
    Ok(())
}
