//! The audit of the simulated disk: every sum anew from the rows of money, and the ledger's memory against it.

use std::collections::BTreeMap;

use domain::Amount;

use super::tables::{Calls, Sum, Tables};
use crate::Refunded;
use crate::batch::{AccountId, CallKey, HeldAt, Marker, Movement, PaymentRow, Usage, UsageKey, WindowKey};
use crate::memory::Memory;

/// Panics where rows and sums differ.
pub(super) fn books(tables: &Tables) {
    let mut balances: BTreeMap<AccountId, Movement> =
        tables.balances.keys().map(|account| (*account, Movement::default())).collect();
    let mut windows: BTreeMap<WindowKey, i64> = BTreeMap::new();
    let mut calls: BTreeMap<CallKey, Calls> = BTreeMap::new();
    let mut usage: BTreeMap<UsageKey, Usage> = BTreeMap::new();
    let mut gross = 0;
    for row in &tables.transfers {
        balances.entry(row.debit).or_default().debit += row.amount.atomic();
        balances.entry(row.credit).or_default().credit += row.amount.atomic();
    }
    for (row, seq) in tables.payments.iter().zip(1..) {
        assert_eq!(row.seq, seq, "payments have no gaps");
        let (amount, fee, net) =
            (row.gross.atomic(), row.fee.atomic(), row.gross.atomic() - row.fee.atomic());
        gross += amount;
        balances.entry(row.wallet_account).or_default().debit += amount;
        balances.entry(row.provider_account).or_default().credit += net;
        balances.entry(row.fee_account).or_default().credit += fee;
        let key = |at| UsageKey { minute: at, provider: row.provider_account, route: row.route.clone() };
        let used = usage.entry(key(row.captured_at.minute())).or_default();
        (used.payments, used.gross, used.fee) = (used.payments + 1, used.gross + amount, used.fee + fee);
        let mut left = amount;
        for refunded in tables.refunds_of(row) {
            let (amount, fee) = (refunded.amount.atomic(), refunded.fee.atomic());
            left -= amount;
            balances.entry(row.wallet_account).or_default().credit += amount;
            balances.entry(row.provider_account).or_default().debit += amount - fee;
            balances.entry(row.fee_account).or_default().debit += fee;
            let used = usage.entry(key(refunded.at.minute())).or_default();
            used.refunds += 1;
            used.refunded += amount;
            used.refunded_fee += fee;
        }
        if let Some(back) = tables.back(row) {
            let gone = Amount::from_atomic(back.amount).expect("more was given back than was taken");
            assert_eq!(back.fee, row.fee.pro_rata(gone, row.gross).atomic(), "the fee in proportion");
        }
        let held = HeldAt::new(row.held_at);
        let stands = !tables.refunds_of(row).any(Refunded::is_whole);
        for key in row.windows() {
            *windows.entry(key).or_default() += left;
        }
        let key = CallKey { agent: row.agent, provider: row.provider_account, month: held.month };
        let sum = calls.entry(key).or_default();
        sum.calls += u64::from(stands);
        sum.spent += left;
    }
    for hold in &tables.holds {
        let (id, key) = (hold.request.payment, hold.request.replay);
        let captured = |row: &PaymentRow| row.id == id || (key.is_some() && row.replay == key);
        assert!(!tables.payments.iter().any(captured), "a hold of a captured payment is on disk");
    }
    let moved: i64 = balances.values().map(|moved| moved.debit - moved.credit).sum();
    assert_eq!(moved, 0, "money was made or lost");
    assert_eq!(balances, tables.balances, "balances are the sums of their rows");
    assert_eq!(usage, tables.usage, "usage is the sum of its rows");
    assert_eq!(calls, tables.calls, "calls are counted once");
    // A limit of nothing, under which nothing was spent, needs no row.
    windows.retain(|key, spent| *spent != 0 || tables.windows.contains_key(key));
    let kept: BTreeMap<_, _> = tables.windows.iter().map(|(key, sum)| (key.clone(), sum.spent)).collect();
    assert_eq!(windows, kept, "windows are the sums of their rows");
    let Marker { seq, gross: kept, .. } = tables.marker;
    assert_eq!((seq, kept), (tables.payments.len() as i64, gross), "the marker is the last payment's");
}

/// Panics where memory keeps something else than the disk, between two batches.
pub(super) fn memory(memory: &Memory, tables: &Tables) {
    let Memory { facts, holds, .. } = memory;
    let rows: BTreeMap<_, _> =
        tables.holds.iter().map(|row| (row.request.payment, row.cost.maximum)).collect();
    let known: BTreeMap<_, _> =
        holds.recorded().iter().map(|(payment, (_, amount))| (*payment, *amount)).collect();
    assert_eq!(known, rows, "memory knows the holds on disk");
    assert_eq!(facts.marker, tables.marker, "memory stands at the last batch");
    for (wallet, known) in facts.wallets.iter() {
        let balance = tables.balances[&known.account];
        assert_eq!(known.balance, balance.credit - balance.debit, "the balance of {wallet}");
    }
    for (agent, known) in facts.agents.iter() {
        for window in &known.windows {
            let scope = window.scope.clone();
            let key = WindowKey { agent: *agent, window: window.window, start: window.start, scope };
            let sum = tables.windows.get(&key).copied().unwrap_or_default();
            assert_eq!(Sum { spent: window.spent, limit: window.limit }, sum, "{key:?}");
        }
        let free = tables.free_of(*agent);
        for (route, day, calls) in &known.free {
            let stands = free.get(&(route.clone(), *day)).copied().unwrap_or_default();
            assert_eq!(*calls, stands, "free calls of {agent} on {route}");
        }
        for (provider, month, calls) in &known.calls {
            let key = CallKey { agent: *agent, provider: *provider, month: *month };
            assert_eq!(*calls, tables.calls.get(&key).map_or(0, |sum| sum.calls), "{key:?}");
        }
    }
    let horizon = facts.replays.horizon();
    let live =
        tables.payments.iter().filter_map(|row| row.replay).filter(|key| key.valid_before() >= horizon);
    for key in live {
        assert!(facts.replays.get(&key.nonce_digest()).is_some(), "memory forgot a replay key that is live");
    }
}
