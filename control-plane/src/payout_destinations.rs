//! `/v1/providers/{name}/payout-destination`: where a provider's money goes, and what was asked for and waits.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Address, ChainAccount, PayoutDestination, WalletId};
use ledger::LedgerError;
use registry::config::value;
use registry::payout::{DestinationEntry, PayoutDestinations, REFERENCE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::path::Path;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::providers::visible;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DestinationBody {
    /// `ledger` into a wallet, `manual` by a person's hand, or `chain` out of the treasury on a public network.
    rail: String,
    /// The wallet, with the rail `ledger`.
    wallet: Option<String>,
    /// What whoever pays has to read, such as an IBAN, with the rail `manual`.
    reference: Option<String>,
    /// The network (CAIP-2), such as `eip155:84532`, with the rail `chain`.
    network: Option<String>,
    /// The address there, with the rail `chain`.
    address: Option<String>,
    /// The token's address, with the rail `chain`; the network's first one where not given.
    asset: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct DestinationView {
    /// `ledger`, `manual` or `chain`.
    rail: &'static str,
    wallet: Option<String>,
    reference: Option<String>,
    network: Option<String>,
    address: Option<String>,
    asset: Option<String>,
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
    tag = "providers", params(("name" = String, Path), DryRun), request_body = DestinationBody,
    responses((status = 200, body = DestinationsView)), security(("management" = ["providers:write"])))]
async fn set(
    Changing(state): Changing,
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
    operation_id = "provider.cancel-payout-destination", tag = "providers", params(("name" = String, Path), DryRun),
    responses((status = 200, body = DestinationsView)), security(("management" = ["providers:write"])))]
async fn cancel(
    Changing(state): Changing,
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

/// A wallet must be there, and so must a way out to a network: a settlement that cannot be paid is none.
async fn destination(state: &ControlState, body: DestinationBody) -> Result<PayoutDestination, Problem> {
    let mut fields = Fields::default();
    if body.rail == "chain" {
        let account = account(state, &mut fields, &body);
        fields.finish()?;
        return account.map(PayoutDestination::Chain).ok_or(Problem::Internal);
    }
    for (name, given) in [("/network", &body.network), ("/address", &body.address), ("/asset", &body.asset)] {
        if given.is_some() {
            fields.refuse(name, "goes with the rail `chain`");
        }
    }
    let destination = match (&*body.rail, body.wallet, body.reference) {
        ("ledger", Some(wallet), None) => match wallet.parse::<WalletId>() {
            Ok(wallet) => {
                // The books have accounts that look like wallets and are nobody's: what goes there nobody gets.
                let is_whose = state.registry.wallet(wallet).await?.is_some();
                if !is_whose || state.ledger.wallet(wallet).await?.is_none() {
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
            fields.refuse("/rail", "must be `ledger`, `manual` or `chain`");
            None
        }
    };
    fields.finish()?;
    // Without a mistake there is one.
    destination.ok_or(Problem::Internal)
}

/// An account on a network that our treasury can pay on.
fn account(state: &ControlState, fields: &mut Fields, body: &DestinationBody) -> Option<ChainAccount> {
    for (name, given) in [("/wallet", &body.wallet), ("/reference", &body.reference)] {
        if given.is_some() {
            fields.refuse(name, "does not go with the rail `chain`");
        }
    }
    let address = match body.address.as_deref().map(value::address) {
        Some(Ok(address)) => Some(address),
        Some(Err(why)) => {
            fields.refuse("/address", &why);
            None
        }
        None => {
            fields.refuse("/address", "name the address that is paid");
            None
        }
    };
    let networks = state.registry.networks();
    let named = body.network.as_deref();
    let Some(settings) = networks.iter().find(|settings| Some(&*settings.network.id) == named) else {
        fields.refuse("/network", "must be one of the file's [[networks]], such as `eip155:84532`");
        return None;
    };
    if state.ledger.outlet(&settings.network.id).is_none() {
        fields.refuse("/network", &LedgerError::NoOutlet.to_string());
    }
    let tokens = &settings.network.tokens;
    let token = match &body.asset {
        None => tokens.first().map(|token| token.asset.address),
        Some(text) => {
            let token = text
                .parse::<Address>()
                .ok()
                .filter(|token| tokens.iter().any(|taken| taken.asset.address == *token));
            if token.is_none() {
                fields.refuse("/asset", "must be the address of one of the network's tokens");
            }
            token
        }
    };
    Some(ChainAccount { network: Arc::clone(&settings.network.id), token: token?, address: address? })
}

// === impl DestinationView ===

impl From<DestinationEntry> for DestinationView {
    fn from(entry: DestinationEntry) -> Self {
        let mut view = Self {
            rail: entry.destination.rail(),
            wallet: None,
            reference: None,
            network: None,
            address: None,
            asset: None,
            requested_at: entry.requested_at.to_string(),
            effective_at: entry.effective_at.to_string(),
        };
        match entry.destination {
            PayoutDestination::Wallet(wallet) => view.wallet = Some(wallet.to_string()),
            PayoutDestination::Manual(reference) => view.reference = Some(reference),
            PayoutDestination::Chain(ChainAccount { network, token, address }) => {
                view.network = Some(network.to_string());
                view.address = Some(address.to_string());
                view.asset = Some(token.to_string());
            }
        }
        view
    }
}

// === impl DestinationsView ===

impl From<PayoutDestinations> for DestinationsView {
    fn from(both: PayoutDestinations) -> Self {
        Self { current: both.current.map(Into::into), pending: both.pending.map(Into::into) }
    }
}
