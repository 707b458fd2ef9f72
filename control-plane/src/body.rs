//! [`Body`]: a JSON body of a known shape, or the problem with it.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::problem::Problem;

/// Longest body that is read, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The call whose body is a whole setup.
const WHOLE_SETUP: &str = "/v1/catalog/apply";

/// Longest body of that one, in bytes.
const SETUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Extracts a body; its type refuses unknown fields.
pub(crate) struct Body<T>(pub(crate) T);

/// Longest body of a call, by its path.
pub(crate) fn bytes_max(path: &str) -> usize {
    if path == WHOLE_SETUP { SETUP_BYTES_MAX } else { BODY_BYTES_MAX }
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

    async fn from_request(mut request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            return Err(Problem::MediaType);
        }
        let bytes_max = bytes_max(request.uri().path());
        DefaultBodyLimit::max(bytes_max).apply(&mut request);
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                Problem::TooLarge(bytes_max)
            }
            _ => Problem::Interrupted,
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::Body(error.to_string()))
    }
}
