//! The ops listener: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever restarts or routes.
//!
//! Open to all who reach it: no secret, no payer and no path of a request stands in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ledger::{Health, Ledger};
use prometheus::{Encoder, TextEncoder};
use registry::Registry;
use serde_json::json;

use crate::problem::Problem;
use crate::watch::DatabaseWatch;

/// What is asked of the data plane, which this crate does not know.
pub trait DataPlane: Send + Sync + 'static {
    /// Whether the end was asked for.
    fn is_draining(&self) -> bool;
    /// Brings counters that are kept elsewhere up to date. Called before each scrape.
    fn before_scrape(&self);
}

/// What the answers are made of.
#[derive(Clone)]
pub struct OpsState {
    /// Asked for its health.
    pub ledger: Ledger,
    /// Asked for its catalog.
    pub registry: Registry,
    /// What is scraped.
    pub metrics: prometheus::Registry,
    /// What this process serves beside this: `run`, `gateway` or `control-plane`.
    pub role: String,
    /// What is known of the database.
    pub database: Arc<DatabaseWatch>,
    /// The data plane of this process.
    pub data_plane: Arc<dyn DataPlane>,
}

/// The router.
pub fn router(state: OpsState) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || Problem::NotFound)
        .method_not_allowed_fallback(async || Problem::Method)
        .with_state(state)
}

async fn metrics(State(state): State<OpsState>) -> Result<Response, Problem> {
    state.data_plane.before_scrape();
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&state.metrics.gather(), &mut text).map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response())
}

/// 200 when every check is `ok`; else 503, and the body says which is not. What this process serves, which database it is, and
/// what that can lose, is said either way.
async fn ready(State(state): State<OpsState>) -> Response {
    let ledger = match state.ledger.health() {
        Health::Ok => "ok".to_owned(),
        Health::Closed(reason) => reason,
    };
    let catalog =
        if state.registry.catalogs().borrow().version() > 0 { "ok" } else { "no catalog was loaded" };
    let serving = if state.data_plane.is_draining() { "draining" } else { "ok" };
    let standby = state.database.check();
    let is_ready =
        ledger == "ok" && catalog == "ok" && serving == "ok" && standby.is_none_or(|standby| standby == "ok");
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut checks = json!({ "ledger": ledger, "catalog": catalog, "serving": serving });
    if let Some(standby) = standby {
        checks["synchronous_standby"] = json!(standby);
    }
    let database = state.database.note();
    let body = json!({ "ready": is_ready, "role": state.role, "checks": checks, "database": database });
    (status, Json(body)).into_response()
}
