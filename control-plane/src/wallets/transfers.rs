//! `/v1/wallets/{id}/fund`, `/withdraw` and `/transfers`: the money that comes in from outside and goes out again.
//!
//! What moves outside only the operator sees, and a transfer is its word for it: so only the operator funds and withdraws. An
//! owner who could note a withdrawal would lose a balance and get nothing for it.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::{Asset, TransferId};
use ledger::{Funding, Order, Transfer, Withdrawal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::visible;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::idempotent::IdempotencyKey;
use crate::call::listing::{Found, Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;

/// Longest reference to what the money is outside, in bytes.
const EXTERNAL_REFERENCE_BYTES_MAX: usize = 255;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    /// Such as `$10`.
    amount: String,
    /// What the money is outside: a bank's or a processor's reference. A note, that may be given again: only a call repeated
    /// under its own `Idempotency-Key` (on the command line `--idempotency-key`) moves the money once.
    external_reference: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TransferQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct TransferView {
    id: String,
    /// `funding`, `withdrawal` or `payout`: a withdrawal took from the wallet, all else gave.
    kind: &'static str,
    wallet: String,
    amount: Money,
    external_reference: String,
    at: String,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(fund)).routes(routes!(withdraw)).routes(routes!(list))
}

/// Brings money in.
///
/// The same call under the same key answers with the first one's transfer.
#[utoipa::path(post, path = "/v1/wallets/{id}/fund", operation_id = "wallet.fund", tag = "wallets",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header), DryRun), request_body = TransferBody,
    responses((status = 200, body = TransferView)), security(("management" = ["wallets:fund"])))]
async fn fund(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<TransferBody>,
) -> Result<Json<TransferView>, Problem> {
    let wallet = visible(&state, &caller, &id).await?;
    let (amount, external_reference) = read(body)?;
    let (wallet_id, idempotency_key) = (wallet.id, caller.word(&key));
    let funding = Funding { wallet: wallet_id, amount, idempotency_key, external_reference };
    let transfer = caller.moving(&state.ledger).fund(funding).await?;
    state.log(|| tracing::info!(transfer.id = %transfer.id, wallet.id = %wallet_id, amount = %amount, "wallet funded"));
    Ok(Json(TransferView::new(transfer, state.ledger.asset())))
}

/// Takes money out, but nothing of what running requests hold.
///
/// The same call under the same key answers with the first one's transfer; fundings and withdrawals share their keys.
#[utoipa::path(post, path = "/v1/wallets/{id}/withdraw", operation_id = "wallet.withdraw", tag = "wallets",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header), DryRun), request_body = TransferBody,
    responses((status = 200, body = TransferView)), security(("management" = ["wallets:withdraw"])))]
async fn withdraw(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<TransferBody>,
) -> Result<Json<TransferView>, Problem> {
    let wallet = visible(&state, &caller, &id).await?;
    let (amount, external_reference) = read(body)?;
    let (wallet_id, idempotency_key) = (wallet.id, caller.word(&key));
    let withdrawal = Withdrawal { wallet: wallet_id, amount, idempotency_key, external_reference };
    let transfer = caller.moving(&state.ledger).withdraw(withdrawal).await?;
    state.log(|| tracing::info!(transfer.id = %transfer.id, wallet.id = %wallet_id, amount = %amount, "wallet withdrawn from"));
    Ok(Json(TransferView::new(transfer, state.ledger.asset())))
}

/// What came into a wallet and went out of it beside payments and refunds, newest first.
#[utoipa::path(get, path = "/v1/wallets/{id}/transfers", operation_id = "wallet.transfers", tag = "wallets",
    params(("id" = String, Path), TransferQuery), responses((status = 200, body = Page<TransferView>)),
    security(("management" = ["wallets:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
    lister: Lister,
    Query(query): Query<TransferQuery>,
) -> Result<Response, Problem> {
    let wallet = visible(&state, &caller, &id).await?.id;
    let find = move |range: Range<TransferId>| {
        let ledger = state.ledger.clone();
        async move {
            let page = ledger::Page { after: range.after, limit: range.limit as usize, order: Order::Newest };
            let listed = ledger.transfers(wallet, page).await?;
            let view = |transfer| TransferView::new(transfer, ledger.asset());
            Ok(Found { rows: listed.items.into_iter().map(view).collect(), next: listed.next })
        }
    };
    lister.answer_pages(query.limit, query.after.as_deref(), find).await
}

fn read(body: TransferBody) -> Result<(domain::Amount, String), Problem> {
    let mut fields = Fields::default();
    let amount = fields.some_dollars("/amount", &body.amount);
    fields.text("/external_reference", &body.external_reference, EXTERNAL_REFERENCE_BYTES_MAX);
    fields.finish()?;
    Ok((amount, body.external_reference))
}

// === impl TransferView ===

impl TransferView {
    fn new(transfer: Transfer, asset: &Asset) -> Self {
        Self {
            id: transfer.id.to_string(),
            kind: transfer.kind.name(),
            wallet: transfer.wallet.to_string(),
            amount: Money::new(transfer.amount, asset),
            external_reference: transfer.external_reference,
            at: transfer.at.to_string(),
        }
    }
}

impl Row for TransferView {
    const COLUMNS: &'static [&'static str] =
        &["at", "kind", "amount.display", "external_reference", "id", "wallet"];
}
