//! [`Proxy`]: the stages in Pingora's phases. Nothing is decided here; each phase calls the stage that decides.
//!
//! [`decision`] is the way from a header to an admission; [`unanswered`] and [`overdue`] are the ends that no upstream's answer makes.

pub(crate) mod decision;
mod overdue;
mod unanswered;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use domain::Clock;
use domain::catalog::Retry;
use http::HeaderMap;
use ledger::Ledger;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource};
use registry::Directory;

use crate::answer::cors;
use crate::answer::failure::{reason, refusal_of};
use crate::answer::field;
use crate::answer::http_version::speak;
use crate::answer::refusal::Refusal;
use crate::connection::header_clock::HeaderClock;
use crate::context::{Exchange, RequestContext};
use crate::gateway::Parts;
use crate::limits::Settings;
use crate::metrics::{Metrics, Outcome};
use crate::payer_view::PayerView;
use crate::payer_view::deposit_view::DepositView;
use crate::payment::leniency::Leniency;
use crate::proxy::decision::{Decision, begin};
use crate::rail::Public;
use crate::rate::Strangers;
use crate::shutdown::Shutdown;
use crate::snapshot::Snapshot;
use crate::snapshot::newer::Newer;
use crate::stage::capture::{capture, scrub, scrub_trailers};
use crate::stage::{forward, record};

/// The gateway as Pingora sees it. Each worker has a copy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) ledger: Ledger,
    pub(crate) directory: Directory,
    pub(crate) settings: Arc<Settings>,
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: Shutdown,
    pub(crate) view: Arc<PayerView>,
    pub(crate) leniency: Arc<Leniency>,
    pub(crate) newer: Arc<Newer>,
    /// Who calls with keys and signatures of nobody.
    pub(crate) nobodies: Arc<Strangers>,
    /// None where no payments are taken on public networks.
    pub(crate) public: Option<Arc<Public>>,
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn new(
        parts: Parts,
        public: Option<Arc<Public>>,
        nobodies: Arc<Strangers>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        shutdown: Shutdown,
    ) -> Self {
        let Parts { ledger, registry, settings, metrics, clock, deposits, .. } = parts;
        let directory = registry.directory();
        let deposits = deposits.map(|deposits| DepositView::new(deposits, ledger.clone(), registry.clone()));
        let clients = settings.limits.clients_per_address;
        let view = Arc::new(PayerView::new(ledger.clone(), directory.clone(), deposits, clients));
        let header_max = settings.limits.payment_header_bytes_max;
        let newer = Newer::new(registry, ledger.secret(), Arc::clone(&snapshot), header_max);
        Self {
            ledger,
            directory,
            settings: Arc::new(settings),
            snapshot,
            metrics,
            clock,
            shutdown,
            view,
            leniency: Arc::new(Leniency::default()),
            newer: Arc::new(newer),
            nobodies,
            public,
        }
    }

    /// What a header gets that goes to the client, and what follows from it.
    pub(crate) fn answered(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        outcome: Outcome,
        context: &mut RequestContext,
    ) -> pingora::Result<()> {
        let Some(exchange) = &context.exchange else { return Ok(()) };
        context.outcome = outcome;
        context.answered = Some(context.started.elapsed());
        if exchange.is_stream() {
            context.running.becomes_stream();
        }
        if exchange.is_upgrade {
            session.set_read_timeout(Some(self.settings.limits.websocket_idle_timeout));
        }
        if let Some(counted) = &context.counted {
            response.insert_header(&field::RATE_LIMIT, counted.field())?;
        }
        if !exchange.routed.route.is_priced() {
            return Ok(());
        }
        // What a cache keeps, if the route lets it, is not the same with and without an origin.
        response.append_header(http::header::VARY, "origin")?;
        cors::expose(response, session.req_header().headers.contains_key(http::header::ORIGIN))
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new(self.shutdown.enter())
    }

    /// Compression would hold streams back: nothing is installed.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> pingora::Result<()> {
        if let Some(clock) = HeaderClock::of(session.digest()) {
            clock.header_came(session.is_http2());
            context.stream = session.is_http2().then(|| clock.streams.begin());
            context.requesting = Some(clock.customer.request());
        }
        session.set_read_timeout(Some(self.settings.limits.client_read_timeout));
        session.set_write_timeout(Some(self.settings.limits.client_write_timeout));
        // Only where Pingora would keep the connection: a client that asks to close it is closed.
        if session.get_keepalive().is_some() {
            session.set_keepalive(Some(self.settings.limits.client_idle_timeout.as_secs()));
        }
        Ok(())
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> pingora::Result<bool> {
        match self.decide(session, context).await {
            Ok(Decision::Forward(exchange)) => {
                begin(session, context, *exchange).await;
                Ok(false)
            }
            Ok(Decision::Answer(reply, outcome)) => {
                context.outcome = outcome;
                reply.counted(context.counted.as_ref()).send(session).await?;
                Ok(true)
            }
            Err(refusal) => {
                self.refuse(session, context, &refusal).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        context: &mut RequestContext,
    ) -> pingora::Result<Box<HttpPeer>> {
        let Some(exchange) = &mut context.exchange else {
            return Err(Self::fail(context, Refusal::Internal));
        };
        let silence_max = exchange.asks_to_upgrade.then_some(self.settings.limits.websocket_idle_timeout);
        forward::peer(exchange, silence_max).map_err(|refusal| Self::fail(context, refusal))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        upstream: &mut RequestHeader,
        context: &mut RequestContext,
    ) -> pingora::Result<()> {
        let Some(exchange) = &mut context.exchange else {
            return Err(Self::fail(context, Refusal::Internal));
        };
        exchange.sent_at = Some(Instant::now());
        forward::edit(exchange, session, upstream)
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut RequestContext,
    ) -> pingora::Result<()> {
        self.expect_in_time(context)?;
        let Some(exchange) = &mut context.exchange else { return Ok(()) };
        let was_whole = exchange.is_whole();
        exchange.request_bytes += body.as_ref().map_or(0, |chunk| chunk.len() as u64);
        exchange.request_ended |= end_of_stream;
        let limit = exchange.routed.route.request_bytes_max;
        if exchange.request_bytes > limit && !exchange.is_upgrade {
            return Err(Self::fail(context, Refusal::BodyTooLarge(limit)));
        }
        if !was_whole && exchange.is_whole() && exchange.came_slowly(context.started) {
            return Err(Self::fail(context, Refusal::UpstreamTimeout));
        }
        context.wait_for_the_rest();
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> pingora::Result<()> {
        speak(session, response);
        if response.status.is_informational() && response.status.as_u16() != 101 {
            // The real answer is still to come: nothing is decided by this one.
            scrub(response);
            return Ok(());
        }
        let Some(exchange) = &mut context.exchange else {
            return Err(Self::fail(context, Refusal::Internal));
        };
        let captured = capture(exchange, response, &self.metrics, &self.leniency, &mut context.times).await;
        let waits = exchange.waiting.is_some();
        context.wait_for_the_rest();
        match captured {
            // The real header comes later.
            Ok(_) if waits => Ok(()),
            Ok(outcome) => self.answered(session, response, outcome, context),
            Err(refusal) => Err(self.fail_to_capture(session, context, refusal)),
        }
    }

    /// Behind a body nobody forges what only we may say either. An answer that waits is written by us, and has none.
    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        context: &mut RequestContext,
    ) -> pingora::Result<Option<Bytes>> {
        scrub_trailers(trailers);
        let waits = context.exchange.as_ref().is_some_and(|exchange| exchange.waiting.is_some());
        Ok(waits.then(Bytes::new))
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut RequestContext,
    ) -> pingora::Result<Option<std::time::Duration>> {
        if body.is_some() {
            self.expect_in_time(context)?;
        }
        let Some(exchange) = &mut context.exchange else { return Ok(None) };
        if let Some(chunk) = body {
            self.bound_reading(session, exchange);
            exchange.response_bytes += chunk.len() as u64;
            if let Some(recording) = &mut exchange.recording {
                recording.push(chunk);
            }
            if let Some(meter) = &mut exchange.meter {
                meter.push(chunk);
            }
        }
        if let Some(waiting) = &mut exchange.waiting {
            waiting.push(body);
        }
        // Whoever is being answered is waited for from the last piece on.
        if !exchange.request_ended {
            context.wait_for_the_rest();
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        if let Some(exchange) = &context.exchange {
            if let Some(member) = exchange.member {
                exchange.routed.pool.refused(member);
            }
            // No byte of the request can have arrived: another address may have it, whatever the method.
            error.set_retry(true);
        }
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut RequestContext,
        client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("Peer: {peer}"));
        let safe = context.exchange.as_ref().is_some_and(|exchange| {
            exchange.routed.route.retry == Retry::Safe
                && exchange.request.is_safe()
                && !exchange.response_begun
        });
        let again = safe && client_reused && !session.as_ref().retry_buffer_truncated();
        error.set_retry(again && *error.esource() == ErrorSource::Upstream);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut RequestContext,
    ) -> FailToProxy {
        // One that sends more after its request is whole has not left, and is let off no more often than one that has.
        let is_asked = |exchange: &Exchange| exchange.went_out() && exchange.payer.is_some();
        let broke_off = context.refusal.is_none()
            && *error.esource() == ErrorSource::Downstream
            && context.exchange.as_ref().is_some_and(is_asked);
        let refusal = context.refusal.take().or_else(|| refusal_of(error, context.exchange.as_ref()));
        let Some(refusal) = refusal.filter(|_| !broke_off) else {
            // The client is gone; what that means for its money is decided in `logging`.
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        if let Some(exchange) =
            context.exchange.as_ref().filter(|_| *error.esource() == ErrorSource::Upstream)
            && exchange.routed.pool.tells()
        {
            tracing::warn!(
                provider.name = %exchange.routed.provider.name,
                %error,
                "an upstream failed; no more is said of it for a minute"
            );
        }
        let refusal = self.void(context, refusal).await;
        let refusal = Self::worded(context, refusal);
        let status = refusal.status();
        session.set_keepalive(None);
        if session.response_written().is_none() {
            let _ = self.refuse(session, context, &refusal).await;
        }
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut RequestContext) {
        self.end_metered(session, error, context).await;
        if let Some(exchange) = &mut context.exchange {
            let settled = record::close(exchange, error, &self.leniency, &self.metrics, self.ledger.time());
            context.outcome = settled.unwrap_or(context.outcome);
        }
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        if context.exchange.is_some() && context.reason.is_none() {
            context.reason = reason(context.outcome, error, status);
            if let (Outcome::Voided, Some(reason)) = (context.outcome, context.reason) {
                self.metrics.failed(reason);
            }
        }
        record::log(context, status, &self.metrics);
        if let Some(clock) = HeaderClock::of(session.digest()) {
            clock.request_ended();
        }
    }

    /// Failures are counted and stand in the payment's own line; one more line for each would only be noise that an
    /// attacker can write.
    fn suppress_error_log(&self, _session: &Session, _context: &RequestContext, _error: &Error) -> bool {
        true
    }
}
