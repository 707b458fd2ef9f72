//! Answers whose amount their header does not tell: those that pass while they are counted, and those that wait for it.
//!
//! A stream passes as it comes. Before its first byte its hold is kept on disk: from then on it is charged, whatever becomes of the
//! client, the upstream or this process. A short answer waits until it is whole, so that its receipt stands in its header: Pingora is
//! given an informational header instead, which it does not write, and no body; the answer is written when the exchange ends.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use domain::Amount;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource};

use crate::answer::failure::is_broken_off;
use crate::answer::refusal::Refusal;
use crate::context::{Exchange, Money, RequestContext};
use crate::limits::{PIECES_WAITING_MAX, SETTLED_BEHIND_MS};
use crate::metrics::{Metrics, Outcome};
use crate::payment::held::Held;
use crate::payment::meter::{Meter, Source};
use crate::proxy::Proxy;
use crate::stage::{capture, record};
use crate::upstream::until::Until;

/// What Pingora gets in place of a header that waits: one that is never written.
const INFORMATIONAL: u16 = 102;

/// An answer that waits until its amount is known.
pub(crate) struct Waiting {
    header: ResponseHeader,
    body: BytesMut,
}

// === impl Waiting ===

impl Waiting {
    /// Takes the header away from Pingora.
    pub(crate) fn take(response: &mut ResponseHeader) -> Result<Self, Refusal> {
        let instead = ResponseHeader::build(INFORMATIONAL, Some(0)).map_err(|_| Refusal::Internal)?;
        Ok(Self { header: std::mem::replace(response, instead), body: BytesMut::new() })
    }

    /// Takes a piece of the body away as well. It is no longer than it was announced.
    pub(crate) fn push(&mut self, body: &mut Option<Bytes>) {
        if let Some(chunk) = body.take() {
            self.body.extend_from_slice(&chunk);
        }
    }
}

/// The answer goes out from here on, and is counted as it passes.
pub(crate) async fn begin(
    exchange: &mut Exchange,
    held: Held,
    response: &mut ResponseHeader,
) -> Result<Outcome, Refusal> {
    let owed = exchange.meter.as_ref().map_or(exchange.price, |meter| meter.unread());
    let kept = held.keep(owed).await?;
    capture::mark_held(exchange, &kept, response)?;
    exchange.money = Money::Counting(kept);
    Ok(Outcome::Paid)
}

// === impl Proxy ===

impl Proxy {
    /// What a metered answer still lacks when everything has passed that will.
    pub(crate) async fn end_metered(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        context: &mut RequestContext,
    ) {
        let Some(exchange) = &mut context.exchange else { return };
        if let (Some(meter), None) = (&mut exchange.meter, error) {
            meter.end();
        }
        if error.is_none()
            && let Some(waiting) = exchange.waiting.take()
        {
            return self.answer_waiting(session, context, waiting).await;
        }
        match std::mem::replace(&mut exchange.money, Money::Done) {
            Money::Counting(held) => context.outcome = self.end_stream(exchange, held, error).await,
            money => exchange.money = money,
        }
    }

    /// A client that stops reading must not outlast the time in which the answer can be settled behind it.
    pub(crate) fn bound_reading(&self, session: &mut Session, exchange: &Exchange) {
        let Some(by) = exchange.settles_by() else { return };
        let now = self.ledger.time().plus(SETTLED_BEHIND_MS);
        let left = u64::try_from(by.saturating_mul(1_000).saturating_sub(now.0)).unwrap_or(0);
        let each = Duration::from_millis(left / PIECES_WAITING_MAX);
        session.set_write_timeout(Some(each.min(self.settings.limits.client_write_timeout)));
    }

    /// The amount is known: the money is taken, then the answer is given.
    async fn answer_waiting(&self, session: &mut Session, context: &mut RequestContext, waiting: Waiting) {
        let Waiting { mut header, body } = waiting;
        let Some(exchange) = &mut context.exchange else { return };
        let captured = capture::take(exchange, &mut header, &self.metrics, &mut context.times).await;
        let body = body.freeze();
        let written = match captured {
            Ok(outcome) => {
                if let Some(recording) = &mut exchange.recording {
                    recording.push(&body);
                }
                let answered = self.answered(session, &mut header, outcome, context);
                match answered {
                    Ok(()) => write(session, header, body).await,
                    Err(error) => Err(error),
                }
            }
            Err(refusal) => {
                let _ = self.fail_to_capture(session, context, refusal);
                let refusal = context.refusal.take().unwrap_or(Refusal::Internal);
                let refusal = self.void(context, refusal).await;
                self.refuse(session, context, &refusal).await
            }
        };
        if written.is_err() {
            // The client is gone; its connection cannot be used for another request.
            session.set_keepalive(None);
        }
    }

    /// A stream has passed, or was broken off: it is charged for what was counted. One that its upstream broke off before anything
    /// was counted, and before it was worth anything, is not.
    async fn end_stream(&self, exchange: &mut Exchange, held: Held, error: Option<&Error>) -> Outcome {
        let client_left = error.is_some_and(|error| *error.esource() == ErrorSource::Downstream);
        // Its time was over, so that what was still to be counted did not come: the upstream broke nothing off.
        let is_over = exchange.until.as_ref().is_some_and(Until::is_over);
        let (amount, source) =
            if client_left || is_over { charge_cut_short(exchange) } else { charge(exchange) };
        let broken_off = !is_over && error.is_some_and(is_broken_off);
        let spared = || record::is_spared(exchange, error, &self.leniency, self.ledger.time());
        if broken_off && is_nothing(exchange, source) && spared() {
            // Nobody waits to be told.
            drop(held.void());
            self.metrics.voided();
            return Outcome::Voided;
        }
        if held.is_unused(amount) {
            self.metrics.metered(source);
            drop(held.void());
            self.metrics.voided();
            return Outcome::Voided;
        }
        let (started, payment) = (Instant::now(), held.payment());
        match held.charging(amount).capture().await {
            Ok(receipt) => {
                self.metrics.metered(source);
                self.metrics.stage(capture::stage_of(&receipt), started.elapsed());
                exchange.charged = Some(receipt.record().amount);
                if broken_off && is_nothing(exchange, source) {
                    record::tell_charged(&receipt);
                }
                record::end_delivery(receipt, exchange, error.is_none());
            }
            Err(refusal) => {
                // What was kept is made up for by the ledger.
                self.metrics.failed(refusal.code());
                tracing::warn!(payment.id = %payment, reason = refusal.code(), "a stream that was served is not captured yet");
            }
        }
        Outcome::Paid
    }
}

async fn write(session: &mut Session, header: ResponseHeader, body: Bytes) -> pingora::Result<()> {
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body), true).await
}

/// What an exchange costs by what is known now.
pub(crate) fn charge(exchange: &Exchange) -> (Amount, Source) {
    let unmetered = (exchange.price, Source::Unread);
    exchange.meter.as_ref().map_or(unmetered, |meter| meter.amount())
}

/// The same where the rest of its answer is not read any more, for which its upstream is not to blame: no less than where nothing can
/// be read, if what is lacking counts.
pub(crate) fn charge_cut_short(exchange: &Exchange) -> (Amount, Source) {
    let (counted, source) = charge(exchange);
    let lacks = |meter: &&Meter| exchange.waiting.is_some() || meter.lacks_a_count();
    let lacking = exchange.meter.as_ref().filter(lacks);
    (lacking.map_or(counted, |meter| counted.max(meter.unread())), source)
}

/// A stream whose task ends before it: this process does, and nothing more of it is read. It costs what was counted, as one that we
/// break off in order; nobody waits to be told.
pub(crate) fn cut(exchange: &mut Exchange) {
    match std::mem::replace(&mut exchange.money, Money::Done) {
        Money::Counting(held) => {
            let (amount, source) = charge(exchange);
            if is_nothing(exchange, source) || held.is_unused(amount) {
                drop(held.void());
            } else {
                held.charging(amount).leave_captured();
            }
        }
        money => exchange.money = money,
    }
}

/// Nothing of it was counted, and it was worth nothing yet.
fn is_nothing(exchange: &Exchange, source: Source) -> bool {
    source == Source::Unread && is_worthless(exchange)
}

/// Less of it has passed than its route calls a delivery.
fn is_worthless(exchange: &Exchange) -> bool {
    exchange.response_has_length || exchange.response_bytes < exchange.routed.route.stream_bytes_min
}

/// Counts what an upstream said wrongly.
pub(crate) fn tell_mistake(exchange: &Exchange, metrics: &Metrics) {
    let Some(mistake) = exchange.meter.as_ref().and_then(|meter| meter.mistake()) else { return };
    metrics.mistaken(mistake);
    if exchange.routed.pool.tells() {
        tracing::warn!(
            provider.name = %exchange.routed.provider.name,
            route.name = %exchange.routed.route.name,
            mistake = mistake.name(),
            "an upstream's Settlement-Overrides is not followed; no more is said of it for a minute"
        );
    }
}
