//! [`HeaderClock`]: how long a client may take until a request's header is whole.
//!
//! Pingora limits the time between two reads only: a client that sends a byte now and then would keep its connection for
//! ever. The connection ([`crate::buffered`]) and the proxy share one clock: bytes start it, a whole header stops it.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use tokio::time::Instant;

use crate::streams::Streams;

/// The clock of one connection.
#[derive(Debug)]
pub(crate) struct HeaderClock {
    limit: Duration,
    state: Mutex<State>,
    /// The requests of the same connection, where it speaks HTTP/2.
    pub(crate) streams: Arc<Streams>,
}

/// What the connection waits for.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The rest of a header, no longer than this.
    Header(Instant),
    /// The end of a request.
    Request,
    /// The first byte of the next header.
    Rest,
    /// Several requests run at once: see [`Streams`].
    Off,
}

// === impl HeaderClock ===

impl HeaderClock {
    /// The clock of a connection that was just accepted: it runs.
    pub(crate) fn start(limit: Duration, streams: Arc<Streams>) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::new(State::Header(Instant::now() + limit)), streams })
    }

    /// The clock of the connection that a request came on. Pingora hands the user data of this digest through, and has
    /// no other use for it on a client's connection.
    pub(crate) fn of(digest: Option<&Digest>) -> Option<&Self> {
        let data =
            digest?.proxy_digest.as_deref().map(|digest: &ProxyDigest| digest.user_data.as_deref())??;
        data.downcast_ref::<Arc<Self>>().map(Arc::as_ref)
    }

    /// Bytes arrived.
    pub(crate) fn bytes_came(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Rest) {
            *state = State::Header(Instant::now() + self.limit);
        }
    }

    /// A header is whole. On HTTP/2 others may follow at any time.
    pub(crate) fn header_came(&self, is_http2: bool) {
        *self.state.lock() = if is_http2 { State::Off } else { State::Request };
    }

    /// The request is over.
    pub(crate) fn request_ended(&self) {
        let mut state = self.state.lock();
        if matches!(*state, State::Request) {
            *state = State::Rest;
        }
    }

    /// Until when the header must be whole, while one is waited for; on HTTP/2 what [`Streams`] say.
    pub(crate) fn deadline(&self, context: &Context<'_>) -> Option<Instant> {
        let state = *self.state.lock();
        match state {
            State::Header(deadline) => Some(deadline),
            State::Request | State::Rest => None,
            State::Off => self.streams.deadline(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::*;

    fn deadline(clock: &HeaderClock) -> Option<Instant> {
        clock.deadline(&Context::from_waker(std::task::Waker::noop()))
    }

    fn clock() -> Arc<HeaderClock> {
        let limit = Duration::from_secs(1);
        HeaderClock::start(limit, Streams::new(limit, watch::Sender::new(false)))
    }

    #[test]
    fn u7_it_runs_from_the_first_byte_of_a_header_to_its_last() {
        let clock = clock();
        let first = deadline(&clock);
        assert!(first.is_some());
        clock.bytes_came();
        assert_eq!(deadline(&clock), first, "more bytes do not buy more time");
        clock.header_came(false);
        clock.bytes_came();
        assert_eq!(deadline(&clock), None, "a body is no header");
        clock.request_ended();
        assert_eq!(deadline(&clock), None, "an unused connection has a limit of its own");
        clock.bytes_came();
        assert!(deadline(&clock).is_some());
    }

    #[test]
    fn on_http2_it_stops_at_the_first_header() {
        let clock = clock();
        clock.header_came(true);
        clock.request_ended();
        clock.bytes_came();
        assert_eq!(deadline(&clock), None);
    }
}
