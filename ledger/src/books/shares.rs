//! What transactions that do not tell payments apart are booked for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use domain::PaymentId;
use sqlx::FromRow;

use super::intents::{party, transaction};
use super::rows::{Damaged, amount, fixed, hex_list, text_list};
use super::session::{Session, on_either};
use crate::share::Alike;

/// Of the transactions `$2` on the networks `$1`.
const BOOKED: &str = "
select payment, network, hash, token, payer, pay_to, moved from intent
where network in (select value from json_each($1)) and hash in (select unhex(value) from json_each($2)) and one_of is not null";

#[derive(Debug, FromRow)]
struct BookedColumns {
    payment: Vec<u8>,
    network: String,
    hash: Vec<u8>,
    token: Vec<u8>,
    payer: Vec<u8>,
    pay_to: Vec<u8>,
    moved: i64,
}

/// The payments that are booked for these.
pub(crate) async fn booked(
    session: &mut Session<'_>,
    wanted: &BTreeSet<Alike>,
) -> Result<HashMap<Alike, HashSet<PaymentId>>, sqlx::Error> {
    let mut booked: HashMap<_, HashSet<_>> = HashMap::new();
    if wanted.is_empty() {
        return Ok(booked);
    }
    let networks = text_list(&wanted.iter().map(|alike| &alike.network).collect::<BTreeSet<_>>())?;
    let hashes: BTreeSet<&[u8]> = wanted.iter().map(|alike| alike.transaction.as_bytes()).collect();
    let hashes = hex_list(hashes.into_iter());
    let rows: Vec<BookedColumns> =
        on_either!(session, c => sqlx::query_as(BOOKED).bind(networks).bind(hashes).fetch_all(c))?;
    for row in rows {
        let payment = PaymentId::from_bytes(fixed(&row.payment)?);
        booked.entry(row.alike()?).or_default().insert(payment);
    }
    Ok(booked)
}

// === impl BookedColumns ===

impl BookedColumns {
    fn alike(&self) -> Result<Alike, Damaged> {
        Ok(Alike {
            transaction: transaction(&self.network, &self.hash)?,
            token: party(&self.network, &self.token)?,
            payer: party(&self.network, &self.payer)?,
            pay_to: party(&self.network, &self.pay_to)?,
            value: amount(self.moved)?,
            network: Arc::from(self.network.as_str()),
        })
    }
}
