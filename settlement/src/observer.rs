//! [`SettlementObserver`]: what the worker tells whoever counts.

use domain::{SettlementRules, UnixMillis};
use ledger::{Position, Settlement};

use crate::worker::SettlementError;

/// Hears of every round, for metrics. Must return quickly.
pub trait SettlementObserver: Send + Sync + 'static {
    /// A provider was looked at, at this ledger time: by these rules it is settled with or waits.
    fn looked(&self, position: &Position, rules: &SettlementRules, at: UnixMillis);
    /// Everybody was looked at.
    fn finished(&self);
    /// A settlement stands.
    fn settled(&self, settlement: &Settlement);
    /// A provider could not be settled with, or nobody could, where none is named. It is tried again in the next round.
    fn failed(&self, provider: Option<&str>, error: &SettlementError);
}
