//! [`Outcome`]: what came of a call, said so that nobody pays twice for want of knowing.

use std::io::Write;

use anyhow::Context;
use domain::Amount;
use protocol::challenge::PaymentRequired;
use protocol::header::{PAYMENT_REQUIRED, PAYMENT_RESPONSE};
use protocol::receipt::SettlementResponse;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::purchase::{self, Payment};
use crate::output::{Format, Verdict, print_json};

/// The gateway's word on a payment, which no upstream can forge: `captured`, `voided`, `refunded` or `held`.
const PAYMENT_STATUS: &str = "faregate-payment-status";

/// The gateway's name of a payment.
const PAYMENT_ID: &str = "faregate-payment-id";

/// What many refusals say themselves.
const UNCHARGED: &str = "nothing was charged";

/// What came of a payment that was let go of.
const VOIDED: &str = "the payment was voided";

/// What came of a payment whose value moved before the call failed.
const REFUNDED: &str = "the call failed, and its payment is given back";

/// What comes of a payment whose price is known at the end alone.
const HELD: &str = "what was used is charged once the answer has ended";

/// Longest body that is put into a JSON report, in bytes. Text output has no such limit: it streams.
const REPORTED_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What came.
pub(super) struct Outcome {
    status: Option<StatusCode>,
    charged: Charged,
    payment: Option<Payment>,
    body: Body,
}

/// Whether money moved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Charged {
    /// Nothing had to be paid.
    Free,
    /// The receipt says so.
    Yes(Box<SettlementResponse>),
    /// Nothing was charged.
    No { code: String, message: String },
    /// The answer is the upstream's, and nothing was charged for it: the gateway let go of the payment.
    Voided,
    /// Its value moved before the call failed, and is given back.
    Refunded { payment: Option<String>, receipt: Option<Box<SettlementResponse>> },
    /// It is charged when the answer has ended, at most what was signed.
    Held { payment: Option<String> },
    /// It may have been charged, and must not be paid again before that is known.
    Unknown { code: String, message: String, payment: Option<String> },
}

enum Body {
    None,
    Read(Vec<u8>),
    Coming(Response),
}

// === impl Outcome ===

impl Outcome {
    /// An answer that asked for no payment.
    pub(super) fn free(response: Response) -> Self {
        let (status, charged) = (Some(response.status()), Charged::Free);
        Self { status, charged, payment: None, body: Body::Coming(response) }
    }

    /// The answer to a call with a key. What says nothing of a payment and is no failure was free.
    pub(super) async fn by_key(response: Response) -> Self {
        let is_free = response.status().is_success() && proven(response.headers()).is_none();
        if is_free { Self::free(response) } else { Self::paid(response, None).await }
    }

    /// A 402 that was not taken up.
    pub(super) const fn declined(status: StatusCode, charged: Charged) -> Self {
        Self { status: Some(status), charged, payment: None, body: Body::None }
    }

    /// The answer to a payment.
    pub(super) async fn paid(response: Response, payment: Option<Payment>) -> Self {
        let status = response.status();
        if let Some(charged) = proven(response.headers()) {
            let body = Body::Coming(response);
            return Self { status: Some(status), charged, payment, body };
        }
        let refusal = response.headers().get(PAYMENT_REQUIRED).cloned();
        let body = response.bytes().await.unwrap_or_default().to_vec();
        let refused = refusal.and_then(|value| PaymentRequired::parse(value.as_bytes()).ok().flatten());
        let charged = judge(status, refused.and_then(|challenge| challenge.error), &body);
        Self { status: Some(status), charged, payment, body: Body::Read(body) }
    }

    /// No answer came to a payment that was sent.
    pub(super) fn lost(error: &reqwest::Error, payment: Option<Payment>) -> Self {
        let message = format!("the connection failed after the payment was sent ({error})");
        let charged = Charged::Unknown { code: "no_answer".to_owned(), message, payment: None };
        Self { status: None, charged, payment, body: Body::None }
    }

    /// Says all of it.
    pub(super) async fn print(self, format: Format) -> anyhow::Result<Verdict> {
        let succeeded = self.status.is_some_and(|status| status.is_success());
        match format {
            Format::Text => {
                self.lines().iter().for_each(|line| eprintln!("{line}"));
                stream(self.body).await?;
            }
            Format::Json => {
                let mut report = self.report();
                report["body"] = collect(self.body).await?;
                print_json(&report);
            }
        }
        Ok((succeeded && !matches!(self.charged, Charged::No { .. } | Charged::Unknown { .. })).into())
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(status) = self.status.filter(|status| !status.is_success()) {
            lines.push(format!("HTTP {status}"));
        }
        match &self.charged {
            Charged::Free => {}
            Charged::Yes(receipt) => {
                let amount =
                    charged(receipt).unwrap_or_else(|| "an amount the receipt does not name".to_owned());
                lines.push(format!("paid {amount} on {}", receipt.network));
                lines.extend(payment_id(receipt).map(|id| format!("payment {id}")));
                lines.extend(moved_by(receipt).map(|transaction| format!("transaction {transaction}")));
            }
            Charged::Refunded { payment, receipt } => {
                lines.push(format!("refunded, charged {}: {REFUNDED}", Amount::ZERO));
                lines.extend(payment.as_ref().map(|payment| format!("payment {payment}")));
                let moved = receipt.as_deref().and_then(moved_by);
                lines.extend(moved.map(|transaction| format!("transaction of the payment {transaction}")));
            }
            Charged::Held { payment } => {
                let most = self.payment.as_ref().map(|payment| purchase::price(&payment.offer.amount));
                lines.push(format!("held, at most {}: {HELD}", most.unwrap_or_default()));
                lines.extend(payment.as_ref().map(|payment| format!("payment {payment}")));
            }
            Charged::Voided => lines.push(format!("{UNCHARGED}: {VOIDED}")),
            Charged::No { code, message } if message.contains(UNCHARGED) => {
                lines.push(format!("{message} ({code})"));
            }
            Charged::No { code, message } => lines.push(format!("{UNCHARGED}: {message} ({code})")),
            Charged::Unknown { code, message, payment } => {
                lines.push(format!("IT MAY HAVE BEEN CHARGED, do not pay again: {message} ({code})"));
                lines.extend(payment.as_ref().map(|payment| format!("payment {payment}")));
                lines.extend(self.payment.as_ref().map(|payment| format!("digest {}", payment.digest)));
            }
        }
        let signer = self.payment.as_ref().map(|payment| payment.signer.to_checksum(None));
        lines.extend(signer.map(|signer| format!("signed by {signer}")));
        lines
    }

    /// `paid` and `charged` are null where it is not known. `price` is what was offered, `charged` what was taken, `digest` what was
    /// signed, `transaction` what the receipt names: null while nothing moved.
    fn report(&self) -> Value {
        let mut report = Map::new();
        let mut put = |name: &str, value: Value| report.insert(name.to_owned(), value);
        put("status", json!(self.status.map(|status| status.as_u16())));
        if let Some(Payment { offer, digest, signer, .. }) = &self.payment {
            put("signer", json!(signer.to_checksum(None)));
            put("offer", json!(offer));
            put("price", json!(purchase::price(&offer.amount)));
            put("digest", json!(digest.to_string()));
        }
        put("transaction", json!(self.charged.receipt().and_then(moved_by)));
        put("charged", json!(self.charged()));
        match &self.charged {
            Charged::Free => drop(put("paid", json!(false))),
            Charged::Yes(receipt) => {
                put("paid", json!(true));
                put("payment", json!(payment_id(receipt)));
                put("receipt", json!(receipt));
            }
            Charged::Refunded { payment, receipt } => {
                put("paid", json!(false));
                put("refunded", json!(true));
                put("payment", json!(payment));
                put("receipt", json!(receipt));
                put("message", json!(REFUNDED));
            }
            Charged::Held { payment } => {
                put("paid", Value::Null);
                put("payment", json!(payment));
                put("message", json!(HELD));
            }
            Charged::No { code, message } => {
                put("paid", json!(false));
                put("error", json!(code));
                put("message", json!(message));
            }
            Charged::Voided => {
                put("paid", json!(false));
                put("message", json!(VOIDED));
            }
            Charged::Unknown { code, message, payment } => {
                put("paid", Value::Null);
                put("error", json!(code));
                put("message", json!(message));
                put("payment", json!(payment));
            }
        }
        Value::Object(report)
    }

    /// In dollars; none where nobody said.
    fn charged(&self) -> Option<String> {
        match &self.charged {
            Charged::Free | Charged::No { .. } | Charged::Voided | Charged::Refunded { .. } => {
                Some(Amount::ZERO.to_string())
            }
            Charged::Yes(receipt) => charged(receipt),
            Charged::Held { .. } | Charged::Unknown { .. } => None,
        }
    }
}

// === impl Charged ===

impl Charged {
    fn receipt(&self) -> Option<&SettlementResponse> {
        match self {
            Self::Yes(receipt) => Some(receipt),
            Self::Refunded { receipt, .. } => receipt.as_deref(),
            _ => None,
        }
    }
}

/// What the fields of an answer say of its payment; none where they say nothing.
fn proven(headers: &HeaderMap) -> Option<Charged> {
    let receipt = headers.get(PAYMENT_RESPONSE);
    let receipt = receipt.and_then(|value| SettlementResponse::parse(value.as_bytes()).ok().flatten());
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let id = text(PAYMENT_ID).map(str::to_owned);
    match (receipt, text(PAYMENT_STATUS)) {
        (receipt, Some("refunded")) => {
            Some(Charged::Refunded { payment: id, receipt: receipt.map(Box::new) })
        }
        (Some(receipt), _) if receipt.success => Some(Charged::Yes(Box::new(receipt))),
        (Some(receipt), _) => Some(unsettled(receipt)),
        (None, Some("voided")) => Some(Charged::Voided),
        (None, Some("held")) => Some(Charged::Held { payment: id }),
        (None, _) => None,
    }
}

/// A receipt that says that no value moved.
fn unsettled(receipt: SettlementResponse) -> Charged {
    let code = receipt.error_reason.unwrap_or_else(|| "not_settled".to_owned());
    let message =
        receipt.error_message.unwrap_or_else(|| "the receipt says that it was not settled".to_owned());
    Charged::No { code, message }
}

/// What an answer without a receipt means. 409 says that this payment was seen before; 503 with `outcome_unknown` or
/// `settlement_unknown` that the gateway does not know itself. Its other refusals name a code and come before the capture; a failure without a code is
/// none of its.
fn judge(status: StatusCode, refused: Option<String>, body: &[u8]) -> Charged {
    let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let word = |name: &str| said[name].as_str().map(str::to_owned);
    let code = word("error").or(refused).unwrap_or_else(|| format!("http_{}", status.as_u16()));
    // A deposit is refused as the management API refuses (RFC 9457).
    let message = word("message").or_else(|| word("detail"));
    let message = message.unwrap_or_else(|| format!("the answer was HTTP {status}, without a receipt"));
    let coded = said["error"].is_string();
    let unknown = status == StatusCode::CONFLICT
        || matches!(&*code, "outcome_unknown" | "settlement_unknown")
        || status.is_success()
        || (status.is_server_error() && !coded);
    if unknown {
        Charged::Unknown { code, message, payment: word("payment") }
    } else {
        Charged::No { code, message }
    }
}

fn payment_id(receipt: &SettlementResponse) -> Option<&str> {
    receipt.extra.as_ref().and_then(|extra| extra.get("paymentId")).and_then(Value::as_str)
}

/// None where nothing moved yet, or nothing will.
fn moved_by(receipt: &SettlementResponse) -> Option<&str> {
    Some(&*receipt.transaction).filter(|transaction| !transaction.is_empty())
}

/// What the receipt says; a volume tier may be cheaper than the offer.
fn charged(receipt: &SettlementResponse) -> Option<String> {
    receipt.amount.as_deref().map(purchase::price)
}

/// Piece by piece, as it comes: it may be a stream of events.
async fn stream(body: Body) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match body {
        Body::None => {}
        Body::Read(bytes) => out.write_all(&bytes)?,
        Body::Coming(mut response) => {
            while let Some(piece) = response.chunk().await.context("the answer broke off")? {
                out.write_all(&piece)?;
                out.flush()?;
            }
        }
    }
    Ok(out.flush()?)
}

/// The whole body: as JSON where it says it is, else as text.
async fn collect(body: Body) -> anyhow::Result<Value> {
    let (bytes, is_json) = match body {
        Body::None => return Ok(Value::Null),
        Body::Read(bytes) => (bytes, true),
        Body::Coming(mut response) => {
            let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let is_json = media_type.is_some_and(|text| text.contains("json"));
            let mut bytes = Vec::new();
            while let Some(piece) = response.chunk().await.context("the answer broke off")? {
                bytes.extend_from_slice(&piece);
                anyhow::ensure!(bytes.len() <= REPORTED_BODY_BYTES_MAX, "the body is too long for -o json");
            }
            (bytes, is_json)
        }
    };
    let parsed = if is_json { serde_json::from_slice(&bytes).ok() } else { None };
    Ok(parsed.unwrap_or_else(|| Value::from(String::from_utf8_lossy(&bytes).into_owned())))
}

#[cfg(test)]
mod tests;
