//! [`Gate`]: closes the ledger for new holds at once when commits fail or are overdue, so that nothing is forwarded
//! which cannot be charged. Reopens with the next commit that works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Whether new holds are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Commits work.
    Ok,
    /// The last commit failed or is overdue; says why.
    Closed(String),
}

#[derive(Debug)]
pub(crate) struct Gate {
    /// Copy of `reason.is_some()`, for the hot path.
    closed: AtomicBool,
    reason: Mutex<Option<Reason>>,
    /// When the running commit began, in milliseconds since `epoch`, plus one; zero when none runs.
    began: AtomicU64,
    epoch: Instant,
    commit_age_max: Duration,
    /// None where nobody else can come between: a file under a lock.
    lease: Option<Arc<Deadline>>,
}

/// Until when this process may write the books; kept in the future by whoever renews a lease. Monotonic time.
#[derive(Debug)]
pub(crate) struct Deadline {
    since: Instant,
    /// After `since`.
    millis: AtomicU64,
}

#[derive(Clone, Debug)]
struct Reason {
    words: String,
    cause: Cause,
}

/// Why the gate is closed; a weightier cause is never replaced by a lighter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A commit failed: until one works.
    Commit,
    /// The ledger is being closed.
    Closing,
    /// The disk failed a sync, the books are another's, or the writer broke down: nothing is written any more, until the
    /// process starts again.
    Disk,
}

// === impl Deadline ===

impl Deadline {
    pub(crate) fn new(end: Instant) -> Self {
        let deadline = Self { since: Instant::now(), millis: AtomicU64::new(0) };
        deadline.extend(end);
        deadline
    }

    /// Moves it later, never earlier.
    pub(crate) fn extend(&self, end: Instant) {
        let millis = end.saturating_duration_since(self.since).as_millis();
        self.millis.fetch_max(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    fn is_ahead(&self) -> bool {
        self.since.elapsed().as_millis() < u128::from(self.millis.load(Ordering::Acquire))
    }
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new(commit_age_max: Duration, lease: Option<Arc<Deadline>>) -> Self {
        Self {
            closed: AtomicBool::new(false),
            reason: Mutex::new(None),
            began: AtomicU64::new(0),
            epoch: Instant::now(),
            commit_age_max,
            lease,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && !self.is_overdue() && self.is_ours()
    }

    pub(crate) fn health(&self) -> Health {
        if let Some(reason) = self.reason.lock().clone() {
            return Health::Closed(reason.words);
        }
        if self.is_overdue() {
            return Health::Closed(format!("a commit takes longer than {:?}", self.commit_age_max));
        }
        if !self.is_ours() {
            return Health::Closed("the ledger's lease has run out and could not be renewed yet".to_owned());
        }
        Health::Ok
    }

    fn is_ours(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.is_ahead())
    }

    pub(crate) fn close(&self, cause: Cause, words: String) {
        let mut reason = self.reason.lock();
        if reason.as_ref().is_none_or(|reason| reason.cause <= cause) {
            *reason = Some(Reason { words, cause });
        }
        self.closed.store(true, Ordering::Release);
    }

    /// Why it is closed; `None` when open.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.reason.lock().as_ref().map(|reason| reason.cause)
    }

    pub(crate) fn commit_begins(&self) {
        let millis = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.began.store(millis + 1, Ordering::Release);
    }

    pub(crate) fn commit_ended(&self) {
        self.began.store(0, Ordering::Release);
    }

    /// A commit worked.
    pub(crate) fn reopen(&self) {
        if !self.closed.load(Ordering::Acquire) {
            return;
        }
        let mut reason = self.reason.lock();
        if reason.as_ref().is_some_and(|reason| reason.cause == Cause::Commit) {
            *reason = None;
            self.closed.store(false, Ordering::Release);
        }
    }

    fn is_overdue(&self) -> bool {
        match self.began.load(Ordering::Acquire) {
            0 => false,
            began => self.epoch.elapsed() > self.commit_age_max + Duration::from_millis(began - 1),
        }
    }
}
