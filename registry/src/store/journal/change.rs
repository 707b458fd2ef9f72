//! Rows of `change`, the audit log's entries: each carries the hash of the one before.

use domain::{ChangeId, UnixMillis};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder};

use super::{Next, document, number, signed};
use crate::journal::{Chain, Change, Entry, Filter, Tenant};
use crate::store::pool::{execute, on_either};
use crate::store::rows::array;
use crate::store::{Session, StoreError};

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

/// Adds an entry at the end of the chain, under the number taken for it.
pub(super) async fn insert(
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

/// Changes before a number, newest first.
pub(crate) async fn changes_before(
    session: &mut Session<'_>,
    before: u64,
    limit: u32,
    filter: &Filter,
) -> Result<Vec<Change>, StoreError> {
    const SQL: &str = concat!("select ", change_columns!(), " from change where seq < ");
    let (kind, subject) = match &filter.subject {
        Some((kind, subject)) => (Some(kind), subject.as_ref()),
        None => (None, None),
    };
    // Only the conditions there are: one that is off where its value is null lets no index serve the others, and a tenant's look
    // goes through everybody's entries.
    let conditions = [
        (" and provider = ", filter.provider.as_ref()),
        (" and owner = ", filter.owner.as_ref()),
        (" and subject_kind = ", kind),
        (" and subject = ", subject),
    ];
    let rows: Vec<ChangeRow> = on_either!(session, c => async {
        let mut query = QueryBuilder::new(SQL);
        query.push_bind(signed(before));
        for (condition, value) in conditions {
            if let Some(value) = value {
                query.push(condition).push_bind(value);
            }
        }
        query.push(" order by seq desc limit ").push_bind(i64::from(limit));
        query.build_query_as().fetch_all(c).await
    })?;
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
