//! `decide` against a model that knows no batches: one operation after the other, plain maps, no sums kept twice.

mod disk;
mod model;

use domain::price::{Tier, Tiers};
use domain::{
    Address, AgentId, B256, BasisPoints, Capture, Fingerprint, PaymentId, PayoutDestination, PayoutId, Price,
    ReplayKey, SettlementId, TransferId, WalletId, Window, WindowLimit,
};
use proptest::prelude::*;

use super::*;
use crate::account::{Funding, RefundReason, Withdrawal};
use crate::batch::SettlementNames;
use crate::settlement::{Closing, PayoutPayment};
use disk::Disk;
use model::{Model, Said, is_of_the_provider};

/// 2026-11-30T23:00:00Z; the second window of each kind begins an hour later.
const EVENING: i64 = 1_796_079_600_000;
const PROVIDERS: [&str; 2] = ["acme", "blue"];

/// A third: parts of it round.
const POINTS: u16 = 3_333;

/// One generated operation. Names come from small sets, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Create {
        wallet: u8,
    },
    Open {
        provider: usize,
    },
    /// Out of the wallet where the units are negative.
    Move {
        wallet: u8,
        units: i64,
        key: u8,
    },
    Capture(Call),
    /// The how-manieth payment of all that stand, or one that does not.
    Refund {
        payment: usize,
        units: Option<i64>,
        key: Option<u8>,
    },
    /// With what was read before the last batch, where it is stale.
    Settle {
        provider: usize,
        wallet: Option<u8>,
        stale: bool,
    },
    Pay {
        payout: usize,
        key: u8,
    },
}

#[derive(Clone, Debug)]
struct Call {
    agent: u8,
    wallet: u8,
    provider: usize,
    price: i64,
    tiered: bool,
    /// What it turned out to be worth.
    used: Option<i64>,
    nonce: Option<u8>,
    per_day: Option<i64>,
    per_month: Option<i64>,
    per_hour: Option<i64>,
    free: bool,
    next_day: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let limit = || prop::option::weighted(0.3, 0_i64..60);
    let cost = (1_i64..30, any::<bool>(), prop::option::weighted(0.3, 0_i64..40));
    let call = (0..3_u8, 0..3_u8, 0..2_usize, cost, prop::option::of(0..6_u8));
    let limits = (limit(), limit(), limit());
    let call = (call, limits, prop::bool::weighted(0.1), any::<bool>());
    let call = call.prop_map(|(call, (per_day, per_month, per_hour), free, next_day)| {
        let (agent, wallet, provider, (price, tiered, used), nonce) = call;
        Step::Capture(Call {
            agent,
            wallet,
            provider,
            price,
            tiered,
            used,
            nonce,
            per_day,
            per_month,
            per_hour,
            free,
            next_day,
        })
    });
    prop_oneof![
        1 => (0..3_u8).prop_map(|wallet| Step::Create { wallet }),
        1 => (0..2_usize).prop_map(|provider| Step::Open { provider }),
        3 => (0..3_u8, -40_i64..80, 0..12_u8).prop_map(|(wallet, units, key)| Step::Move { wallet, units, key }),
        10 => call,
        1 => (0..12_usize).prop_map(|payment| Step::Refund { payment, units: None, key: None }),
        3 => (0..12_usize, prop::option::of(0_i64..20), 0..20_u8)
            .prop_map(|(payment, units, key)| Step::Refund { payment, units, key: Some(key) }),
        2 => (0..2_usize, prop::option::of(0..3_u8))
            .prop_map(|(provider, wallet)| Step::Settle { provider, wallet, stale: false }),
        1 => (0..4_usize, 8..14_u8).prop_map(|(payout, key)| Step::Pay { payout, key }),
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

    fn fee(&self, gross: Amount) -> Amount {
        BasisPoints::new(POINTS).unwrap().fee_on(gross)
    }

    fn price(&self) -> Price {
        let tier = |from_call, units| Tier { from_call, amount: amount(units) };
        if self.tiered {
            Price::Tiered(Tiers::new(vec![tier(1, self.price), tier(3, self.price / 2)]).unwrap())
        } else {
            Price::Fixed(amount(self.price))
        }
    }

    fn limits(&self) -> Vec<WindowLimit> {
        let limit = |limit| WindowLimit { scope: None, window: Window::Hour, limit: amount(limit) };
        self.per_hour.map(limit).into_iter().collect()
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
            fee: BasisPoints::new(POINTS).unwrap(),
            per_day: self.per_day.map(amount),
            per_month: self.per_month.map(amount),
            limits: self.limits(),
            free_per_day: 0,
            replay,
            digest: None,
            idempotency: None,
            intent: None,
            fingerprint: Fingerprint::from_bytes([0; 16]),
            unsettled_max: None,
        }
    }
}

fn said(outcome: &Outcome) -> Said {
    match outcome {
        Outcome::Captured(receipt) => Said::Moved(receipt.amount.atomic()),
        Outcome::Refunded(refunded) => Said::Moved(refunded.amount.atomic()),
        Outcome::Moved(transfer) => Said::Moved(transfer.amount.atomic()),
        Outcome::Settled(settlement) => Said::Moved(settlement.net.atomic()),
        Outcome::PaidOut(payout) => Said::Moved(payout.amount.atomic()),
        Outcome::Differed(difference) => Said::Moved(difference.amount.atomic()),
        Outcome::Stepped(outgoing) => Said::Moved(outgoing.amount.atomic()),
        Outcome::Resolved(resolution) => Said::Moved(resolution.amount.atomic()),
        Outcome::Done => Said::Done,
        Outcome::Refused(refusal) => Said::Refused(*refusal),
    }
}

/// The owned parts of an operation; operations borrow.
enum Owned {
    Create(WalletId),
    Open(Arc<str>),
    Fund(Funding, TransferId),
    Withdraw(Withdrawal, TransferId),
    Capture(Box<HoldRequest>, HeldAt, Cost, Option<Amount>),
    Refund(PaymentId, TransferId, Option<Amount>, Option<String>),
    Settle(Closing, PayoutDestination, SettlementNames),
    Pay(PayoutPayment, TransferId),
}

// === impl Owned ===

impl Owned {
    /// `payments` and `payouts` are those that stood before the batch; `closing` is what a settlement is made of.
    fn new(
        step: &Step,
        id: PaymentId,
        standing: (&[PaymentId], &[PayoutId]),
        closing: Option<Closing>,
    ) -> Self {
        let transfer = TransferId::from_bytes(*id.as_bytes());
        let payout = PayoutId::from_bytes(*id.as_bytes());
        match step {
            Step::Create { wallet } => Self::Create(wallet_id(*wallet)),
            Step::Open { provider } => Self::Open(PROVIDERS[*provider].into()),
            Step::Move { wallet, units, key } => {
                let (wallet, amount) = (wallet_id(*wallet), amount(units.abs()));
                let (idempotency_key, external_reference) = (key.to_string(), String::new());
                if *units < 0 {
                    Self::Withdraw(
                        Withdrawal { wallet, amount, idempotency_key, external_reference },
                        transfer,
                    )
                } else {
                    Self::Fund(Funding { wallet, amount, idempotency_key, external_reference }, transfer)
                }
            }
            Step::Capture(call) => {
                let request = Box::new(call.request(id));
                let cost = Cost::new(&request, call.free);
                Self::Capture(request, call.held(), cost, call.used.map(amount))
            }
            Step::Refund { payment, units, key } => {
                let payment = standing.0.get(*payment).copied().unwrap_or(id);
                Self::Refund(payment, transfer, units.map(amount), key.map(|key| key.to_string()))
            }
            Step::Settle { wallet, .. } => {
                let destination = wallet.map(|wallet| PayoutDestination::Wallet(wallet_id(wallet)));
                let destination = destination.unwrap_or(PayoutDestination::Manual("a bank".to_owned()));
                let settlement = SettlementId::from_bytes(*id.as_bytes());
                Self::Settle(closing.unwrap(), destination, SettlementNames { settlement, payout, transfer })
            }
            Step::Pay { payout: number, key } => {
                let payout = standing.1.get(*number).copied().unwrap_or(payout);
                let (reference, idempotency_key) = (String::new(), key.to_string());
                Self::Pay(PayoutPayment { payout, reference, idempotency_key }, transfer)
            }
        }
    }

    fn operation(&self) -> Operation<'_> {
        match self {
            Self::Create(wallet) => Operation::CreateWallet(*wallet),
            Self::Open(name) => Operation::OpenProvider(name),
            Self::Fund(funding, id) => Operation::Fund { funding, id: *id },
            Self::Withdraw(withdrawal, id) => Operation::Withdraw { withdrawal, id: *id, covered: true },
            Self::Capture(request, held, cost, used) => {
                let recorded = request.capture == domain::Capture::Before;
                let (held, cost, used) = (*held, *cost, *used);
                Operation::Capture { request, held, cost, used, recorded, moved: None, share: None }
            }
            Self::Refund(payment, id, amount, key) => Operation::Refund {
                payment: *payment,
                id: *id,
                amount: *amount,
                reason: match key.as_deref().map(str::parse) {
                    Some(Ok(key)) if is_of_the_provider(key) => RefundReason::Requested,
                    Some(_) => RefundReason::Operator,
                    None => RefundReason::BrokenOff,
                },
                key: key.as_deref(),
            },
            Self::Settle(closing, destination, names) => {
                Operation::Settle { closing, destination, names: *names }
            }
            Self::Pay(payment, id) => Operation::Pay { payment, id: *id },
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

/// One batch as the model and the ledger have it: what each said.
fn run(
    batch: Vec<Step>,
    number: &mut u128,
    model: &mut Model,
    disk: &mut Disk,
    payouts: &mut Vec<PayoutId>,
) -> (Vec<Said>, Vec<Said>) {
    let payments: Vec<PaymentId> = model.payments.iter().map(|paid| paid.id).collect();
    let known = payouts.clone();
    let (mut owned, mut expected) = (Vec::new(), Vec::new());
    let mut settled = [false; 2];
    model.begin_batch();
    for mut step in batch {
        *number += 1;
        let id = PaymentId::from_bytes(number.to_be_bytes());
        let mut closing = None;
        if let Step::Settle { provider, stale, .. } = &mut step {
            closing = disk.closing(*provider);
            if closing.is_none() {
                continue;
            }
            *stale = settled[*provider];
        }
        owned.push(Owned::new(&step, id, (&payments, &known), closing));
        let said = model.say(&step, id, disk.facts.marker.batch + 1);
        if let (Step::Settle { provider, .. }, Said::Moved(_)) = (&step, &said) {
            settled[*provider] = true;
            payouts.push(PayoutId::from_bytes(*id.as_bytes()));
        }
        expected.push(said);
    }
    let operations: Vec<_> = owned.iter().map(Owned::operation).collect();
    let (outcomes, delta) = decide(&disk.facts, &disk.given, &operations, UnixMillis(EVENING));
    disk.write(&delta);
    (outcomes.iter().map(said).collect(), expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_decide_what_one_by_one_would(
        steps in prop::collection::vec(step(), 1..160),
        size in 1..40_usize,
    ) {
        let (mut model, mut disk) = (Model::default(), Disk::new());
        let (mut number, mut payouts) = (0, Vec::new());
        for batch in batches(steps, size) {
            let (got, expected) = run(batch, &mut number, &mut model, &mut disk, &mut payouts);
            prop_assert_eq!(got, expected);
        }
        let balance = |account: &AccountId| disk.balances.get(account).copied().unwrap_or(0);
        for wallet in 0..3 {
            let Some(facts) = disk.facts.wallets.peek(&wallet_id(wallet)) else { continue };
            prop_assert_eq!(facts.balance, model.balance(wallet));
            prop_assert_eq!(balance(&facts.account), facts.balance);
        }
        for (provider, name) in PROVIDERS.iter().enumerate() {
            let Some(facts) = disk.facts.providers.get(*name) else { continue };
            prop_assert_eq!(balance(&facts.account), model.earned(provider));
            let payable = disk.given.providers.get(*name).and_then(|given| given.payable);
            prop_assert_eq!(payable.map_or(0, |account| balance(&account)), model.owed(provider));
        }
        prop_assert_eq!(disk.facts.marker.seq, i64::try_from(model.payments.len()).unwrap());
        prop_assert_eq!(disk.balances.values().sum::<i64>(), 0);
    }
}
