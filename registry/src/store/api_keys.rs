//! Rows of `api_key`.

use domain::{ApiKeyId, UnixMillis};
use sqlx::FromRow;

use super::pool::{execute, on_either};
use super::rows::array;
use super::{Session, StoreError};
use crate::api_key::{ApiKeyGrant, Role};
use crate::key_text::SecretHash;

/// Columns of a [`Row`]. Named one by one: a newer process adds columns while this one runs.
macro_rules! columns {
    () => {
        "id, name, secret_hash, role, subject, read_only, scopes, expires_at, revoked_at, last_used_at, created_at"
    };
}

#[derive(Debug, FromRow)]
struct Row {
    id: Vec<u8>,
    name: String,
    secret_hash: Vec<u8>,
    role: String,
    subject: Option<String>,
    read_only: bool,
    scopes: Option<String>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    created_at: i64,
}

pub(crate) async fn put(
    session: &mut Session<'_>,
    grant: &ApiKeyGrant,
    hash: SecretHash,
) -> Result<(), StoreError> {
    const SQL: &str =
        "insert into api_key (id, name, secret_hash, role, subject, read_only, scopes, expires_at,
         created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let scopes = grant.scopes.as_ref().and_then(|scopes| serde_json::to_string(scopes).ok());
    execute!(
        session,
        sqlx::query(SQL)
            .bind(&grant.id.as_bytes()[..])
            .bind(&grant.name)
            .bind(&hash.0[..])
            .bind(grant.role.name())
            .bind(grant.role.subject())
            .bind(grant.read_only)
            .bind(scopes)
            .bind(grant.expires_at.map(|end| end.0))
            .bind(grant.created_at.0)
    )?;
    Ok(())
}

pub(crate) async fn get(
    session: &mut Session<'_>,
    id: ApiKeyId,
) -> Result<Option<(ApiKeyGrant, SecretHash)>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from api_key where id = $1");
    let row: Option<Row> =
        on_either!(session, c => sqlx::query_as(SQL).bind(&id.as_bytes()[..]).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

pub(crate) async fn list(
    session: &mut Session<'_>,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKeyGrant>, StoreError> {
    const SQL: &str = concat!("select ", columns!(), " from api_key where id < $1 order by id desc limit $2");
    let before = before.map_or([u8::MAX; 16], |id| *id.as_bytes());
    let rows: Vec<Row> = on_either!(session, c =>
        sqlx::query_as(SQL).bind(&before[..]).bind(i64::from(limit)).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.read()?.0)).collect()
}

/// Keys of a provider that were not revoked.
pub(crate) async fn of_provider(
    session: &mut Session<'_>,
    provider: &str,
) -> Result<Vec<ApiKeyGrant>, StoreError> {
    const SQL: &str = concat!(
        "select ",
        columns!(),
        " from api_key where role = 'provider' and subject = $1 and revoked_at is null order by id"
    );
    let rows: Vec<Row> = on_either!(session, c => sqlx::query_as(SQL).bind(provider).fetch_all(c))?;
    rows.into_iter().map(|row| Ok(row.read()?.0)).collect()
}

pub(crate) async fn revoke(
    session: &mut Session<'_>,
    id: ApiKeyId,
    at: UnixMillis,
) -> Result<(), StoreError> {
    const SQL: &str = "update api_key set revoked_at = $2 where id = $1";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(at.0))?;
    Ok(())
}

pub(crate) async fn used(session: &mut Session<'_>, id: ApiKeyId, at: UnixMillis) -> Result<(), StoreError> {
    const SQL: &str = "update api_key set last_used_at = $2 where id = $1";
    execute!(session, sqlx::query(SQL).bind(&id.as_bytes()[..]).bind(at.0))?;
    Ok(())
}

// === impl Row ===

impl Row {
    fn read(self) -> Result<(ApiKeyGrant, SecretHash), StoreError> {
        let role = match (&*self.role, self.subject) {
            ("admin", None) => Role::Admin,
            ("provider", Some(name)) => Role::Provider(name),
            ("owner", Some(name)) => Role::Owner(name),
            _ => return Err(StoreError::Corrupt("role")),
        };
        let scopes = self.scopes.map(|scopes| serde_json::from_str(&scopes)).transpose();
        let grant = ApiKeyGrant {
            id: ApiKeyId::from_bytes(array(&self.id)?),
            name: self.name,
            role,
            read_only: self.read_only,
            scopes: scopes.map_err(|_| StoreError::Corrupt("scope"))?,
            expires_at: self.expires_at.map(UnixMillis),
            revoked_at: self.revoked_at.map(UnixMillis),
            last_used_at: self.last_used_at.map(UnixMillis),
            created_at: UnixMillis(self.created_at),
        };
        Ok((grant, SecretHash(array(&self.secret_hash)?)))
    }
}
