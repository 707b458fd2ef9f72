//! [`RefundCap`]: how many automatic refunds an agent gets in a day.
//!
//! A body that the upstream breaks off is refunded. A client that learns to provoke that would read for free; past
//! the cap it pays like anyone whose answer was delivered.

use dashmap::DashMap;
use domain::{AgentId, UnixMillis, Window};

use crate::limits::REFUNDS_PER_AGENT_DAY_MAX;

/// Agents that are remembered; more than these had a refund today only under attack, and then all are let go.
const AGENTS_MAX: usize = 100_000;

/// Counts refunds by agent and day.
#[derive(Debug, Default)]
pub(crate) struct RefundCap {
    counts: DashMap<AgentId, (UnixMillis, u32)>,
}

// === impl RefundCap ===

impl RefundCap {
    /// Takes one refund of today's; `false` where none is left.
    pub(crate) fn take(&self, agent: AgentId, at: UnixMillis) -> bool {
        let today = Window::Day.start(at);
        if self.counts.len() >= AGENTS_MAX {
            self.counts.retain(|_, (day, _)| *day == today);
        }
        let mut entry = self.counts.entry(agent).or_insert((today, 0));
        if entry.0 != today {
            *entry = (today, 0);
        }
        if entry.1 >= REFUNDS_PER_AGENT_DAY_MAX {
            return false;
        }
        entry.1 += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_for_a_day_and_for_one_agent() {
        let cap = RefundCap::default();
        let agent = AgentId::from_bytes([1; 16]);
        let day = UnixMillis(1_800_000_000_000);
        for _ in 0..REFUNDS_PER_AGENT_DAY_MAX {
            assert!(cap.take(agent, day));
        }
        assert!(!cap.take(agent, day));
        assert!(cap.take(AgentId::from_bytes([2; 16]), day));
        assert!(cap.take(agent, day.plus(86_400_000)));
    }
}
