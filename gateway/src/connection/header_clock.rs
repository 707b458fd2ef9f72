//! [`HeaderClock`]: how long a client may take until a request's header is whole, and how much it may send until then.
//!
//! Pingora limits the time between two reads only: a client that sends a byte now and then would keep its connection for
//! ever. And it keeps a megabyte of a header, which it reads from the start with each piece. The connection ([`crate::connection::buffered`]) and the
//! proxy share one clock: bytes start it, a whole header stops it.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use tokio::time::Instant;

use crate::connection::customers::Customer;
use crate::connection::streams::Streams;

/// What may be taken for a header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderLimit {
    /// From its first byte.
    pub(crate) time: Duration,
    /// As they come from the socket: with the request line, what TLS adds, and what came along of a body.
    pub(crate) bytes: usize,
}

/// The clock of one connection.
#[derive(Debug)]
pub(crate) struct HeaderClock {
    limit: HeaderLimit,
    state: Mutex<State>,
    /// The requests of the same connection, where it speaks HTTP/2.
    pub(crate) streams: Arc<Streams>,
    /// Whose connection it is.
    pub(crate) customer: Arc<Customer>,
}

/// What the connection waits for.
#[derive(Clone, Copy, Debug)]
enum State {
    /// The rest of a header.
    Header {
        /// No longer than this.
        until: Instant,
        /// No more than this.
        left: usize,
    },
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
    pub(crate) fn start(limit: HeaderLimit, streams: Arc<Streams>, customer: Arc<Customer>) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::new(limit.whole()), streams, customer })
    }

    /// The clock of the connection that a request came on. Pingora hands the user data of this digest through, and has
    /// no other use for it on a client's connection.
    pub(crate) fn of(digest: Option<&Digest>) -> Option<&Self> {
        let data =
            digest?.proxy_digest.as_deref().map(|digest: &ProxyDigest| digest.user_data.as_deref())??;
        data.downcast_ref::<Arc<Self>>().map(Arc::as_ref)
    }

    /// So many bytes arrived. Whether they may: a header has no more.
    #[must_use]
    pub(crate) fn bytes_came(&self, count: usize) -> bool {
        let mut state = self.state.lock();
        if matches!(*state, State::Rest) {
            *state = self.limit.whole();
        }
        match &mut *state {
            State::Header { left, .. } => left.checked_sub(count).map(|less| *left = less).is_some(),
            State::Request | State::Rest | State::Off => true,
        }
    }

    /// The connection speaks HTTP/2, which bounds each header itself: the first of them may come with a hundred others.
    pub(crate) fn speaks_http2(&self) {
        if let State::Header { left, .. } = &mut *self.state.lock() {
            *left = usize::MAX;
        }
    }

    /// How long a header may take.
    pub(crate) const fn patience(&self) -> Duration {
        self.limit.time
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
            State::Header { until, .. } => Some(until),
            State::Request | State::Rest => None,
            State::Off => self.streams.deadline(context),
        }
    }
}

// === impl HeaderLimit ===

impl HeaderLimit {
    /// All of it is left.
    fn whole(self) -> State {
        State::Header { until: Instant::now() + self.time, left: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use registry::config::Limits;
    use tokio::sync::watch;

    use super::*;
    use crate::connection::customers::Customers;

    fn deadline(clock: &HeaderClock) -> Option<Instant> {
        clock.deadline(&Context::from_waker(std::task::Waker::noop()))
    }

    fn clock() -> Arc<HeaderClock> {
        let limit = HeaderLimit { time: Duration::from_secs(1), bytes: 100 };
        let streams = Streams::new(limit.time, watch::Sender::new(false));
        let connected = Customers::new(&Limits::default()).connect([192, 0, 2, 1].into()).unwrap();
        HeaderClock::start(limit, streams, Arc::clone(connected.customer()))
    }

    #[test]
    fn u7_it_runs_from_the_first_byte_of_a_header_to_its_last() {
        let clock = clock();
        let first = deadline(&clock);
        assert!(first.is_some());
        assert!(clock.bytes_came(1));
        assert_eq!(deadline(&clock), first, "more bytes do not buy more time");
        clock.header_came(false);
        assert!(clock.bytes_came(1));
        assert_eq!(deadline(&clock), None, "a body is no header");
        clock.request_ended();
        assert_eq!(deadline(&clock), None, "an unused connection has a limit of its own");
        assert!(clock.bytes_came(1));
        assert!(deadline(&clock).is_some());
    }

    #[test]
    fn on_http2_it_stops_at_the_first_header() {
        let clock = clock();
        clock.header_came(true);
        clock.request_ended();
        assert!(clock.bytes_came(1));
        assert_eq!(deadline(&clock), None);
    }

    #[test]
    fn s4_a_header_has_so_many_bytes_and_a_body_more() {
        let clock = clock();
        assert!(clock.bytes_came(60) && clock.bytes_came(40));
        assert!(!clock.bytes_came(1));
        clock.header_came(false);
        assert!(clock.bytes_came(1_000_000), "a body");
        clock.request_ended();
        assert!(clock.bytes_came(100));
        assert!(!clock.bytes_came(1), "the next header");
    }

    #[test]
    fn many_headers_come_at_once_on_http2() {
        let clock = clock();
        clock.speaks_http2();
        assert!(clock.bytes_came(1_000_000));
        assert!(deadline(&clock).is_some(), "the first of them has its time all the same");
    }
}
