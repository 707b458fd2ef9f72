//! Rows of `event`: what was told to streams and webhooks, in the order of its positions.

use domain::{EventId, UnixMillis};
use sqlx::{FromRow, QueryBuilder};

use super::{Next, document, number, signed};
use crate::journal::{Event, Filter, NewEvent, Tenant, Wanted};
use crate::store::pool::{execute, on_either};
use crate::store::rows::array;
use crate::store::{Session, StoreError};

/// Columns of an [`EventRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! event_columns {
    () => {
        "position, id, type, at, provider, owner, subject, data"
    };
}

pub(in crate::store) use event_columns;

/// A row of `event`.
#[derive(Debug, FromRow)]
pub(in crate::store) struct EventRow {
    position: i64,
    id: Vec<u8>,
    #[sqlx(rename = "type")]
    kind: String,
    at: i64,
    provider: Option<String>,
    owner: Option<String>,
    subject: String,
    data: String,
}

/// Appends an event, under the position taken for it; the position.
pub(super) async fn insert(
    session: &mut Session<'_>,
    next: &Next,
    id: EventId,
    event: &NewEvent,
) -> Result<u64, StoreError> {
    const PUT: &str = "insert into event (position, id, type, at, provider, owner, subject, data)
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    execute!(
        session,
        sqlx::query(PUT)
            .bind(next.position)
            .bind(&id.as_bytes()[..])
            .bind(event.kind)
            .bind(event.at.0)
            .bind(&event.tenant.provider)
            .bind(&event.tenant.owner)
            .bind(&event.subject)
            .bind(event.data.to_string())
    )?;
    number(next.position)
}

/// Events after a position.
pub(crate) async fn events_after(
    session: &mut Session<'_>,
    position: u64,
    limit: u32,
    filter: &Filter,
) -> Result<Vec<Event>, StoreError> {
    const ALL: &str =
        concat!("select ", event_columns!(), " from event where position > $1 order by position limit $2");
    const PROVIDER: &str = concat!(
        "select ",
        event_columns!(),
        " from event where provider = $3 and position > $1 order by position limit $2"
    );
    const OWNER: &str = concat!(
        "select ",
        event_columns!(),
        " from event where owner = $3 and position > $1 order by position limit $2"
    );
    let after = signed(position);
    let (text, tenant) = match (&filter.provider, &filter.owner) {
        (Some(provider), _) => (PROVIDER, Some(provider)),
        (None, Some(owner)) => (OWNER, Some(owner)),
        (None, None) => (ALL, None),
    };
    let limit = i64::from(limit);
    let rows: Vec<EventRow> = match tenant {
        None => on_either!(session, c => sqlx::query_as(text).bind(after).bind(limit).fetch_all(c))?,
        Some(tenant) => {
            on_either!(session, c => sqlx::query_as(text).bind(after).bind(limit).bind(tenant).fetch_all(c))?
        }
    };
    rows.into_iter().map(EventRow::read).collect()
}

/// Events after a position and up to another one that somebody looks for.
pub(crate) async fn find_events(
    session: &mut Session<'_>,
    (after, end): (u64, u64),
    limit: u32,
    filter: &Filter,
    wanted: &Wanted,
) -> Result<Vec<Event>, StoreError> {
    const SQL: &str = concat!("select ", event_columns!(), " from event where position > ");
    let conditions = [
        (" and provider = ", &filter.provider),
        (" and owner = ", &filter.owner),
        (" and type = ", &wanted.kind),
        (" and subject = ", &wanted.subject),
    ];
    let rows: Vec<EventRow> = on_either!(session, c => async {
        let mut query = QueryBuilder::new(SQL);
        query.push_bind(signed(after)).push(" and position <= ").push_bind(signed(end));
        for (condition, value) in conditions {
            if let Some(value) = value {
                query.push(condition).push_bind(value);
            }
        }
        query.push(" order by position limit ").push_bind(i64::from(limit));
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(EventRow::read).collect()
}

/// The position of the first event after another position, where there is one.
pub(crate) async fn position_after(
    session: &mut Session<'_>,
    position: u64,
) -> Result<Option<u64>, StoreError> {
    const SQL: &str = "select min(position) from event where position > $1";
    let first: Option<i64> =
        on_either!(session, c => sqlx::query_scalar(SQL).bind(signed(position)).fetch_one(c))?;
    first.map(number).transpose()
}

/// The position of the last event ever appended.
pub(crate) async fn last_position(session: &mut Session<'_>) -> Result<u64, StoreError> {
    const SQL: &str = "select position from journal";
    let position: i64 = on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))?;
    number(position)
}

/// Deletes old events among the first `limit` of the log; how many.
pub(crate) async fn delete_events(
    session: &mut Session<'_>,
    before: UnixMillis,
    limit: u32,
) -> Result<u64, StoreError> {
    // By position, so that the log loses its beginning and nothing in between; all of it where nothing is newer.
    const SQL: &str = "with first as (select position, at from event order by position limit $2)
         delete from event where position < coalesce(
         (select min(position) from first where at >= $1), (select max(position) + 1 from first))";
    execute!(session, sqlx::query(SQL).bind(before.0).bind(i64::from(limit)))
}

// === impl EventRow ===

impl EventRow {
    pub(in crate::store) fn read(self) -> Result<Event, StoreError> {
        Ok(Event {
            position: number(self.position)?,
            id: EventId::from_bytes(array(&self.id)?),
            kind: self.kind,
            at: UnixMillis(self.at),
            tenant: Tenant { provider: self.provider, owner: self.owner },
            subject: self.subject,
            data: document(Some(self.data))?.unwrap_or_default(),
        })
    }
}
