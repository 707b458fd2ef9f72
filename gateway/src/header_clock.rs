//! [`HeaderClock`]: how long a client may take until a request's header is whole.
//!
//! Pingora limits the time between two reads only: a client that sends a byte now and then would keep its connection for
//! ever. The connection ([`crate::buffered`]) and the proxy share one clock: bytes start it, a whole header stops it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use tokio::time::Instant;

/// The clock of one connection.
#[derive(Debug)]
pub(crate) struct HeaderClock {
    limit: Duration,
    state: Mutex<State>,
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
    /// Several requests run at once: HTTP/2 has limits of its own.
    Off,
}

// === impl HeaderClock ===

impl HeaderClock {
    /// The clock of a connection that was just accepted: it runs.
    pub(crate) fn start(limit: Duration) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::new(State::Header(Instant::now() + limit)) })
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

    /// Until when the header must be whole, while one is waited for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match *self.state.lock() {
            State::Header(deadline) => Some(deadline),
            State::Request | State::Rest | State::Off => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u7_it_runs_from_the_first_byte_of_a_header_to_its_last() {
        let clock = HeaderClock::start(Duration::from_secs(1));
        let first = clock.deadline();
        assert!(first.is_some());
        clock.bytes_came();
        assert_eq!(clock.deadline(), first, "more bytes do not buy more time");
        clock.header_came(false);
        clock.bytes_came();
        assert_eq!(clock.deadline(), None, "a body is no header");
        clock.request_ended();
        assert_eq!(clock.deadline(), None, "an unused connection has a limit of its own");
        clock.bytes_came();
        assert!(clock.deadline().is_some());
    }

    #[test]
    fn on_http2_it_stops_at_the_first_header() {
        let clock = HeaderClock::start(Duration::from_secs(1));
        clock.header_came(true);
        clock.request_ended();
        clock.bytes_came();
        assert_eq!(clock.deadline(), None);
    }
}
