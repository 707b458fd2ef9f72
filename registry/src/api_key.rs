//! [`ApiKey`]: `fgm_<id>_<secret>_<checksum>`, what opens the management API, and what it opens: a [`Role`].
//!
//! Kept at rest is only the hash of its secret. Agents pay with another kind of key ([`crate::agent_key`]), which opens
//! nothing here.

use std::fmt;
use std::str::FromStr;

use domain::{ApiKeyId, UnixMillis};

use crate::journal::{Actor, Entry, PAGE_MAX, Subject, Tenant};
use crate::key_text::{KeyText, KeyTextError, SECRET_BYTES, SecretHash};
use crate::registry::{Registry, RegistryError, random};
use crate::store::api_keys as store;
use crate::writing::Writing;

/// What every key begins with; secret scanners look for it.
pub const PREFIX: &str = "fgm_";

/// Longest name of a key, and of an owner, in bytes.
pub const API_KEY_NAME_BYTES_MAX: usize = 64;

/// The last use of a key is written at most this often, in milliseconds.
const LAST_USED_EVERY_MS: i64 = 60_000;

/// A key as its holder has it.
#[derive(Clone)]
pub struct ApiKey {
    id: ApiKeyId,
    secret: [u8; SECRET_BYTES],
}

/// Whose business a key opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// What belongs to the provider of this name.
    Provider(String),
    /// The agents and wallets of this owner.
    Owner(String),
}

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it opens.
    pub role: Role,
    /// Whether it only reads.
    pub read_only: bool,
    /// The only scopes of the API that it opens, such as `payments:read`; everything its role may where not set.
    pub scopes: Option<Vec<String>>,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
}

/// A key as it is known afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyGrant {
    /// Its public part.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// What it opens.
    pub role: Role,
    /// Whether it only reads.
    pub read_only: bool,
    /// The only scopes of the API that it opens, such as `payments:read`; everything its role may where not set.
    pub scopes: Option<Vec<String>>,
    /// From when on it is refused.
    pub expires_at: Option<UnixMillis>,
    /// Since when it is refused.
    pub revoked_at: Option<UnixMillis>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UnixMillis>,
    /// When it was made.
    pub created_at: UnixMillis,
}

// === impl ApiKey ===

impl ApiKey {
    /// A new key. The caller owns time and randomness.
    pub(crate) fn generate(at: UnixMillis, for_id: [u8; 10], secret: [u8; SECRET_BYTES]) -> Self {
        Self { id: ApiKeyId::generate(at, for_id), secret }
    }

    /// Reads a key and checks its checksum.
    ///
    /// # Errors
    /// It is none, or damaged. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let KeyText { id, secret } = KeyText::parse(PREFIX, text)?;
        let id = ApiKeyId::from_str(&format!("apk_{id}")).map_err(|_| KeyTextError::Malformed(PREFIX))?;
        Ok(Self { id, secret })
    }

    /// The public part, safe to log.
    #[must_use]
    pub const fn id(&self) -> ApiKeyId {
        self.id
    }

    /// The whole key, for the one place that shows it to its holder.
    #[must_use]
    pub fn reveal(&self) -> String {
        let id = self.id.to_string();
        KeyText::write(PREFIX, id.strip_prefix("apk_").unwrap_or(&id), &self.secret)
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash::of(&self.secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ApiKey({}, [secret])", self.id)
    }
}

// === impl Role ===

impl Role {
    /// `admin`, `provider` or `owner`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Provider(_) => "provider",
            Self::Owner(_) => "owner",
        }
    }

    /// The provider or owner it is bound to.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Admin => None,
            Self::Provider(name) | Self::Owner(name) => Some(name),
        }
    }

    /// Whose an entry of the journal about this role's things is.
    #[must_use]
    pub fn tenant(&self) -> Tenant {
        match self {
            Self::Admin => Tenant::default(),
            Self::Provider(name) => Tenant::provider(name),
            Self::Owner(name) => Tenant::owner(Some(name)),
        }
    }
}

// === impl ApiKeyGrant ===

impl ApiKeyGrant {
    /// Whether it opens anything at this time.
    #[must_use]
    pub fn is_good(&self, at: UnixMillis) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| at < end)
    }
}

// === impl Registry ===

impl Registry {
    /// Makes a key. What it returns is the only time its text is known.
    ///
    /// # Errors
    /// The name is none; the database does not work.
    pub async fn create_api_key(
        &self,
        actor: &Actor,
        new: NewApiKey,
    ) -> Result<(ApiKey, ApiKeyGrant), RegistryError> {
        if new.name.is_empty() || new.name.len() > API_KEY_NAME_BYTES_MAX {
            return Err(RegistryError::Name);
        }
        let at = self.now();
        let key = ApiKey::generate(at, random()?, random()?);
        let grant = ApiKeyGrant {
            id: key.id(),
            name: new.name,
            role: new.role,
            read_only: new.read_only,
            scopes: new.scopes,
            expires_at: new.expires_at,
            revoked_at: None,
            last_used_at: None,
            created_at: at,
        };
        let mut writing = self.write().await?;
        store::put(&mut writing.session(), &grant, key.hash()).await?;
        writing.record(&entry(actor, "api_key.created", &grant, at)).await?;
        writing.commit().await?;
        Ok((key, grant))
    }

    /// Ends a key at once; again is no error.
    ///
    /// # Errors
    /// [`RegistryError::UnknownApiKey`]; the database does not work.
    pub async fn revoke_api_key(&self, actor: &Actor, id: ApiKeyId) -> Result<ApiKeyGrant, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let known = store::get(&mut writing.session(), id).await?;
        let (grant, _) = known.ok_or(RegistryError::UnknownApiKey(id))?;
        if grant.revoked_at.is_some() {
            return Ok(grant);
        }
        store::revoke(&mut writing.session(), id, at).await?;
        let grant = ApiKeyGrant { revoked_at: Some(at), ..grant };
        writing.record(&entry(actor, "api_key.revoked", &grant, at)).await?;
        writing.commit().await?;
        Ok(grant)
    }

    /// What a key opens now. `None` where there is no such key, its secret is wrong, or its time is over: the three look
    /// the same, and take the same time (O5).
    ///
    /// # Errors
    /// The database does not work.
    pub async fn open_with_key(&self, key: &ApiKey) -> Result<Option<ApiKeyGrant>, RegistryError> {
        let at = self.now();
        let known = {
            let mut connection = self.shared.pool.acquire().await?;
            store::get(&mut connection.session(), key.id()).await?
        };
        // A key that is not there is compared as well.
        let (grant, kept) = known.map_or((None, SecretHash([0; 32])), |(grant, kept)| (Some(grant), kept));
        let is_right = kept.matches(&key.hash());
        let Some(grant) = grant.filter(|grant| is_right && grant.is_good(at)) else { return Ok(None) };
        let is_stale =
            grant.last_used_at.is_none_or(|last| at.0.saturating_sub(last.0) >= LAST_USED_EVERY_MS);
        if is_stale {
            let mut writing = self.write().await?;
            store::used(&mut writing.session(), grant.id, at).await?;
            writing.commit().await?;
        }
        Ok(Some(grant))
    }

    /// Whether a key opens anything now: it was not revoked, and its time is not over.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn is_good_api_key(&self, id: ApiKeyId) -> Result<bool, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let known = store::get(&mut connection.session(), id).await?;
        Ok(known.is_some_and(|(grant, _)| grant.is_good(self.now())))
    }

    /// Keys, newest first, those before `before` where given.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn api_keys(
        &self,
        before: Option<ApiKeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyGrant>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::list(&mut connection.session(), before, limit.min(PAGE_MAX)).await?)
    }
}

/// Ends every key of a provider.
pub(crate) async fn revoke_of_provider(
    writing: &mut Writing<'_>,
    actor: &Actor,
    provider: &str,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    for grant in store::of_provider(&mut writing.session(), provider).await? {
        store::revoke(&mut writing.session(), grant.id, at).await?;
        let grant = ApiKeyGrant { revoked_at: Some(at), ..grant };
        writing.record(&entry(actor, "api_key.revoked", &grant, at)).await?;
    }
    Ok(())
}

fn entry<'a>(actor: &'a Actor, action: &'static str, grant: &ApiKeyGrant, at: UnixMillis) -> Entry<'a> {
    let document = serde_json::json!({
        "name": grant.name,
        "role": grant.role.name(),
        "subject": grant.role.subject(),
        "read_only": grant.read_only,
        "scopes": grant.scopes,
        "expires_at": grant.expires_at.map(|end| end.to_string()),
    });
    let (before, after) =
        if grant.revoked_at.is_some() { (Some(document), None) } else { (None, Some(document)) };
    let (subject, tenant) = (Subject::new("api_key", grant.id), grant.role.tenant());
    Entry { actor, action, subject, tenant, before, after, at }
}

#[cfg(test)]
mod tests;
