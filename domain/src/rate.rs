//! [`RateLimit`]: how often one consumer may call, as terms. No bucket stands here: the gateway keeps them.
//!
//! A limit is a bucket that holds `burst` calls and is filled evenly with `calls` every `per` (GCRA): whatever the
//! moment, no more than `burst + calls / per * T` calls are let through in any time `T`.

use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

/// The terms of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimit {
    calls: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

/// Most calls, of a rate and of a burst.
pub const CALLS_MAX: u32 = 1_000_000;

/// Shortest time that calls are counted in.
pub const PER_MIN: Duration = Duration::from_secs(1);

/// Longest one.
pub const PER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest that an empty bucket may take to be full again: until then it must be remembered.
pub const FILL_TIME_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Why terms are none.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RateLimitError {
    /// Too many, or none.
    #[error("calls and burst must be from 1 to {CALLS_MAX}")]
    Calls,
    /// Too short or too long.
    #[error("per must be from 1s to 1d")]
    Per,
    /// The rate would take too long to fill the burst.
    #[error("an empty bucket would take more than 31d to be full again: lower burst, or raise the rate")]
    FillTime,
}

// === impl RateLimit ===

impl RateLimit {
    /// `calls` every `per`, and up to `burst` of them at once.
    ///
    /// # Errors
    /// What is out of bounds.
    pub fn new(calls: u32, per: Duration, burst: u32) -> Result<Self, RateLimitError> {
        let count = |count: u32| {
            NonZeroU32::new(count).filter(|count| count.get() <= CALLS_MAX).ok_or(RateLimitError::Calls)
        };
        let limit = Self { calls: count(calls)?, per, burst: count(burst)? };
        if !(PER_MIN..=PER_MAX).contains(&per) {
            return Err(RateLimitError::Per);
        }
        if limit.fill_time() > FILL_TIME_MAX {
            return Err(RateLimitError::FillTime);
        }
        Ok(limit)
    }

    /// Calls that are let through every [`Self::per`].
    #[must_use]
    pub const fn calls(self) -> u32 {
        self.calls.get()
    }

    /// See [`Self::calls`].
    #[must_use]
    pub const fn per(self) -> Duration {
        self.per
    }

    /// Calls that are let through at once, after a time without any.
    #[must_use]
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// How long the bucket takes to be filled by one call.
    #[must_use]
    pub fn interval(self) -> Duration {
        self.per / self.calls.get()
    }

    /// How long it takes to be filled by so many.
    #[must_use]
    pub fn time_of(self, calls: u32) -> Duration {
        self.interval().saturating_mul(calls)
    }

    /// How long an empty bucket takes to be full.
    #[must_use]
    pub fn fill_time(self) -> Duration {
        self.time_of(self.burst.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_limit_is_a_rate_and_a_burst_within_bounds() {
        let limit = RateLimit::new(100, SECOND, 200).unwrap();
        assert_eq!(limit.interval(), Duration::from_millis(10));
        assert_eq!(limit.fill_time(), 2 * SECOND);
        for calls in [0, CALLS_MAX + 1] {
            assert_eq!(RateLimit::new(calls, SECOND, 1), Err(RateLimitError::Calls));
            assert_eq!(RateLimit::new(1, SECOND, calls), Err(RateLimitError::Calls));
        }
        for per in [Duration::ZERO, Duration::from_millis(999), PER_MAX + SECOND] {
            assert_eq!(RateLimit::new(1, per, 1), Err(RateLimitError::Per));
        }
        assert_eq!(RateLimit::new(1, PER_MAX, 32), Err(RateLimitError::FillTime));
        assert!(RateLimit::new(1, PER_MAX, 31).is_ok());
    }

    #[test]
    fn the_fastest_limit_still_takes_time() {
        let limit = RateLimit::new(CALLS_MAX, SECOND, CALLS_MAX).unwrap();
        assert_eq!(limit.interval(), Duration::from_micros(1));
    }
}
