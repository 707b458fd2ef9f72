//! The management API's router: agents, keys, signers, wallets, payments, the live audit. One token opens it.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use domain::Secret;
use ledger::Ledger;
use registry::Registry;

use crate::admin::{self, Admin};
use crate::body::BODY_BYTES_MAX;
use crate::problem::Problem;
use crate::{agents, audit, payments, wallets};

/// Longest a call may take, its body included. The audit reads all books and has no such end.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What the calls work on.
#[derive(Clone)]
pub struct ControlState {
    /// Where the money is; its time is the time here.
    pub ledger: Ledger,
    /// Where the agents are.
    pub registry: Registry,
}

/// The router. Without a token every call is refused.
pub fn router(state: ControlState, admin_token: Option<&Secret>) -> Router {
    let admin = Admin::new(admin_token);
    Router::new()
        .route("/v1/agents", post(agents::create))
        .route("/v1/agents/{id}", get(agents::get))
        .route("/v1/agents/{id}/keys", post(agents::add_key))
        .route("/v1/agents/{id}/signers", post(agents::add_signer))
        .route("/v1/wallets/{id}", get(wallets::get))
        .route("/v1/wallets/{id}/fund", post(wallets::fund))
        .route("/v1/payments/{id}", get(payments::get))
        .layer(middleware::from_fn(within_time))
        .route("/v1/audit", get(audit::get))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::Method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(plain))
        .layer(middleware::from_fn_with_state(admin, admin::require))
        .with_state(state)
}

/// No call takes a query, and no answer may be kept: one of them shows a key.
async fn plain(request: Request, next: Next) -> Result<Response, Problem> {
    if request.uri().query().is_some() {
        return Err(Problem::Query);
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn within_time(request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(CALL_TIMEOUT, next.run(request)).await.map_err(|_| Problem::Timeout)
}
