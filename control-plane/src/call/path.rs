//! [`Path`]: what stands in the path of a call, or the problem with it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Extracts the arguments of a path.
pub(crate) struct Path<T>(pub(crate) T);

/// No name and no text has this character, and PostgreSQL takes none that has.
pub(super) fn no_nul(parts: &Parts) -> Result<(), Problem> {
    let whole = parts.uri.path_and_query().map_or("", |whole| whole.as_str());
    if whole.contains("%00") {
        return Err(Problem::Parameter("%00 stands in no name and no text".to_owned()));
    }
    Ok(())
}

// === impl Path ===

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        no_nul(parts)?;
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|path| Self(path.0)).map_err(|rejection| Problem::Parameter(rejection.body_text()))
    }
}
