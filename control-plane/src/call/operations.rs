//! [`Operations`]: the calls there are, read out of the OpenAPI document, and what each demands of its caller.
//!
//! The document is not a description beside the code: what it says of scopes and parameters is what is enforced, and an
//! operation that names no scope cannot be called by anyone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use registry::Role;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr, Required};

use super::caller::Caller;
use crate::problem::Problem;

/// The security scheme that every operation names, with its scope.
pub(crate) const SCHEME: &str = "management";

/// What a provider may do, with its own.
const PROVIDER: &[&str] = &[
    "providers:read",
    "providers:write",
    "routes:read",
    "routes:write",
    "prices:read",
    "networks:read",
    "payments:read",
    "payments:refund",
    "settlements:read",
    "webhooks:read",
    "webhooks:write",
    "events:read",
    "changes:read",
];

/// What an owner of agents may do, with their own.
const OWNER: &[&str] = &[
    "agents:read",
    "agents:write",
    "wallets:read",
    "wallets:write",
    "prices:read",
    "networks:read",
    "payments:read",
    "webhooks:read",
    "webhooks:write",
    "events:read",
    "changes:read",
];

/// What only the administrator may do, besides all of the above.
const ADMIN: &[&str] = &[
    "providers:admin",
    "wallets:fund",
    "wallets:withdraw",
    "settlements:write",
    "catalog:read",
    "catalog:write",
    "api_keys:read",
    "api_keys:write",
    "books:read",
];

/// All calls, by method and path.
#[derive(Clone)]
pub(crate) struct Operations {
    known: Arc<HashMap<(Method, String), Demands>>,
}

/// What one call demands.
struct Demands {
    scope: String,
    /// Query parameters that it takes.
    query: HashSet<String>,
    /// Those that it needs.
    needed: Vec<String>,
}

/// Every scope there is.
pub(crate) fn scopes() -> impl Iterator<Item = &'static str> {
    let mut seen = HashSet::new();
    PROVIDER.iter().chain(OWNER).chain(ADMIN).copied().filter(move |scope| seen.insert(*scope))
}

/// Whether a role can have this scope at all.
pub(crate) fn is_of_role(role: &Role, scope: &str) -> bool {
    match role {
        Role::Admin => true,
        Role::Provider(_) => PROVIDER.contains(&scope),
        Role::Owner(_) => OWNER.contains(&scope),
    }
}

/// Refuses what the document does not know, callers without the scope, and parameters that the call does not take.
pub(crate) async fn demand(
    State(operations): State<Operations>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(path) = request.extensions().get::<MatchedPath>() else { return Err(Problem::NotFound) };
    let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
    let demands = operations.known.get(&(method.clone(), path.as_str().to_owned()));
    let demands = demands.ok_or(Problem::Method)?;
    if !caller.may(&demands.scope) {
        return Err(Problem::Forbidden(format!("it lacks the scope `{}`", demands.scope)));
    }
    demands.meet(request.uri().query().unwrap_or_default())?;
    Ok(next.run(request).await)
}

fn clip(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(64).collect()
}

// === impl Operations ===

impl Operations {
    /// Of a document. An operation that names no scope is left out: nobody can call it.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let mut known = HashMap::new();
        for (path, item) in &document.paths.paths {
            let operations = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(demands) = operation.as_ref().and_then(Demands::of) {
                    known.insert((method, path.clone()), demands);
                }
            }
        }
        Self { known: Arc::new(known) }
    }
}

// === impl Demands ===

impl Demands {
    fn of(operation: &Operation) -> Option<Self> {
        let security = serde_json::to_value(operation.security.as_ref()?).ok()?;
        let scope = security.pointer(&format!("/0/{SCHEME}/0"))?.as_str()?.to_owned();
        let parameters = operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
            RefOr::T(known) if known.parameter_in == ParameterIn::Query => Some(known),
            _ => None,
        });
        let needed = parameters.clone().filter(|known| known.required == Required::True);
        Some(Self {
            scope,
            needed: needed.map(|known| known.name.clone()).collect(),
            query: parameters.map(|known| known.name.clone()).collect(),
        })
    }

    /// Nothing stands in a query that the call does not take, and all that it needs does.
    fn meet(&self, query: &str) -> Result<(), Problem> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let given: Vec<&str> = pairs.map(|pair| pair.split('=').next().unwrap_or_default()).collect();
        if let Some(name) = given.iter().find(|name| !self.query.contains(**name)) {
            return Err(Problem::Parameter(format!("this call takes no parameter `{}`", clip(name))));
        }
        let missing = self.needed.iter().filter(|name| !given.contains(&name.as_str()));
        let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
        let several = if missing.len() > 1 { "s" } else { "" };
        if missing.is_empty() {
            return Ok(());
        }
        Err(Problem::Parameter(format!("this call needs the parameter{several} {}", missing.join(", "))))
    }
}
