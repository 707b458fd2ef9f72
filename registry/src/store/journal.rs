//! Rows of `journal`, `change` and `event`.

use domain::{ChangeId, EventId, UnixMillis};
use serde_json::Value;
use sqlx::FromRow;

use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::journal::{Chain, Change, Entry, Event, Filter, NewEvent, Tenant, Wanted};

/// Rows that the whole log is read in at a time.
const VERIFIED_AT_ONCE: u32 = 1_000;

/// Columns of a [`ChangeRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! change_columns {
    () => {
        "seq, id, at, actor_kind, actor, action, subject_kind, subject, provider, owner, before, after, request, hash"
    };
}

/// A row of `change`.
#[derive(Debug, FromRow)]
struct ChangeRow {
    seq: i64,
    id: Vec<u8>,
    at: i64,
    actor_kind: String,
    actor: String,
    action: String,
    subject_kind: String,
    subject: String,
    provider: Option<String>,
    owner: Option<String>,
    before: Option<String>,
    after: Option<String>,
    request: Option<String>,
    hash: Vec<u8>,
}

/// Columns of an [`EventRow`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! event_columns {
    () => {
        "position, id, type, at, provider, owner, subject, data"
    };
}

pub(super) use event_columns;

/// A row of `event`.
#[derive(Debug, FromRow)]
pub(super) struct EventRow {
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
    insert_change(session, &next, id, entry).await
}

/// Appends an event; its position.
pub(crate) async fn put_event(
    session: &mut Session<'_>,
    id: EventId,
    event: &NewEvent,
) -> Result<u64, StoreError> {
    let next = next(session, (0, 1)).await?;
    insert_event(session, &next, id, event).await
}

/// Both of one change; the event's position.
pub(crate) async fn put_change_and_event(
    session: &mut Session<'_>,
    (change, event): (ChangeId, EventId),
    entry: &Entry<'_>,
    told: &NewEvent,
) -> Result<u64, StoreError> {
    let next = next(session, (1, 1)).await?;
    insert_change(session, &next, change, entry).await?;
    insert_event(session, &next, event, told).await
}

/// Takes the numbers of so many entries and events, none or one of each. Whoever else writes waits from here on.
async fn next(session: &mut Session<'_>, (changes, events): (i64, i64)) -> Result<Next, StoreError> {
    const SQL: &str = "update journal set change = change + $1, position = position + $2
         returning change, head, position";
    on_either!(session, c => sqlx::query_as(SQL).bind(changes).bind(events).fetch_one(c))
}

async fn insert_change(
    session: &mut Session<'_>,
    next: &Next,
    id: ChangeId,
    entry: &Entry<'_>,
) -> Result<(), StoreError> {
    const PUT: &str =
        "insert into change (seq, id, at, actor_kind, actor, action, subject_kind, subject, provider, owner,
         before, after, request, hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    const HEAD: &str = "update journal set head = $1";
    let (actor_kind, actor) = entry.actor.words();
    let text = |document: &Option<Value>| document.as_ref().map(Value::to_string);
    let row = ChangeRow {
        seq: next.change,
        id: id.as_bytes().to_vec(),
        at: entry.at.0,
        actor_kind: actor_kind.to_owned(),
        actor,
        action: entry.action.to_owned(),
        subject_kind: entry.subject.kind.to_owned(),
        subject: entry.subject.id.clone(),
        provider: entry.tenant.provider.clone(),
        owner: entry.tenant.owner.clone(),
        before: text(&entry.before),
        after: text(&entry.after),
        request: entry.actor.request.clone(),
        hash: Vec::new(),
    };
    let hash = row.chained(&next.head);
    execute!(
        session,
        sqlx::query(PUT)
            .bind(row.seq)
            .bind(&row.id)
            .bind(row.at)
            .bind(&row.actor_kind)
            .bind(&row.actor)
            .bind(&row.action)
            .bind(&row.subject_kind)
            .bind(&row.subject)
            .bind(&row.provider)
            .bind(&row.owner)
            .bind(&row.before)
            .bind(&row.after)
            .bind(&row.request)
            .bind(&hash[..])
    )?;
    execute!(session, sqlx::query(HEAD).bind(&hash[..]))?;
    Ok(())
}

async fn insert_event(
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
    // Each condition is off where its value is null.
    const SQL: &str = concat!(
        "select ",
        event_columns!(),
        " from event where position > $1 and position <= $2
         and ($4 is null or provider = $4) and ($5 is null or owner = $5)
         and ($6 is null or type = $6) and ($7 is null or subject = $7) order by position limit $3"
    );
    let (provider, owner) = (filter.provider.as_deref(), filter.owner.as_deref());
    let (kind, subject) = (wanted.kind.as_deref(), wanted.subject.as_deref());
    let rows: Vec<EventRow> = on_either!(session, c => sqlx::query_as(SQL)
        .bind(signed(after))
        .bind(signed(end))
        .bind(i64::from(limit))
        .bind(provider)
        .bind(owner)
        .bind(kind)
        .bind(subject)
        .fetch_all(c))?;
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

/// Changes before a number, newest first.
pub(crate) async fn changes_before(
    session: &mut Session<'_>,
    before: u64,
    limit: u32,
    filter: &Filter,
) -> Result<Vec<Change>, StoreError> {
    // Each condition is off where its value is null; the subject's comes with an index of its own.
    const SQL: &str = concat!(
        "select ",
        change_columns!(),
        " from change where seq < $1 and ($3 is null or provider = $3) and ($4 is null or owner = $4)
         and ($5 is null or subject_kind = $5) order by seq desc limit $2"
    );
    const SUBJECT: &str = concat!(
        "select ",
        change_columns!(),
        " from change where subject_kind = $5 and subject = $6 and seq < $1
         and ($3 is null or provider = $3) and ($4 is null or owner = $4) order by seq desc limit $2"
    );
    let (kind, subject) = match &filter.subject {
        Some((kind, subject)) => (Some(kind.as_str()), subject.as_deref()),
        None => (None, None),
    };
    let (before, limit) = (signed(before), i64::from(limit));
    let (provider, owner) = (filter.provider.as_deref(), filter.owner.as_deref());
    let rows: Vec<ChangeRow> = match subject {
        None => {
            on_either!(session, c => sqlx::query_as(SQL).bind(before).bind(limit).bind(provider).bind(owner)
            .bind(kind).fetch_all(c))?
        }
        Some(subject) => {
            on_either!(session, c => sqlx::query_as(SUBJECT).bind(before).bind(limit).bind(provider).bind(owner)
                .bind(kind).bind(subject).fetch_all(c))?
        }
    };
    rows.into_iter().map(ChangeRow::read).collect()
}

/// The number of the last change.
pub(crate) async fn last_change(session: &mut Session<'_>) -> Result<u64, StoreError> {
    const SQL: &str = "select change from journal";
    let change: i64 = on_either!(session, c => sqlx::query_scalar(SQL).fetch_one(c))?;
    number(change)
}

/// Changes after a number and up to another one, in order.
pub(crate) async fn changes_between(
    session: &mut Session<'_>,
    after: u64,
    last: u64,
) -> Result<Vec<Change>, StoreError> {
    const SQL: &str =
        concat!("select ", change_columns!(), " from change where seq > $1 and seq <= $2 order by seq");
    let rows: Vec<ChangeRow> = on_either!(session, c =>
        sqlx::query_as(SQL).bind(signed(after)).bind(signed(last)).fetch_all(c))?;
    rows.into_iter().map(ChangeRow::read).collect()
}

/// Follows the chain from its beginning to its head.
pub(crate) async fn verify(session: &mut Session<'_>) -> Result<Chain, StoreError> {
    const SQL: &str =
        concat!("select ", change_columns!(), " from change where seq > $1 order by seq limit $2");
    const END: &str = "select change, head from journal";
    let (mut previous, mut last) = (vec![0; 32], 0_i64);
    loop {
        let rows: Vec<ChangeRow> = on_either!(session, c =>
            sqlx::query_as(SQL).bind(last).bind(i64::from(VERIFIED_AT_ONCE)).fetch_all(c))?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let expected = row.chained(&previous);
            if row.seq != last + 1 || row.hash != expected {
                return Ok(Chain { changes: number(last)?, broken_at: Some(number(last + 1)?) });
            }
            (previous, last) = (row.hash, row.seq);
        }
    }
    let (count, head): (i64, Vec<u8>) = on_either!(session, c => sqlx::query_as(END).fetch_one(c))?;
    let whole = count == last && head == previous;
    Ok(Chain { changes: number(last)?, broken_at: if whole { None } else { Some(number(last + 1)?) } })
}

/// Deletes old events.
pub(crate) async fn delete_events(session: &mut Session<'_>, before: UnixMillis) -> Result<u64, StoreError> {
    // By position, so that the log loses its beginning and nothing in between; all of it where nothing is newer.
    const SQL: &str = "delete from event where position <
         coalesce((select min(position) from event where at >= $1), (select position + 1 from journal))";
    execute!(session, sqlx::query(SQL).bind(before.0))
}

// === impl ChangeRow ===

impl ChangeRow {
    /// The hash of this row after `previous`: BLAKE3 over the fields, each behind its length, so that no two rows read alike.
    fn chained(&self, previous: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: Option<&[u8]>| {
            let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
            hasher.update(&length.to_be_bytes()).update(bytes.unwrap_or_default());
        };
        let text = |text: &Option<String>| text.as_deref().map(str::as_bytes).map(<[u8]>::to_vec);
        field(Some(previous));
        field(Some(&self.seq.to_be_bytes()));
        field(Some(&self.id));
        field(Some(&self.at.to_be_bytes()));
        for plain in [&self.actor_kind, &self.actor, &self.action, &self.subject_kind, &self.subject] {
            field(Some(plain.as_bytes()));
        }
        for optional in [&self.provider, &self.owner, &self.before, &self.after, &self.request] {
            field(text(optional).as_deref());
        }
        *hasher.finalize().as_bytes()
    }

    fn read(self) -> Result<Change, StoreError> {
        Ok(Change {
            seq: number(self.seq)?,
            id: ChangeId::from_bytes(array(&self.id)?),
            at: UnixMillis(self.at),
            actor_kind: self.actor_kind,
            actor: self.actor,
            action: self.action,
            subject_kind: self.subject_kind,
            subject: self.subject,
            tenant: Tenant { provider: self.provider, owner: self.owner },
            before: document(self.before)?,
            after: document(self.after)?,
            request: self.request,
        })
    }
}

// === impl EventRow ===

impl EventRow {
    pub(super) fn read(self) -> Result<Event, StoreError> {
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
