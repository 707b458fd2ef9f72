//! `POST /v1/wallets/{id}/deposit`: tops a wallet up by an x402 payment on a public network. A 402 that a stock client pays.
//!
//! The one call that needs no key: the payment is all that a stock client has, and money that comes in harms nobody. So it tells nobody
//! what is in the wallet, whose it is, or more than that it is there. Next: `settlement::deposits`.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use domain::{Amount, WalletId};
use protocol::header::{PAYMENT_SIGNATURE, X_PAYMENT};
use serde::{Deserialize, Serialize};
use settlement::deposits::{Asked, DepositReply};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::opening;
use crate::call::path::Path;
use crate::call::query::Query;
use crate::control::ControlState;
use crate::money::Money;
use crate::problem::Problem;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DepositQuery {
    /// How much, in dollars, such as `5.00`.
    amount: String,
}

/// A deposit, as `settlement::deposits` writes it.
#[derive(Serialize, ToSchema)]
struct DepositView {
    /// Of the payment: `pay_...`.
    id: String,
    /// `funded`, or `pending` while its block may still be undone.
    state: String,
    wallet: String,
    amount: Money,
    /// CAIP-2 of the network that it was paid on.
    network: String,
    /// The address that paid.
    payer: String,
    /// That moved it; null where it is not at hand.
    transaction: Option<String>,
}

pub(crate) fn router() -> OpenApiRouter<ControlState> {
    OpenApiRouter::default().routes(routes!(deposit))
}

/// Asks for a payment on a public network, which `faregate pay -X POST --max DOLLARS URL` makes, and funds the wallet with it.
///
/// Needs no key: any x402 client pays it. The same payment again is told the same deposit.
#[utoipa::path(post, path = "/v1/wallets/{id}/deposit", operation_id = "wallet.deposit", tag = "wallets",
    params(("id" = String, Path), DepositQuery),
    responses(
        (status = 200, body = DepositView, description = "The wallet has it. `PAYMENT-RESPONSE` carries the receipt."),
        (status = 202, body = DepositView, description = "It moved, and the wallet has it once its block counts."),
        (status = 402, description = "What to pay: x402 v2 in `PAYMENT-REQUIRED`, v1 in the body. Nothing was charged."),
        (status = 503, description = "Not now; with `settlement_unknown` the outcome is not known yet. Send the same payment again.")
    ),
    security(()))]
async fn deposit(
    State(state): State<ControlState>,
    uri: Uri,
    Path(id): Path<String>,
    Query(query): Query<DepositQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let deposits = state.deposits.as_ref().ok_or(Problem::DepositsNotTaken)?;
    let amount = Amount::parse_dollars(&query.amount);
    let amount = amount.map_err(|error| Problem::Parameter(format!("`amount`: {error}")))?;
    let payment = payment(&headers)?;
    let wallet: WalletId = id.parse()?;
    let known = state.registry.wallet(wallet).await?.ok_or(Problem::WalletNotFound)?;
    opening::ensure(&state, &known).await?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let url = format!("http://{host}{uri}");
    let payment = payment.map(HeaderValue::as_bytes);
    let told = deposits.answer(&Asked { wallet, amount, url: &url, payment, client: None }).await;
    Ok(answer(told.reply()))
}

/// The payment of a call: the same under both names of x402 is one.
fn payment(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Problem> {
    let values = |name| headers.get_all(name).iter();
    let (mut current, mut old) = (values(PAYMENT_SIGNATURE), values(X_PAYMENT));
    match ((current.next(), current.next()), (old.next(), old.next())) {
        ((Some(one), None), (Some(other), None)) if one == other => Ok(Some(one)),
        ((one, None), (None, None)) | ((None, None), (one, None)) => Ok(one),
        _ => Err(Problem::TwoPayments),
    }
}

fn answer(reply: DepositReply) -> Response {
    let DepositReply { status, headers, mut body } = reply;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_problem = status.is_client_error() || status.is_server_error();
    if is_problem {
        body["title"] = status.canonical_reason().into();
    }
    let mut response = (status, Json(body)).into_response();
    let fields = response.headers_mut();
    if is_problem {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_same_payment_under_both_names_is_one_and_two_are_refused() {
        let found = |fields: &[_]| payment(&headers(fields)).map(|found| found.cloned());
        assert!(matches!(found(&[]), Ok(None)));
        for name in [PAYMENT_SIGNATURE, X_PAYMENT] {
            assert!(found(&[(name, "e30=")]).is_ok_and(|found| found.is_some()));
            assert!(found(&[(name, "e30="), (name, "e30=")]).is_err(), "{name} twice");
        }
        assert!(
            found(&[(PAYMENT_SIGNATURE, "e30="), (X_PAYMENT, "e30=")]).is_ok_and(|found| found.is_some())
        );
        assert!(found(&[(PAYMENT_SIGNATURE, "e30="), (X_PAYMENT, "e31=")]).is_err());
    }
}
