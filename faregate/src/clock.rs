//! [`SystemClock`]: the one place in the product that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::{Clock, UnixMillis};

/// The system's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

// === impl SystemClock ===

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
