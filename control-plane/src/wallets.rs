//! `/v1/wallets/{id}`: a balance, and the money that comes in from outside.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use domain::WalletId;
use ledger::Funding;
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;

/// Longest `Idempotency-Key`, in bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Longest reference to what the money is outside, in bytes.
const EXTERNAL_REFERENCE_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FundBody {
    amount: String,
    external_reference: String,
}

#[derive(Serialize)]
pub(crate) struct WalletView {
    id: String,
    balance: Money,
    held: Money,
    available: Money,
}

#[derive(Serialize)]
pub(crate) struct TransferView {
    id: String,
    wallet: String,
    amount: Money,
    external_reference: String,
    at: String,
}

pub(crate) async fn get(
    State(state): State<ControlState>,
    Path(id): Path<String>,
) -> Result<Json<WalletView>, Problem> {
    let id: WalletId = id.parse()?;
    let wallet = state.ledger.wallet(id).await?.ok_or(Problem::WalletNotFound)?;
    let money = |amount| Money::new(amount, state.ledger.asset());
    Ok(Json(WalletView {
        id: id.to_string(),
        balance: money(wallet.balance),
        held: money(wallet.held),
        available: money(wallet.available),
    }))
}

/// The same call under the same key answers with the first one's transfer.
pub(crate) async fn fund(
    State(state): State<ControlState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<FundBody>,
) -> Result<Json<TransferView>, Problem> {
    let wallet: WalletId = id.parse()?;
    let idempotency_key = idempotency_key(&headers)?;
    let mut fields = Fields::default();
    let amount = fields.some_dollars("/amount", &body.amount);
    fields.text("/external_reference", &body.external_reference, EXTERNAL_REFERENCE_BYTES_MAX);
    fields.finish()?;

    let external_reference = body.external_reference;
    let funding = Funding { wallet, amount, idempotency_key, external_reference };
    let transfer = state.ledger.fund(funding).await?;
    tracing::info!(transfer.id = %transfer.id, wallet.id = %wallet, amount = %amount, "wallet funded");
    Ok(Json(TransferView {
        id: transfer.id.to_string(),
        wallet: transfer.wallet.to_string(),
        amount: Money::new(transfer.amount, state.ledger.asset()),
        external_reference: transfer.external_reference,
        at: transfer.at.to_string(),
    }))
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut fields = headers.get_all("idempotency-key").iter();
    let key = fields.next().ok_or(Problem::IdempotencyKeyMissing)?;
    let usable = fields.next().is_none()
        && (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        && key.as_bytes().iter().all(u8::is_ascii_graphic);
    let key = key.to_str().ok().filter(|_| usable);
    key.map(str::to_owned).ok_or(Problem::IdempotencyKey(IDEMPOTENCY_KEY_BYTES_MAX))
}
