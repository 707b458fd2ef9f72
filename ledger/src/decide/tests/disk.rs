//! The facts, and what a disk would keep for the next batch.

use std::collections::HashMap;

use super::{PROVIDERS, agent_id, amount};
use crate::batch::{
    AccountId, Delta, Given, GivenBack, GivenPayment, GivenPayout, GivenProvider, Marker, RefundRow,
};
use crate::facts::{AgentFacts, Facts};
use crate::settlement::Closing;

pub(super) struct Disk {
    pub(super) facts: Facts,
    pub(super) given: Given,
    pub(super) balances: HashMap<AccountId, i64>,
    refunds: Vec<(RefundRow, i64)>,
}

// === impl Disk ===

impl Disk {
    pub(super) fn new() -> Self {
        let mut facts = Facts::new(Marker::default(), 2, 1_000, 0);
        for agent in 0..3 {
            facts.agents.insert(agent_id(agent), AgentFacts::default());
        }
        Self { facts, given: Given::default(), balances: HashMap::new(), refunds: Vec::new() }
    }

    pub(super) fn write(&mut self, delta: &Delta) {
        assert_eq!(delta.marker.batch, self.facts.marker.batch + 1);
        let zero: i64 = delta.balances.values().map(|moved| moved.debit - moved.credit).sum();
        assert_eq!(zero, 0, "a batch made or lost money");
        for (account, moved) in &delta.balances {
            *self.balances.entry(*account).or_default() += moved.credit - moved.debit;
            self.given.earned.insert(*account, self.balances[account]);
        }
        for row in &delta.payments {
            self.given.payments.insert(
                row.id,
                GivenPayment { row: row.clone(), back: None, is_open: false, outgoing: Vec::new() },
            );
        }
        for row in &delta.refunds {
            let given = self.given.payments.get_mut(&row.refunded.payment).unwrap();
            let back = given.back.get_or_insert_with(GivenBack::default);
            back.amount += row.refunded.amount.atomic();
            back.fee += row.refunded.fee.atomic();
            back.parts += 1;
            assert_eq!(back.amount + row.refunded.remains.atomic(), given.row.gross.atomic());
            assert_eq!(amount(back.fee), given.row.fee.pro_rata(amount(back.amount), given.row.gross));
            self.given.refunds.extend(row.idempotency_key.clone().map(|key| (key, row.refunded)));
            self.refunds.push((row.clone(), delta.marker.batch));
        }
        for row in &delta.transfers {
            self.given.transfers.extend(row.idempotency_key.clone().map(|key| (key, row.clone())));
        }
        self.write_settlements(delta);
        self.facts.apply(delta);
    }

    fn write_settlements(&mut self, delta: &Delta) {
        for row in &delta.settlements {
            let last = self.given.providers.entry(row.settlement.provider.clone()).or_default();
            assert_eq!((last.number + 1, last.cut), (row.settlement.number, row.settlement.since));
            let (number, cut) = (row.settlement.number, row.settlement.cut);
            *last = GivenProvider { payable: Some(row.payable), number, cut, through: row.through };
        }
        for row in &delta.payouts {
            let given = GivenPayout { payout: row.payout.clone(), payable: row.payable };
            self.given.payouts.insert(row.payout.id, given);
        }
        for row in &delta.paid {
            let transfer = delta.transfers.iter().find(|other| other.id == row.transfer).unwrap();
            let paid = crate::Paid { transfer: transfer.id, reference: String::new(), at: transfer.at };
            let earlier = self.given.payouts.get_mut(&row.payout).unwrap().payout.paid.replace(paid);
            assert_eq!(earlier, None, "a payout was paid twice");
        }
    }

    /// All that a provider has not been settled with, as a read beside the writer would find it.
    pub(super) fn closing(&self, provider: usize) -> Option<Closing> {
        let name = PROVIDERS[provider];
        let last = self.given.providers.get(name).copied().unwrap_or_default();
        let mut members = self.given.payments.values().map(|given| &given.row);
        let mut rows: Vec<_> =
            members.by_ref().filter(|row| &*row.provider == name && row.seq > last.cut).collect();
        rows.sort_by_key(|row| row.seq);
        let cut = rows.last()?.seq;
        let sum = |units: &mut dyn Iterator<Item = i64>| amount(units.sum());
        let back = |late: bool| {
            let account = self.facts.providers[name].account;
            let own = self.refunds.iter().filter(move |(row, _)| row.provider == account);
            let net = |row: &RefundRow| row.refunded.amount.atomic() - row.refunded.fee.atomic();
            let counted = own.filter(move |(row, batch)| {
                (row.seq <= last.cut) == late && (!late || *batch > last.through)
            });
            sum(&mut counted.map(|(row, _)| net(row)))
        };
        Some(Closing {
            provider: name.into(),
            since: last.cut,
            cut,
            through: self.facts.marker.batch,
            payments: rows.len() as u64,
            gross: sum(&mut rows.iter().map(|row| row.gross.atomic())),
            fee: sum(&mut rows.iter().map(|row| row.fee.atomic())),
            refunds: back(false),
            adjustments: back(true),
        })
    }
}
