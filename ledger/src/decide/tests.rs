//! `decide` against a model that knows no batches: one operation after the other, plain maps, no sums kept twice.

use std::collections::HashMap;

use domain::price::{Tier, Tiers};
use domain::{
    Address, AgentId, B256, BasisPoints, Capture, Fingerprint, PaymentId, Price, ReplayKey, TransferId,
    WalletId,
};
use proptest::prelude::*;

use super::*;
use crate::batch::{AccountId, GivenPayment, Marker};
use crate::facts::{AgentFacts, Facts};

/// 2026-11-30T23:00:00Z; the second window of each kind begins an hour later.
const EVENING: i64 = 1_796_079_600_000;
const PROVIDERS: [&str; 2] = ["acme", "blue"];

/// One generated operation. Names come from small sets, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Create {
        wallet: u8,
    },
    Open {
        provider: usize,
    },
    Fund {
        wallet: u8,
        units: i64,
        key: u8,
    },
    Capture(Call),
    /// The how-manieth payment of all that stand, or one that does not.
    Refund {
        payment: usize,
    },
}

#[derive(Clone, Debug)]
struct Call {
    agent: u8,
    wallet: u8,
    provider: usize,
    price: i64,
    tiered: bool,
    nonce: Option<u8>,
    per_day: Option<i64>,
    per_month: Option<i64>,
    next_day: bool,
}

/// What stands, as an accountant would write it down: payments and fundings, and nothing summed.
#[derive(Default)]
struct Model {
    wallets: Vec<u8>,
    providers: Vec<usize>,
    fundings: HashMap<u8, (u8, i64)>,
    payments: Vec<Paid>,
}

#[derive(Clone)]
struct Paid {
    id: PaymentId,
    call: Call,
    gross: i64,
    refunded: bool,
}

/// What the model says of one operation: what was moved, or nothing.
#[derive(Debug, PartialEq)]
enum Said {
    Done,
    Moved(i64),
    Refused(Refusal),
}

fn step() -> impl Strategy<Value = Step> {
    let limit = || prop::option::weighted(0.3, 0_i64..60);
    let call = (0..3_u8, 0..3_u8, 0..2_usize, 1_i64..30, any::<bool>(), prop::option::of(0..6_u8));
    let call = (call, limit(), limit(), any::<bool>()).prop_map(|(call, per_day, per_month, next_day)| {
        let (agent, wallet, provider, price, tiered, nonce) = call;
        Step::Capture(Call { agent, wallet, provider, price, tiered, nonce, per_day, per_month, next_day })
    });
    prop_oneof![
        1 => (0..3_u8).prop_map(|wallet| Step::Create { wallet }),
        1 => (0..2_usize).prop_map(|provider| Step::Open { provider }),
        2 => (0..3_u8, 0_i64..80, 0..8_u8).prop_map(|(wallet, units, key)| Step::Fund { wallet, units, key }),
        10 => call,
        2 => (0..12_usize).prop_map(|payment| Step::Refund { payment }),
    ]
}

fn amount(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

fn wallet_id(number: u8) -> WalletId {
    WalletId::from_bytes([number; 16])
}

fn agent_id(number: u8) -> AgentId {
    AgentId::from_bytes([number; 16])
}

// === impl Call ===

impl Call {
    fn held(&self) -> HeldAt {
        HeldAt::new(UnixMillis(EVENING + if self.next_day { 3_600_000 } else { 0 }))
    }

    fn price(&self) -> Price {
        let tier = |from_call, units| Tier { from_call, amount: amount(units) };
        if self.tiered {
            Price::Tiered(Tiers::new(vec![tier(1, self.price), tier(3, self.price / 2)]).unwrap())
        } else {
            Price::Fixed(amount(self.price))
        }
    }

    fn request(&self, id: PaymentId) -> HoldRequest {
        let payer = Address::repeat_byte(self.agent);
        let key = |nonce| ReplayKey::new(2_000_000_000, "eip155:1", Address::ZERO, payer, nonce);
        let replay = self.nonce.map(B256::repeat_byte).map(key);
        HoldRequest {
            payment: id,
            agent: agent_id(self.agent),
            wallet: wallet_id(self.wallet),
            provider: PROVIDERS[self.provider].into(),
            route: "route".into(),
            price: self.price(),
            capture: Capture::After,
            revision: 1,
            fee: BasisPoints::new(333).unwrap(),
            per_day: self.per_day.map(amount),
            per_month: self.per_month.map(amount),
            replay,
            digest: None,
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([0; 16]),
        }
    }
}

// === impl Model ===

impl Model {
    fn say(&mut self, step: &Step, id: PaymentId) -> Said {
        match step {
            Step::Create { wallet } => {
                self.wallets.push(*wallet);
                Said::Done
            }
            Step::Open { provider } => {
                self.providers.push(*provider);
                Said::Done
            }
            Step::Fund { wallet, units, key } => self.fund(*wallet, *units, *key),
            Step::Capture(call) => self.capture(call, id),
            Step::Refund { payment } => self.refund(*payment),
        }
    }

    fn fund(&mut self, wallet: u8, units: i64, key: u8) -> Said {
        match self.fundings.get(&key) {
            Some(earlier) if *earlier == (wallet, units) => return Said::Moved(units),
            Some(_) => return Said::Refused(Refusal::Conflict),
            None => {}
        }
        if !self.wallets.contains(&wallet) {
            return Said::Refused(Refusal::UnknownWallet);
        }
        if units == 0 {
            return Said::Refused(Refusal::Amount);
        }
        self.fundings.insert(key, (wallet, units));
        Said::Moved(units)
    }

    fn capture(&mut self, call: &Call, id: PaymentId) -> Said {
        let same_nonce = |paid: &Paid| {
            call.nonce.is_some() && (paid.call.nonce, paid.call.agent) == (call.nonce, call.agent)
        };
        if self.payments.iter().any(same_nonce) {
            return Said::Refused(Refusal::Duplicate);
        }
        if !self.wallets.contains(&call.wallet) {
            return Said::Refused(Refusal::UnknownWallet);
        }
        if !self.providers.contains(&call.provider) {
            return Said::Refused(Refusal::UnknownProvider);
        }
        let month = call.held().month;
        let counted = |paid: &&Paid| {
            !paid.refunded
                && (paid.call.agent, paid.call.provider) == (call.agent, call.provider)
                && paid.call.held().month == month
        };
        let number = self.payments.iter().filter(counted).count() as u64 + 1;
        let gross = call.price().at_call(number).atomic();
        if self.balance(call.wallet) < gross {
            return Said::Refused(Refusal::Funds);
        }
        for window in [Window::Day, Window::Month] {
            if self.over(call, window, gross) {
                return Said::Refused(Refusal::Limit);
            }
        }
        self.payments.push(Paid { id, call: call.clone(), gross, refunded: false });
        Said::Moved(gross)
    }

    fn over(&self, call: &Call, window: Window, gross: i64) -> bool {
        let limit = |call: &Call| {
            let limit = if window == Window::Day { call.per_day } else { call.per_month };
            limit.unwrap_or(i64::MAX)
        };
        let key = call.held().key(agent_id(call.agent), window);
        let inside = |paid: &&Paid| paid.call.held().key(agent_id(paid.call.agent), window) == key;
        let spent: i64 =
            self.payments.iter().filter(inside).filter(|paid| !paid.refunded).map(|paid| paid.gross).sum();
        let wall = self.payments.iter().filter(inside).map(|paid| limit(&paid.call)).max().unwrap_or(0);
        spent + gross > wall.max(limit(call))
    }

    fn refund(&mut self, number: usize) -> Said {
        let Some(paid) = self.payments.get_mut(number) else { return Said::Refused(Refusal::UnknownPayment) };
        if paid.refunded {
            return Said::Refused(Refusal::RefundedBefore);
        }
        paid.refunded = true;
        Said::Moved(paid.gross)
    }

    fn balance(&self, wallet: u8) -> i64 {
        let funded: i64 =
            self.fundings.values().filter(|(funded, _)| *funded == wallet).map(|(_, units)| units).sum();
        let spent: i64 = self
            .payments
            .iter()
            .filter(|paid| paid.call.wallet == wallet && !paid.refunded)
            .map(|paid| paid.gross)
            .sum();
        funded - spent
    }
}

/// The facts and what a disk would keep for the next batch.
struct Disk {
    facts: Facts,
    given: Given,
    balances: HashMap<AccountId, i64>,
}

// === impl Disk ===

impl Disk {
    fn new() -> Self {
        let mut facts = Facts::new(Marker::default(), 2, 1_000, 0);
        for agent in 0..3 {
            facts.agents.insert(agent_id(agent), AgentFacts::default());
        }
        Self { facts, given: Given::default(), balances: HashMap::new() }
    }

    fn write(&mut self, delta: &Delta) {
        assert_eq!(delta.marker.batch, self.facts.marker.batch + 1);
        let zero: i64 = delta.balances.values().map(|moved| moved.debit - moved.credit).sum();
        assert_eq!(zero, 0, "a batch made or lost money");
        for (account, moved) in &delta.balances {
            *self.balances.entry(*account).or_default() += moved.credit - moved.debit;
        }
        for row in &delta.payments {
            let given = GivenPayment { row: row.clone(), refunded: false };
            self.given.payments.insert(row.id, given);
        }
        for refund in &delta.refunds {
            self.given.payments.get_mut(&refund.refunded.payment).unwrap().refunded = true;
        }
        for row in &delta.transfers {
            self.given.transfers.insert(row.idempotency_key.clone(), row.transfer.clone());
        }
        self.facts.apply(delta);
    }
}

fn said(outcome: &Outcome) -> Said {
    match outcome {
        Outcome::Captured(receipt) => Said::Moved(receipt.amount.atomic()),
        Outcome::Refunded(refunded) => Said::Moved(refunded.amount.atomic()),
        Outcome::Funded(transfer) => Said::Moved(transfer.amount.atomic()),
        Outcome::Done => Said::Done,
        Outcome::Refused(refusal) => Said::Refused(*refusal),
    }
}

/// The owned parts of an operation; operations borrow.
enum Owned {
    Create(WalletId),
    Open(Arc<str>),
    Fund(Funding, TransferId),
    Capture(Box<HoldRequest>, HeldAt),
    Refund(PaymentId, TransferId),
}

// === impl Owned ===

impl Owned {
    fn new(step: &Step, id: PaymentId, standing: &[Paid]) -> Self {
        let transfer = TransferId::from_bytes(*id.as_bytes());
        match step {
            Step::Create { wallet } => Self::Create(wallet_id(*wallet)),
            Step::Open { provider } => Self::Open(PROVIDERS[*provider].into()),
            Step::Fund { wallet, units, key } => {
                let funding = Funding {
                    wallet: wallet_id(*wallet),
                    amount: amount(*units),
                    idempotency_key: key.to_string(),
                    external_reference: String::new(),
                };
                Self::Fund(funding, transfer)
            }
            Step::Capture(call) => Self::Capture(Box::new(call.request(id)), call.held()),
            Step::Refund { payment } => {
                Self::Refund(standing.get(*payment).map_or(id, |paid| paid.id), transfer)
            }
        }
    }

    fn operation(&self) -> Operation<'_> {
        match self {
            Self::Create(wallet) => Operation::CreateWallet(*wallet),
            Self::Open(name) => Operation::OpenProvider(name),
            Self::Fund(funding, id) => Operation::Fund { funding, id: *id },
            Self::Capture(request, held) => Operation::Capture { request, held: *held },
            Self::Refund(payment, id) => {
                Operation::Refund { payment: *payment, id: *id, reason: RefundReason::Operator }
            }
        }
    }
}

/// A wallet, a provider and a payment exist for a batch only when an earlier one wrote them, as in life: nobody can
/// name them before they were told. So creations get a batch of their own, and refunds name what stands.
fn batches(steps: Vec<Step>, size: usize) -> Vec<Vec<Step>> {
    let mut batches: Vec<Vec<Step>> = Vec::new();
    let alone = |step: &Step| matches!(step, Step::Create { .. } | Step::Open { .. });
    for step in steps {
        match batches.last_mut() {
            Some(batch) if batch.len() < size && !alone(&step) && !batch.iter().any(alone) => {
                batch.push(step)
            }
            _ => batches.push(vec![step]),
        }
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_decide_what_one_by_one_would(
        steps in prop::collection::vec(step(), 1..120),
        size in 1..40_usize,
    ) {
        let (mut model, mut disk) = (Model::default(), Disk::new());
        let mut number = 0_u128;
        for batch in batches(steps, size) {
            let standing = model.payments.clone();
            let mut expected = Vec::new();
            let mut owned = Vec::new();
            for step in &batch {
                number += 1;
                let id = PaymentId::from_bytes(number.to_be_bytes());
                owned.push(Owned::new(step, id, &standing));
                expected.push(match step {
                    Step::Refund { payment } if *payment >= standing.len() => {
                        Said::Refused(Refusal::UnknownPayment)
                    }
                    step => model.say(step, id),
                });
            }
            let operations: Vec<_> = owned.iter().map(Owned::operation).collect();
            let (outcomes, delta) = decide(&disk.facts, &disk.given, &operations, UnixMillis(EVENING));
            let got: Vec<Said> = outcomes.iter().map(said).collect();
            prop_assert_eq!(got, expected);
            disk.write(&delta);
        }
        for wallet in 0..3 {
            let Some(facts) = disk.facts.wallets.peek(&wallet_id(wallet)) else { continue };
            prop_assert_eq!(facts.balance, model.balance(wallet));
            prop_assert_eq!(disk.balances.get(&facts.account).copied().unwrap_or(0), facts.balance);
        }
        prop_assert_eq!(disk.facts.marker.seq, i64::try_from(model.payments.len()).unwrap());
        prop_assert_eq!(disk.balances.values().sum::<i64>(), 0);
    }
}
