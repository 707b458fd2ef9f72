//! [`Streams`]: the requests of an HTTP/2 connection, of which some never end.
//!
//! On HTTP/1.1 Pingora limits how long the next piece of a request is waited for. On HTTP/2 it waits as long as the connection lasts,
//! also when the answer has passed, and keeps the request's place among those that run and its connection to the upstream. No hook
//! of Pingora's ends such a request, only its connection can be: one on which a request is overdue takes no new ones, and ends once
//! all that still run on it are overdue. Nobody else who is served on it is disturbed, but for a client that leaves many requests without
//! an end: being served once does not keep the places of all of them. Next: [`crate::connection::buffered`], which asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// Overdue requests that a connection may have for as long as somebody is served on it. With more, who is served has no longer than
/// a request without an end has.
const OVERDUE_MAX: usize = 8;

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Streams {
    patience: Duration,
    /// Told once the connection is to take no new ones.
    leaving: watch::Sender<bool>,
    /// Whoever reads from the connection.
    reader: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that run.
    running: usize,
    /// Until when the next piece of those has to come that have an answer already, by their numbers.
    unfinished: HashMap<u64, Instant>,
    /// Until when the last of an answer that passed may be on its way to the client.
    passed_by: Option<Instant>,
    numbered: u64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    streams: Arc<Streams>,
    number: u64,
}

// === impl Streams ===

impl Streams {
    pub(crate) fn new(patience: Duration, leaving: watch::Sender<bool>) -> Arc<Self> {
        Arc::new(Self { patience, leaving, reader: AtomicWaker::new(), state: Mutex::default() })
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let mut state = self.state.lock();
        state.running = state.running.saturating_add(1);
        state.numbered = state.numbered.wrapping_add(1);
        Running { streams: Arc::clone(self), number: state.numbered }
    }

    /// When to look again, while a request has no end yet; a moment that has come where the connection ends. Whoever asks is woken
    /// when it may be another one.
    pub(crate) fn deadline(&self, context: &Context<'_>) -> Option<Instant> {
        self.reader.register(context.waker());
        let state = self.state.lock();
        let earliest = *state.unfinished.values().min()?;
        if earliest > Instant::now() {
            return Some(earliest);
        }
        self.leaving.send_replace(true);
        let mut waited_for: Vec<Instant> = state.unfinished.values().copied().collect();
        waited_for.sort_unstable();
        let too_many = waited_for.get(OVERDUE_MAX).and_then(|at| at.checked_add(self.patience));
        let last = waited_for.last().copied().max(state.passed_by);
        let all = last.filter(|_| state.running == waited_for.len());
        [too_many, all].into_iter().flatten().min()
    }
}

// === impl Running ===

impl Running {
    /// It has its answer, or a piece of it came after that: the next one is waited for from here.
    pub(crate) fn wait(&self) {
        if let Some(until) = Instant::now().checked_add(self.streams.patience) {
            self.streams.state.lock().unfinished.insert(self.number, until);
            self.streams.reader.wake();
        }
    }

    /// It is whole.
    pub(crate) fn end_waiting(&self) {
        self.streams.state.lock().unfinished.remove(&self.number);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.streams.state.lock();
        state.running = state.running.saturating_sub(1);
        state.unfinished.remove(&self.number);
        state.passed_by = Instant::now().checked_add(self.streams.patience);
        if !state.unfinished.is_empty() {
            self.streams.reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    fn deadline(streams: &Streams) -> Option<Instant> {
        streams.deadline(&Context::from_waker(std::task::Waker::noop()))
    }

    fn streams(patience: Duration) -> (Arc<Streams>, watch::Receiver<bool>) {
        let (leaving, told) = watch::channel(false);
        (Streams::new(patience, leaving), told)
    }

    /// A request whose next piece had to come by then.
    fn overdue(streams: &Arc<Streams>, at: Instant) -> Running {
        let running = streams.begin();
        streams.state.lock().unfinished.insert(running.number, at);
        running
    }

    #[test]
    fn a_connection_ends_once_all_that_run_on_it_are_overdue() {
        let (streams, told) = streams(Duration::ZERO);
        let (overdue, served) = (streams.begin(), streams.begin());
        assert_eq!(deadline(&streams), None);
        overdue.wait();
        assert_eq!(deadline(&streams), None, "another one is served");
        assert!(*told.borrow(), "no new ones");
        drop(served);
        assert!(deadline(&streams).is_some_and(|end| end <= Instant::now()));
        drop(overdue);
        assert_eq!(deadline(&streams), None);
    }

    #[test]
    fn a_connection_with_many_that_are_overdue_ends_whoever_is_served_on_it() {
        let patience = Duration::from_secs(60);
        let (streams, _told) = streams(patience);
        let _served = streams.begin();
        let at = Instant::now();
        let _few: Vec<Running> = std::iter::repeat_with(|| overdue(&streams, at)).take(OVERDUE_MAX).collect();
        assert_eq!(deadline(&streams), None, "so many may be");
        let one_more = overdue(&streams, at);
        assert_eq!(deadline(&streams), Some(at + patience), "who is served has as long again");
        drop(one_more);
        assert_eq!(deadline(&streams), None);
    }

    #[test]
    fn the_last_of_an_answer_that_passed_has_time_to_get_to_its_client() {
        let (streams, _told) = streams(Duration::from_secs(60));
        let served = streams.begin();
        let at = Instant::now();
        let _overdue = overdue(&streams, at);
        drop(served);
        assert!(deadline(&streams).is_some_and(|end| end >= at + Duration::from_secs(60)));
    }

    #[test]
    fn a_request_that_goes_on_or_is_whole_is_not_overdue() {
        let (streams, told) = streams(Duration::from_secs(60));
        let request = streams.begin();
        request.wait();
        let first = deadline(&streams);
        request.wait();
        assert!(deadline(&streams) > first);
        request.end_waiting();
        assert_eq!(deadline(&streams), None);
        assert!(!*told.borrow());
    }

    #[tokio::test]
    async fn whoever_reads_is_woken_when_a_request_is_waited_for_and_when_another_one_ends() {
        let (streams, _told) = streams(Duration::ZERO);
        let (overdue, served) = (streams.begin(), streams.begin());
        let reading = tokio::spawn({
            let streams = Arc::clone(&streams);
            std::future::poll_fn(move |context| streams.deadline(context).map_or(Poll::Pending, Poll::Ready))
        });
        tokio::task::yield_now().await;
        overdue.wait();
        tokio::task::yield_now().await;
        assert!(*streams.leaving.borrow(), "woken when it is waited for");
        assert!(!reading.is_finished());
        drop(served);
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("woken").unwrap();
    }
}
