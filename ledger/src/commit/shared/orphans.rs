//! What a dead process left, taken over by whoever finds it: its holds and its open deliveries.
//!
//! Dead is who let its row run out and then did not renew it for as long as somebody looked: after an outage of the database
//! all rows have run out, and each process gets the time to come back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use domain::PaymentId;
use sqlx::postgres::PgConnection;

use super::begin;
use crate::books::holds::{HoldColumns, holds, read};
use crate::books::intents::{IntentColumns, intents};
use crate::books::rows::fixed;
use crate::commit::Orphans;

/// For how long a row that ran out is looked at before its process counts as dead: more than two renewals, and the time
/// to connect.
const BENEFIT: Duration = Duration::from_secs(3);

/// `$1` the instance that asks: who ran out, when, and whether it said good-bye.
const RUN_OUT: &str = "
select id, (extract(epoch from expires_at) * 1000)::bigint, expires_at = to_timestamp(0) from instance
where id <> $1 and expires_at <= clock_timestamp()";

/// `$1` the dead: what they had not delivered.
const OPEN: &str = "select id, open from instance where id = any($1)";

/// `$1` the dead, `$2` the heir, only where it lives itself. Nobody renews meanwhile: the row is gone, or it was renewed.
const BURY: &str = "
delete from instance where id = any($1) and expires_at <= clock_timestamp()
  and exists (select 1 from instance where id = $2 and expires_at > clock_timestamp())
returning id";

/// `$1` the dead, `$2` the heir.
const INHERIT: &str = "update hold set instance = $2 where instance = any($1)";

/// `$1` whose.
const LEFT: &str = concat!(holds!(), "where h.instance = any($1)");

/// `$1` whose: what of that was signed for public networks.
const SIGNED: &str =
    concat!(intents!(), "where i.payment in (select payment from hold where instance = any($1))");

/// `$1` who was to be buried: those who are still there.
const THERE: &str = "select id from instance where id = any($1)";

/// Whose rows ran out, until when they were good, and since when they are looked at.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    since: HashMap<i64, (i64, Instant)>,
    /// Who was to be buried since the writer last heard of it, and what they had not delivered: their rows cannot tell it any more.
    buried: HashMap<i64, Vec<u8>>,
}

// === impl Suspects ===

impl Suspects {
    /// Those who had their time.
    fn dead(&mut self, rows: &[(i64, i64, bool)]) -> Vec<i64> {
        let now = Instant::now();
        self.since.retain(|id, (end, _)| rows.iter().any(|row| (row.0, row.1) == (*id, *end)));
        let mut dead = Vec::new();
        for (id, end, left) in rows {
            let (_, since) = *self.since.entry(*id).or_insert((*end, now));
            if *left || now.duration_since(since) >= BENEFIT {
                dead.push(*id);
            }
        }
        dead
    }

    /// The writer has what was taken over.
    pub(super) fn taken(&mut self) {
        self.buried.clear();
    }
}

/// Looks, and takes over what the dead left. In a transaction of its own: what is taken is this process's, whatever comes.
///
/// Where the writer never heard of the last one, what is this process's is told whole, its own holds among it: the writer knows those.
/// If another process was the heir meanwhile, both tell what was not delivered, and a payment may be delivered twice.
pub(super) async fn take(
    suspects: &mut Suspects,
    connection: &mut PgConnection,
    heir: i64,
) -> Result<Orphans, sqlx::Error> {
    let rows: Vec<(i64, i64, bool)> = sqlx::query_as(RUN_OUT).bind(heir).fetch_all(&mut *connection).await?;
    let dead = suspects.dead(&rows);
    let is_again = !suspects.buried.is_empty();
    if dead.is_empty() && !is_again {
        return Ok(Orphans::default());
    }
    begin(connection).await?;
    let open: Vec<(i64, Vec<u8>)> = sqlx::query_as(OPEN).bind(&dead).fetch_all(&mut *connection).await?;
    suspects.buried.extend(open);
    let gone: Vec<i64> = sqlx::query_scalar(BURY).bind(&dead).bind(heir).fetch_all(&mut *connection).await?;
    let whose = if is_again { [&gone[..], &[heir]].concat() } else { gone.clone() };
    let holds: Vec<HoldColumns> = sqlx::query_as(LEFT).bind(&whose).fetch_all(&mut *connection).await?;
    let signed: Vec<IntentColumns> = sqlx::query_as(SIGNED).bind(&whose).fetch_all(&mut *connection).await?;
    sqlx::query(INHERIT).bind(&gone).bind(heir).execute(&mut *connection).await?;
    let asked: Vec<i64> = suspects.buried.keys().copied().collect();
    let there: Vec<i64> = sqlx::query_scalar(THERE).bind(&asked).fetch_all(&mut *connection).await?;
    sqlx::raw_sql("commit").execute(&mut *connection).await?;
    let mut found = Orphans { holds: read(holds, signed), ..Orphans::default() };
    for (_, open) in suspects.buried.iter().filter(|(id, _)| !there.contains(id)) {
        for id in open.chunks(16) {
            found.open.push(PaymentId::from_bytes(fixed(id)?));
        }
    }
    Ok(found)
}

/// Says good-bye: what is left is the others' at once, or the next one's who starts.
pub(super) async fn leave(connection: &mut PgConnection, instance: i64) -> Result<(), sqlx::Error> {
    let row = "update instance set expires_at = to_timestamp(0) where id = $1";
    sqlx::query(row).bind(instance).execute(connection).await.map(drop)
}
