//! [`ProblemView`]: a problem as it is told (RFC 9457). Nothing is decided here: [`super`] says which problem has which status and code.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use crate::fields::FieldError;

/// A problem as it is told (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemView {
    /// `urn:faregate:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: Option<&'static str>,
    /// The status.
    status: u16,
    /// A stable word for programs.
    code: &'static str,
    /// A sentence for people.
    detail: String,
    /// Every field that cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = ProblemView {
            kind: format!("urn:faregate:problem:{}", self.code()),
            title: status.canonical_reason(),
            status: status.as_u16(),
            code: self.code(),
            detail: self.to_string(),
            errors: match &self {
                Self::Fields(errors) => Some(errors.clone()),
                _ => None,
            },
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
