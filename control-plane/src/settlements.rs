//! `/v1/settlements`: what was settled with providers, of which payments; and a settlement at once, where somebody asks.

mod owed;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::{Asset, SettlementId};
use ledger::{Closing, Order, PaymentFilter, PaymentRecord, Settlement};
use serde::{Deserialize, Serialize};
use settlement::asked;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::listing::{Found, Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SettlementQuery {
    /// Only this provider's.
    provider: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MemberQuery {
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunBody {
    /// With whom.
    provider: String,
}

#[derive(Serialize, ToSchema)]
struct SettlementView {
    id: String,
    provider: String,
    /// The how-manieth of the provider, from 1 on.
    number: u32,
    /// How many payments it has.
    payments: u64,
    /// What they took.
    gross: Money,
    /// The platform's part of it.
    fee: Money,
    /// Given back of them before, less the fee that returned.
    refunds: Money,
    /// Given back of payments of earlier settlements since, less the fee that returned.
    adjustments: Money,
    /// What is paid out.
    net: Money,
    payout: String,
    created_at: String,
}

/// What a settlement at once is, or would be.
#[derive(Serialize, ToSchema)]
struct RunView {
    provider: String,
    /// How many payments are old enough.
    payments: u64,
    gross: Money,
    fee: Money,
    refunds: Money,
    adjustments: Money,
    /// Null where there is nothing to pay out: it is carried over.
    net: Option<Money>,
    /// The settlement; null where none was made.
    settlement: Option<String>,
    payout: Option<String>,
    /// Why nothing is settled, where nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing: Option<&'static str>,
}

/// A payment of a settlement.
#[derive(Serialize, ToSchema)]
struct MemberLine {
    payment: String,
    route: String,
    agent: String,
    amount: Money,
    fee: Money,
    /// Given back so far, also after the settlement.
    refunded: Money,
    refunded_fee: Money,
    captured_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .merge(owed::router())
        .routes(routes!(list, run))
        .routes(routes!(get))
        .routes(routes!(members))
}

/// Settlements, newest first.
#[utoipa::path(get, path = "/v1/settlements", operation_id = "settlement.list", tag = "settlements", params(SettlementQuery),
    responses((status = 200, body = Page<SettlementView>)), security(("management" = ["settlements:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<SettlementQuery>,
) -> Result<Response, Problem> {
    let provider = caller.only_provider().map(str::to_owned).or(query.provider);
    let fetch = move |range: Range<SettlementId>| {
        let (ledger, provider) = (state.ledger.clone(), provider.clone());
        async move {
            let listed = ledger.settlements(provider.as_deref(), range.page(Order::Newest)).await?;
            let view =
                |settlement: &Settlement| (settlement.id, SettlementView::new(settlement, ledger.asset()));
            Ok(listed.items.iter().map(view).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// Settles with a provider now: all that is old enough, whatever its schedule and its least amount.
#[utoipa::path(post, path = "/v1/settlements", operation_id = "settlement.run", tag = "settlements", params(DryRun),
    request_body = RunBody, responses((status = 200, body = RunView)), security(("management" = ["settlements:write"])))]
async fn run(
    Changing(state): Changing,
    caller: Caller,
    Body(body): Body<RunBody>,
) -> Result<Json<RunView>, Problem> {
    let (ledger, provider) = (&state.ledger, &*body.provider);
    if state.registry.provider(provider).is_none() && ledger.position(provider).await?.is_none() {
        return Err(Problem::ProviderNotFound);
    }
    let terms = state.registry.settlement_terms_of(provider).await?;
    let no_destination = || {
        Problem::Conflict(format!(
            "`{provider}` has no payout destination yet: name one with `faregate provider set-payout-destination {provider}`"
        ))
    };
    let terms = terms.ok_or_else(no_destination)?;
    let settled = asked::settle(&caller.moving(ledger), provider, &terms).await?;
    if let Some(settlement) = settled.filter(|_| !state.is_dry_run()) {
        state.metrics.settled();
        tracing::info!(settlement.id = %settlement.id, provider.name = provider, "settled because somebody asked");
        return Ok(Json(RunView::made(&settlement, ledger.asset())));
    }
    let closing = asked::preview(ledger, provider, &terms.rules).await?;
    Ok(Json(RunView::new(provider, closing.as_ref(), ledger.asset())))
}

/// One settlement.
#[utoipa::path(get, path = "/v1/settlements/{id}", operation_id = "settlement.show", tag = "settlements",
    params(("id" = String, Path)), responses((status = 200, body = SettlementView)),
    security(("management" = ["settlements:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SettlementView>, Problem> {
    let settlement = visible(&state, &caller, &id).await?;
    Ok(Json(SettlementView::new(&settlement, state.ledger.asset())))
}

/// The payments of a settlement, oldest first.
#[utoipa::path(get, path = "/v1/settlements/{id}/members", operation_id = "settlement.members", tag = "settlements",
    params(("id" = String, Path), MemberQuery), responses((status = 200, body = Page<MemberLine>)),
    security(("management" = ["settlements:read"])))]
async fn members(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Path(id): Path<String>,
    Query(query): Query<MemberQuery>,
) -> Result<Response, Problem> {
    let settlement = visible(&state, &caller, &id).await?.id;
    let find = move |range: Range<i64>| {
        let ledger = state.ledger.clone();
        async move {
            let filter = PaymentFilter { settlement: Some(settlement), ..PaymentFilter::default() };
            let listed = ledger.payments(&filter, range.page(Order::Oldest)).await?;
            let line = |payment: &PaymentRecord| MemberLine::new(payment, ledger.asset());
            Ok(Found { rows: listed.items.iter().map(line).collect(), next: listed.next })
        }
    };
    lister.answer_pages(query.limit, query.after.as_deref(), find).await
}

/// A settlement that is the caller's business; another one does not exist for them.
async fn visible(state: &ControlState, caller: &Caller, id: &str) -> Result<Settlement, Problem> {
    let id: SettlementId = id.parse()?;
    let settlement = state.ledger.settlement(id).await?;
    settlement.filter(|settlement| caller.provides(&settlement.provider)).ok_or(Problem::SettlementNotFound)
}

// === impl SettlementView ===

impl SettlementView {
    fn new(settlement: &Settlement, asset: &Asset) -> Self {
        let money = |amount| Money::new(amount, asset);
        Self {
            id: settlement.id.to_string(),
            provider: settlement.provider.to_string(),
            number: settlement.number,
            payments: settlement.payments,
            gross: money(settlement.gross),
            fee: money(settlement.fee),
            refunds: money(settlement.refunds),
            adjustments: money(settlement.adjustments),
            net: money(settlement.net),
            payout: settlement.payout.to_string(),
            created_at: settlement.at.to_string(),
        }
    }
}

impl Row for SettlementView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "provider",
        "number",
        "payments",
        "gross.display",
        "fee.display",
        "refunds.display",
        "adjustments.display",
        "net.display",
        "net.amount",
        "payout",
        "created_at",
    ];
}

// === impl RunView ===

impl RunView {
    /// Nothing was made.
    fn new(provider: &str, closing: Option<&Closing>, asset: &Asset) -> Self {
        let money = |amount: fn(&Closing) -> domain::Amount| {
            Money::new(closing.map(amount).unwrap_or_default(), asset)
        };
        let net = closing.and_then(Closing::net).map(|net| Money::new(net, asset));
        let nothing = match (closing, &net) {
            (None, _) => Some(
                "nothing is due: no payment waits that is old enough to be settled ([settlement] delay, an hour unless set; `faregate settlement owed` tells what waits)",
            ),
            (Some(_), None) => Some("nothing is due: refunds take all that was earned"),
            (Some(_), Some(_)) => None,
        };
        Self {
            provider: provider.to_owned(),
            payments: closing.map(Closing::payments).unwrap_or_default(),
            gross: money(Closing::gross),
            fee: money(Closing::fee),
            refunds: money(Closing::refunds),
            adjustments: money(Closing::adjustments),
            net,
            settlement: None,
            payout: None,
            nothing,
        }
    }

    fn made(settlement: &Settlement, asset: &Asset) -> Self {
        let money = |amount| Money::new(amount, asset);
        Self {
            provider: settlement.provider.to_string(),
            payments: settlement.payments,
            gross: money(settlement.gross),
            fee: money(settlement.fee),
            refunds: money(settlement.refunds),
            adjustments: money(settlement.adjustments),
            net: Some(money(settlement.net)),
            settlement: Some(settlement.id.to_string()),
            payout: Some(settlement.payout.to_string()),
            nothing: None,
        }
    }
}

// === impl MemberLine ===

impl MemberLine {
    fn new(payment: &PaymentRecord, asset: &Asset) -> Self {
        let receipt = &payment.receipt;
        let money = |amount| Money::paid(amount, receipt, asset);
        Self {
            payment: receipt.payment.to_string(),
            route: receipt.route.to_string(),
            agent: receipt.agent.to_string(),
            amount: money(receipt.amount),
            fee: money(receipt.fee),
            refunded: money(payment.refunded),
            refunded_fee: money(payment.refunded_fee),
            captured_at: receipt.captured_at.to_string(),
        }
    }
}

impl Row for MemberLine {
    const COLUMNS: &'static [&'static str] = &[
        "payment",
        "route",
        "agent",
        "amount.display",
        "amount.amount",
        "fee.display",
        "fee.amount",
        "refunded.display",
        "refunded.amount",
        "refunded_fee.display",
        "refunded_fee.amount",
        "captured_at",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_stands_in_tables_as_people_write_it() {
        for columns in [SettlementView::COLUMNS, MemberLine::COLUMNS] {
            for money in columns.iter().filter_map(|name| name.strip_suffix(".amount")) {
                assert!(columns.contains(&&*format!("{money}.display")), "{money} in {columns:?}");
            }
        }
    }
}
