//! `POST /v1/payments/{id}/resolve`: a person says what became of a payment of which nobody knows, on a network that is not read here.
//!
//! Its facilitator did not say that it settled it, and is asked again only where its payer sends the same payment again. Whoever calls this
//! has looked at the network. What evidence closes is not theirs to say.

use axum::Json;
use domain::{ForeignName, PaymentId, TransactionId, UnixMillis};
use ledger::{Close, LedgerError, OpenIntent};
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ResolveBody {
    /// `moved` or `not_moved`.
    outcome: String,
    /// The transaction that moved it, as the network shows it; with `moved`.
    transaction: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct ResolvedView {
    payment: String,
    /// `moved`: it is captured, and delivered when it comes again within a day of the first time. `not_moved`: nothing was charged.
    outcome: &'static str,
    transaction: Option<String>,
}

pub(super) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(resolve))
}

/// Says what became of a payment whose settlement is unknown, on a non-EVM network.
///
/// The operator's alone. Which ones there are tells `payment.unknown`. Look at the network first: for a transfer of its payer to the provider's address that no other payment names.
/// A dry run asks no node.
#[utoipa::path(post, path = "/v1/payments/{id}/resolve", operation_id = "payment.resolve", tag = "payments",
    params(("id" = String, Path), DryRun), request_body = ResolveBody,
    responses((status = 200, body = ResolvedView)), security(("management" = ["payments:refund"])))]
async fn resolve(
    Changing(state): Changing,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<ResolveBody>,
) -> Result<Json<ResolvedView>, Problem> {
    if !caller.is_admin() {
        return Err(Problem::Forbidden("only the operator says what became of a payment".to_owned()));
    }
    let payment: PaymentId = id.parse()?;
    let open = state.ledger.open_unknown(payment).ok_or(Problem::PaymentNotFound)?;
    let transaction = outcome(&body)?;
    let close = match transaction {
        Some(transaction) => moved(&open, transaction)?,
        None => {
            let close = not_moved(&open, state.ledger.time())?;
            if !state.is_dry_run() {
                unseen(&state, payment).await?;
            }
            close
        }
    };
    let outcome = if transaction.is_some() { "moved" } else { "not_moved" };
    // Who says it stands in the commit that makes it so, and from there in the audit log.
    let closed = if state.is_dry_run() {
        unspent(&state, &open, transaction).await
    } else {
        caller.moving(&state.ledger).close(payment, close).await
    };
    match closed {
        Err(LedgerError::TransactionSpent) => Err(spent(&state, &open, transaction).await),
        closed => {
            closed?;
            state.log(|| tracing::warn!(%payment, network = &*open.intent.network, outcome, "the operator says what became of it"));
            let transaction = transaction.map(|transaction| transaction.to_string());
            Ok(Json(ResolvedView { payment: payment.to_string(), outcome, transaction }))
        }
    }
}

/// The transaction, where it moved.
fn outcome(body: &ResolveBody) -> Result<Option<TransactionId>, Problem> {
    let mut fields = Fields::default();
    let named: Option<Result<ForeignName, _>> = body.transaction.as_deref().map(str::parse);
    let transaction = match (&*body.outcome, named) {
        ("moved", Some(Ok(word))) => Some(TransactionId::named(word)),
        ("moved", _) => {
            fields.refuse("/transaction", "name the transaction that moved it, as the network shows it");
            None
        }
        ("not_moved", None) => None,
        ("not_moved", Some(_)) => {
            fields.refuse("/transaction", "is of what moved: leave it out");
            None
        }
        _ => {
            fields.refuse("/outcome", "must be moved or not_moved");
            None
        }
    };
    fields.finish()?;
    Ok(transaction)
}

fn moved(open: &OpenIntent, transaction: TransactionId) -> Result<Close, Problem> {
    is_a_persons(open)?;
    Ok(Close::Moved(transaction.into()))
}

/// That no other payment was paid by it, which the books see to when it is closed in earnest.
async fn unspent(
    state: &ControlState,
    open: &OpenIntent,
    transaction: Option<TransactionId>,
) -> Result<(), LedgerError> {
    let Some(transaction) = transaction else { return Ok(()) };
    match state.ledger.settled_by(&open.intent.network, transaction).await? {
        Some(_) => Err(LedgerError::TransactionSpent),
        None => Ok(()),
    }
}

/// For whom the transaction has paid, where that is another payment.
async fn spent(state: &ControlState, open: &OpenIntent, transaction: Option<TransactionId>) -> Problem {
    let other = match transaction {
        Some(transaction) => state.ledger.settled_by(&open.intent.network, transaction).await,
        None => Ok(None),
    };
    match other {
        Ok(Some(other)) => Problem::Conflict(format!("the transaction has paid for {other}; one pays once")),
        _ => LedgerError::TransactionSpent.into(),
    }
}

fn not_moved(open: &OpenIntent, now: UnixMillis) -> Result<Close, Problem> {
    is_a_persons(open)?;
    let sure = open.intent.over_at();
    if now < sure {
        return Err(Problem::Conflict(format!("what was signed may still land: say so after {sure}")));
    }
    Ok(Close::Void)
}

/// Nodes may show by now what they did not before: they have the last word where some are named.
async fn unseen(state: &ControlState, payment: PaymentId) -> Result<(), Problem> {
    let Some(foreign) = &state.foreign else { return Ok(()) };
    foreign.look_once_more(payment).await.map_or(Ok(()), |transaction| {
        Err(Problem::Conflict(format!("it moved in {transaction}, as is known by now, and is captured")))
    })
}

fn is_a_persons(open: &OpenIntent) -> Result<(), Problem> {
    if open.intent.is_read() {
        return Err(Problem::Conflict("its chain is read, and closes it by itself".to_owned()));
    }
    Ok(())
}
