//! `GET /v1/payments/unknown`: payments that are held on public networks, of which nobody knows whether their value moved.
//!
//! Where a chain is read, evidence closes them by itself. Elsewhere only the same payment that comes again has the facilitator asked, or a
//! person says what became of it (`payment resolve`).

use axum::extract::State;
use axum::response::Response;
use domain::PaymentId;
use ledger::OpenIntent;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, PageQuery, Range};
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

/// A payment of which nobody knows.
#[derive(Clone, Serialize, ToSchema)]
struct UnknownView {
    id: String,
    /// CAIP-2.
    network: String,
    /// Who signed it.
    payer: String,
    /// To whose address.
    pay_to: String,
    amount: Money,
    held_at: String,
    /// From when on `payment.resolve` may say that it did not move; none where its chain is read and closes it.
    not_moved_after: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Payments that are held and of which nobody knows whether their value moved, the oldest first.
///
/// The operator's alone, and those of this process: of several on one database each has its own.
#[utoipa::path(get, path = "/v1/payments/unknown", operation_id = "payment.unknown", tag = "payments", params(PageQuery),
    responses((status = 200, body = Page<UnknownView>)), security(("management" = ["payments:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    if !caller.is_admin() {
        return Err(Problem::Forbidden("what nobody knows is the operator's to look at".to_owned()));
    }
    let fetch = move |range: Range<PaymentId>| {
        let mut unknown = state.ledger.unknown();
        unknown.retain(|open| range.after.is_none_or(|after| open.payment > after));
        unknown.sort_by_key(|open| open.payment);
        let rows = unknown.iter().take(range.limit as usize);
        let rows: Vec<_> = rows.map(|open| (open.payment, UnknownView::new(open))).collect();
        async move { Ok(rows) }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

// === impl UnknownView ===

impl UnknownView {
    fn new(open: &OpenIntent) -> Self {
        let intent = &open.intent;
        let sure = (!intent.is_read()).then(|| intent.over_at());
        Self {
            id: open.payment.to_string(),
            network: intent.network.to_string(),
            payer: intent.payer.to_string(),
            pay_to: intent.pay_to.to_string(),
            amount: Money::in_token(open.amount, (&intent.network, &intent.token.to_string())),
            held_at: open.held_at.to_string(),
            not_moved_after: sure.map(|sure| sure.to_string()),
        }
    }
}

impl Row for UnknownView {
    const COLUMNS: &'static [&'static str] =
        &["id", "held_at", "network", "amount.display", "amount.asset", "payer", "pay_to", "not_moved_after"];
}
