//! Rows of `webhook`.

use domain::{UnixMillis, WebhookId};
use sqlx::FromRow;

use super::journal::{number, signed};
use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::journal::Tenant;
use crate::webhook::queue::{DeliveryOutcomes, Sender};
use crate::webhook::{Disabled, SigningSecret, Webhook};

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "id, url, types, provider, owner, of_operator, secret, previous_secret, previous_until, position, disabled, failing_since, created_at"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    id: Vec<u8>,
    url: String,
    types: Option<String>,
    provider: Option<String>,
    owner: Option<String>,
    of_operator: bool,
    secret: Vec<u8>,
    previous_secret: Option<Vec<u8>>,
    previous_until: Option<i64>,
    position: i64,
    disabled: Option<String>,
    failing_since: Option<i64>,
    created_at: i64,
}

pub(crate) async fn put(session: &mut Session<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    const SQL: &str =
        "insert into webhook (id, url, types, provider, owner, secret, position, created_at, of_operator)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&webhook.id.as_bytes()[..])
            .bind(&webhook.url)
            .bind(types(webhook.types.as_deref()))
            .bind(&webhook.tenant.provider)
            .bind(&webhook.tenant.owner)
            .bind(webhook.secret.expose())
            .bind(signed(webhook.position))
            .bind(webhook.created_at.0)
            .bind(webhook.of_operator)
    )?;
    Ok(())
}

/// Writes what people or the system change; never the position.
pub(crate) async fn update(session: &mut Session<'_>, webhook: &Webhook) -> Result<(), StoreError> {
    const SQL: &str = "update webhook set url = $2, types = $3, secret = $4, previous_secret = $5,
         previous_until = $6, disabled = $7, failing_since = $8 where id = $1";
    let previous = webhook.previous.as_ref();
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&webhook.id.as_bytes()[..])
            .bind(&webhook.url)
            .bind(types(webhook.types.as_deref()))
            .bind(webhook.secret.expose())
            .bind(previous.map(|(secret, _)| secret.expose()))
            .bind(previous.map(|(_, until)| until.0))
            .bind(webhook.disabled.map(Disabled::name))
            .bind(webhook.failing_since.map(|since| since.0))
    )?;
    Ok(())
}

pub(crate) async fn remove(session: &mut Session<'_>, id: WebhookId) -> Result<(), StoreError> {
    const SQL: &str = "delete from webhook where id = $1";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]))?;
    Ok(())
}

pub(crate) async fn get(session: &mut Session<'_>, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from webhook where id = $1");
    let row: Option<Row> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&id.as_bytes()[..]).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Receivers that are a tenant's, all where it is nobody, newest first.
pub(crate) async fn list(
    session: &mut Session<'_>,
    tenant: &Tenant,
    before: Option<WebhookId>,
    limit: u32,
) -> Result<Vec<Webhook>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from webhook where id < $1
         and (cast($3 as text) is null or (provider = $3 and not of_operator))
         and (cast($4 as text) is null or (owner = $4 and not of_operator))
         order by id desc limit $2"
    );
    let before = before.map_or([u8::MAX; 16], |id| *id.as_bytes());
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL)
        .bind(&before[..])
        .bind(i64::from(limit))
        .bind(&tenant.provider)
        .bind(&tenant.owner)
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

pub(crate) async fn enabled(session: &mut Session<'_>) -> Result<Vec<Webhook>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from webhook where disabled is null order by id");
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL).fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// How many a tenant has of its own, or the operator for it.
pub(crate) async fn count(
    session: &mut Session<'_>,
    tenant: &Tenant,
    of_operator: bool,
) -> Result<u64, StoreError> {
    const SQL: &str = "select count(*) from webhook
         where of_operator = $3 and coalesce(provider, '') = coalesce($1, '') and coalesce(owner, '') = coalesce($2, '')";
    let count: i64 = on_either!(session, c =>
        sqlx::query_scalar(SQL).bind(&tenant.provider).bind(&tenant.owner).bind(of_operator).fetch_one(c))?;
    number(count)
}

/// Names the sender, where nobody else is.
pub(crate) async fn take_turn(
    session: &mut Session<'_>,
    id: WebhookId,
    sender: &Sender,
    at: UnixMillis,
    until: UnixMillis,
) -> Result<Option<Webhook>, StoreError> {
    const SQL: &str = concat!(
        "update webhook set sender = $2, sender_until = $4 where id = $1 and disabled is null
         and (sender is null or sender = $2 or sender_until <= $3) returning ",
        columns!()
    );
    let row: Option<Row> = on_either!(session, c => sqlx::query_as(SQL)
        .bind(&id.as_bytes()[..])
        .bind(&sender[..])
        .bind(at.0)
        .bind(until.0)
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

pub(crate) async fn end_turn(
    session: &mut Session<'_>,
    id: WebhookId,
    sender: &Sender,
) -> Result<(), StoreError> {
    const SQL: &str = "update webhook set sender = null, sender_until = 0 where id = $1 and sender = $2";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(&sender[..]))?;
    Ok(())
}

/// Moves the position on, where sender, position and types are still what they were.
pub(crate) async fn record(
    session: &mut Session<'_>,
    id: WebhookId,
    sender: &Sender,
    outcomes: &DeliveryOutcomes<'_>,
    at: UnixMillis,
) -> Result<Option<Webhook>, StoreError> {
    const SQL: &str = concat!("update webhook set position = $4, sender_until = $5,
         failing_since = case when $6 then null when $7 then coalesce(failing_since, $8) else failing_since end
         where id = $1 and sender = $2 and position = $3 and coalesce(types, '') = coalesce($9, '') returning ", columns!());
    let row: Option<Row> = on_either!(session, c => sqlx::query_as(SQL)
        .bind(&id.as_bytes()[..])
        .bind(&sender[..])
        .bind(signed(outcomes.from))
        .bind(signed(outcomes.to))
        .bind(at.plus(outcomes.turn_ms).0)
        .bind(outcomes.delivered)
        .bind(outcomes.failed)
        .bind(at.0)
        .bind(types(outcomes.types))
        .fetch_optional(c))?;
    row.map(Row::read).transpose()
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<Webhook, StoreError> {
        let types = self.types.map(|text| serde_json::from_str(&text)).transpose();
        let disabled = match self.disabled {
            None => None,
            Some(word) => Some(Disabled::parse(&word).ok_or(StoreError::Corrupt("webhook"))?),
        };
        let previous = self.previous_secret.map(SigningSecret::from_bytes);
        Ok(Webhook {
            id: WebhookId::from_bytes(array(&self.id)?),
            url: self.url,
            types: types.map_err(|_| StoreError::Corrupt("webhook"))?,
            tenant: Tenant { provider: self.provider, owner: self.owner },
            of_operator: self.of_operator,
            secret: SigningSecret::from_bytes(self.secret),
            previous: previous.zip(self.previous_until.map(UnixMillis)),
            position: number(self.position)?,
            disabled,
            failing_since: self.failing_since.map(UnixMillis),
            created_at: UnixMillis(self.created_at),
        })
    }
}

/// The types as the row has them; a list of texts always becomes JSON.
fn types(types: Option<&[String]>) -> Option<String> {
    types.and_then(|types| serde_json::to_string(types).ok())
}
