//! What may not go on, at the next piece that passes.

use pingora::{Error, ErrorType};

use crate::answer::failure;
use crate::answer::refusal::Refusal;
use crate::context::RequestContext;
use crate::limits::SETTLED_BEHIND_MS;
use crate::proxy::Proxy;

// === impl Proxy ===

impl Proxy {
    /// Ends what may not go on: an upgraded connection past its time, a stream past its part of the drain, one that could not be
    /// settled behind its answer any more, and a call whose payment could not be settled once its upstream has answered.
    pub(crate) fn expect_in_time(&self, context: &mut RequestContext) -> pingora::Result<()> {
        let Some(exchange) = &context.exchange else { return Ok(()) };
        if exchange.is_overdue() {
            return Err(Self::fail(context, Refusal::UpstreamTimeout));
        }
        let started = context.started;
        let is_old = exchange.is_upgrade && started.elapsed() > self.settings.limits.websocket_duration_max;
        let is_past_the_drain = context.running.is_stream()
            && self.shutdown.draining_for().is_some_and(|time| time > self.settings.shutdown.stream_grace);
        if is_past_the_drain {
            return Err(failure::broken_off());
        }
        let is_past_settling = exchange
            .settles_by()
            .is_some_and(|by| self.ledger.time().plus(SETTLED_BEHIND_MS).seconds() >= by);
        if is_old || is_past_settling {
            return Err(
                Error::explain(ErrorType::ConnectionClosed, "the connection's time is over").into_down()
            );
        }
        Ok(())
    }
}
