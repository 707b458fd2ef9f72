//! `/v1/differences`: payments of which a chain showed something else than the books said, what is in suspense of them, and what persons
//! decide of it.

mod resolving;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::PaymentId;
use ledger::{Order, Outgoing, Resolution, Suspended, SuspendedFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DifferenceQuery {
    /// Only this provider's.
    provider: Option<String>,
    /// Only those of which something is in suspense.
    open: Option<bool>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A payment of which a chain showed something else than the books said.
#[derive(Serialize, ToSchema)]
struct DifferenceView {
    /// The payment.
    id: String,
    provider: String,
    /// CAIP-2.
    network: String,
    /// Who paid, where that is still known.
    payer: Option<String>,
    amount: Money,
    /// What the books had closed it as: `settled`, `written_off` or `void`.
    booked: &'static str,
    /// How the chain differed last: `arrived`, `missing` or `elsewhere`.
    way: &'static str,
    /// The transaction that the chain shows, or that the books had.
    transaction: String,
    /// The payment that booked what arrived late, at once.
    late_payment: Option<String>,
    /// What is in suspense of it; below zero where the chain shows less than the books said.
    in_suspense: Money,
    at: String,
}

/// One of them, and what was decided of it.
#[derive(Serialize, ToSchema)]
struct DifferenceDetail {
    #[serde(flatten)]
    difference: DifferenceView,
    /// In order.
    resolutions: Vec<ResolutionView>,
}

/// What a person decided of money in suspense.
#[derive(Serialize, ToSchema)]
struct ResolutionView {
    id: String,
    /// Of which difference: the payment.
    difference: String,
    /// Whose it is: `provider`, `payer` or `operator`.
    to: &'static str,
    amount: Money,
    /// Whether the operator bears what the chain does not show.
    is_loss: bool,
    /// Why.
    reason: String,
    /// The payment that booked it, where it is the provider's.
    late_payment: Option<String>,
    /// The outgoing transfer, where it goes back to the payer.
    outgoing: Option<String>,
    at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    let own = OpenApiRouter::default().routes(routes!(list)).routes(routes!(get));
    own.merge(resolving::router())
}

/// Payments of which a chain showed something else than the books said, newest first.
#[utoipa::path(get, path = "/v1/differences", operation_id = "difference.list", tag = "settlements", params(DifferenceQuery),
    responses((status = 200, body = Page<DifferenceView>)), security(("management" = ["settlements:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<DifferenceQuery>,
) -> Result<Response, Problem> {
    let provider = caller.only_provider().map(str::to_owned).or(query.provider).map(Into::into);
    let filter = SuspendedFilter { provider, open: query.open.unwrap_or_default() };
    let fetch = move |range: Range<PaymentId>| {
        let (ledger, filter) = (state.ledger.clone(), filter.clone());
        async move {
            let listed = ledger.suspended_list(&filter, range.page(Order::Newest)).await?;
            let view = |one: &Suspended| (one.last.payment, DifferenceView::new(one));
            Ok(listed.items.iter().map(view).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// One of them, and what was decided of it.
#[utoipa::path(get, path = "/v1/differences/{id}", operation_id = "difference.show", tag = "settlements",
    params(("id" = String, Path)), responses((status = 200, body = DifferenceDetail)),
    security(("management" = ["settlements:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DifferenceDetail>, Problem> {
    let (found, resolutions) = visible(&state, &caller, &id).await?;
    Ok(Json(DifferenceDetail {
        difference: DifferenceView::new(&found),
        resolutions: resolutions.iter().map(ResolutionView::new).collect(),
    }))
}

/// One that is the caller's business; another one does not exist for them.
async fn visible(
    state: &ControlState,
    caller: &Caller,
    id: &str,
) -> Result<(Suspended, Vec<Resolution>), Problem> {
    let found = state.ledger.suspended(id.parse()?).await?;
    found.filter(|(found, _)| caller.provides(&found.last.provider)).ok_or(Problem::DifferenceNotFound)
}

// === impl DifferenceView ===

impl DifferenceView {
    fn new(found: &Suspended) -> Self {
        let last = &found.last;
        let token = (&*last.network, &*last.token);
        Self {
            id: last.payment.to_string(),
            provider: last.provider.to_string(),
            network: last.network.to_string(),
            payer: found.payer.map(|payer| payer.to_checksum(None)),
            amount: Money::in_token(last.amount, token),
            booked: last.booked,
            way: last.differs.name(),
            transaction: last.differs.transaction().to_string(),
            late_payment: last.late.map(|late| late.to_string()),
            in_suspense: Money::signed_in_token(found.units, token),
            at: last.at.to_string(),
        }
    }
}

impl Row for DifferenceView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "way",
        "booked",
        "amount.display",
        "in_suspense.display",
        "network",
        "provider",
        "payer",
        "transaction",
        "late_payment",
        "at",
    ];
}

// === impl ResolutionView ===

impl ResolutionView {
    fn new(resolution: &Resolution) -> Self {
        let is_sent = resolution.owed == "payer";
        Self {
            id: resolution.id.to_string(),
            difference: resolution.payment.to_string(),
            to: resolution.owed,
            amount: Money::in_token(resolution.amount, (&resolution.network, &resolution.token)),
            is_loss: resolution.is_loss,
            reason: resolution.reason.clone(),
            late_payment: resolution.booked.map(|booked| booked.to_string()),
            outgoing: is_sent.then(|| Outgoing::of_refund(resolution.id).to_string()),
            at: resolution.at.to_string(),
        }
    }
}
