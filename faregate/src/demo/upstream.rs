//! [`Upstream`]: a sample API that knows nothing of payments: JSON, a slow stream of events, an echo.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Events of one stream.
const TICKS: u32 = 10;

/// Between two events: slow enough to be seen.
const TICK: Duration = Duration::from_millis(500);

/// A running API. Ends when dropped.
pub(super) struct Upstream {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

// === impl Upstream ===

impl Upstream {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot start the sample API")?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router()).await {
                tracing::error!(%error, "the sample API ended");
            }
        });
        Ok(Self { address, serving })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router() -> Router {
    Router::new()
        .route("/v1/status", get(async || Json(json!({ "status": "ok" }))))
        .route("/v1/quotes/{symbol}", get(quote))
        .route("/v1/forecast", get(async || Json(json!({ "tomorrow": "sunny", "confidence": "0.8" }))))
        .route("/v1/ticks", get(ticks))
        .route("/v1/echo", post(echo))
}

/// The same symbol always has the same price.
async fn quote(Path(symbol): Path<String>) -> Json<Value> {
    let cents = symbol.bytes().fold(7_u32, |sum, byte| (sum * 31 + u32::from(byte)) % 50_000);
    Json(
        json!({ "symbol": symbol, "price": format!("{}.{:02}", cents / 100, cents % 100), "currency": "USD" }),
    )
}

async fn ticks() -> impl IntoResponse {
    let events = stream::unfold(1, |count| async move {
        if count > TICKS {
            return None;
        }
        tokio::time::sleep(TICK).await;
        let event = format!("id: {count}\ndata: {{\"tick\":{count},\"of\":{TICKS}}}\n\n");
        Some((Ok::<_, Infallible>(event), count + 1))
    });
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(events))
}

async fn echo(headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let media_type = headers.get(CONTENT_TYPE).cloned();
    let media_type =
        media_type.unwrap_or_else(|| axum::http::HeaderValue::from_static("application/octet-stream"));
    ([(CONTENT_TYPE, media_type)], body)
}
