//! How a request ends that no upstream's answer ends: refused, voided, or failed in a phase of Pingora's.

use pingora::proxy::Session;
use pingora::{Error, ErrorType};

use crate::answer::refusal::{Refusal, Unpaid};
use crate::answer::reply::Reply;
use crate::context::{Exchange, Money, RequestContext};
use crate::metrics::Outcome;
use crate::offer::challenge::Asking;
use crate::payment::receipt;
use crate::proxy::Proxy;
use crate::stage::admit::Admitted;
use crate::stage::hold::Payer;
use crate::stage::route::Routed;

// === impl Proxy ===

impl Proxy {
    /// Answers a refusal, with its challenge where it is a 402.
    pub(crate) async fn refuse(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
        refusal: &Refusal,
    ) -> pingora::Result<()> {
        if context.outcome == Outcome::Error && refusal.status() < 500 {
            context.outcome = Outcome::Refused;
        }
        context.reason = Some(refusal.code()).filter(|_| context.outcome != Outcome::Challenged);
        if matches!(refusal, Refusal::Framing) {
            // Nobody can say where the next request begins.
            session.set_keepalive(None);
        }
        let reply = match context.challenge.take() {
            Some(asking) => Reply::asking(refusal, asking),
            None => Reply::refusal(refusal),
        };
        let mut reply = reply.counted(context.counted.as_ref());
        if let (Refusal::RateLimited { .. }, Some(counted)) = (refusal, &context.counted) {
            reply = reply.with("ratelimit-policy", counted.policy_field());
        }
        reply.send(session).await
    }

    /// Voids what is held, and gives back what was paid first, before the answer, so that the client's next try finds its funds and its payment free. Gives what
    /// may be said: where the void does not stand yet, nobody can say that nothing was charged.
    pub(crate) async fn void(&self, context: &mut RequestContext, refusal: Refusal) -> Refusal {
        let Some(exchange) = &mut context.exchange else { return refusal };
        let Some(undoing) = exchange.undo() else { return refusal };
        exchange.charged = None;
        let refusal = undoing.finish(exchange.payment, refusal, &self.leniency).await;
        self.metrics.voided();
        self.metrics.failed(refusal.code());
        context.outcome = Outcome::Voided;
        refusal
    }

    /// What is said of a call that was forwarded.
    pub(crate) fn worded(context: &RequestContext, refusal: Refusal) -> Refusal {
        match &context.exchange {
            Some(exchange) if !exchange.is_repeatable() => refusal.of_no_other_call(),
            _ => refusal,
        }
    }

    /// Remembers why a phase failed, in the shape Pingora wants.
    pub(crate) fn fail(context: &mut RequestContext, refusal: Refusal) -> Box<Error> {
        let status = refusal.status();
        let error = Error::explain(ErrorType::HTTPStatus(status), refusal.code());
        context.refusal = Some(refusal);
        error
    }

    /// What a payment that its network refused is answered with: asked for again, and told why.
    pub(crate) fn asking_again(
        &self,
        session: &Session,
        routed: &Routed,
        request: &Admitted,
        unpaid: &Unpaid,
        payer: Option<&Payer>,
    ) -> Option<Asking> {
        let mut asking = self.asking(session, routed, request, unpaid)?;
        if let (Unpaid::NotSettled { reason }, Some(payer)) = (unpaid, payer) {
            asking.refused = Some(receipt::refused(reason, payer));
        }
        Some(asking)
    }

    /// The same where a capture did not come about. A payment that its network refused moved nothing: it is asked for again, and
    /// told so.
    pub(crate) fn fail_to_capture(
        &self,
        session: &Session,
        context: &mut RequestContext,
        refusal: Refusal,
    ) -> Box<Error> {
        if let (Refusal::PaymentRequired(unpaid), Some(exchange)) = (&refusal, &context.exchange) {
            let Exchange { routed, request, payer, .. } = exchange;
            context.challenge = self.asking_again(session, routed, request, unpaid, payer.as_ref());
        }
        let is_undone =
            context.exchange.as_ref().is_some_and(|exchange| matches!(exchange.money, Money::Done));
        let moved_nothing = matches!(refusal, Refusal::PaymentRequired(_) | Refusal::SettlementUnavailable)
            || (is_undone && matches!(refusal, Refusal::UpstreamTimeout));
        if moved_nothing {
            self.metrics.voided();
            context.outcome = Outcome::Voided;
        }
        if moved_nothing || matches!(refusal, Refusal::SettlementUnknown(_)) {
            self.metrics.failed(refusal.code());
        }
        Self::fail(context, refusal)
    }
}
