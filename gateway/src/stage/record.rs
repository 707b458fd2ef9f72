//! Record: the request is over. What is still undecided is decided, then metrics and one log line.

use std::sync::Arc;
use std::time::Instant;

use domain::{Amount, UnixMillis};
use ledger::{Receipt, RefundReason, Voiding};
use pingora::{Error, ErrorSource};

use crate::answer::failure::{is_broken_off, is_ours};
use crate::context::{Exchange, Money, RequestContext};
use crate::metrics::{Metrics, Outcome, Stage};
use crate::payment::counting;
use crate::payment::leniency::Leniency;
use crate::stage::hold::Payer;

/// Decides what a finished exchange leaves open. `error` is what ended it, where something did.
pub(crate) fn close(
    exchange: &mut Exchange,
    error: Option<&Error>,
    leniency: &Leniency,
    metrics: &Metrics,
    at: UnixMillis,
) -> Option<Outcome> {
    let client_left = error.is_some_and(|error| *error.esource() == ErrorSource::Downstream);
    match std::mem::replace(&mut exchange.money, Money::Done) {
        money @ (Money::Free | Money::Done) => {
            exchange.money = money;
            None
        }
        Money::Held(hold) => {
            if client_left && (exchange.binds() || !is_let_off(exchange, leniency, at)) {
                let capturing = hold.charging(charge(exchange, metrics)).capture();
                tokio::spawn(async move { after_the_client_left(capturing.await.ok()) });
                return Some(Outcome::Paid);
            }
            voided(hold.void(), metrics)
        }
        Money::Signed(signed) => {
            let is_due = client_left && !signed.is_overdue();
            if is_due && (exchange.binds() || !is_let_off(exchange, leniency, at)) {
                let signed = signed.charging(charge(exchange, metrics));
                tokio::spawn(async move { after_the_client_left(signed.pay().await.ok()) });
                return Some(Outcome::Paid);
            }
            voided(signed.void(), metrics)
        }
        Money::Prepaid(receipt) => {
            if client_left && (exchange.binds() || !is_let_off(exchange, leniency, at)) {
                after_the_client_left(Some(receipt));
            }
            // Else it is owed: the same payment may come once more, and where it does not it is given back.
            Some(Outcome::Paid)
        }
        // Ended before this, by whoever counted it.
        Money::Counting(_) => None,
        Money::Redelivery(redelivery) => {
            if is_over(exchange, error, leniency, at) {
                redelivery.delivered();
            }
            // Else it is let go of, and still owed.
            None
        }
        // What came from a public network its recipient gives back: the delivery is owed, and the same payment may come again.
        Money::Captured(receipt) if is_owed(exchange, error, leniency, at) => {
            if receipt.record().on_chain.is_some() {
                return None;
            }
            receipt.refund(RefundReason::BrokenOff);
            exchange.charged = None;
            Some(Outcome::Voided)
        }
        Money::Captured(receipt) => {
            if !exchange.is_upgrade && is_refundable(exchange, error) {
                tell_charged(&receipt);
            }
            end_delivery(receipt, exchange, error.is_none());
            None
        }
    }
}

/// Nobody waits to be told.
fn voided(voiding: Voiding, metrics: &Metrics) -> Option<Outcome> {
    drop(voiding);
    metrics.voided();
    Some(Outcome::Voided)
}

/// It was delivered, as far as that can be told; what is kept of its answer is stored where that is whole.
pub(crate) fn end_delivery(receipt: Receipt, exchange: &mut Exchange, whole: bool) {
    match exchange.recording.take().filter(|_| whole).and_then(crate::context::Recording::finish) {
        Some(response) => receipt.store(response),
        None => receipt.delivered(),
    }
}

/// What is taken for a call whose client left.
fn charge(exchange: &Exchange, metrics: &Metrics) -> Amount {
    let (amount, source) = counting::charge_cut_short(exchange);
    if exchange.meter.is_some() {
        metrics.metered(source);
    }
    amount
}

/// The work was done and paid for; nobody is left to deliver it to.
fn after_the_client_left(receipt: Option<Receipt>) {
    let Some(receipt) = receipt else { return };
    let record = receipt.record();
    tracing::info!(
        target: "faregate::payment",
        { payment.id = %record.payment, charged.units = record.amount.atomic() },
        "captured after the client left"
    );
    receipt.delivered();
}

/// A client that leaves a safe request, or one whose body is not whole, does no harm once; the upstream may work on it all the same.
fn is_let_off(exchange: &Exchange, leniency: &Leniency, at: UnixMillis) -> bool {
    let let_off = |payer: &Payer| leniency.hangups.take(payer.agent, at);
    exchange.sent_at.is_none() || exchange.payer.as_ref().is_none_or(let_off)
}

/// Nobody provokes what we break off ourselves; other bodies that break off are let pass so many times a day.
pub(crate) fn is_spared(
    exchange: &Exchange,
    error: Option<&Error>,
    leniency: &Leniency,
    at: UnixMillis,
) -> bool {
    let provider = &exchange.routed.provider.name;
    let let_off = |payer: &Payer| leniency.refunds.take((payer.agent, Arc::clone(provider)), at);
    error.is_some_and(is_ours) || exchange.payer.as_ref().is_some_and(let_off)
}

/// Whether a delivery once more was the last one. Who leaves again and again has the upstream work for nothing; so has who reads so slowly
/// that it breaks off.
fn is_over(exchange: &Exchange, error: Option<&Error>, leniency: &Leniency, at: UnixMillis) -> bool {
    match error {
        None => true,
        Some(error) if *error.esource() == ErrorSource::Downstream => {
            exchange.response_begun || !is_let_off(exchange, leniency, at)
        }
        // What failed before there was an answer is nobody's trick.
        Some(broken) => {
            exchange.response_begun && is_broken_off(broken) && !is_owed(exchange, error, leniency, at)
        }
    }
}

/// Whether what was paid for did not come, and its payer may still have it, or its money.
fn is_owed(exchange: &Exchange, error: Option<&Error>, leniency: &Leniency, at: UnixMillis) -> bool {
    is_refundable(exchange, error) && is_spared(exchange, error, leniency, at)
}

/// Says so where what broke off is charged: nobody else is told.
pub(crate) fn tell_charged(receipt: &Receipt) {
    let record = receipt.record();
    if record.amount > Amount::ZERO {
        tracing::warn!(
            target: "faregate::payment",
            { payment.id = %record.payment, agent.id = %record.agent, charged.units = record.amount.atomic() },
            "a body that broke off is charged: as many of this payer's as are let pass in a day were, at its provider"
        );
    }
}

/// A body that the upstream or we broke off: one that announced its length lacks the rest; a stream was worth its price once
/// enough of it had passed. An upgraded connection that ended before a byte went either way was no delivery, whoever
/// ended it.
fn is_refundable(exchange: &Exchange, error: Option<&Error>) -> bool {
    if exchange.is_upgrade {
        return exchange.response_bytes == 0 && exchange.request_bytes == 0;
    }
    error.is_some_and(is_broken_off)
        && (exchange.response_has_length || exchange.response_bytes < exchange.routed.route.stream_bytes_min)
}

/// Counts the request and writes its line: `price.units` is the most it could cost, `charged.units` what was captured;
/// none where nothing was, where it was given back, and where an earlier request paid. Secrets and payment payloads have no way in here.
pub(crate) fn log(context: &RequestContext, status: u16, metrics: &Metrics) {
    let took = context.started.elapsed();
    metrics.request(context.route.as_ref().map(|traffic| &traffic.route), context.outcome, took);
    if let Some(traffic) = &context.route {
        traffic.ended(context.outcome, context.reason, context.answered);
    }
    for (stage, took) in [(Stage::Verify, context.times.verify), (Stage::Hold, context.times.hold)] {
        if let Some(took) = took {
            metrics.stage(stage, took);
        }
    }
    let Some(exchange) = &context.exchange else { return };
    let (Some(payment), Some(payer)) = (exchange.payment, &exchange.payer) else { return };
    let micros = |took: Option<std::time::Duration>| {
        took.map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
    };
    tracing::info!(
        target: "faregate::payment",
        {
            payment.id = %payment,
            agent.id = %payer.agent,
            route.name = %exchange.routed.route.name,
            provider.name = %exchange.routed.provider.name,
            catalog.version = exchange.routed.snapshot.catalog().version(),
            price.units = exchange.price.atomic(),
            charged.units = exchange.charged.map(Amount::atomic),
            outcome = context.outcome.name(),
            status,
            request.us = micros(Some(took)),
            verify.us = micros(context.times.verify),
            hold.us = micros(context.times.hold),
            upstream.us = micros(context.times.upstream),
            commit.us = micros(context.times.commit)
        },
        "paid request"
    );
}

/// Measures a stage.
pub(crate) fn timed<T>(slot: &mut Option<std::time::Duration>, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = work();
    *slot = Some(started.elapsed());
    result
}
