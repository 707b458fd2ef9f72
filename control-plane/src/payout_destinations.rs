//! `/v1/providers/{name}/payout-destination`: where a provider's money goes, and what was asked for and waits.

use axum::Json;
use axum::extract::State;
use domain::{PayoutDestination, WalletId};
use registry::payout::{DestinationEntry, PayoutDestinations, REFERENCE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::path::Path;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::providers::visible;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DestinationBody {
    /// `ledger` into a wallet, or `manual` by a person's hand.
    rail: String,
    /// The wallet, with the rail `ledger`.
    wallet: Option<String>,
    /// What whoever pays has to read, such as an IBAN, with the rail `manual`.
    reference: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct DestinationView {
    /// `ledger` or `manual`.
    rail: &'static str,
    wallet: Option<String>,
    reference: Option<String>,
    requested_at: String,
    /// From then on settlements go there.
    effective_at: String,
}

#[derive(Serialize, ToSchema)]
struct DestinationsView {
    /// Null: nothing is settled yet.
    current: Option<DestinationView>,
    /// What takes its place, unless it is cancelled before.
    pending: Option<DestinationView>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(get, set, cancel))
}

/// Where a provider's payouts go.
#[utoipa::path(get, path = "/v1/providers/{name}/payout-destination", operation_id = "provider.payout-destination",
    tag = "providers", params(("name" = String, Path)), responses((status = 200, body = DestinationsView)),
    security(("management" = ["providers:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<DestinationsView>, Problem> {
    known(&state, &caller, &name)?;
    Ok(Json(state.registry.payout_destinations(&name).await?.into()))
}

/// Sends a provider's payouts elsewhere: the first destination at once, another one after a delay.
#[utoipa::path(put, path = "/v1/providers/{name}/payout-destination", operation_id = "provider.set-payout-destination",
    tag = "providers", params(("name" = String, Path)), request_body = DestinationBody,
    responses((status = 200, body = DestinationsView)), security(("management" = ["providers:write"])))]
async fn set(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
    Body(body): Body<DestinationBody>,
) -> Result<Json<DestinationsView>, Problem> {
    known(&state, &caller, &name)?;
    let destination = destination(&state, body).await?;
    Ok(Json(state.registry.set_payout_destination(&caller.actor(), &name, destination).await?.into()))
}

/// Takes back the destination that waits.
#[utoipa::path(delete, path = "/v1/providers/{name}/payout-destination",
    operation_id = "provider.cancel-payout-destination", tag = "providers", params(("name" = String, Path)),
    responses((status = 200, body = DestinationsView)), security(("management" = ["providers:write"])))]
async fn cancel(
    State(state): State<ControlState>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<DestinationsView>, Problem> {
    known(&state, &caller, &name)?;
    Ok(Json(state.registry.cancel_payout_destination(&caller.actor(), &name).await?.into()))
}

fn known(state: &ControlState, caller: &Caller, name: &str) -> Result<(), Problem> {
    visible(caller, name)?;
    state.registry.provider(name).map(drop).ok_or(Problem::ProviderNotFound)
}

/// A wallet must be there: a settlement that cannot be paid is none.
async fn destination(state: &ControlState, body: DestinationBody) -> Result<PayoutDestination, Problem> {
    let mut fields = Fields::default();
    let destination = match (&*body.rail, body.wallet, body.reference) {
        ("ledger", Some(wallet), None) => match wallet.parse::<WalletId>() {
            Ok(wallet) => {
                if state.ledger.wallet(wallet).await?.is_none() {
                    fields.refuse("/wallet", "there is no such wallet");
                }
                Some(PayoutDestination::Wallet(wallet))
            }
            Err(error) => {
                fields.refuse("/wallet", &error.to_string());
                None
            }
        },
        ("manual", None, Some(reference)) => {
            fields.text("/reference", &reference, REFERENCE_BYTES_MAX);
            Some(PayoutDestination::Manual(reference))
        }
        ("ledger", ..) => {
            fields.refuse("/wallet", "name the wallet, and nothing else");
            None
        }
        ("manual", ..) => {
            fields.refuse("/reference", "say where to pay, and nothing else");
            None
        }
        _ => {
            fields.refuse("/rail", "must be `ledger` or `manual`");
            None
        }
    };
    fields.finish()?;
    // Without a mistake there is one.
    destination.ok_or(Problem::Internal)
}

// === impl DestinationView ===

impl From<DestinationEntry> for DestinationView {
    fn from(entry: DestinationEntry) -> Self {
        let rail = entry.destination.rail();
        let (wallet, reference) = match entry.destination {
            PayoutDestination::Wallet(wallet) => (Some(wallet.to_string()), None),
            PayoutDestination::Manual(reference) => (None, Some(reference)),
        };
        let (requested_at, effective_at) = (entry.requested_at.to_string(), entry.effective_at.to_string());
        Self { rail, wallet, reference, requested_at, effective_at }
    }
}

// === impl DestinationsView ===

impl From<PayoutDestinations> for DestinationsView {
    fn from(both: PayoutDestinations) -> Self {
        Self { current: both.current.map(Into::into), pending: both.pending.map(Into::into) }
    }
}
