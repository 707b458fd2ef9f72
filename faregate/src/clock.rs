//! [`SystemClock`]: the one place in the product that reads the wall clock, and [`LedgerClock`], which reads the books'.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::{Clock, UnixMillis};
use ledger::Ledger;

/// The system's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

/// The books' time, which quotes are honoured by: never behind what is committed.
pub(crate) struct LedgerClock(pub(crate) Ledger);

// === impl LedgerClock ===

impl Clock for LedgerClock {
    fn now(&self) -> UnixMillis {
        self.0.time()
    }
}

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
