//! `/v1/wallets/{id}/alerts`, and `/v1/alerts` for all wallets: balances below which somebody wants to hear of a wallet.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{AlertId, WalletId};
use registry::alert::{Alert, Balance, Threshold};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;
use crate::sequencer::events;
use crate::wallets::visible;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AlertBody {
    /// Told when the balance falls below this amount, such as `$5`. Either this or `percent`.
    amount: Option<String>,
    /// Told when the balance falls below so many hundredths of the last funding, 1 to 100. A funding below a tenth of the one that
    /// counts is not counted.
    percent: Option<u8>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AlertQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AlertView {
    id: String,
    wallet: String,
    amount: Option<Money>,
    percent: Option<u8>,
    /// Whether it waits for the balance to fall; not while the balance is below.
    armed: bool,
    created_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list, create)).routes(routes!(remove)).routes(routes!(list_all))
}

/// Alerts of all wallets, oldest first.
#[utoipa::path(get, path = "/v1/alerts", operation_id = "alert.list", tag = "wallets", params(AlertQuery),
    responses((status = 200, body = Page<AlertView>)), security(("management" = ["wallets:read"])))]
async fn list_all(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<AlertQuery>,
) -> Result<Response, Problem> {
    let owner = caller.only_owner().map(str::to_owned);
    let fetch = move |range: Range<AlertId>| {
        let (state, owner) = (state.clone(), owner.clone());
        async move {
            let alerts = state.registry.all_alerts(owner.as_deref(), range.after, range.limit).await?;
            Ok(alerts.into_iter().map(|alert| (alert.id, AlertView::new(&alert, &state))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Alerts of a wallet, oldest first.
#[utoipa::path(get, path = "/v1/wallets/{id}/alerts", operation_id = "wallet.alerts", tag = "wallets",
    params(("id" = String, Path), AlertQuery),
    responses((status = 200, body = Page<AlertView>)), security(("management" = ["wallets:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Path(id): Path<String>,
    Query(query): Query<AlertQuery>,
) -> Result<Response, Problem> {
    let wallet = visible(&state, &caller, &id).await?.id;
    let fetch = move |range: Range<AlertId>| {
        let state = state.clone();
        async move {
            let alerts = state.registry.alerts(wallet).await?.into_iter();
            let behind = alerts.filter(|alert| range.after.is_none_or(|after| alert.id > after));
            let page = behind.take(range.limit as usize);
            Ok(page.map(|alert| (alert.id, AlertView::new(&alert, &state))).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Makes an alert. It is told once, at once where the balance is below already, and again after the balance was above.
#[utoipa::path(post, path = "/v1/wallets/{id}/alerts", operation_id = "wallet.alert", tag = "wallets",
    params(("id" = String, Path), DryRun), request_body = AlertBody,
    responses((status = 201, body = AlertView), (status = 200, description = "A dry run", body = AlertView)), security(("management" = ["wallets:write"])))]
async fn create(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<AlertBody>,
) -> Result<(StatusCode, Json<AlertView>), Problem> {
    let wallet = visible(&state, &caller, &id).await?.id;
    let mut fields = Fields::default();
    let threshold = match (&body.amount, body.percent) {
        (Some(amount), None) => Some(Threshold::Amount(fields.some_dollars("/amount", amount))),
        (None, Some(percent)) => {
            if !(1..=100).contains(&percent) {
                fields.refuse("/percent", "must be from 1 to 100");
            }
            Some(Threshold::Percent(percent))
        }
        _ => {
            fields.refuse("/amount", "give either this or `percent`");
            None
        }
    };
    fields.finish()?;
    // Without a mistake there is one.
    let threshold = threshold.ok_or(Problem::Internal)?;
    let alert = state.registry.create_alert(&caller.actor(), wallet, threshold).await?;
    judge(&state, wallet).await.map_err(Problem::behind_change)?;
    Ok((state.created(), Json(AlertView::new(&alert, &state))))
}

/// Takes an alert away.
#[utoipa::path(delete, path = "/v1/wallets/{id}/alerts/{alert}", operation_id = "wallet.unalert", tag = "wallets",
    params(("id" = String, Path), ("alert" = String, Path), DryRun),
    responses((status = 204)), security(("management" = ["wallets:write"])))]
async fn remove(
    Changing(state): Changing,
    caller: Caller,
    Path((id, alert)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let wallet = visible(&state, &caller, &id).await?.id;
    let alert: AlertId = alert.parse()?;
    state.registry.remove_alert(&caller.actor(), wallet, alert).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The first look at a new alert; all others are the sequencer's, and later than this one.
async fn judge(state: &ControlState, wallet: WalletId) -> Result<(), Problem> {
    let held = state.ledger.wallet(wallet).await?.ok_or(Problem::WalletNotFound)?;
    let balance = Balance { wallet, balance: held.balance, batch: 0, at: state.ledger.time() };
    let asset = state.ledger.asset();
    let describe = |alert: &Alert, balance, threshold| events::low_balance(alert, balance, threshold, asset);
    Ok(state.registry.judge(&[balance], describe).await?)
}

// === impl AlertView ===

impl AlertView {
    fn new(alert: &Alert, state: &ControlState) -> Self {
        let (amount, percent) = match alert.threshold {
            Threshold::Amount(amount) => (Some(Money::new(amount, state.ledger.asset())), None),
            Threshold::Percent(percent) => (None, Some(percent)),
        };
        Self {
            id: alert.id.to_string(),
            wallet: alert.wallet.to_string(),
            amount,
            percent,
            armed: alert.armed,
            created_at: alert.created_at.to_string(),
        }
    }
}

impl Row for AlertView {
    const COLUMNS: &'static [&'static str] =
        &["id", "wallet", "amount.display", "percent", "armed", "created_at"];
}
