//! The journal's numbers, and what is written under them: one row of `journal` says where the next entry and the next event
//! stand. Rows of `change`: `change.rs`; rows of `event`: `event.rs`.

mod change;
mod event;

use domain::{ChangeId, EventId};
use serde_json::Value;
use sqlx::FromRow;

use super::pool::on_either;
use super::{Session, StoreError};
use crate::journal::{Entry, NewEvent};

pub(crate) use change::{changes_before, changes_between, last_change, verify};
pub(super) use event::{EventRow, event_columns};
pub(crate) use event::{delete_events, events_after, find_events, last_position, position_after};

/// Where the next entry and the next event stand.
#[derive(FromRow)]
struct Next {
    change: i64,
    /// The hash of the entry before.
    head: Vec<u8>,
    position: i64,
}

/// Adds an entry at the end of the chain.
pub(crate) async fn put_change(
    session: &mut Session<'_>,
    id: ChangeId,
    entry: &Entry<'_>,
) -> Result<(), StoreError> {
    let next = next(session, (1, 0)).await?;
    change::insert(session, &next, id, entry).await
}

/// Appends an event; its position.
pub(crate) async fn put_event(
    session: &mut Session<'_>,
    id: EventId,
    event: &NewEvent,
) -> Result<u64, StoreError> {
    let next = next(session, (0, 1)).await?;
    event::insert(session, &next, id, event).await
}

/// Both of one change; the event's position.
pub(crate) async fn put_change_and_event(
    session: &mut Session<'_>,
    change: ChangeId,
    event: EventId,
    entry: &Entry<'_>,
    told: &NewEvent,
) -> Result<u64, StoreError> {
    let next = next(session, (1, 1)).await?;
    change::insert(session, &next, change, entry).await?;
    event::insert(session, &next, event, told).await
}

/// Takes the numbers of so many entries and events, none or one of each. Whoever else writes waits from here on.
async fn next(session: &mut Session<'_>, (changes, events): (i64, i64)) -> Result<Next, StoreError> {
    const SQL: &str = "update journal set change = change + $1, position = position + $2
         returning change, head, position";
    on_either!(session, c => sqlx::query_as(SQL).bind(changes).bind(events).fetch_one(c))
}

fn document(text: Option<String>) -> Result<Option<Value>, StoreError> {
    text.map(|text| serde_json::from_str(&text).map_err(|_| StoreError::Corrupt("document"))).transpose()
}

pub(super) fn number(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("position"))
}

/// What is past 63 bits is past every row.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
