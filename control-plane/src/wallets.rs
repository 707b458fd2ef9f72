//! `/v1/wallets`: balances by name and owner. What comes in and goes out stands in [`transfers`], what is paid in by whoever pays in
//! [`deposits`].

pub(crate) mod deposits;
pub(crate) mod opening;
mod transfers;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Amount, Asset, WalletId};
use ledger::WalletBalance;
use registry::agent::AGENT_NAME_BYTES_MAX;
use registry::{Freezer, Listing, Wallet};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::agents::owner;
use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::freezing::FreezeQuery;
use crate::money::Money;
use crate::problem::Problem;

/// What is in a wallet that was not opened yet.
const NOTHING: WalletBalance =
    WalletBalance { balance: Amount::ZERO, held: Amount::ZERO, available: Amount::ZERO };

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WalletBody {
    /// What people call it, 1 to 64 bytes.
    name: String,
    /// Whose it is to be; an owner's key always makes its own.
    owner: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WalletQuery {
    /// Only this owner's.
    owner: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A wallet in a list.
#[derive(Serialize, ToSchema)]
struct WalletLine {
    id: String,
    name: String,
    owner: Option<String>,
    frozen: bool,
    /// Where frozen: whether only the operator thaws it.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_by_operator: Option<bool>,
    balance: Money,
    /// What a new request may hold.
    available: Money,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
struct WalletView {
    id: String,
    name: String,
    /// Whose it is; the operator's where null.
    owner: Option<String>,
    /// Its agents pay nothing while set.
    frozen: bool,
    /// Where frozen: whether only the operator thaws it.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen_by_operator: Option<bool>,
    balance: Money,
    /// Held by running requests.
    held: Money,
    /// What a new request may hold.
    available: Money,
    created_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(get))
        .routes(routes!(freeze))
        .routes(routes!(thaw))
        .merge(transfers::router())
}

/// Wallets, newest first.
#[utoipa::path(get, path = "/v1/wallets", operation_id = "wallet.list", tag = "wallets", params(WalletQuery),
    responses((status = 200, body = Page<WalletLine>)), security(("management" = ["wallets:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<WalletQuery>,
) -> Result<Response, Problem> {
    let owner = caller.only_owner().map(str::to_owned).or(query.owner);
    let fetch = move |range: Range<WalletId>| {
        let (state, listing) = (state.clone(), Listing { before: range.after, owner: owner.clone() });
        async move {
            let wallets = state.registry.wallets(&listing, range.limit).await?;
            let ids: Vec<WalletId> = wallets.iter().map(|wallet| wallet.id).collect();
            let balances = state.ledger.balances(&ids).await?;
            let line = |(wallet, balance): (Wallet, Option<WalletBalance>)| {
                (wallet.id, WalletLine::new(wallet, balance.unwrap_or(NOTHING), state.ledger.asset()))
            };
            Ok(wallets.into_iter().zip(balances).map(line).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Makes a wallet with nothing in it.
#[utoipa::path(post, path = "/v1/wallets", operation_id = "wallet.create", tag = "wallets", params(DryRun), request_body = WalletBody,
    responses((status = 201, body = WalletView), (status = 200, description = "A dry run", body = WalletView)), security(("management" = ["wallets:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Body(body): Body<WalletBody>,
) -> Result<(StatusCode, Json<WalletView>), Problem> {
    let mut fields = Fields::default();
    fields.text("/name", &body.name, AGENT_NAME_BYTES_MAX);
    let owner = owner(&caller, &mut fields, body.owner);
    fields.finish()?;
    let id = state.registry.new_wallet()?;
    let wallet = state.registry.create_wallet(&caller.actor(), id, body.name, owner).await?;
    opening::open_new(&state, id).await;
    Ok((state.created(), Json(view(&state, wallet).await.map_err(Problem::behind_change)?)))
}

/// One wallet, with what is in it.
#[utoipa::path(get, path = "/v1/wallets/{id}", operation_id = "wallet.show", tag = "wallets", params(("id" = String, Path)),
    responses((status = 200, body = WalletView)), security(("management" = ["wallets:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WalletView>, Problem> {
    let wallet = visible(&state, &caller, &id).await?;
    Ok(Json(view(&state, wallet).await?))
}

/// Lets no agent of this wallet pay until it is thawed.
#[utoipa::path(post, path = "/v1/wallets/{id}/freeze", operation_id = "wallet.freeze", tag = "wallets", params(("id" = String, Path), FreezeQuery, DryRun),
    responses((status = 200, body = WalletView)), security(("management" = ["wallets:write"])))]
async fn freeze(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<FreezeQuery>,
) -> Result<Json<WalletView>, Problem> {
    set_frozen(&state, &caller, query.freezer(&caller), &id, true).await
}

/// Lets the agents of a frozen wallet pay again. What the operator froze only the operator thaws.
#[utoipa::path(post, path = "/v1/wallets/{id}/thaw", operation_id = "wallet.thaw", tag = "wallets", params(("id" = String, Path), DryRun),
    responses((status = 200, body = WalletView)), security(("management" = ["wallets:write"])))]
async fn thaw(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WalletView>, Problem> {
    set_frozen(&state, &caller, caller.freezer(), &id, false).await
}

async fn set_frozen(
    state: &ControlState,
    caller: &Caller,
    who: Freezer,
    id: &str,
    frozen: bool,
) -> Result<Json<WalletView>, Problem> {
    let wallet = visible(state, caller, id).await?;
    let wallet = state.registry.set_wallet_frozen(&caller.actor(), who, wallet.id, frozen).await?;
    Ok(Json(view(state, wallet).await.map_err(Problem::behind_change)?))
}

/// A wallet that is the caller's business, open in the ledger; another one does not exist for them.
pub(crate) async fn visible(state: &ControlState, caller: &Caller, id: &str) -> Result<Wallet, Problem> {
    let id: WalletId = id.parse()?;
    let wallet = state.registry.wallet(id).await?;
    let wallet = wallet.filter(|wallet| caller.owns(wallet.owner.as_deref()));
    let wallet = wallet.ok_or(Problem::WalletNotFound)?;
    opening::ensure(state, &wallet).await.map_err(|error| Problem::from(error).before_call())?;
    Ok(wallet)
}

async fn view(state: &ControlState, wallet: Wallet) -> Result<WalletView, Problem> {
    let money = |amount| Money::new(amount, state.ledger.asset());
    let held = state.ledger.wallet(wallet.id).await?.unwrap_or(NOTHING);
    Ok(WalletView {
        id: wallet.id.to_string(),
        name: wallet.name,
        owner: wallet.owner,
        frozen: wallet.frozen,
        frozen_by_operator: wallet.frozen.then_some(wallet.frozen_by_operator),
        balance: money(held.balance),
        held: money(held.held),
        available: money(held.available),
        created_at: wallet.created_at.to_string(),
    })
}

// === impl WalletLine ===

impl WalletLine {
    fn new(wallet: Wallet, money: WalletBalance, asset: &Asset) -> Self {
        Self {
            id: wallet.id.to_string(),
            name: wallet.name,
            owner: wallet.owner,
            frozen: wallet.frozen,
            frozen_by_operator: wallet.frozen.then_some(wallet.frozen_by_operator),
            balance: Money::new(money.balance, asset),
            available: Money::new(money.available, asset),
            created_at: wallet.created_at.to_string(),
        }
    }
}

impl Row for WalletLine {
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "owner", "balance.display", "available.display", "frozen", "created_at"];
}
