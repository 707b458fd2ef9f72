//! `/v1/payments`: captured payments as they stand in the books. [`list`] finds them, [`timeline`] tells what became of one,
//! [`refund`] gives one back. [`unknown`] lists what is held and nobody knows of, and [`resolve`] says it.
//!
//! Whose they are: a provider's who was paid, and an owner's whose agent or whose wallet paid. Anybody else's do not exist.

mod list;
mod refund;
mod resolve;
mod timeline;
mod unknown;

use axum::Json;
use axum::extract::State;
use domain::{Asset, PaymentId};
use ledger::{Collection, OnChain, Outgoing, PaymentRecord, ReceiptRecord, Refunded};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::call::caller::Caller;
use crate::call::csv::Row;
use crate::call::path::Path;
use crate::control::ControlState;
use crate::money::Money;
use crate::outgoing::OutgoingView;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentView {
    #[serde(flatten)]
    line: PaymentLine,
    /// Each time, in order.
    refunds: Vec<RefundView>,
}

/// A payment in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentLine {
    id: String,
    /// `captured`, `partly_refunded`, `refunded`, or `written_off`: served, and never to be collected.
    state: &'static str,
    agent: String,
    wallet: String,
    provider: String,
    route: String,
    revision: u32,
    /// Whether it was one of the day's free calls of its route.
    free: bool,
    amount: Money,
    fee: Money,
    /// What the provider gets.
    net: Money,
    /// The name of what was signed; on a public network what moved its value there, none while it is still to be settled.
    transaction: Option<String>,
    /// Where it was paid, if on a public network.
    on_chain: Option<OnChainView>,
    /// What became of its value there: `due`, it is still to move or may still be undone; `moved`, for good; `written_off`, it never
    /// will. So the books have closed it; what its network shows otherwise is among the differences.
    collection: Option<&'static str>,
    held_at: String,
    captured_at: String,
    /// What was given back so far, or written off.
    refunded: Money,
    refunded_fee: Money,
}

/// A payment on a public network.
#[derive(Serialize, ToSchema)]
pub(crate) struct OnChainView {
    /// CAIP-2.
    network: String,
    /// The address that signed it.
    payer: String,
    /// `direct`: to the provider's own address. `treasury`: to the operator's.
    custody: &'static str,
    /// What moved its value; none while it is still to be settled.
    transaction: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RefundView {
    id: String,
    payment: String,
    amount: Money,
    /// The part of it that the platform gave.
    fee: Money,
    /// What is left of the payment afterwards.
    remains: Money,
    reason: &'static str,
    at: String,
    /// What is sent back, where the payment was made to the treasury on a public network.
    on_chain: Option<OutgoingView>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default()
        .routes(routes!(get))
        .merge(list::router())
        .merge(timeline::router())
        .merge(refund::router())
        .merge(resolve::router())
        .merge(unknown::router())
}

/// One payment.
#[utoipa::path(get, path = "/v1/payments/{id}", operation_id = "payment.show", tag = "payments", params(("id" = String, Path)),
    responses((status = 200, body = PaymentView)), security(("management" = ["payments:read"])))]
async fn get(
    State(state): State<ControlState>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<PaymentView>, Problem> {
    let payment = visible(&state, &caller, &id).await?;
    let id = payment.receipt.payment;
    let (refunds, sent) = (state.ledger.refunds_of(id).await?, sent_back(&state, &payment).await?);
    Ok(Json(PaymentView::new(&payment, &refunds, &sent, state.ledger.asset())))
}

/// What is sent back of a payment on a public network, or was.
async fn sent_back(state: &ControlState, payment: &PaymentRecord) -> Result<Vec<Outgoing>, Problem> {
    match &payment.receipt.on_chain {
        Some(_) => Ok(state.ledger.outgoing_of(payment.receipt.payment).await?),
        None => Ok(Vec::new()),
    }
}

/// A payment that is the caller's business.
pub(crate) async fn visible(
    state: &ControlState,
    caller: &Caller,
    id: &str,
) -> Result<PaymentRecord, Problem> {
    let id: PaymentId = id.parse()?;
    let payment = state.ledger.payment(id).await?.ok_or(Problem::PaymentNotFound)?;
    if caller.provides(&payment.receipt.provider) {
        return Ok(payment);
    }
    let agent = state.registry.agent(payment.receipt.agent).await?;
    let wallet = state.registry.wallet(payment.wallet).await?;
    let owned = agent.is_some_and(|agent| caller.owns(agent.owner.as_deref()))
        || wallet.is_some_and(|wallet| caller.owns(wallet.owner.as_deref()));
    if owned { Ok(payment) } else { Err(Problem::PaymentNotFound) }
}

// === impl PaymentView ===

impl PaymentView {
    fn new(payment: &PaymentRecord, refunds: &[Refunded], sent: &[Outgoing], asset: &Asset) -> Self {
        let view = |refund| RefundView::new(refund, sent, &payment.receipt, asset);
        let refunds = refunds.iter().map(view).collect();
        Self { line: PaymentLine::new(payment, asset), refunds }
    }
}

// === impl OnChainView ===

impl From<&OnChain> for OnChainView {
    fn from(on_chain: &OnChain) -> Self {
        Self {
            network: on_chain.network.to_string(),
            payer: on_chain.payer.to_string(),
            custody: if on_chain.direct { "direct" } else { "treasury" },
            transaction: on_chain.transaction.map(|transaction| transaction.to_string()),
        }
    }
}

// === impl PaymentLine ===

impl PaymentLine {
    fn new(payment: &PaymentRecord, asset: &Asset) -> Self {
        let receipt = &payment.receipt;
        let money = |amount| Money::paid(amount, receipt, asset);
        Self {
            id: receipt.payment.to_string(),
            state: payment.state.name(),
            agent: receipt.agent.to_string(),
            wallet: payment.wallet.to_string(),
            provider: receipt.provider.to_string(),
            route: receipt.route.to_string(),
            revision: payment.revision,
            free: payment.free,
            amount: money(receipt.amount),
            fee: money(receipt.fee),
            net: money(receipt.amount.saturating_sub(receipt.fee)),
            transaction: receipt.moved_by(),
            on_chain: receipt.on_chain.as_deref().map(OnChainView::from),
            collection: payment.collection.map(Collection::name),
            held_at: payment.held_at.to_string(),
            captured_at: receipt.captured_at.to_string(),
            refunded: money(payment.refunded),
            refunded_fee: money(payment.refunded_fee),
        }
    }
}

impl Row for PaymentLine {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "captured_at",
        "state",
        "provider",
        "route",
        "amount.display",
        "fee.display",
        "net.display",
        "refunded.display",
        "agent",
        "wallet",
        "refunded_fee.display",
        "revision",
        "held_at",
        "transaction",
        "amount.asset",
        "free",
        "on_chain.network",
        "on_chain.payer",
        "on_chain.custody",
        "collection",
    ];
}

// === impl RefundView ===

impl RefundView {
    /// `sent` is all that is sent back of the payment; `receipt` is its.
    fn new(refund: &Refunded, sent: &[Outgoing], receipt: &ReceiptRecord, asset: &Asset) -> Self {
        let money = |amount| Money::paid(amount, receipt, asset);
        let own = sent.iter().find(|outgoing| outgoing.id == Outgoing::of_refund(refund.id));
        Self {
            id: refund.id.to_string(),
            payment: refund.payment.to_string(),
            amount: money(refund.amount),
            fee: money(refund.fee),
            remains: money(refund.remains),
            reason: refund.reason.name(),
            at: refund.at.to_string(),
            on_chain: own.map(OutgoingView::new),
        }
    }
}
