//! `GET /v1/audit`: the invariants of the books, in SQL and against this process's memory, at one point in time.

use axum::Json;
use axum::extract::State;
use ledger::{AuditReport, Finding};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::control::ControlState;
use crate::problem::Problem;

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(get))
}

/// Checks the books, on disk and in memory, at one point in time.
#[utoipa::path(get, path = "/v1/audit", operation_id = "books.audit", tag = "audit",
    responses((status = 200, body = Value)), security(("management" = ["books:read"])))]
async fn get(State(state): State<ControlState>) -> Result<Json<Value>, Problem> {
    let report = state.ledger.audit().await?;
    if !report.is_clean() {
        tracing::error!(violations = ?broken(&report), "the books do not balance");
    }
    Ok(Json(view(&report)))
}

/// A report as JSON; `faregate audit -o json` prints the same.
#[must_use]
pub fn view(report: &AuditReport) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "invariant": finding.invariant,
            "meaning": finding.meaning,
            "offending": finding.offending,
        })
    };
    json!({
        "clean": report.is_clean(),
        "at": report.at.to_string(),
        "payments": report.payments,
        "holds": report.holds,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "violations": broken(report).map(finding).collect::<Vec<_>>(),
    })
}

fn broken(report: &AuditReport) -> impl Iterator<Item = &Finding> + std::fmt::Debug {
    report.findings.iter().filter(|finding| finding.offending != 0).collect::<Vec<_>>().into_iter()
}
