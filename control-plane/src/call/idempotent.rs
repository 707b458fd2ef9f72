//! A POST that its caller named (`Idempotency-Key`) is made once: whoever repeats it gets the first one's answer.
//!
//! The same name with another body is 422, one that is still running 409. What came to nothing frees its name. An answer
//! that shows a secret is not kept, nor a long one of a tenant: a repeated call is told that it was made. Calls that move money must be named, and hand
//! the name on to the ledger ([`IdempotencyKey`]), which keeps it for ever.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use registry::Registry;
use registry::idempotency::{Answer, Call, Claimed};

use super::caller::Caller;
use super::changing::is_dry_run;
use crate::body::bytes_max;
use crate::problem::Problem;

/// Longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Longest answer that is kept, in bytes: what a whole setup changed.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest answer to a tenant that is kept, in bytes: they are many, and the disk is the ledger's too.
const TENANT_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Set on an answer that was given before.
const REPLAYED: &str = "idempotency-replayed";

/// The caller's name for this call, which must be there.
pub(crate) struct IdempotencyKey(pub(crate) String);

/// Put into an answer that shows a secret, which must not be kept.
#[derive(Clone, Copy)]
pub(crate) struct ShowsSecret;

/// Makes a named call once.
pub(crate) async fn once(
    State(registry): State<Registry>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let named = if request.method() == Method::POST { named(request.headers())? } else { None };
    // A dry run leaves the name to the call itself.
    let name = named.filter(|_| !is_dry_run(request.uri()));
    let Some(name) = name else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = read(body, bytes_max(parts.uri.path())).await?;
    let call = Call {
        key: hash(&[caller.who().as_bytes(), parts.uri.path().as_bytes(), name.as_bytes()]),
        request: hash(&[parts.uri.query().unwrap_or_default().as_bytes(), &body]),
    };
    let claimed = registry.claim_call(call).await;
    match claimed.map_err(|error| Problem::from(error).before_call())? {
        Claimed::First => {}
        Claimed::Running => return Err(Problem::InProgress),
        Claimed::Other => return Err(Problem::IdempotencyKeyReused),
        Claimed::Answered(Answer { body: None, .. }) => return Err(Problem::ShownBefore),
        Claimed::Answered(Answer { status, body: Some(body) }) => return Ok(replayed(status, body)),
    }
    let kept_max = caller.tenant().map_or(ANSWER_BYTES_MAX, |_| TENANT_ANSWER_BYTES_MAX);
    // In a task of its own: a caller that leaves now must find the call made, and its answer, when it comes again.
    let made = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&registry, call, response, kept_max).await
    });
    made.await.map_err(|error| Problem::internal(&error))?
}

/// What cannot be kept of a call that was made keeps its answer from nobody: the same words again do not make it twice where it
/// moved money, and are told that it runs for a minute.
async fn keep(
    registry: &Registry,
    call: Call,
    response: Response,
    kept_max: usize,
) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let status = parts.status.as_u16();
    let (answer, body) = if !parts.status.is_success() {
        (None, body)
    } else if parts.extensions.get::<ShowsSecret>().is_some() {
        (Some(Answer { status, body: None }), body)
    } else {
        let body = read(body, ANSWER_BYTES_MAX).await?;
        let kept = (body.len() <= kept_max).then(|| body.to_vec());
        (Some(Answer { status, body: kept }), Body::from(body))
    };
    if let Err(error) = registry.answer_call(call, answer.as_ref()).await {
        tracing::warn!(%error, "what a call of the management API was answered could not be kept");
    }
    Ok(Response::from_parts(parts, body))
}

fn replayed(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let has_body = !body.is_empty();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    } else {
        headers.remove(CONTENT_TYPE);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|_| Problem::TooLarge(bytes_max))
}

fn named(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut fields = headers.get_all("idempotency-key").iter();
    let Some(key) = fields.next() else { return Ok(None) };
    let usable = fields.next().is_none()
        && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        && key.as_bytes().iter().all(u8::is_ascii_graphic);
    let key = key.to_str().ok().filter(|_| usable);
    key.map(|key| Some(key.to_owned())).ok_or(Problem::IdempotencyKey(IDEMPOTENCY_KEY_BYTES_MAX))
}

/// Each part behind its length.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}

// === impl IdempotencyKey ===

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        named(&parts.headers)?.map(Self).ok_or(Problem::IdempotencyKeyMissing)
    }
}
