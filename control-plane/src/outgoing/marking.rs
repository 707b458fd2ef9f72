//! `POST /v1/outgoing/{id}/mark-paid`: a transfer left already, in a transaction that the outbox does not know.
//!
//! So it is after a restored backup, and where a person sent it. The chain is asked whether the transaction shows it. It is written into
//! the outbox before the books hear of it: from then on nobody sends it, whatever crashes in between.

use axum::Json;
use domain::B256;
use ledger::{LedgerError, Outgoing, OutgoingState, Step};
use serde::Deserialize;
use settlement::evm::Over;
use settlement::outgoing::member;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{OutgoingView, visible};
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::path::Path;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MarkBody {
    /// The transaction that moved it: `0x` and 64 hexadecimal digits.
    transaction: String,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(mark))
}

/// Notes that a transfer left already, in a transaction that is named: nothing is sent then.
///
/// The operator's alone. The chain must show the transfer from the treasury, in a block that counts, and no other transfer may have left by that
/// transaction. One that is on its way cannot be marked. The same transaction again is the first time again.
#[utoipa::path(post, path = "/v1/outgoing/{id}/mark-paid", operation_id = "outgoing.mark-paid", tag = "settlements",
    params(("id" = String, Path), DryRun), request_body = MarkBody, responses((status = 200, body = OutgoingView)),
    security(("management" = ["settlements:write"])))]
async fn mark(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<MarkBody>,
) -> Result<Json<OutgoingView>, Problem> {
    if !caller.is_admin() {
        return Err(Problem::Forbidden("only the operator says that a transfer left already".to_owned()));
    }
    let mut fields = Fields::default();
    let transaction: Option<B256> =
        body.transaction.parse().ok().filter(|_| body.transaction.starts_with("0x"));
    if transaction.is_none() {
        fields.refuse("/transaction", "must be a transaction: 0x and 64 hexadecimal digits");
    }
    fields.finish()?;
    let transaction = transaction.unwrap_or_default();
    let outgoing = visible(&state, &caller, &id).await?;
    if outgoing.state == OutgoingState::Paid && outgoing.transaction == Some(transaction) {
        return Ok(Json(OutgoingView::new(&outgoing)));
    }
    // Before anything is written down: what the outbox is told once, it tells whoever asks.
    if state.ledger.outgoing_has_left_by(transaction, outgoing.id).await? {
        return Err(LedgerError::TransactionUsed.into());
    }
    expect_shown(&state, &outgoing, transaction).await?;
    // What failed is over in the outbox, and is begun again only under another name.
    if outgoing.state != OutgoingState::Failed {
        note(&state, &outgoing, transaction).await?;
    }
    let outgoing = caller.moving(&state.ledger).outgoing_step(&outgoing, Step::Left(transaction)).await?;
    state.log(|| tracing::info!(outgoing.id = %outgoing.id, amount = %outgoing.amount, %transaction, caller = %caller.actor(), "marked as paid"));
    Ok(Json(OutgoingView::new(&outgoing)))
}

/// That the chain shows it.
async fn expect_shown(state: &ControlState, outgoing: &Outgoing, transaction: B256) -> Result<(), Problem> {
    let to = &outgoing.to;
    let chain = state.chains.get(&to.network).ok_or(Problem::ChainUnread)?;
    let treasury = treasury(state, &to.network).ok_or(Problem::ChainUnread)?;
    let shown = chain.pays_out(to.token, treasury, to.address, outgoing.amount, transaction).await;
    match shown {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::Conflict(format!(
            "{transaction} does not show the transfer of {} from {treasury} to {} in a block that counts",
            outgoing.amount, to.address
        ))),
        Err(error) => {
            tracing::warn!(%error, network = %to.network, "a transaction cannot be looked at");
            Err(Problem::ChainUnread)
        }
    }
}

/// Into the outbox, unless it is on its way there, or was.
async fn note(state: &ControlState, outgoing: &Outgoing, transaction: B256) -> Result<(), Problem> {
    let network = &outgoing.to.network;
    let treasury = treasury(state, network).ok_or(Problem::ChainUnread)?;
    let outbox = state.registry.outbox(network, &treasury.to_checksum(None));
    let outcome =
        serde_json::to_string(&Over::Moved(transaction)).map_err(|error| Problem::internal(&error))?;
    if outbox.note(&member(outgoing), &outcome).await? {
        return Ok(());
    }
    Err(Problem::Conflict(
        "the transfer is in a transaction of ours: that one says what becomes of it".to_owned(),
    ))
}

fn treasury(state: &ControlState, network: &str) -> Option<domain::Address> {
    let networks = state.registry.networks();
    networks.iter().find(|settings| &*settings.network.id == network)?.network.treasury
}
