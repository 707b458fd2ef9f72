//! [`Body`]: a JSON body of a known shape, or the problem with it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::Response;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::problem::Problem;

/// Longest body that is read, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The call whose body is a whole setup.
const WHOLE_SETUP: &str = "/v1/catalog/apply";

/// Longest body of that one, in bytes: as many routes as there may be, each with some words.
const SETUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a body may take to come: whoever sends one slowly has a connection and a place meanwhile.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Extracts a body; its type refuses unknown fields.
pub(crate) struct Body<T>(pub(crate) T);

/// Longest body of a call, by its path.
pub(crate) fn bytes_max(path: &str) -> usize {
    if path == WHOLE_SETUP { SETUP_BYTES_MAX } else { BODY_BYTES_MAX }
}

/// Waits for the whole body, but not for long, before anything is done.
///
/// # Errors
/// [`Problem::SlowBody`], and where it is too long or breaks off.
pub(crate) async fn whole(request: Request, next: Next) -> Result<Response, Problem> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let body = in_time(Request::new(body), bytes_max(parts.uri.path())).await?;
    Ok(next.run(Request::from_parts(parts, body.into())).await)
}

async fn in_time(request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, read(request, bytes_max)).await;
    read.unwrap_or(Err(Problem::SlowBody(BODY_TIMEOUT)))
}

async fn read(mut request: Request, bytes_max: usize) -> Result<Bytes, Problem> {
    DefaultBodyLimit::max(bytes_max).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|rejection| match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Problem::TooLarge(bytes_max)
        }
        _ => Problem::Interrupted,
    })
}

/// Tells null from what is not there, in a body that changes a part.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    given: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(given).map(Some)
}

// === impl Body ===

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::MediaType);
        }
        let bytes_max = bytes_max(request.uri().path());
        let bytes = read(request, bytes_max).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::Body(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as Sent;
    use futures_util::stream::{self, StreamExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begun = stream::iter([Ok::<_, std::io::Error>("{\"name\":")]);
        let slow = Request::new(Sent::from_stream(begun.chain(stream::pending())));
        assert!(matches!(in_time(slow, BODY_BYTES_MAX).await, Err(Problem::SlowBody(_))));
        assert_eq!(in_time(Request::new(Sent::from("{}")), 2).await.unwrap(), "{}");
        let long = Request::new(Sent::from("{} "));
        assert!(matches!(in_time(long, 2).await, Err(Problem::TooLarge(2))));
    }
}
