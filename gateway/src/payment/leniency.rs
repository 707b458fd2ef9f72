//! [`Leniency`]: what an agent is let off with, so many times a day.
//!
//! A body that the upstream breaks off is refunded, or owed where it was paid for on a public network, and a safe request whose client
//! leaves is voided. A client that learns to provoke either would read, or have work done, for free; past the cap it pays like anyone else.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use domain::{AgentId, UnixMillis, Window};

use crate::limits::{
    GIVE_BACKS_PER_PAYER_DAY_MAX, GIVE_BACKS_PER_PROVIDER_DAY_MAX, HANGUPS_PER_AGENT_DAY_MAX,
    OUTAGES_PER_PAYER_DAY_MAX, REFUNDS_PER_AGENT_DAY_MAX,
};

/// Agents that are remembered; more than these were let off today only under attack, and then all are let go.
const AGENTS_MAX: usize = 100_000;

/// The caps of one gateway.
#[derive(Debug)]
pub(crate) struct Leniency {
    /// Bodies that broke off, at each provider, whose loss they are.
    pub(crate) refunds: DailyCap<(AgentId, Arc<str>)>,
    /// Clients that left before the upstream's answer.
    pub(crate) hangups: DailyCap<AgentId>,
    /// Calls that were paid first, refused by their upstream and given back: the operator pays for both ways. Counted at each provider: one
    /// that refuses a payer shuts it out of nobody else's routes.
    give_backs: DailyCap<(AgentId, Arc<str>)>,
    /// The same at all providers together.
    all_give_backs: DailyCap<AgentId>,
    /// The same of calls whose upstream failed, or which we did.
    outages: DailyCap<AgentId>,
}

/// Counts by agent, or by agent and provider, and by day.
#[derive(Debug)]
pub(crate) struct DailyCap<K: Eq + Hash> {
    most: u32,
    counts: DashMap<K, (UnixMillis, u32)>,
}

// === impl Leniency ===

impl Default for Leniency {
    fn default() -> Self {
        Self {
            refunds: DailyCap::new(REFUNDS_PER_AGENT_DAY_MAX),
            hangups: DailyCap::new(HANGUPS_PER_AGENT_DAY_MAX),
            give_backs: DailyCap::new(GIVE_BACKS_PER_PROVIDER_DAY_MAX),
            all_give_backs: DailyCap::new(GIVE_BACKS_PER_PAYER_DAY_MAX),
            outages: DailyCap::new(OUTAGES_PER_PAYER_DAY_MAX),
        }
    }
}

// === impl Leniency ===

impl Leniency {
    /// Counts a call that was paid first and is given back, by the status that it ended with.
    pub(crate) fn gave_back(&self, payer: AgentId, provider: &Arc<str>, status: u16, at: UnixMillis) {
        if status < 500 {
            self.give_backs.take((payer, Arc::clone(provider)), at);
            self.all_give_backs.take(payer, at);
        } else {
            self.outages.take(payer, at);
        }
    }

    /// Whether a payer's calls of this provider may still be paid first today.
    pub(crate) fn may_give_back(&self, payer: AgentId, provider: &Arc<str>, at: UnixMillis) -> bool {
        self.give_backs.has_left(&(payer, Arc::clone(provider)), at)
            && self.all_give_backs.has_left(&payer, at)
            && self.outages.has_left(&payer, at)
    }
}

// === impl DailyCap ===

impl<K: Eq + Hash> DailyCap<K> {
    fn new(most: u32) -> Self {
        Self { most, counts: DashMap::new() }
    }

    /// Whether one of today's is left.
    pub(crate) fn has_left(&self, key: &K, at: UnixMillis) -> bool {
        let today = Window::Day.start(at);
        self.counts.get(key).is_none_or(|entry| entry.0 != today || entry.1 < self.most)
    }

    /// Takes one of today's; `false` where none is left.
    pub(crate) fn take(&self, key: K, at: UnixMillis) -> bool {
        let today = Window::Day.start(at);
        if self.counts.len() >= AGENTS_MAX {
            self.counts.retain(|_, (day, _)| *day == today);
            if self.counts.len() >= AGENTS_MAX {
                self.counts.clear();
            }
        }
        let mut entry = self.counts.entry(key).or_insert((today, 0));
        if entry.0 != today {
            *entry = (today, 0);
        }
        if entry.1 >= self.most {
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
        let cap = DailyCap::new(100);
        let agent = AgentId::from_bytes([1; 16]);
        let day = UnixMillis(1_800_000_000_000);
        for _ in 0..100 {
            assert!(cap.has_left(&agent, day) && cap.take(agent, day));
        }
        assert!(!cap.has_left(&agent, day) && !cap.take(agent, day));
        assert!(cap.has_left(&agent, day.plus(86_400_000)));
        assert!(cap.take(AgentId::from_bytes([2; 16]), day));
        assert!(cap.take(agent, day.plus(86_400_000)));
    }

    #[test]
    fn a_provider_that_refuses_a_payer_shuts_it_out_of_nobody_else_s_routes_and_many_do_of_all() {
        let (leniency, payer, day) = (Leniency::default(), AgentId::from_bytes([1; 16]), UnixMillis(0));
        let provider = |number: u32| Arc::<str>::from(format!("provider {number}"));
        for number in 0..5 {
            assert!(leniency.may_give_back(payer, &provider(number), day), "{number}");
            for _ in 0..GIVE_BACKS_PER_PROVIDER_DAY_MAX {
                leniency.gave_back(payer, &provider(number), 404, day);
            }
            assert!(!leniency.may_give_back(payer, &provider(number), day), "{number}");
        }
        assert!(!leniency.may_give_back(payer, &provider(5), day), "a hundred in all");
    }

    #[test]
    fn a_crowd_takes_no_more_memory_than_its_share() {
        let cap = DailyCap::new(1);
        let day = UnixMillis(1_800_000_000_000);
        for number in 0..=AGENTS_MAX as u128 {
            assert!(cap.take(AgentId::from_bytes(number.to_be_bytes()), day));
        }
        assert!(cap.counts.len() <= AGENTS_MAX);
        assert!(cap.take(AgentId::from_bytes(0_u128.to_be_bytes()), day), "all are let go");
    }
}
