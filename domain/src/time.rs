//! Points in time and the calendar windows that limits count in. No clock is read here: callers own theirs
//! and hand in [`UnixMillis`].

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// Milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// A calendar window in UTC. Limits reset at its start, not some hours after the first payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// From midnight to midnight, UTC.
    Day,
    /// From the first of the month, UTC.
    Month,
}

/// Where time comes from. The seam for tests: product code reads the system clock in one implementation only.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock's time, UTC.
    fn now(&self) -> UnixMillis;
}

// === impl UnixMillis ===

impl UnixMillis {
    /// Whole seconds, rounded down; x402's `validBefore` and `validAfter` count in these.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This plus a number of milliseconds, saturating.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The minute this lies in, counted from the epoch.
    #[must_use]
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000)
    }

    fn date(self) -> Date {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(timestamp).date()
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(out, "{timestamp:.3}")
    }
}

// === impl Window ===

impl Window {
    /// The start of the window that `at` lies in.
    #[must_use]
    pub fn start(self, at: UnixMillis) -> UnixMillis {
        let date = at.date();
        let first = match self {
            Self::Day => date,
            Self::Month => date.first_of_month(),
        };
        midnight(first)
    }

    /// The start of the next window: when the limit that `at` fell under is counted afresh.
    #[must_use]
    pub fn end(self, at: UnixMillis) -> UnixMillis {
        let date = at.date();
        let next = match self {
            Self::Day => date.tomorrow(),
            Self::Month => date.last_of_month().tomorrow(),
        };
        next.map_or(UnixMillis(i64::MAX), midnight)
    }

    /// `day` or `month`, as it stands in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

fn midnight(date: Date) -> UnixMillis {
    let start = DateTime::from_parts(date, Time::midnight());
    TimeZone::UTC
        .to_timestamp(start)
        .map_or(UnixMillis(0), |timestamp| UnixMillis(timestamp.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_calendar_days_and_months_in_utc() {
        // 2028-02-29T23:59:59.999Z
        let at = UnixMillis(1_835_481_599_999);
        assert_eq!(at.to_string(), "2028-02-29T23:59:59.999Z");
        assert_eq!(Window::Day.start(at).to_string(), "2028-02-29T00:00:00.000Z");
        assert_eq!(Window::Day.end(at), at.plus(1));
        assert_eq!(Window::Month.start(at).to_string(), "2028-02-01T00:00:00.000Z");
        assert_eq!(Window::Month.end(at).to_string(), "2028-03-01T00:00:00.000Z");
    }
}
