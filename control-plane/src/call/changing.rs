//! [`Changing`]: what a call that changes something works on, in earnest or as a dry run (`?dry_run=true`).
//!
//! A dry run is let in, checked and decided as the call itself, by the same code: only its changes come to nothing, in the registry's
//! transaction and at the ledger's writer. A call that changes something takes its state from here and nowhere else, or its dry run would be
//! one in name alone; a test tries each one that the document names.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use super::query::Query;
use crate::control::ControlState;
use crate::problem::Problem;

/// The parameter, for the document.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Check everything and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// Whether a call is a dry run. Other parameters are held against the document before, and read by whom they concern.
pub(crate) struct Changing(pub(crate) ControlState);

// === impl Changing ===

impl FromRequestParts<ControlState> for Changing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ControlState) -> Result<Self, Problem> {
        let Query(DryRun { dry_run }) = Query::from_request_parts(parts, state).await?;
        if !dry_run {
            return Ok(Self(state.clone()));
        }
        let (ledger, registry) = (state.ledger.dry_run(), state.registry.dry_run());
        Ok(Self(ControlState { ledger, registry, ..state.clone() }))
    }
}

/// Where the query cannot be read, the call is refused for it by whoever reads it next.
pub(crate) fn is_dry_run(uri: &Uri) -> bool {
    axum::extract::Query::<DryRun>::try_from_uri(uri).is_ok_and(|query| query.dry_run)
}

// === impl ControlState ===

impl ControlState {
    /// Whether what is changed through it comes to nothing.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.registry.is_dry_run()
    }

    /// Of what was made: of a dry run nothing was.
    pub(crate) fn created(&self) -> StatusCode {
        if self.is_dry_run() { StatusCode::OK } else { StatusCode::CREATED }
    }

    /// Says in the log what was done; a dry run did nothing.
    pub(crate) fn log(&self, tell: impl FnOnce()) {
        if !self.is_dry_run() {
            tell();
        }
    }
}
