//! Intents by which value may still move.

use crate::books::intents::{IntentColumns, intents};
use crate::books::session::{Session, on_either};
use crate::intent::OpenIntent;

/// Those of captured payments: what is still held is the writer's.
const DUE: &str = concat!(
    intents!(),
    "where i.closed is null and exists (select 1 from payment p where p.id = i.payment)
     order by i.valid_before, i.payment limit $1"
);

pub(crate) async fn due(session: &mut Session<'_>, limit: u32) -> Result<Vec<OpenIntent>, sqlx::Error> {
    let rows: Vec<IntentColumns> =
        on_either!(session, c => sqlx::query_as(DUE).bind(i64::from(limit)).fetch_all(c))?;
    rows.into_iter().map(|columns| Ok(columns.read()?)).collect()
}
