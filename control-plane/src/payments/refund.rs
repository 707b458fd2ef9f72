//! `POST /v1/payments/{id}/refund`: gives a payment back, whole or in part.
//!
//! The provider may, since it is its revenue that goes, and the operator. The owner of the agent may not: they would undo what
//! they bought. The fee returns in proportion.

use axum::Json;
use ledger::{RefundReason, RefundRequest};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{RefundView, sent_back, visible};
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::idempotent::IdempotencyKey;
use crate::call::path::Path;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundBody {
    /// How much, such as `$0.05`, a hundredth of the payment or more; all that is left of it where not given.
    amount: Option<String>,
    /// `requested` by the payer, `upstream_failed` after all, or `operator`: decided by the operator, who alone may say so.
    /// Where not given, `operator` for the operator and `requested` for a provider.
    reason: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(refund))
}

/// Gives a payment back, whole or in part; the fee returns in proportion.
///
/// A part is a hundredth of the payment or more, and after 32 parts the rest goes as a whole: all that is left may always go.
/// One that was made to the treasury on a public network is sent back there (`outgoing`); one that was made to its provider's own address
/// only the provider gives back. The same call under the same key answers with the first one's refund.
#[utoipa::path(post, path = "/v1/payments/{id}/refund", operation_id = "payment.refund", tag = "payments",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header), DryRun), request_body = RefundBody,
    responses((status = 200, body = RefundView)), security(("management" = ["payments:refund"])))]
async fn refund(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<RefundBody>,
) -> Result<Json<RefundView>, Problem> {
    let payment = visible(&state, &caller, &id).await?;
    let mut fields = Fields::default();
    let amount = body.amount.as_deref().map(|amount| fields.some_dollars("/amount", amount));
    let reason = reason(&caller, &mut fields, body.reason.as_deref());
    fields.finish()?;

    let idempotency_key = caller.word(&key);
    let request = RefundRequest { payment: payment.receipt.payment, amount, reason, idempotency_key };
    let refunded = caller.moving(&state.ledger).refund_part(request).await?;
    state.log(|| tracing::info!(refund.id = %refunded.id, payment.id = %refunded.payment, amount = %refunded.amount, "payment refunded"));
    let sent = sent_back(&state, &payment).await.map_err(Problem::behind_change)?;
    Ok(Json(RefundView::new(&refunded, &sent, &payment.receipt, state.ledger.asset())))
}

fn reason(caller: &Caller, fields: &mut Fields, word: Option<&str>) -> RefundReason {
    let usual = if caller.is_admin() { RefundReason::Operator } else { RefundReason::Requested };
    let Some(word) = word else { return usual };
    match RefundReason::parse(word) {
        Some(RefundReason::Operator) if !caller.is_admin() => {
            fields.refuse("/reason", "only the operator decides so: say requested or upstream_failed");
            usual
        }
        // How the gateway itself calls what it gives back.
        None | Some(RefundReason::BrokenOff | RefundReason::WrittenOff) => {
            fields.refuse("/reason", "must be requested, upstream_failed or operator");
            usual
        }
        Some(reason) => reason,
    }
}
