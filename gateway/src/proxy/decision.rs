//! From a request's header to a decision: `admit -> route -> verify -> rate -> hold`, then forward, answer, or refuse.

use std::sync::Arc;
use std::time::Instant;

use domain::{PaymentId, Price, Settle};
use http::header::{EXPECT, UPGRADE};
use ledger::{Redelivery, RefundReason};
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;

use crate::answer::cors;
use crate::answer::refusal::{Refusal, Unpaid};
use crate::answer::reply::Reply;
use crate::connection::customers::{self, Requesting};
use crate::context::{Exchange, RequestContext};
use crate::metrics::Outcome;
use crate::offer::RouteOffer;
use crate::offer::challenge::Asking;
use crate::payer_view::PayerView;
use crate::payer_view::sign_in::may_name;
use crate::payment::credential::Credential;
use crate::payment::meter::Meter;
use crate::payment::receipt;
use crate::proxy::Proxy;
use crate::snapshot::Snapshot;
use crate::stage::admit::{Admitted, admit};
use crate::stage::hold::{Admission, Holder, Holding, Payer, body_digest};
use crate::stage::prepay::prepay;
use crate::stage::prove::prove;
use crate::stage::rate;
use crate::stage::route::{Routed, route};
use crate::stage::verify::{Claim, verify};
use crate::stage::{forward, record};

/// What the request filter found.
pub(crate) enum Decision {
    /// Goes to the upstream.
    Forward(Box<Exchange>),
    /// Is answered here.
    Answer(Reply, Outcome),
}

// === impl Proxy ===

impl Proxy {
    /// admit -> route -> verify -> rate -> hold.
    pub(crate) async fn decide(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<Decision, Refusal> {
        self.let_in(context)?;
        only_websocket(session);
        let request = admit(session.req_header(), &self.settings.limits)?;
        if let Some(reply) = cors::preflight(session.req_header()) {
            return Ok(Decision::Answer(reply, Outcome::Answered));
        }
        if PayerView::serves(&request.path) {
            let client =
                session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip());
            let url = self.url(session, &request);
            let catalog = self.snapshot.load();
            let may_sign_in =
                may_name(&request.authority, self.settings.public_url.as_deref(), catalog.catalog());
            drop(catalog);
            let headers = &session.req_header().headers;
            let reply = self.view.answer(&request, &url, may_sign_in, headers, client).await?;
            return Ok(Decision::Answer(reply, Outcome::Answered));
        }
        let snapshot = self.snapshot.load_full();
        let decided = match self.decide_by(&snapshot, session, context, request).await {
            Err(refusal) if refusal.is_of_the_catalog() => {
                self.decide_again(refusal, &snapshot, session, context).await
            }
            decided => decided,
        };
        decided.inspect_err(|refusal| {
            let is_priced = context.route.is_some();
            if is_priced && !matches!(refusal, Refusal::PaymentRequired(Unpaid::Missing { .. })) {
                self.metrics.failed(refusal.code());
            }
        })
    }

    /// Whether there is a place for one more request, and for one more of this client's address. Those that are only told no take none:
    /// whoever is slow to read that keeps nobody else out.
    fn let_in(&self, context: &mut RequestContext) -> Result<(), Refusal> {
        let refusal = if context.requesting.as_ref().is_some_and(Requesting::is_one_too_many) {
            self.metrics.rate_limited(customers::SCOPE);
            Refusal::TooManyRunning
        } else if self.shutdown.let_in() > self.settings.limits.requests_in_flight_max {
            Refusal::Overloaded
        } else {
            return Ok(());
        };
        context.running.turn_away();
        Err(refusal)
    }

    /// route -> verify -> hold, by one catalog.
    async fn decide_by(
        &self,
        snapshot: &Arc<Snapshot>,
        session: &mut Session,
        context: &mut RequestContext,
        request: Admitted,
    ) -> Result<Decision, Refusal> {
        let routed = route(snapshot, &request)?;
        context.route = routed.traffic().map(Arc::clone);
        if !routed.route.is_priced() {
            self.count_client(session, &routed, context).await?;
            return Ok(Decision::Forward(Box::new(Exchange::free(routed, request))));
        }
        self.admit_payment(session, context, &routed, request).await
    }

    /// Once more by the catalog that the request's quote is of, where that is a newer one: the one it was judged by has no
    /// part in the answer then.
    async fn decide_again(
        &self,
        refusal: Refusal,
        judged: &Snapshot,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<Decision, Refusal> {
        if !self.newer.serves(&session.req_header().headers, judged.catalog().version()).await {
            return Err(refusal);
        }
        (context.route, context.challenge) = (None, None);
        let request = admit(session.req_header(), &self.settings.limits)?;
        self.decide_by(&self.snapshot.load_full(), session, context, request).await
    }

    async fn admit_payment(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
        routed: &Routed,
        request: Admitted,
    ) -> Result<Decision, Refusal> {
        let (offer, at) = (routed.offer().ok_or(Refusal::Internal)?, self.ledger.time());
        let client = rate::client(session);
        let headers = &session.req_header().headers;
        let judged = |found| {
            let credential = Credential::find(headers)?;
            verify(credential, &routed.route, offer, at, found, &self.settings.limits)
        };
        let claim = match record::timed(&mut context.times.verify, || judged(None)) {
            Ok(claim) => prove(claim, self.public.as_deref(), client, |found| judged(Some(found))).await,
            refused => refused,
        };
        let claim = match claim {
            Ok(claim) => claim,
            Err(refusal) => return Err(self.refused(refusal, session, routed, &request, context).await),
        };

        let started = Instant::now();
        let holder = self.holder(session);
        let held = self.hold(&holder, session, &claim, routed, &request, context).await;
        context.times.hold = Some(started.elapsed());
        let (admission, holding) = match held {
            Ok(held) => held,
            Err(refusal) => return Err(self.refused(refusal, session, routed, &request, context).await),
        };
        match admission {
            Admission::Paid(hold) => {
                let exchange = Exchange::paid(routed.clone(), request, hold, holding.payer);
                Ok(self.forward(exchange, holding.identifier.is_some(), &claim.price))
            }
            // What is known only after the answer cannot move before it.
            Admission::Signed(signed)
                if signed.settle == Settle::Before && claim.price.metered().is_none() =>
            {
                let receipt = prepay(*signed, &self.metrics).await.inspect_err(|refusal| {
                    let Refusal::PaymentRequired(unpaid) = refusal else { return };
                    let payer = Some(&holding.payer);
                    context.challenge = self.asking_again(session, routed, &request, unpaid, payer);
                })?;
                let exchange = Exchange::prepaid(routed.clone(), request, receipt, holding.payer);
                Ok(self.forward(exchange, holding.identifier.is_some(), &claim.price))
            }
            Admission::Signed(signed) => {
                let exchange = Exchange::signed(routed.clone(), request, signed, holding.payer);
                Ok(self.forward(exchange, holding.identifier.is_some(), &claim.price))
            }
            Admission::Redelivery(redelivery) if request.is_safe() || routed.route.redeliver => {
                let exchange = Exchange::redelivered(routed.clone(), request, redelivery, holding.payer);
                Ok(Decision::Forward(Box::new(exchange)))
            }
            Admission::Redelivery(redelivery) => {
                let reply = self.not_redelivered(redelivery, &holding.payer).await;
                Ok(Decision::Answer(reply, Outcome::Replayed))
            }
            Admission::Replay(prior) => {
                Ok(Decision::Answer(replay(prior, &holding.payer), Outcome::Replayed))
            }
        }
    }

    fn holder(&self, session: &Session) -> Holder<'_> {
        Holder {
            ledger: &self.ledger,
            directory: &self.directory,
            public: self.public.as_deref(),
            metrics: &self.metrics,
            leniency: &self.leniency,
            nobodies: &self.nobodies,
            client: rate::client(session),
        }
    }

    /// Holds for a claim, once it is known whose it is. That is asked when the body is there: what became of a key, a policy or
    /// a payer while it came is what counts.
    async fn hold(
        &self,
        holder: &Holder<'_>,
        session: &mut Session,
        claim: &Claim,
        routed: &Routed,
        request: &Admitted,
        context: &mut RequestContext,
    ) -> Result<(Admission, Holding), Refusal> {
        let identifier = holder.named(claim, &session.req_header().headers).await?;
        let body = if identifier.is_some() {
            continue_if_expected(session).await;
            let patience = self.settings.limits.client_read_timeout;
            body_digest(session, request, patience, &mut context.digested).await?
        } else {
            None
        };
        let headers = &session.req_header().headers;
        let mut holding = holder.identify(claim, identifier, routed, headers, &mut context.counted).await?;
        let new_id = || self.payment_id();
        let admission = holder.hold(claim, &mut holding, routed, request, body.as_deref(), new_id).await?;
        Ok((admission, holding))
    }

    /// What may not be forwarded once more: where it was paid first it is given back, and nobody keeps money for nothing.
    async fn not_redelivered(&self, redelivery: Redelivery, payer: &Payer) -> Reply {
        let record = redelivery.record().clone();
        match self.ledger.is_prepaid(record.payment).await {
            Ok(true) => {
                let refusal = Refusal::Refunded(Box::new(record.clone()));
                // It was we who lost it.
                let status = Refusal::Internal.status();
                self.leniency.gave_back(record.agent, &record.provider, status, self.ledger.time());
                match redelivery.give_back(RefundReason::UpstreamFailed).await {
                    Ok(_) => Reply::refusal(&refusal),
                    Err(_) => {
                        Reply::refusal(&Refusal::OutcomeUnknown { payment: record.payment, repeatable: true })
                    }
                }
            }
            Ok(false) => already_delivered(&record, payer),
            Err(_) => Reply::refusal(&Refusal::OutcomeUnknown { payment: record.payment, repeatable: true }),
        }
    }

    /// Its answer is stored where the client named the request, and counted where its price says so and it is none of the free calls.
    fn forward(&self, mut exchange: Exchange, is_named: bool, price: &Price) -> Decision {
        let metered = price.metered().filter(|_| !exchange.price.is_zero());
        exchange.meter = metered.cloned().map(Meter::new);
        exchange.stored_bytes_max = is_named.then_some(self.settings.limits.stored_response_bytes_max);
        Decision::Forward(Box::new(exchange))
    }

    /// Counts a call on the client's address, unless it was counted.
    async fn count_client(
        &self,
        session: &mut Session,
        routed: &Routed,
        context: &mut RequestContext,
    ) -> Result<(), Refusal> {
        let client = rate::client(session);
        rate::count(routed, client, &self.ledger, &mut context.counted, &self.metrics).await
    }

    /// Counts on the client's address what counted on no agent, and keeps what a 402 needs: the challenge of this route for
    /// this URL.
    async fn refused(
        &self,
        refusal: Refusal,
        session: &mut Session,
        routed: &Routed,
        request: &Admitted,
        context: &mut RequestContext,
    ) -> Refusal {
        let counted = match refusal {
            // Nobody's fault but ours: who comes back when it works again must not hear that they called too often.
            Refusal::LedgerUnavailable => Ok(()),
            _ => self.count_client(session, routed, context).await,
        };
        let refusal = counted.err().unwrap_or(refusal);
        let Refusal::PaymentRequired(unpaid) = refusal else { return refusal };
        context.challenge = self.asking(session, routed, request, &unpaid);
        if matches!(unpaid, Unpaid::Missing { .. }) {
            context.outcome = Outcome::Challenged;
        }
        let is_on_chain = routed.offer().is_some_and(RouteOffer::is_on_chain);
        Refusal::PaymentRequired(unpaid.pointing(is_on_chain))
    }

    /// What a 402 of this route asks for.
    pub(crate) fn asking(
        &self,
        session: &Session,
        routed: &Routed,
        request: &Admitted,
        unpaid: &Unpaid,
    ) -> Option<Asking> {
        let offer = routed.offer()?;
        Some(offer.challenge.asking(&self.url(session, request), unpaid.code()))
    }

    /// What the client called, without its query.
    fn url(&self, session: &Session, request: &Admitted) -> String {
        let base = self.settings.public_url.clone();
        let base = base.unwrap_or_else(|| format!("{}://{}", forward::scheme(session), request.authority));
        format!("{}{}", base.trim_end_matches('/'), request.path.as_str())
    }

    fn payment_id(&self) -> Result<PaymentId, Refusal> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|_| Refusal::Internal)?;
        Ok(PaymentId::generate(self.clock.now(), random))
    }
}

/// The stored answer again, or the receipt with 409 where the answer was not stored.
fn replay(prior: ledger::Prior, payer: &Payer) -> Reply {
    match prior.response {
        Some(stored) => {
            let (name, receipt) = receipt::field(&prior.receipt, payer);
            Reply::stored(stored.status, stored.headers, stored.body)
                .with(name.as_str(), receipt)
                .with("idempotency-replayed", "true")
        }
        None if prior.refunded => Reply::refusal(&Refusal::Refunded(Box::new(prior.receipt))),
        None => already_delivered(&prior.receipt, payer),
    }
}

fn already_delivered(record: &ledger::ReceiptRecord, payer: &Payer) -> Reply {
    let (name, receipt) = receipt::field(record, payer);
    Reply::refusal(&Refusal::AlreadyDelivered(Box::new(record.clone()))).with(name.as_str(), receipt)
}

/// Whoever asks for another protocol than WebSocket is answered in the one it speaks (RFC 9110 section 7.8): Java's client and curl ask for
/// HTTP/2 so without being told to.
fn only_websocket(session: &mut Session) {
    let upgrades = session.req_header().headers.get_all(UPGRADE).iter();
    let mut others = upgrades.filter(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if others.next().is_some() {
        session.req_header_mut().remove_header(&UPGRADE);
    }
}

/// The last steps before a request goes out.
pub(crate) async fn begin(session: &mut Session, context: &mut RequestContext, mut exchange: Exchange) {
    if !exchange.may_upgrade() {
        session.req_header_mut().remove_header(&UPGRADE);
    }
    exchange.asks_to_upgrade = session.is_upgrade_req();
    if exchange.payer.is_some() {
        session.set_ignore_info_resp(true);
        if let (true, ServerSession::H1(connection)) = (exchange.is_work(), session.as_downstream_mut()) {
            // The work is done once the request is out; a client that hangs up pays for it.
            connection.set_abort_on_close(false);
        }
    }
    continue_if_expected(session).await;
    context.exchange = Some(exchange);
}

/// Answers `Expect: 100-continue` ourselves, once: the body is wanted now.
pub(crate) async fn continue_if_expected(session: &mut Session) {
    if !session.req_header().headers.contains_key(EXPECT) {
        return;
    }
    if !session.is_http2() {
        // While the field is there: without it, Pingora takes a 100 for one that nobody asked for. A client that is
        // gone is noticed at the next read.
        let _ = session.write_continue_response().await;
    }
    session.req_header_mut().remove_header(&EXPECT);
}
