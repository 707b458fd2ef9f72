//! Points in time and the calendar windows that limits count in. No clock is read here: callers own theirs
//! and hand in [`UnixMillis`].

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

const HOUR_MILLIS: i64 = 3_600_000;

/// Milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// A calendar window in UTC. Limits reset at its start, not some hours after the first payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// From one full hour to the next, UTC.
    Hour,
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

    /// Reads RFC 3339, such as `2027-01-31T00:00:00Z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(|moment: Timestamp| Self(moment.as_millisecond()))
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
        match self {
            Self::Hour => UnixMillis(at.0 - at.0.rem_euclid(HOUR_MILLIS)),
            Self::Day => midnight(at.date()),
            Self::Month => midnight(at.date().first_of_month()),
        }
    }

    /// The start of the next window: when the limit that `at` fell under is counted afresh.
    #[must_use]
    pub fn end(self, at: UnixMillis) -> UnixMillis {
        let next = match self {
            Self::Hour => return self.start(at).plus(HOUR_MILLIS),
            Self::Day => at.date().tomorrow(),
            Self::Month => at.date().last_of_month().tomorrow(),
        };
        next.map_or(UnixMillis(i64::MAX), midnight)
    }

    /// The start of the window before the one that `at` lies in.
    #[must_use]
    pub fn before(self, at: UnixMillis) -> UnixMillis {
        self.start(self.start(at).plus(-1))
    }

    /// `hour`, `day` or `month`, as it stands in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The window of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hour, Self::Day, Self::Month].into_iter().find(|window| window.name() == text)
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
    fn windows_are_calendar_hours_days_and_months_in_utc() {
        // 2028-02-29T23:59:59.999Z
        let at = UnixMillis(1_835_481_599_999);
        assert_eq!(at.to_string(), "2028-02-29T23:59:59.999Z");
        assert_eq!(Window::Hour.start(at).to_string(), "2028-02-29T23:00:00.000Z");
        assert_eq!(Window::Hour.end(at), at.plus(1));
        assert_eq!(Window::Hour.start(at.plus(1)), at.plus(1));
        assert_eq!(Window::Day.start(at).to_string(), "2028-02-29T00:00:00.000Z");
        assert_eq!(Window::Day.end(at), at.plus(1));
        assert_eq!(Window::Month.start(at).to_string(), "2028-02-01T00:00:00.000Z");
        assert_eq!(Window::Month.end(at).to_string(), "2028-03-01T00:00:00.000Z");
        let before = |window: Window| window.before(at).to_string();
        assert_eq!(before(Window::Hour), "2028-02-29T22:00:00.000Z");
        assert_eq!(before(Window::Day), "2028-02-28T00:00:00.000Z");
        assert_eq!(before(Window::Month), "2028-01-01T00:00:00.000Z");
    }
}
