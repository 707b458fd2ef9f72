//! `GET /v1/payments/{id}/timeline`: what became of a payment, in order.

use axum::extract::State;
use axum::response::Response;
use domain::{Asset, UnixMillis};
use ledger::{Collection, Timeline};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::visible;
use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TimelineQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// One thing that happened to a payment.
#[derive(Clone, Serialize, ToSchema)]
struct Step {
    at: String,
    /// `held`, `captured`, `refunded`, `moved` (for good, on a public network), `settled` or `paid_out`.
    what: &'static str,
    /// How much it moved of this payment; of all members of a settlement where it was settled or paid out.
    amount: Option<Money>,
    /// The refund, the settlement or the payout.
    id: Option<String>,
    /// Captured: whether the delivery is `running`, `unconfirmed` or `over`. Refunded: why, `written_off` where
    /// it can never be collected. Moved: by which transaction. Paid out: the reference.
    detail: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(get))
}

/// What became of a payment, oldest first.
///
/// An owner is not told of the provider's settlements.
#[utoipa::path(get, path = "/v1/payments/{id}/timeline", operation_id = "payment.timeline", tag = "payments",
    params(("id" = String, Path), TimelineQuery), responses((status = 200, body = Page<Step>)),
    security(("management" = ["payments:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    lister: Lister,
    Query(query): Query<TimelineQuery>,
) -> Result<Response, Problem> {
    let payment = visible(&state, &caller, &id).await?;
    let timeline = state.ledger.timeline(payment.receipt.payment).await?.ok_or(Problem::PaymentNotFound)?;
    let steps = steps(&timeline, caller.provides(&payment.receipt.provider), state.ledger.asset());
    lister.answer_rows(query.limit, query.after.as_deref(), steps).await
}

fn steps(timeline: &Timeline, with_settlement: bool, asset: &Asset) -> Vec<Step> {
    let Timeline { payment, delivery, refunds, settlement, payout } = timeline;
    let receipt = &payment.receipt;
    let step = |at: UnixMillis, what, amount| {
        let amount = Some(Money::paid(amount, receipt, asset));
        (at, Step { at: at.to_string(), what, amount, id: None, detail: None })
    };
    let (at, held) = step(payment.held_at, "held", receipt.amount);
    let mut steps = vec![(at, Step { amount: None, ..held })];
    let (at, captured) = step(receipt.captured_at, "captured", receipt.amount);
    steps.push((at, Step { detail: Some(delivery.name().to_owned()), ..captured }));
    if let Some(Collection::Moved(at)) = payment.collection {
        let (at, moved) = step(at, "moved", receipt.amount);
        steps.push((at, Step { detail: receipt.moved_by(), ..moved }));
    }
    for refund in refunds {
        let (at, refunded) = step(refund.at, "refunded", refund.amount);
        let (id, detail) = (Some(refund.id.to_string()), Some(refund.reason.name().to_owned()));
        steps.push((at, Step { id, detail, ..refunded }));
    }
    if let Some(settlement) = settlement.as_ref().filter(|_| with_settlement) {
        let (at, settled) = step(settlement.at, "settled", settlement.net);
        steps.push((at, Step { id: Some(settlement.id.to_string()), ..settled }));
    }
    let paid = payout.as_ref().and_then(|payout| payout.paid.as_ref().map(|paid| (payout, paid)));
    if let Some((payout, paid)) = paid.filter(|_| with_settlement) {
        let (at, out) = step(paid.at, "paid_out", payout.amount);
        let (id, detail) = (Some(payout.id.to_string()), Some(paid.reference.clone()));
        steps.push((at, Step { id, detail, ..out }));
    }
    // Stable: what happened in one commit stays in the order of cause and effect.
    steps.sort_by_key(|(at, _)| *at);
    steps.into_iter().map(|(_, step)| step).collect()
}

// === impl Step ===

impl Row for Step {
    const COLUMNS: &'static [&'static str] = &["at", "what", "amount.display", "detail", "id"];
}
