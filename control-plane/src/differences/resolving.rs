//! `POST /v1/differences/{id}/resolve`: a person says whose money in suspense is.

use axum::Json;
use domain::BasisPoints;
use ledger::{Owed, Resolving};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{ResolutionView, visible};
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::idempotent::IdempotencyKey;
use crate::call::path::Path;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 255;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecisionBody {
    /// Whose it is: the `provider`'s, as a payment that is settled and paid out as any other, less the platform's share; the `payer`'s, sent
    /// back from the treasury on chain; or the `operator`'s own, out of the books. What the chain does not show only the `operator` can bear.
    to: String,
    /// How much, such as `$0.05`; all that is in suspense of it where not given.
    amount: Option<String>,
    /// Why, for whoever reads the books later.
    reason: String,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(resolve))
}

/// Decides whose money in suspense is, whole or in part.
///
/// The operator's alone. The same call under the same key answers with the first one's decision.
#[utoipa::path(post, path = "/v1/differences/{id}/resolve", operation_id = "difference.resolve", tag = "settlements",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header), DryRun), request_body = DecisionBody,
    responses((status = 200, body = ResolutionView)), security(("management" = ["settlements:write"])))]
async fn resolve(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<DecisionBody>,
) -> Result<Json<ResolutionView>, Problem> {
    if !caller.is_admin() {
        return Err(Problem::Forbidden("only the operator decides whose money in suspense is".to_owned()));
    }
    let (found, _) = visible(&state, &caller, &id).await?;
    let mut fields = Fields::default();
    fields.text("/reason", &body.reason, REASON_BYTES_MAX);
    let amount = body.amount.as_deref().map(|amount| fields.some_dollars("/amount", amount));
    let owed = match &*body.to {
        "provider" => Owed::Provider(share(&state, &found.last.provider)),
        "payer" => Owed::Payer,
        "operator" => Owed::Operator,
        _ => {
            fields.refuse("/to", "must be provider, payer or operator");
            Owed::Operator
        }
    };
    fields.finish()?;
    let (payment, reason, idempotency_key) = (found.last.payment, body.reason, caller.word(&key));
    let resolving = Resolving { payment, owed, amount, reason, idempotency_key };
    let resolution = caller.moving(&state.ledger).resolve(resolving).await?;
    state.log(|| tracing::info!(resolution.id = %resolution.id, payment.id = %payment, amount = %resolution.amount, to = resolution.owed,
        "money in suspense was decided of"));
    Ok(Json(ResolutionView::new(&resolution)))
}

/// The platform's share of what a provider earns now; nothing where nobody knows the provider any more.
fn share(state: &ControlState, provider: &str) -> BasisPoints {
    state.registry.provider(provider).map(|entry| entry.provider.fee).unwrap_or_default()
}
