//! `/v1/payouts`: what leaves for providers. One into a wallet is paid as it is made, one on a public network once its transaction
//! counts; any other a person pays, and says so.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::{Asset, PayoutDestination, PayoutId};
use ledger::{Order, Outgoing, Payout, PayoutFilter, PayoutPayment};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body::Body;
use crate::call::caller::Caller;
use crate::call::changing::{Changing, DryRun};
use crate::call::csv::Row;
use crate::call::idempotent::IdempotencyKey;
use crate::call::listing::{Lister, Page, Range};
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::fields::Fields;
use crate::money::Money;
use crate::problem::Problem;

/// Longest bank's reference, in bytes.
const REFERENCE_BYTES_MAX: usize = 255;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PayoutQuery {
    /// Only this provider's.
    provider: Option<String>,
    /// `open`: still to be paid, on its way or not; `paid`.
    state: Option<PayoutState>,
    /// Rows of a page.
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// What is known of a payout.
#[derive(Clone, Copy, Deserialize, Serialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PayoutState {
    /// It has still to be paid: by a person, or on a public network.
    Open,
    /// It is.
    Paid,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PayBody {
    /// What the payment is outside: the bank's reference.
    reference: String,
}

#[derive(Serialize, ToSchema)]
struct PayoutView {
    id: String,
    settlement: String,
    provider: String,
    /// `ledger`, `manual` or `chain`.
    rail: &'static str,
    /// Where it goes, as the terms said when the settlement was made: a wallet, what whoever pays has to read, or network, token and
    /// address.
    destination: String,
    amount: Money,
    state: PayoutState,
    /// Its transfer, where it goes to a public network.
    on_chain: Option<SendingView>,
    created_at: String,
    paid_at: Option<String>,
    /// What the payment is outside: the transaction where it was sent on a public network; the settlement where it went into a wallet.
    reference: Option<String>,
    /// The transfer in the books.
    transfer: Option<String>,
}

/// How far a payout on a public network is.
#[derive(Serialize, ToSchema)]
struct SendingView {
    /// The outgoing transfer.
    id: String,
    /// `due`, `sent`, `paid`, `failed`, or `void` where a person paid it in another way.
    state: &'static str,
    /// The transaction that moved it: for good where it is paid.
    transaction: Option<String>,
    /// Why it failed.
    reason: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(list)).routes(routes!(get)).routes(routes!(pay))
}

/// Payouts, newest first.
///
/// As CSV, those that are open are a bank run.
#[utoipa::path(get, path = "/v1/payouts", operation_id = "payout.list", tag = "settlements", params(PayoutQuery),
    responses((status = 200, body = Page<PayoutView>)), security(("management" = ["settlements:read"])))]
async fn list(
    State(state): State<ControlState>,
    caller: Caller,
    lister: Lister,
    Query(query): Query<PayoutQuery>,
) -> Result<Response, Problem> {
    let provider = caller.only_provider().map(str::to_owned).or(query.provider).map(Into::into);
    let filter = PayoutFilter { provider, paid: query.state.map(|state| state == PayoutState::Paid) };
    let fetch = move |range: Range<PayoutId>| {
        let (ledger, filter) = (state.ledger.clone(), filter.clone());
        async move {
            let listed = ledger.payouts(&filter, range.page(Order::Newest)).await?;
            Ok(listed
                .items
                .iter()
                .map(|payout| (payout.id, PayoutView::new(payout, ledger.asset())))
                .collect())
        }
    };
    lister.answer(query.limit, query.after.as_deref(), fetch).await
}

/// One payout.
#[utoipa::path(get, path = "/v1/payouts/{id}", operation_id = "payout.show", tag = "settlements",
    params(("id" = String, Path)), responses((status = 200, body = PayoutView)),
    security(("management" = ["settlements:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<PayoutView>, Problem> {
    let payout = visible(&state, &caller, &id).await?;
    Ok(Json(PayoutView::new(&payout, state.ledger.asset())))
}

/// Notes that a payout was paid by hand.
///
/// One on a public network may be paid so as long as it is not on its way there: nothing is sent then. The same reference again is the first time again.
#[utoipa::path(post, path = "/v1/payouts/{id}/pay", operation_id = "payout.pay", tag = "settlements",
    params(("id" = String, Path), ("Idempotency-Key" = String, Header), DryRun), request_body = PayBody,
    responses((status = 200, body = PayoutView)), security(("management" = ["settlements:write"])))]
async fn pay(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    IdempotencyKey(key): IdempotencyKey,
    Body(body): Body<PayBody>,
) -> Result<Json<PayoutView>, Problem> {
    let mut fields = Fields::default();
    fields.text("/reference", &body.reference, REFERENCE_BYTES_MAX);
    fields.finish()?;
    let payout = visible(&state, &caller, &id).await?;
    let asset = state.ledger.asset();
    if payout.paid.as_ref().is_some_and(|paid| paid.reference == body.reference) {
        return Ok(Json(PayoutView::new(&payout, asset)));
    }
    let (payout, reference, idempotency_key) = (payout.id, body.reference, caller.word(&key));
    let payment = PayoutPayment { payout, reference, idempotency_key };
    let payout = caller.moving(&state.ledger).pay_out(payment).await?;
    state.log(|| tracing::info!(payout.id = %payout.id, provider.name = %payout.provider, amount = %payout.amount, "payout paid"));
    Ok(Json(PayoutView::new(&payout, asset)))
}

/// A payout that is the caller's business; another one does not exist for them.
async fn visible(state: &ControlState, caller: &Caller, id: &str) -> Result<Payout, Problem> {
    let id: PayoutId = id.parse()?;
    let payout = state.ledger.payout(id).await?;
    payout.filter(|payout| caller.provides(&payout.provider)).ok_or(Problem::PayoutNotFound)
}

// === impl PayoutView ===

impl PayoutView {
    fn new(payout: &Payout, asset: &Asset) -> Self {
        let (destination, paid) = (&payout.destination, payout.paid.as_ref());
        Self {
            id: payout.id.to_string(),
            settlement: payout.settlement.to_string(),
            provider: payout.provider.to_string(),
            rail: destination.rail(),
            destination: match destination {
                PayoutDestination::Wallet(wallet) => wallet.to_string(),
                PayoutDestination::Manual(reference) => reference.clone(),
                PayoutDestination::Chain(account) => account.to_string(),
            },
            amount: Money::new(payout.amount, asset),
            state: if paid.is_some() { PayoutState::Paid } else { PayoutState::Open },
            on_chain: payout.sending.as_ref().map(|sending| SendingView {
                id: Outgoing::of_payout(payout.id).to_string(),
                state: sending.state.name(),
                transaction: sending.transaction.map(|transaction| transaction.to_string()),
                reason: sending.reason.clone(),
            }),
            created_at: payout.at.to_string(),
            paid_at: paid.map(|paid| paid.at.to_string()),
            reference: paid.map(|paid| paid.reference.clone()),
            transfer: paid.map(|paid| paid.transfer.to_string()),
        }
    }
}

impl Row for PayoutView {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "provider",
        "rail",
        "destination",
        "amount.display",
        "amount.amount",
        "state",
        "settlement",
        "created_at",
        "paid_at",
        "reference",
        "on_chain.state",
        "on_chain.reason",
    ];
}
