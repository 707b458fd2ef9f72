//! [`Caller`]: who calls the management API: the administrator by the token of the configuration, or the holder of a key.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use domain::{ApiKeyId, Secret, UnixMillis};
use governor::clock::MonotonicClock;
use ledger::Ledger;
use registry::journal::{Actor, ActorKind, Tenant};
use registry::{ApiKey, ApiKeyGrant, Freezer, Registry, Role};
use subtle::ConstantTimeEq;

use super::operations;
use super::pace::Pace;
use crate::places::{Places, Shares};
use crate::problem::Problem;

/// The field that names the call in the answer, in the log and in the audit log.
const REQUEST_ID: &str = "faregate-request-id";

/// Calls under way at once: the control listener has 256 connections for all, of which streams and exports take some. Whoever sends bodies
/// slowly keeps others of one's own out, and nobody keeps the operator out.
const CALLS: Shares = Shares { all: 192, operator: 64, tenant: 32 };

/// What opens the API.
#[derive(Clone)]
pub(crate) struct Door {
    /// The digest of the administrator's token.
    token: Option<[u8; 32]>,
    registry: Registry,
    calls: Places,
    pace: Arc<Pace<MonotonicClock>>,
}

/// Who calls, and what they may. What they may not see does not exist for them.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    kind: ActorKind,
    role: Role,
    read_only: bool,
    scopes: Option<Vec<String>>,
    /// When the key that was shown ends by itself.
    expires_at: Option<UnixMillis>,
    request: Arc<str>,
}

// === impl Door ===

impl Door {
    pub(crate) fn new(token: Option<&Secret>, registry: Registry) -> Self {
        let token = token.map(|token| digest(token.expose().as_bytes()));
        Self { token, registry, calls: Places::new(CALLS), pace: Arc::new(Pace::new(MonotonicClock)) }
    }

    async fn open(&self, headers: &HeaderMap, request: Arc<str>) -> Result<Caller, Problem> {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let refusal = || if self.token.is_some() { Problem::Unauthorized } else { Problem::Closed };
        let (Some(field), None) = (shown.next(), shown.next()) else { return Err(refusal()) };
        let (scheme, shown) = field.as_bytes().split_at_checked(7).ok_or_else(refusal)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(refusal());
        }
        let shown = shown.trim_ascii();
        // Digests are compared, so that neither the token's length nor its first letters show in the time it takes (O5).
        if self.token.is_some_and(|token| bool::from(digest(shown).ct_eq(&token))) {
            return Ok(Caller::administrator(request));
        }
        let key = std::str::from_utf8(shown).ok().and_then(|text| ApiKey::parse(text).ok());
        let key = key.ok_or_else(refusal)?;
        let grant = self.registry.open_with_key(&key).await;
        let grant = grant.map_err(|error| Problem::from(error).before_call())?;
        Ok(Caller::of_key(grant.ok_or(Problem::Unauthorized)?, request))
    }
}

/// Lets nobody else through, not even to learn which paths there are. Names the call.
pub(crate) async fn require(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let id: Arc<str> = door.registry.new_request()?.to_string().into();
    let caller = door.open(request.headers(), Arc::clone(&id)).await?;
    let tenant = caller.tenant();
    let asked = (request.method(), request.uri(), request.headers());
    door.pace.count(tenant.as_deref(), asked).map_err(Problem::TooFast)?;
    // Until there is an answer, its stream aside.
    let _place = door.calls.take(tenant).ok_or(Problem::Overloaded)?;
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    if let Ok(value) = id.parse() {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

fn digest(token: &[u8]) -> [u8; 32] {
    *blake3::hash(token).as_bytes()
}

// === impl Caller ===

impl Caller {
    fn administrator(request: Arc<str>) -> Self {
        let role = Role::Admin;
        Self { kind: ActorKind::Token, role, read_only: false, scopes: None, expires_at: None, request }
    }

    fn of_key(grant: ApiKeyGrant, request: Arc<str>) -> Self {
        let ApiKeyGrant { id, role, read_only, scopes, expires_at, .. } = grant;
        Self { kind: ActorKind::Key(id), role, read_only, scopes, expires_at, request }
    }

    /// As the journal names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor { kind: self.kind, request: Some(self.request.to_string()) }
    }

    /// The ledger as it moves money in the caller's name: who asked stands in the commit, and from there in the audit log.
    pub(crate) fn moving(&self, ledger: &Ledger) -> Ledger {
        ledger.asked_by(&self.actor().to_string())
    }

    /// The key that was shown; none for the administrator's token.
    pub(crate) fn key(&self) -> Option<ApiKeyId> {
        match self.kind {
            ActorKind::Key(id) => Some(id),
            ActorKind::Token | ActorKind::File | ActorKind::System => None,
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// When the key that was shown ends by itself: what it makes must not open anything later.
    pub(crate) const fn expires_at(&self) -> Option<UnixMillis> {
        self.expires_at
    }

    /// As whom it freezes and thaws.
    pub(crate) fn freezer(&self) -> Freezer {
        if self.is_admin() { Freezer::Operator } else { Freezer::Owner }
    }

    /// The one provider that the caller may see; none: every one, or, for an owner, what all may see of them.
    pub(crate) fn only_provider(&self) -> Option<&str> {
        match &self.role {
            Role::Provider(name) => Some(name),
            Role::Admin | Role::Owner(_) => None,
        }
    }

    /// The one owner whose agents and wallets the caller may see; none: everyone's.
    pub(crate) fn only_owner(&self) -> Option<&str> {
        match &self.role {
            Role::Owner(name) => Some(name),
            Role::Admin | Role::Provider(_) => None,
        }
    }

    /// Whether what belongs to this owner is the caller's business. A provider's it never is.
    pub(crate) fn owns(&self, owner: Option<&str>) -> bool {
        match &self.role {
            Role::Admin => true,
            Role::Owner(name) => owner == Some(name),
            Role::Provider(_) => false,
        }
    }

    /// Whether what belongs to this provider is the caller's business.
    pub(crate) fn provides(&self, provider: &str) -> bool {
        match &self.role {
            Role::Admin => true,
            Role::Provider(name) => provider == name,
            Role::Owner(_) => false,
        }
    }

    /// Whose business something is, as the caller is told of it: a tenant learns no other's name.
    pub(crate) fn shown(&self, tenant: Tenant) -> Tenant {
        match &self.role {
            Role::Admin => tenant,
            Role::Provider(_) => Tenant { owner: None, ..tenant },
            Role::Owner(_) => Tenant { provider: None, ..tenant },
        }
    }

    /// Whether the caller may do what this scope says, whosever it is.
    pub(crate) fn may(&self, scope: &str) -> bool {
        let reads = scope.ends_with(":read");
        let listed = self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|listed| listed == scope));
        (reads || !self.read_only) && listed && operations::is_of_role(&self.role, scope)
    }

    /// The caller's idempotency key, as the ledger keeps it: two tenants may use the same one. The administrator's stands as
    /// it is.
    pub(crate) fn word(&self, key: &str) -> String {
        match self.role.subject() {
            None => key.to_owned(),
            Some(subject) => format!("{} {subject} {key}", self.role.name()),
        }
    }

    /// Whose share of what only so many may have the caller takes; none: the operator's.
    pub(crate) fn tenant(&self) -> Option<String> {
        (!self.is_admin()).then(|| self.who())
    }

    /// A name that is the same for all keys of one tenant.
    pub(crate) fn who(&self) -> String {
        format!("{} {}", self.role.name(), self.role.subject().unwrap_or_default())
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    /// Fails closed: a handler that nobody guards is called by nobody.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or(Problem::Unauthorized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(role: Role, read_only: bool, scopes: Option<&[&str]>) -> Caller {
        let scopes = scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect());
        Caller { kind: ActorKind::System, role, read_only, scopes, expires_at: None, request: "req_1".into() }
    }

    #[test]
    fn a_tenant_sees_its_own_and_nobody_elses() {
        let provider = caller(Role::Provider("acme".to_owned()), false, None);
        assert!(provider.provides("acme") && !provider.provides("other"));
        assert!(!provider.owns(None) && !provider.owns(Some("acme")));
        let owner = caller(Role::Owner("lab".to_owned()), false, None);
        assert!(owner.owns(Some("lab")) && !owner.owns(None) && !owner.owns(Some("other")));
        assert!(!owner.provides("lab"));
        assert_ne!(provider.word("k"), owner.word("k"));
    }

    #[test]
    fn a_key_does_what_its_role_its_scopes_and_reading_allow() {
        let owner = |read_only, scopes| caller(Role::Owner("lab".to_owned()), read_only, scopes);
        assert!(owner(false, None).may("agents:write"));
        assert!(!owner(true, None).may("agents:write") && owner(true, None).may("agents:read"));
        assert!(!owner(false, None).may("wallets:fund"));
        let listed = owner(false, Some(&["agents:read", "wallets:fund"]));
        assert!(listed.may("agents:read") && !listed.may("agents:write"));
        assert!(!listed.may("wallets:fund"), "a listed scope opens no more than the role");
        assert!(caller(Role::Admin, false, None).may("wallets:fund"));
    }
}
