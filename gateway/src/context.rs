//! What is known of a request while it runs. [`Exchange`] is the permit to forward: it is made only of an [`Admitted`] request that
//! is free, held for, paid first, or a redelivery.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use domain::{Amount, Capture, PaymentId};
use ledger::{Hold, Receipt, ReceiptRecord, Redelivery, StoredResponse};

use crate::answer::refusal::Refusal;
use crate::connection::customers::Requesting;
use crate::connection::streams::Running;
use crate::metrics::Outcome;
use crate::offer::challenge::Asking;
use crate::payment::counting::{self, Waiting};
use crate::payment::held::Held;
use crate::payment::meter::Meter;
use crate::rail::signed_hold::SignedHold;
use crate::shutdown::InFlight;
use crate::stage::admit::Admitted;
use crate::stage::hold::Payer;
use crate::stage::prepay::Undoing;
use crate::stage::rate::Counted;
use crate::stage::route::Routed;
use crate::traffic::RouteTraffic;
use crate::upstream::until::Until;

/// One request, from its header to its log line.
pub(crate) struct RequestContext {
    pub(crate) started: Instant,
    pub(crate) outcome: Outcome,
    /// The counts of the route once it was found.
    pub(crate) route: Option<Arc<RouteTraffic>>,
    /// Why it is no success, where it is none.
    pub(crate) reason: Option<&'static str>,
    /// How long the answer's header took, where an upstream answered.
    pub(crate) answered: Option<Duration>,
    /// Set while the request may be forwarded.
    pub(crate) exchange: Option<Exchange>,
    /// What a failed phase will be answered with.
    pub(crate) refusal: Option<Refusal>,
    /// What a 402 that is going to be sent asks for.
    pub(crate) challenge: Option<Asking>,
    /// What was counted under the route's rate limits, where it has some.
    pub(crate) counted: Option<Counted>,
    /// The digest of its body, where that was read before anything was held.
    pub(crate) digested: Option<Vec<u8>>,
    pub(crate) times: Times,
    pub(crate) running: InFlight,
    /// Set on HTTP/2.
    pub(crate) stream: Option<Running>,
    /// Its place among those of its client's address.
    pub(crate) requesting: Option<Requesting>,
}

/// How long the stages of a paid request took.
#[derive(Debug, Default)]
pub(crate) struct Times {
    pub(crate) verify: Option<Duration>,
    pub(crate) hold: Option<Duration>,
    pub(crate) upstream: Option<Duration>,
    pub(crate) commit: Option<Duration>,
}

/// A request that may be forwarded, and its money.
pub(crate) struct Exchange {
    pub(crate) routed: Routed,
    pub(crate) request: Admitted,
    pub(crate) money: Money,
    /// Who pays; nobody on a free route.
    pub(crate) payer: Option<Payer>,
    /// The most the call costs.
    pub(crate) price: Amount,
    /// What was captured by this request; none while nothing is, and once it was given back.
    pub(crate) charged: Option<Amount>,
    pub(crate) payment: Option<PaymentId>,
    /// The address in use, by its place in the pool.
    pub(crate) member: Option<usize>,
    pub(crate) sent_at: Option<Instant>,
    /// The client has ended its request: nothing more of it comes.
    pub(crate) request_ended: bool,
    pub(crate) request_bytes: u64,
    /// The upstream's final header has come.
    pub(crate) response_begun: bool,
    /// The response announced its length; what it lacks is missing.
    pub(crate) response_has_length: bool,
    pub(crate) response_bytes: u64,
    /// Set where the client named this request: its answer is stored where it is no longer than this, in bytes.
    pub(crate) stored_bytes_max: Option<usize>,
    pub(crate) recording: Option<Recording>,
    /// Its client asks for a WebSocket.
    pub(crate) asks_to_upgrade: bool,
    /// Its upstream has agreed to that.
    pub(crate) is_upgrade: bool,
    /// Set where its answer tells what it costs.
    pub(crate) meter: Option<Meter>,
    /// An answer that waits for that.
    pub(crate) waiting: Option<Waiting>,
    /// Set where its connection to the upstream ends by itself.
    pub(crate) until: Option<Until>,
}

/// The money of an exchange. It only moves down this list.
pub(crate) enum Money {
    /// There is none: a free route.
    Free,
    /// Held, not decided yet.
    Held(Hold),
    /// The same by a payment on a public network.
    Signed(Box<SignedHold>),
    /// Its answer passes and is counted; it is charged whatever comes, see [`counting::cut`] for the end of this process.
    Counting(Held),
    /// Captured before it is forwarded, and not decided yet: what is not delivered is given back.
    Prepaid(Receipt),
    /// Forwarded once more under an earlier receipt.
    Redelivery(Redelivery),
    /// Captured; its delivery is not confirmed yet.
    Captured(Receipt),
    /// Decided: voided, delivered, refunded or handed to the ledger.
    Done,
}

/// A response that will be stored with its payment, as far as it fits.
pub(crate) struct Recording {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    /// None once it grew too large.
    body: Option<BytesMut>,
    bytes_max: usize,
}

// === impl RequestContext ===

impl RequestContext {
    /// What is still to come of a request that has its answer is waited for from here.
    pub(crate) fn wait_for_the_rest(&self) {
        let (Some(stream), Some(exchange)) = (&self.stream, &self.exchange) else { return };
        if exchange.request_ended {
            stream.end_waiting();
        } else if exchange.response_begun {
            stream.wait();
        }
    }

    pub(crate) fn new(running: InFlight) -> Self {
        Self {
            started: Instant::now(),
            outcome: Outcome::Error,
            route: None,
            reason: None,
            answered: None,
            exchange: None,
            refusal: None,
            challenge: None,
            counted: None,
            digested: None,
            times: Times::default(),
            running,
            stream: None,
            requesting: None,
        }
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        // Whatever ended in order is decided by now.
        if let Some(exchange) = &mut self.exchange {
            counting::cut(exchange);
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// Whether nobody can tell when its answer ends.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_upgrade || (self.response_begun && !self.response_has_length)
    }

    /// A request for a free route.
    pub(crate) fn free(routed: Routed, request: Admitted) -> Self {
        Self::new(routed, request, Money::Free, None, Amount::ZERO, None)
    }

    /// A request that was held for.
    pub(crate) fn paid(routed: Routed, request: Admitted, hold: Hold, payer: Payer) -> Self {
        let (price, payment) = (hold.maximum(), hold.payment());
        Self::new(routed, request, Money::Held(hold), Some(payer), price, Some(payment))
    }

    /// A request that was held for by a payment on a public network.
    pub(crate) fn signed(routed: Routed, request: Admitted, signed: Box<SignedHold>, payer: Payer) -> Self {
        let (price, payment) = (signed.maximum(), signed.payment());
        Self::new(routed, request, Money::Signed(signed), Some(payer), price, Some(payment))
    }

    /// A request whose payment moved first.
    pub(crate) fn prepaid(routed: Routed, request: Admitted, receipt: Receipt, payer: Payer) -> Self {
        let (price, payment) = (receipt.record().amount, receipt.record().payment);
        let charged = Some(price);
        let prepaid = Self::new(routed, request, Money::Prepaid(receipt), Some(payer), price, Some(payment));
        Self { charged, ..prepaid }
    }

    /// A request that was paid before.
    pub(crate) fn redelivered(
        routed: Routed,
        request: Admitted,
        redelivery: Redelivery,
        payer: Payer,
    ) -> Self {
        let (price, payment) = (redelivery.record().amount, redelivery.record().payment);
        Self::new(routed, request, Money::Redelivery(redelivery), Some(payer), price, Some(payment))
    }

    fn new(
        routed: Routed,
        request: Admitted,
        money: Money,
        payer: Option<Payer>,
        price: Amount,
        payment: Option<PaymentId>,
    ) -> Self {
        Self {
            routed,
            request,
            money,
            payer,
            price,
            charged: None,
            payment,
            member: None,
            sent_at: None,
            request_ended: false,
            request_bytes: 0,
            response_begun: false,
            response_has_length: false,
            response_bytes: 0,
            stored_bytes_max: None,
            recording: None,
            asks_to_upgrade: false,
            is_upgrade: false,
            meter: None,
            waiting: None,
            until: None,
        }
    }

    /// Whether its upstream may be asked for a WebSocket: what is priced and would not be charged for one would be a tunnel for nothing.
    pub(crate) fn may_upgrade(&self) -> bool {
        self.payer.is_none() || self.routed.route.charge_on.charges(101)
    }

    /// Whether the same call can be made again, and is one payment: it was signed for, or its client named it.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.stored_bytes_max.is_some() || self.payer.as_ref().is_none_or(|payer| payer.address.is_some())
    }

    /// Whether a client that leaves now still pays: its upstream can do the work, and it is not one that can be taken
    /// back (DESIGN section 2, "Hanging up is no free ride").
    pub(crate) fn binds(&self) -> bool {
        self.went_out() && self.is_work()
    }

    /// Whether its upstream has what it needs to do the work: all of the body; of a safe method the header, because its body means nothing
    /// (RFC 9110 section 9.3.1).
    pub(crate) fn went_out(&self) -> bool {
        self.sent_at.is_some() && (self.is_whole() || self.request.is_safe())
    }

    /// Whether all of the request came. A body that announced its length is whole with its last byte: over HTTP/2 its end may be kept
    /// back after that, and the upstream does not wait for it.
    pub(crate) fn is_whole(&self) -> bool {
        self.request_ended || self.request.content_length.is_some_and(|all| self.request_bytes >= all)
    }

    /// Whether the upstream's work is paid for once it was asked for: what changes something, and what its provider wants
    /// paid although the client leaves.
    pub(crate) fn is_work(&self) -> bool {
        self.asks_to_upgrade || !self.request.is_safe() || self.routed.route.capture == Capture::Before
    }

    /// Until when its upstream may take, where its payment is still to be settled.
    pub(crate) fn answer_by(&self) -> Option<Instant> {
        match &self.money {
            Money::Signed(signed) => Some(signed.answer_by),
            _ => None,
        }
    }

    /// Whether its request took more than half of that: who takes its time with the last of it would have work done that is never paid.
    pub(crate) fn came_slowly(&self, started: Instant) -> bool {
        let half = |by: Instant| by.saturating_duration_since(started) / 2;
        self.request_bytes > 0 && self.answer_by().is_some_and(|by| started.elapsed() > half(by))
    }

    /// Whether it took longer.
    pub(crate) fn is_overdue(&self) -> bool {
        matches!(&self.money, Money::Signed(signed) if signed.is_overdue())
    }

    /// Its answer's header came in time. What follows has until its payment is to be settled, where it is: the header of one that
    /// asked to upgrade had less.
    pub(crate) fn header_came(&mut self) {
        match (self.answer_by(), &self.until) {
            (Some(by), Some(until)) => until.put_off(by),
            (Some(_), None) => {}
            (None, _) => self.lift_time_limit(),
        }
    }

    /// What is still to come of its answer may take its time. Not of one that says at its end what it costs.
    pub(crate) fn lift_time_limit(&mut self) {
        if let Some(until) = self.until.take() {
            until.lift();
        }
    }

    /// Until when (Unix seconds) a payment has to be settled whose answer passes.
    pub(crate) fn settles_by(&self) -> Option<i64> {
        match &self.money {
            Money::Counting(Held::Signed(signed)) => i64::try_from(signed.valid_before()).ok(),
            _ => None,
        }
    }

    /// The receipt, where the money was captured.
    pub(crate) fn receipt(&self) -> Option<&ReceiptRecord> {
        match &self.money {
            Money::Captured(receipt) | Money::Prepaid(receipt) => Some(receipt.record()),
            Money::Redelivery(redelivery) => Some(redelivery.record()),
            Money::Free | Money::Held(_) | Money::Signed(_) | Money::Counting(_) | Money::Done => None,
        }
    }

    /// Takes what is held, if it is still undecided.
    pub(crate) fn take_held(&mut self) -> Option<Held> {
        match std::mem::replace(&mut self.money, Money::Done) {
            Money::Held(hold) => Some(Held::Wallet(hold)),
            Money::Signed(signed) => Some(Held::Signed(signed)),
            other => {
                self.money = other;
                None
            }
        }
    }

    /// Takes the receipt of what was paid first, if it is still undecided.
    pub(crate) fn take_prepaid(&mut self) -> Option<Receipt> {
        match std::mem::replace(&mut self.money, Money::Done) {
            Money::Prepaid(receipt) => Some(receipt),
            other => {
                self.money = other;
                None
            }
        }
    }

    /// Voids what is held and gives back what was paid first, if it is still undecided; whoever says so to the client awaits it.
    pub(crate) fn undo(&mut self) -> Option<Undoing> {
        match self.take_prepaid() {
            Some(receipt) => Some(Undoing::Refund(receipt)),
            None => self.take_held().map(|held| Undoing::Void(held.void())),
        }
    }
}

// === impl Recording ===

impl Recording {
    pub(crate) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, bytes_max: usize) -> Self {
        Self { status, headers, body: Some(BytesMut::new()), bytes_max }
    }

    /// Keeps a piece of the body, or lets go of all of it when it grows too large.
    pub(crate) fn push(&mut self, chunk: &Bytes) {
        let fits = self.body.as_ref().is_some_and(|body| body.len() + chunk.len() <= self.bytes_max);
        match &mut self.body {
            Some(body) if fits => body.extend_from_slice(chunk),
            _ => self.body = None,
        }
    }

    /// The whole response, where it fitted.
    pub(crate) fn finish(self) -> Option<StoredResponse> {
        let body = self.body?.freeze();
        Some(StoredResponse { status: self.status, headers: self.headers, body })
    }
}
