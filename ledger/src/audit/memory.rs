//! The memory of a running ledger, as it stood between two batches, against the books of the same point.

use std::collections::HashMap;

use domain::{AgentId, Amount, PaymentId, UnixMillis, WalletId};

use super::{Finding, count};
use crate::batch::{AccountId, Marker};
use crate::books::rows::fixed;
use crate::books::session::{Session, on_either};
use crate::books::windows::{period, scope};
use crate::memory::Memory;

/// What memory said.
pub(super) struct Snapshot {
    marker: Marker,
    wallets: HashMap<WalletId, i64>,
    windows: HashMap<(AgentId, i64, UnixMillis, String), i64>,
    calls: HashMap<(AgentId, AccountId, UnixMillis), u64>,
    free: HashMap<(AgentId, String, UnixMillis), i64>,
    /// How many captured replay keys expire at `horizon` or later.
    replays: usize,
    horizon: u64,
    /// Holds with a row on disk, whosever they are.
    holds: HashMap<PaymentId, (WalletId, Amount)>,
    /// What is held of the wallets of those, on disk or not.
    held: HashMap<WalletId, i64>,
}

// === impl Snapshot ===

impl Snapshot {
    pub(super) fn of(memory: &Memory) -> Self {
        let Memory { facts, holds, elsewhere, .. } = memory;
        let windows = facts.agents.iter().flat_map(|(agent, sums)| {
            sums.windows.iter().map(|window| {
                let scope = scope(window.scope.as_ref());
                ((*agent, period(window.window), window.start, scope), window.spent)
            })
        });
        let calls = facts.agents.iter().flat_map(|(agent, sums)| {
            sums.calls.iter().map(|(provider, month, calls)| ((*agent, *provider, *month), *calls))
        });
        let free = facts.agents.iter().flat_map(|(agent, sums)| {
            sums.free.iter().map(|(route, day, calls)| ((*agent, route.to_string(), *day), *calls))
        });
        let horizon = facts.replays.horizon();
        let (mut recorded, mut held) = (holds.recorded().clone(), HashMap::new());
        for (wallet, _) in recorded.values() {
            held.insert(*wallet, holds.on_wallet(wallet));
        }
        for hold in elsewhere.iter() {
            let (wallet, amount) = (hold.request.wallet, hold.cost().maximum);
            *held.entry(wallet).or_default() += amount.atomic();
            recorded.insert(hold.request.payment, (wallet, amount));
        }
        Self {
            marker: facts.marker,
            wallets: facts.wallets.iter().map(|(wallet, facts)| (*wallet, facts.balance)).collect(),
            windows: windows.collect(),
            calls: calls.collect(),
            free: free.collect(),
            replays: facts.replays.iter().filter(|captured| captured.key.valid_before() >= horizon).count(),
            horizon,
            holds: recorded,
            held,
        }
    }

    pub(super) async fn compare(&self, session: &mut Session<'_>) -> Result<Vec<Finding>, sqlx::Error> {
        let finding = |invariant, meaning, offending| Finding { invariant, meaning, offending };
        Ok(vec![
            finding(
                "memory_marker",
                "memory stands at the last batch of the books",
                self.markers(session).await?,
            ),
            finding(
                "memory_balances",
                "every balance in memory is the one in the books",
                self.balances(session).await?,
            ),
            finding(
                "memory_windows",
                "every spending window in memory is the one in the books",
                self.windows(session).await?,
            ),
            finding(
                "memory_calls",
                "every count of calls in memory is the one in the books",
                self.calls(session).await?,
            ),
            finding(
                "memory_free_calls",
                "every count of free calls in memory is that of the books",
                self.free(session).await?,
            ),
            finding(
                "memory_replay_keys",
                "memory knows every captured replay key that may come again",
                self.replays(session).await?,
            ),
            finding(
                "memory_holds",
                "memory knows every hold on disk, and holds its funds",
                self.holds(session).await?,
            ),
        ])
    }

    async fn markers(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let text = "select batch, at, seq, gross from marker";
        let (batch, at, seq, gross): (i64, i64, i64, i64) =
            on_either!(session, c => sqlx::query_as(text).fetch_one(c))?;
        let same = self.marker == Marker { batch, at: UnixMillis(at), seq, gross };
        Ok(u64::from(!same))
    }

    async fn balances(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let text = "select a.wallet, b.credits - b.debits from account a join balance b on b.account = a.id
            where a.kind in ('wallet', 'chain')";
        let rows: Vec<(Vec<u8>, i64)> = on_either!(session, c => sqlx::query_as(text).fetch_all(c))?;
        let mut missing = self.wallets.len();
        let mut wrong = 0;
        for (wallet, balance) in rows {
            if let Some(known) = self.wallets.get(&WalletId::from_bytes(fixed(&wallet)?)) {
                missing -= 1;
                wrong += u64::from(*known != balance);
            }
        }
        Ok(wrong + missing as u64)
    }

    async fn windows(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let oldest = self.windows.keys().map(|(_, _, start, _)| start.0).min().unwrap_or(i64::MAX);
        let text = "select agent, period, start, scope, spent from spend_window where start >= $1";
        let rows: Vec<(Vec<u8>, i64, i64, String, i64)> =
            on_either!(session, c => sqlx::query_as(text).bind(oldest).fetch_all(c))?;
        let mut books = HashMap::with_capacity(rows.len());
        for (agent, period, start, scope, spent) in rows {
            books.insert((AgentId::from_bytes(fixed(&agent)?), period, UnixMillis(start), scope), spent);
        }
        let wrong = self.windows.iter().filter(|(key, spent)| books.get(*key).unwrap_or(&0) != *spent);
        Ok(wrong.count() as u64)
    }

    async fn calls(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let oldest = self.calls.keys().map(|(_, _, month)| month.0).min().unwrap_or(i64::MAX);
        let text = "select agent, provider, month, calls from call_count where month >= $1";
        let rows: Vec<(Vec<u8>, i64, i64, i64)> =
            on_either!(session, c => sqlx::query_as(text).bind(oldest).fetch_all(c))?;
        let mut books = HashMap::with_capacity(rows.len());
        for (agent, provider, month, calls) in rows {
            let key = (AgentId::from_bytes(fixed(&agent)?), AccountId(provider), UnixMillis(month));
            books.insert(key, count(calls));
        }
        let wrong = self.calls.iter().filter(|(key, calls)| books.get(*key).unwrap_or(&0) != *calls);
        Ok(wrong.count() as u64)
    }

    async fn free(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let oldest = self.free.keys().map(|(.., day)| day.0).min().unwrap_or(i64::MAX);
        let text = "select agent, route, held_at - held_at % 86400000, count(*) from payment
            where free = 1 and held_at >= $1
              and not exists (select 1 from refund where refund.payment = payment.seq and remains = 0)
            group by 1, 2, 3";
        let rows: Vec<(Vec<u8>, String, i64, i64)> =
            on_either!(session, c => sqlx::query_as(text).bind(oldest).fetch_all(c))?;
        let mut books = HashMap::with_capacity(rows.len());
        for (agent, route, day, calls) in rows {
            books.insert((AgentId::from_bytes(fixed(&agent)?), route, UnixMillis(day)), calls);
        }
        let wrong = self.free.iter().filter(|(key, calls)| books.get(*key).unwrap_or(&0) != *calls);
        Ok(wrong.count() as u64)
    }

    async fn replays(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let text = "select count(*) from payment where replay_key >= $1";
        let from = self.horizon.to_be_bytes().to_vec();
        let books: i64 = on_either!(session, c => sqlx::query_scalar(text).bind(from).fetch_one(c))?;
        Ok(count(books).abs_diff(self.replays as u64))
    }

    async fn holds(&self, session: &mut Session<'_>) -> Result<u64, sqlx::Error> {
        let text = "select h.payment, a.wallet, h.maximum from hold h join account a on a.id = h.wallet";
        let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = on_either!(session, c => sqlx::query_as(text).fetch_all(c))?;
        let mut missing = self.holds.len();
        let mut wrong = 0;
        let mut uncovered = self.held.clone();
        for (payment, wallet, maximum) in rows {
            let wallet = WalletId::from_bytes(fixed(&wallet)?);
            match self.holds.get(&PaymentId::from_bytes(fixed(&payment)?)) {
                Some((known, amount)) => {
                    missing -= 1;
                    wrong += u64::from((*known, amount.atomic()) != (wallet, maximum));
                }
                None => wrong += 1,
            }
            *uncovered.entry(wallet).or_default() -= maximum;
        }
        let uncovered = uncovered.values().filter(|left| **left < 0).count();
        Ok(wrong + (missing + uncovered) as u64)
    }
}
