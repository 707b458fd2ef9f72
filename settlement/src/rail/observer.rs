//! [`RailObserver`]: what the rail tells whoever counts.

use domain::Amount;

use super::Settling;
use crate::comparison::Comparison;
use crate::evm::Unable;
use crate::reconciler::Open;

/// How an open payment was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Unknown, and its value moved.
    Moved,
    /// Unknown, and nothing moved.
    Void,
    /// In another way before, and its value moved all the same: its payer has paid, and the books do not say so.
    Late,
    /// Due, and its value moved.
    Settled,
    /// Due, and can never be collected: so much.
    WrittenOff(Amount),
}

/// Hears of every settlement, for metrics. Must return quickly.
pub trait RailObserver: Send + Sync + 'static {
    /// A payment was to be settled on a network, and this became of it after so many milliseconds.
    fn settled(&self, network: &str, settling: &Settling, took_ms: i64);
    /// What was open when the books were last read.
    fn open(&self, open: Open);
    /// A payment is open no more.
    fn closed(&self, network: &str, closed: Closed);
    /// The books were compared with the chains.
    fn compared(&self, comparison: &Comparison);
    /// So many payments count as delivered, though nobody knows that they were: too many are not known to be.
    fn dropped(&self, payments: u64);
    /// A facilitator is left alone after failures, or answers again.
    fn facilitator(&self, name: &str, answers: bool);
    /// Whether our own transactions can be sent on a network, and why this process cannot.
    fn settler(&self, network: &str, is_able: bool, unable: Option<Unable>);
    /// A network's nodes could not be read, or can be again.
    fn nodes(&self, network: &str, answer: bool);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl RailObserver for Unobserved {
    fn settled(&self, _: &str, _: &Settling, _: i64) {}
    fn open(&self, _: Open) {}
    fn closed(&self, _: &str, _: Closed) {}
    fn compared(&self, _: &Comparison) {}
    fn dropped(&self, _: u64) {}
    fn facilitator(&self, _: &str, _: bool) {}
    fn settler(&self, _: &str, _: bool, _: Option<Unable>) {}
    fn nodes(&self, _: &str, _: bool) {}
}
