//! Capture: the upstream's header has come. A delivery is captured and committed before the first byte leaves, anything
//! else voids the hold.

use std::time::Instant;

use domain::PaymentId;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue};
use ledger::{CaptureError, Receipt, ReceiptRecord, Voiding};
use pingora::http::ResponseHeader;

use crate::answer::field;
use crate::answer::refusal::{Refusal, Unpaid};
use crate::context::{Exchange, Money, Recording, Times};
use crate::metrics::{Metrics, Outcome, Stage};
use crate::payment::counting::{self, Waiting};
use crate::payment::held::Held;
use crate::payment::leniency::Leniency;
use crate::payment::meter::Known;
use crate::payment::receipt;
use crate::rail::signed_hold::NotPaid;
use crate::stage::hold::Payer;
use crate::stage::location::lead_back;
use crate::stage::prepay::give_back;

/// Fields that only we may say, beside all that begin with `faregate-`.
const FORGEABLE: [&str; 4] =
    ["payment-required", "payment-response", "x-payment-response", "settlement-overrides"];

/// Fields by which an upstream tells one kind of shared cache how long it may keep an answer, whatever `Cache-Control` says: nginx,
/// LiteSpeed, Akamai.
const FOR_SHARED_CACHES: [&str; 5] =
    ["surrogate-control", "expires", "x-accel-expires", "x-litespeed-cache-control", "edge-control"];

/// Decides the money by the upstream's final header. Returns how the request ends, as far as is known.
pub(crate) async fn capture(
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    metrics: &Metrics,
    leniency: &Leniency,
    times: &mut Times,
) -> Result<Outcome, Refusal> {
    let known = read_meter(exchange, response, metrics);
    scrub(response);
    lead_back(exchange, response);
    exchange.response_begun = true;
    exchange.response_has_length = response.headers.contains_key(CONTENT_LENGTH);
    times.upstream = exchange.sent_at.map(|sent| sent.elapsed());
    if let Some(took) = times.upstream.filter(|_| exchange.payer.is_some()) {
        metrics.stage(Stage::Upstream, took);
    }
    let status = response.status.as_u16();
    if status == 402 {
        return Err(Refusal::UpstreamPaymentRequired);
    }
    if status == 101 && !exchange.asks_to_upgrade {
        // Nobody asked for another protocol: there is nothing to deliver, and nothing to charge for.
        return Err(Refusal::Upstream);
    }
    exchange.is_upgrade = status == 101;
    exchange.header_came();
    if !exchange.routed.route.charge_on.charges(status) {
        exchange.lift_time_limit();
        return undelivered(exchange, response, metrics, leniency).await;
    }
    if exchange.is_overdue() {
        return Err(Refusal::UpstreamTimeout);
    }
    match known {
        Known::Now => taken_now(exchange, response, metrics, times).await,
        Known::WithBody => {
            exchange.waiting = Some(Waiting::take(response)?);
            Ok(Outcome::Error)
        }
        Known::AfterBody => match exchange.take_held() {
            Some(held) => counting::begin(exchange, held, response).await,
            None => taken_now(exchange, response, metrics, times).await,
        },
    }
}

/// Nothing more of the answer is needed to take its money. While that is done, the rest may take its time.
async fn taken_now(
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    metrics: &Metrics,
    times: &mut Times,
) -> Result<Outcome, Refusal> {
    exchange.lift_time_limit();
    take(exchange, response, metrics, times).await
}

/// What a metered exchange learns from the header. Everything is known of others.
fn read_meter(exchange: &mut Exchange, response: &ResponseHeader, metrics: &Metrics) -> Known {
    let is_head = exchange.request.method == "HEAD";
    let Some(meter) = &mut exchange.meter else { return Known::Now };
    let is_empty = response.headers.get(CONTENT_LENGTH).is_some_and(|length| length == "0");
    let has_no_body = is_head || is_empty || matches!(response.status.as_u16(), 101 | 204 | 304);
    let known = meter.begin(response, has_no_body);
    counting::tell_mistake(exchange, metrics);
    known
}

/// Takes the money of a delivery: what is known to be used of it.
pub(crate) async fn take(
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    metrics: &Metrics,
    times: &mut Times,
) -> Result<Outcome, Refusal> {
    if let Some(held) = exchange.take_held() {
        let started = Instant::now();
        let (amount, source) = counting::charge(exchange);
        if held.is_unused(amount) {
            metrics.metered(source);
            return unused(exchange, held, response, metrics).await;
        }
        let receipt = held.charging(amount).capture().await?;
        if exchange.meter.is_some() {
            metrics.metered(source);
        }
        times.commit = Some(started.elapsed());
        metrics.stage(stage_of(&receipt), started.elapsed());
        return paid(exchange, response, receipt);
    }
    if let Some(receipt) = exchange.take_prepaid() {
        return paid(exchange, response, receipt);
    }
    if matches!(exchange.money, Money::Free) {
        return Ok(Outcome::Free);
    }
    mark(exchange, response)?;
    Ok(Outcome::Replayed)
}

/// Nothing of what was signed on a public network was used: nothing moves, and the answer is the payer's.
async fn unused(
    exchange: &Exchange,
    held: Held,
    response: &mut ResponseHeader,
    metrics: &Metrics,
) -> Result<Outcome, Refusal> {
    if let Some(payer) = &exchange.payer {
        let (name, receipt) = receipt::unused(payer);
        let receipt = HeaderValue::try_from(receipt).map_err(|_| Refusal::Internal)?;
        response.insert_header(name, receipt).map_err(|_| Refusal::Internal)?;
    }
    let payment = held.payment();
    voided(held.void(), payment, response, metrics).await
}

/// The upstream did not deliver: what is held is let go.
async fn undelivered(
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    metrics: &Metrics,
    leniency: &Leniency,
) -> Result<Outcome, Refusal> {
    match std::mem::replace(&mut exchange.money, Money::Done) {
        Money::Free => {
            exchange.money = Money::Free;
            Ok(Outcome::Free)
        }
        Money::Held(hold) => {
            let payment = hold.payment();
            voided(hold.void(), payment, response, metrics).await
        }
        Money::Signed(signed) => {
            let payment = signed.payment();
            voided(signed.void(), payment, response, metrics).await
        }
        Money::Prepaid(receipt) => {
            let record = receipt.record().clone();
            exchange.charged = None;
            give_back(receipt, response.status.as_u16(), leniency).await?;
            metrics.voided();
            if let Some(payer) = &exchange.payer {
                show(&record, payer, "refunded", response)?;
            }
            Ok(Outcome::Voided)
        }
        money @ (Money::Redelivery(_) | Money::Captured(_) | Money::Counting(_) | Money::Done) => {
            exchange.money = money;
            mark(exchange, response)?;
            // Paid for and still not delivered: letting go of the redelivery leaves it open for the next try.
            exchange.money = Money::Done;
            Ok(Outcome::Replayed)
        }
    }
}

/// What a capture leaves on the exchange and on its answer.
fn paid(
    exchange: &mut Exchange,
    response: &mut ResponseHeader,
    receipt: Receipt,
) -> Result<Outcome, Refusal> {
    exchange.charged = Some(receipt.record().amount);
    exchange.money = Money::Captured(receipt);
    mark(exchange, response)?;
    begin_recording(exchange, response);
    Ok(Outcome::Paid)
}

fn begin_recording(exchange: &mut Exchange, response: &ResponseHeader) {
    if let Some(bytes_max) = exchange.stored_bytes_max.filter(|_| !exchange.is_upgrade) {
        let recording = Recording::new(response.status.as_u16(), stored_fields(response), bytes_max);
        exchange.recording = Some(recording);
    }
}

/// What taking the money is measured as.
pub(crate) fn stage_of(receipt: &Receipt) -> Stage {
    if receipt.record().on_chain.is_some() { Stage::Settle } else { Stage::Commit }
}

/// Says on an answer that its amount is known once it has passed: who pays finds the receipt under the payment's id then.
pub(crate) fn mark_held(
    exchange: &mut Exchange,
    held: &Held,
    response: &mut ResponseHeader,
) -> Result<(), Refusal> {
    let id = HeaderValue::try_from(held.payment().to_string()).map_err(|_| Refusal::Internal)?;
    let insert = |response: &mut ResponseHeader, name: &'static HeaderName, value: HeaderValue| {
        response.insert_header(name, value).map_err(|_| Refusal::Internal)
    };
    insert(response, &field::PAYMENT_ID, id)?;
    if !exchange.routed.route.cacheable {
        keep_private(response)?;
    }
    // When it is given again it was captured.
    insert(response, &field::PAYMENT_STATUS, HeaderValue::from_static("captured"))?;
    begin_recording(exchange, response);
    insert(response, &field::PAYMENT_STATUS, HeaderValue::from_static("held"))
}

async fn voided(
    voiding: Voiding,
    payment: PaymentId,
    response: &mut ResponseHeader,
    metrics: &Metrics,
) -> Result<Outcome, Refusal> {
    voiding.await.map_err(|_| Refusal::OutcomeUnknown { payment, repeatable: true })?;
    metrics.voided();
    let voided = HeaderValue::from_static("voided");
    response.insert_header(&field::PAYMENT_STATUS, voided).map_err(|_| Refusal::Internal)?;
    Ok(Outcome::Voided)
}

pub(crate) fn uncaptured(error: &CaptureError, payment: PaymentId) -> Refusal {
    match error {
        CaptureError::Spent | CaptureError::Unknown => Refusal::OutcomeUnknown { payment, repeatable: true },
        CaptureError::Failed | CaptureError::Refused => Refusal::LedgerUnavailable,
    }
}

/// What is said where value did not move, or nobody knows. Only where it is certain that it did not, a payment is asked for again.
pub(crate) fn unpaid(not_paid: NotPaid, payment: PaymentId) -> Refusal {
    match not_paid {
        NotPaid::Refused(reason) => Refusal::PaymentRequired(Unpaid::NotSettled { reason }),
        NotPaid::Overdue => Refusal::UpstreamTimeout,
        NotPaid::Unavailable => Refusal::SettlementUnavailable,
        NotPaid::Unknown => Refusal::SettlementUnknown(payment),
        NotPaid::Unvoided => Refusal::OutcomeUnknown { payment, repeatable: true },
        NotPaid::Books(error) => uncaptured(&error, payment),
    }
}

/// Takes off what only we may say: an upstream cannot forge a receipt or a demand, under no spelling of its name.
pub(crate) fn scrub(response: &mut ResponseHeader) {
    let taken: Vec<HeaderName> = response.headers.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in taken {
        response.remove_header(&name);
    }
}

/// The same for what comes behind a body.
pub(crate) fn scrub_trailers(trailers: &mut HeaderMap) {
    let taken: Vec<HeaderName> = trailers.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in taken {
        trailers.remove(&name);
    }
}

fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    field::begins(name, "faregate-") || FORGEABLE.iter().any(|ours| field::is(name, ours))
}

/// Puts the receipt on the answer, and keeps shared caches from giving it to those who did not pay.
fn mark(exchange: &Exchange, response: &mut ResponseHeader) -> Result<(), Refusal> {
    let (Some(record), Some(payer)) = (exchange.receipt(), &exchange.payer) else { return Ok(()) };
    show(record, payer, "captured", response)?;
    if !exchange.routed.route.cacheable {
        keep_private(response)?;
    }
    Ok(())
}

/// Names a payment, what became of it, and its receipt.
fn show(
    record: &ReceiptRecord,
    payer: &Payer,
    status: &'static str,
    response: &mut ResponseHeader,
) -> Result<(), Refusal> {
    let mut insert = |name: &'static HeaderName, value: HeaderValue| {
        response.insert_header(name, value).map_err(|_| Refusal::Internal)
    };
    let value = |text: String| HeaderValue::try_from(text).map_err(|_| Refusal::Internal);
    let (name, receipt) = receipt::field(record, payer);
    insert(name, value(receipt)?)?;
    insert(&field::PAYMENT_ID, value(record.payment.to_string())?)?;
    insert(&field::PAYMENT_STATUS, HeaderValue::from_static(status))
}

fn keep_private(response: &mut ResponseHeader) -> Result<(), Refusal> {
    let targeted = |name: &&HeaderName| {
        let name = name.as_str();
        name.ends_with("cdn-cache-control") || FOR_SHARED_CACHES.contains(&name)
    };
    let taken: Vec<HeaderName> = response.headers.keys().filter(targeted).cloned().collect();
    for name in taken {
        response.remove_header(&name);
    }
    if !response.headers.contains_key(CACHE_CONTROL) {
        let private = HeaderValue::from_static("private");
        return response.insert_header(CACHE_CONTROL, private).map_err(|_| Refusal::Internal);
    }
    let values: Vec<String> = response
        .headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .filter(|directive| !directive.is_empty() && !is_for_shared_caches(directive))
        .collect();
    let kept = values.iter().any(|directive| directive == "no-store" || directive == "private");
    let mut list = values;
    if !kept {
        list.insert(0, "private".to_owned());
    }
    response.insert_header(CACHE_CONTROL, list.join(", ")).map_err(|_| Refusal::Internal)
}

fn is_for_shared_caches(directive: &str) -> bool {
    directive == "public" || directive.starts_with("s-maxage") || directive.starts_with("private=")
}

/// The fields of a response that are stored with it. Framing is made anew when it is given again, and fields of one
/// connection belong to that connection.
fn stored_fields(response: &ResponseHeader) -> Vec<(String, Vec<u8>)> {
    let kept = |name: &HeaderName| {
        !matches!(
            name.as_str(),
            "connection"
                | "content-length"
                | "date"
                | "keep-alive"
                | "set-cookie"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        )
    };
    response
        .headers
        .iter()
        .filter(|(name, _)| kept(name))
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

#[cfg(test)]
mod tests;
