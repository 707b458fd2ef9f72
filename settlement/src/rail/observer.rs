//! [`RailObserver`]: what the rail tells whoever counts.

use super::Settling;

/// Hears of every settlement, for metrics. Must return quickly.
pub trait RailObserver: Send + Sync + 'static {
    /// A payment was to be settled on a network, and this became of it after so many milliseconds.
    fn settled(&self, network: &str, settling: &Settling, took_ms: i64);
    /// A facilitator is left alone after failures, or answers again.
    fn facilitator(&self, name: &str, answers: bool);
    /// A network's nodes could not be read, or can be again.
    fn nodes(&self, network: &str, answer: bool);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl RailObserver for Unobserved {
    fn settled(&self, _: &str, _: &Settling, _: i64) {}
    fn facilitator(&self, _: &str, _: bool) {}
    fn nodes(&self, _: &str, _: bool) {}
}
