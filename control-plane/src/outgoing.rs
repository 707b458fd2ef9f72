//! `/v1/outgoing`: what leaves the treasury on public networks: payouts, and payments that are given back there. Each is sent once; one
//! that failed waits for a person. Next: [`marking`] for what left already.

mod marking;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::OutgoingId;
use ledger::{Order, Outgoing, OutgoingFilter, OutgoingState, Step};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
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
struct OutgoingQuery {
    /// Only this provider's.
    provider: Option<String>,
    /// `due`, `sent`, `paid`, `failed` or `void`.
    state: Option<String>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// A transfer out of the treasury on a public network.
#[derive(Serialize, ToSchema)]
pub(crate) struct OutgoingView {
    id: String,
    /// The payout that it is.
    payout: Option<String>,
    /// The payment that it gives back.
    payment: Option<String>,
    /// The payment of which it gives back what was in suspense: a difference.
    difference: Option<String>,
    provider: String,
    /// CAIP-2.
    network: String,
    /// The token's address.
    asset: String,
    /// Whom it goes to.
    address: String,
    amount: Money,
    /// `due`: to be sent, once the payment that it gives back came for good. `sent`: handed to the settler. `paid`: in a block that counts.
    /// `failed`: it did not move, and waits for a person. `void`: nothing is sent any more.
    state: &'static str,
    /// The transaction that moved it: for good where it is paid, else in a block that may still be undone.
    transaction: Option<String>,
    /// Why it failed.
    reason: Option<String>,
    /// How often somebody had it tried again.
    tries: u32,
    created_at: String,
    changed_at: String,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    let own = OpenApiRouter::default().routes(routes!(list)).routes(routes!(get)).routes(routes!(retry));
    own.merge(marking::router())
}

/// What leaves the treasury on public networks, newest first.
#[utoipa::path(get, path = "/v1/outgoing", operation_id = "outgoing.list", tag = "settlements", params(OutgoingQuery),
    responses((status = 200, body = Page<OutgoingView>)), security(("management" = ["settlements:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<OutgoingQuery>,
) -> Result<Response, Problem> {
    let provider = caller.only_provider().map(str::to_owned).or(query.provider).map(Into::into);
    let wanted = query.state.map(|text| {
        let told = || Problem::Parameter("state must be due, sent, paid, failed or void".to_owned());
        OutgoingState::parse(&text).ok_or_else(told)
    });
    let filter = OutgoingFilter { provider, state: wanted.transpose()? };
    let fetch = move |range: Range<OutgoingId>| {
        let (ledger, filter) = (state.ledger.clone(), filter.clone());
        async move {
            let listed = ledger.outgoing_list(&filter, range.page(Order::Newest)).await?;
            let view = |outgoing: &Outgoing| (outgoing.id, OutgoingView::new(outgoing));
            Ok(listed.items.iter().map(view).collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// One transfer out of the treasury.
#[utoipa::path(get, path = "/v1/outgoing/{id}", operation_id = "outgoing.show", tag = "settlements",
    params(("id" = String, Path)), responses((status = 200, body = OutgoingView)),
    security(("management" = ["settlements:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<OutgoingView>, Problem> {
    let outgoing = visible(&state, &caller, &id).await?;
    Ok(Json(OutgoingView::new(&outgoing)))
}

/// Has a transfer tried again that failed.
///
/// The operator's alone. See on chain first that it did not move, where its reason says so.
#[utoipa::path(post, path = "/v1/outgoing/{id}/retry", operation_id = "outgoing.retry", tag = "settlements",
    params(("id" = String, Path), DryRun), responses((status = 200, body = OutgoingView)),
    security(("management" = ["settlements:write"])))]
async fn retry(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<OutgoingView>, Problem> {
    if !caller.is_admin() {
        return Err(Problem::Forbidden("only the operator has a transfer tried again".to_owned()));
    }
    let outgoing = visible(&state, &caller, &id).await?;
    let outgoing = caller.moving(&state.ledger).outgoing_step(&outgoing, Step::Retry).await?;
    state.log(|| tracing::info!(outgoing.id = %outgoing.id, amount = %outgoing.amount, "tried again"));
    Ok(Json(OutgoingView::new(&outgoing)))
}

/// One that is the caller's business; another one does not exist for them.
async fn visible(state: &ControlState, caller: &Caller, id: &str) -> Result<Outgoing, Problem> {
    let id: OutgoingId = id.parse()?;
    let outgoing = state.ledger.outgoing(id).await?;
    outgoing.filter(|outgoing| caller.provides(&outgoing.provider)).ok_or(Problem::OutgoingNotFound)
}

// === impl OutgoingView ===

impl OutgoingView {
    pub(crate) fn new(outgoing: &Outgoing) -> Self {
        let token = (&*outgoing.to.network, &*outgoing.to.token.to_string());
        Self {
            id: outgoing.id.to_string(),
            payout: outgoing.payout().map(|payout| payout.to_string()),
            payment: outgoing.refund_of.map(|payment| payment.to_string()),
            difference: outgoing.suspense_of.map(|payment| payment.to_string()),
            provider: outgoing.provider.to_string(),
            network: outgoing.to.network.to_string(),
            asset: outgoing.to.token.to_string(),
            address: outgoing.to.address.to_string(),
            amount: Money::in_token(outgoing.amount, token),
            state: outgoing.state.name(),
            transaction: outgoing.transaction.map(|transaction| transaction.to_string()),
            reason: outgoing.reason.clone(),
            tries: outgoing.tries,
            created_at: outgoing.at.to_string(),
            changed_at: outgoing.changed_at.to_string(),
        }
    }
}

impl Row for OutgoingView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "state",
        "amount.display",
        "network",
        "address",
        "provider",
        "payout",
        "payment",
        "difference",
        "transaction",
        "reason",
        "tries",
        "created_at",
        "changed_at",
        "asset",
    ];
}
