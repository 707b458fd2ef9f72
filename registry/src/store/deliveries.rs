//! Rows of `webhook_delivery`, and the events behind them.

use domain::{EventId, UnixMillis, WebhookId};
use sqlx::{FromRow, QueryBuilder};

use super::journal::{EventRow, event_columns, number, signed};
use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::journal::Event;
use crate::webhook::queue::{Backlog, Due};
use crate::webhook::{Delivery, DeliveryState, Webhook};

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "position, event, type, state, attempts, at, status, error"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    position: i64,
    event: Vec<u8>,
    #[sqlx(rename = "type")]
    kind: String,
    state: String,
    attempts: i64,
    at: i64,
    status: Option<i64>,
    error: Option<String>,
}

/// Writes rows, in place of what was there.
pub(crate) async fn put(
    session: &mut Session<'_>,
    id: WebhookId,
    deliveries: &[Delivery],
) -> Result<(), StoreError> {
    const PUT: &str =
        "insert into webhook_delivery (webhook, position, event, type, state, attempts, at, status, error) ";
    const AGAIN: &str = " on conflict (webhook, position) do update set state = excluded.state,
         attempts = excluded.attempts, at = excluded.at, status = excluded.status, error = excluded.error";
    if deliveries.is_empty() {
        return Ok(());
    }
    on_either!(session, c => async {
        let mut query = QueryBuilder::new(PUT);
        query.push_values(deliveries, |mut row, delivery| {
            row.push_bind(id.as_bytes().to_vec())
                .push_bind(signed(delivery.position))
                .push_bind(delivery.event.as_bytes().to_vec())
                .push_bind(&delivery.kind)
                .push_bind(delivery.state.name())
                .push_bind(i64::from(delivery.attempts))
                .push_bind(delivery.at.0)
                .push_bind(delivery.status.map(i64::from))
                .push_bind(&delivery.error);
        });
        // Its text differs with the number of rows: kept, each would push out another one.
        query.push(AGAIN).build().persistent(false).execute(c).await.map(drop)
    })
}

/// What a receiver wants to hear of within a stretch of the log, and has no row for.
pub(crate) async fn untold(
    session: &mut Session<'_>,
    webhook: &Webhook,
    (after, last): (u64, u64),
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    const SQL: &str = concat!("select ", event_columns!(), " from event where position > ");
    const NO_ROW: &str = " and not exists (select 1 from webhook_delivery d where d.position = event.position and d.webhook = ";
    let types = webhook.types.as_ref().and_then(|types| serde_json::to_string(types).ok());
    let rows: Vec<EventRow> = on_either!(session, c => async {
        let mut query = QueryBuilder::new(SQL);
        query.push_bind(signed(after)).push(" and position <= ").push_bind(signed(last));
        if let Some(provider) = &webhook.tenant.provider {
            query.push(" and provider = ").push_bind(provider);
        }
        if let Some(owner) = &webhook.tenant.owner {
            query.push(" and owner = ").push_bind(owner);
        }
        if let Some(types) = &types {
            query.push(" and type in (select value from json_each(").push_bind(types).push("))");
        }
        query.push(NO_ROW).push_bind(webhook.id.as_bytes().to_vec());
        query.push(") order by position limit ").push_bind(i64::from(limit));
        query.build_query_as().fetch_all(c).await
    })?;
    rows.into_iter().map(EventRow::read).collect()
}

/// Rows whose time has come, each with its event where the log still has it.
pub(crate) async fn due(
    session: &mut Session<'_>,
    id: WebhookId,
    at: UnixMillis,
    limit: u32,
) -> Result<Vec<Due>, StoreError> {
    const ROWS: &str = concat!(
        "select ",
        columns!(),
        " from webhook_delivery where webhook = $1 and state = 'pending' and at <= $2
         order by at, position limit $3"
    );
    const EVENTS: &str = concat!(
        "select ",
        event_columns!(),
        " from event where position in
         (select position from webhook_delivery where webhook = $1 and state = 'pending' and at <= $2
          order by at, position limit $3)"
    );
    let (key, limit) = (&id.as_bytes()[..], i64::from(limit));
    let rows: Vec<Row> =
        on_either!(session, c => sqlx::query_as(ROWS).bind(key).bind(at.0).bind(limit).fetch_all(c))?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<EventRow> =
        on_either!(session, c => sqlx::query_as(EVENTS).bind(key).bind(at.0).bind(limit).fetch_all(c))?;
    let mut events = events
        .into_iter()
        .map(|row| row.read().map(|event| (event.position, event)))
        .collect::<Result<std::collections::HashMap<_, _>, _>>()?;
    rows.into_iter()
        .map(|row| {
            let delivery = row.read()?;
            Ok(Due { event: events.remove(&delivery.position), delivery })
        })
        .collect()
}

pub(crate) async fn next_due(
    session: &mut Session<'_>,
    id: WebhookId,
) -> Result<Option<UnixMillis>, StoreError> {
    const SQL: &str = "select min(at) from webhook_delivery where webhook = $1 and state = 'pending'";
    let at: Option<i64> =
        on_either!(session, c => sqlx::query_scalar(SQL).bind(&id.as_bytes()[..]).fetch_one(c))?;
    Ok(at.map(UnixMillis))
}

pub(crate) async fn count_pending(
    session: &mut Session<'_>,
    id: WebhookId,
    count_max: u32,
) -> Result<u32, StoreError> {
    const SQL: &str = "select count(*) from (select 1 from webhook_delivery
         where webhook = $1 and state = 'pending' limit $2) counted";
    let count: i64 = on_either!(session, c =>
        sqlx::query_scalar(SQL).bind(&id.as_bytes()[..]).bind(i64::from(count_max)).fetch_one(c))?;
    u32::try_from(count).map_err(|_| StoreError::Corrupt("count"))
}

/// Newest event first.
pub(crate) async fn list(
    session: &mut Session<'_>,
    id: WebhookId,
    state: Option<DeliveryState>,
    before: u64,
    limit: u32,
) -> Result<Vec<Delivery>, StoreError> {
    const ALL: &str = concat!(
        "select ",
        columns!(),
        " from webhook_delivery where webhook = $1 and position < $2 order by position desc limit $3"
    );
    const STATE: &str = concat!(
        "select ",
        columns!(),
        " from webhook_delivery where webhook = $1 and state = $4 and position < $2
         order by position desc limit $3"
    );
    let (key, before, limit) = (&id.as_bytes()[..], signed(before), i64::from(limit));
    let rows: Vec<Row> = match state {
        None => on_either!(session, c =>
            sqlx::query_as(ALL).bind(key).bind(before).bind(limit).fetch_all(c))?,
        Some(state) => on_either!(session, c =>
            sqlx::query_as(STATE).bind(key).bind(before).bind(limit).bind(state.name()).fetch_all(c))?,
    };
    rows.into_iter().map(Row::read).collect()
}

/// An event of the log by its id.
pub(crate) async fn event(session: &mut Session<'_>, id: EventId) -> Result<Option<Event>, StoreError> {
    const SQL: &str = concat!("select ", event_columns!(), " from event where id = $1");
    let row: Option<EventRow> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&id.as_bytes()[..]).fetch_optional(c))?;
    row.map(EventRow::read).transpose()
}

/// Has an event sent at once, from the first attempt on.
pub(crate) async fn begin_again(
    session: &mut Session<'_>,
    id: WebhookId,
    event: &Event,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let delivery = Delivery {
        position: event.position,
        event: event.id,
        kind: event.kind.clone(),
        state: DeliveryState::Pending,
        attempts: 0,
        at,
        status: None,
        error: None,
    };
    put(session, id, &[delivery]).await
}

/// How much is dead.
pub(crate) async fn dead(session: &mut Session<'_>, id: WebhookId) -> Result<u64, StoreError> {
    const SQL: &str = "select count(*) from webhook_delivery where webhook = $1 and state = 'dead'";
    let count: i64 = on_either!(session, c => sqlx::query_scalar(SQL).bind(&id.as_bytes()[..]).fetch_one(c))?;
    Ok(count.unsigned_abs())
}

/// Has everything that is dead sent at once; how many.
pub(crate) async fn revive(
    session: &mut Session<'_>,
    id: WebhookId,
    at: UnixMillis,
) -> Result<u64, StoreError> {
    const SQL: &str = "update webhook_delivery set state = 'pending', attempts = 0, at = $2
         where webhook = $1 and state = 'dead'";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(at.0))
}

/// Sets a receiver back to a position and forgets what was sent after it.
pub(crate) async fn rewind(
    session: &mut Session<'_>,
    id: WebhookId,
    position: u64,
) -> Result<(), StoreError> {
    const ROWS: &str = "delete from webhook_delivery where webhook = $1 and position > $2";
    const POSITION: &str = "update webhook set position = $2 where id = $1";
    let (key, position) = (&id.as_bytes()[..], signed(position));
    execute!(session, sqlx::query(ROWS).bind(key).bind(position))?;
    execute!(session, sqlx::query(POSITION).bind(key).bind(position))?;
    Ok(())
}

/// Forgets rows of a state that are older than `before`, or more than `count_max`, at most `limit` of either; whether there may be
/// more of them.
pub(crate) async fn trim(
    session: &mut Session<'_>,
    id: WebhookId,
    state: DeliveryState,
    before: UnixMillis,
    count_max: u32,
    limit: u32,
) -> Result<bool, StoreError> {
    const OLD: &str = "delete from webhook_delivery where webhook = $1 and position in
         (select position from webhook_delivery where webhook = $1 and state = $2 and at < $3 limit $4)";
    const MANY: &str = "delete from webhook_delivery where webhook = $1 and position in
         (select position from webhook_delivery where webhook = $1 and state = $2 and position <=
          (select position from webhook_delivery where webhook = $1 and state = $2
           order by position desc limit 1 offset $3)
          limit $4)";
    let (key, state) = (&id.as_bytes()[..], state.name());
    let mut more = false;
    for (sql, bound) in [(OLD, before.0), (MANY, i64::from(count_max))] {
        let gone =
            execute!(session, sqlx::query(sql).bind(key).bind(state).bind(bound).bind(i64::from(limit)))?;
        more |= gone >= u64::from(limit);
    }
    Ok(more)
}

/// How much is waiting, over all receivers that are sent to.
pub(crate) async fn backlog(session: &mut Session<'_>) -> Result<Backlog, StoreError> {
    const ROWS: &str = "select
         (select count(*) from webhook_delivery where state = 'pending'),
         (select count(*) from webhook_delivery where state = 'dead'),
         (select min(at) from webhook_delivery d join webhook w on w.id = d.webhook
          where w.disabled is null and d.state = 'pending')";
    let (pending, dead, due): (i64, i64, Option<i64>) =
        on_either!(session, c => sqlx::query_as(ROWS).fetch_one(c))?;
    Ok(Backlog { pending: number(pending)?, dead: number(dead)?, due: due.map(UnixMillis) })
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<Delivery, StoreError> {
        let corrupt = StoreError::Corrupt("delivery");
        Ok(Delivery {
            position: number(self.position)?,
            event: EventId::from_bytes(array(&self.event)?),
            kind: self.kind,
            state: DeliveryState::parse(&self.state).ok_or(corrupt)?,
            attempts: u32::try_from(self.attempts).map_err(|_| StoreError::Corrupt("delivery"))?,
            at: UnixMillis(self.at),
            status: self.status.and_then(|status| u16::try_from(status).ok()),
            error: self.error,
        })
    }
}
