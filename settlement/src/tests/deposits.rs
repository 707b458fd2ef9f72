//! Deposits with real books and a chain that a test writes: a wallet is funded once, by what moved for good, whatever is repeated.

use std::net::IpAddr;
use std::sync::Arc;

use alloy_primitives::B256;
use domain::{Amount, UnixMillis};
use protocol::X402_VERSION;
use protocol::challenge::PaymentRequired;
use protocol::offer::Offer;
use protocol::receipt::SettlementResponse;
use protocol::sign::sign_offer;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::house::{House, NOON, amount, continuous, wallet};
use super::open::reconciler;
use crate::Reconciler;
use crate::deposits::{Asked, Bounds, DepositReply, Deposits, Told};
use crate::mock::Act;
use crate::rail::tests::{LONG, NETWORK, PAY_TO, World, key, payer, price, settling, transaction};

/// What wallet 1 has at the start.
const BEFORE: i64 = 1_000_000;

struct Till {
    house: House,
    world: World,
    deposits: Deposits,
    reconciler: Reconciler,
}

// === impl Till ===

impl Till {
    async fn new() -> Self {
        Self::deep(0).await
    }

    async fn deep(confirmations: u64) -> Self {
        let (house, world) = (House::new(continuous()).await, World::deep(1, 8, LONG, confirmations).await);
        world.rail.refresh().await;
        house.ledger.create_wallet(wallet(2)).await.unwrap();
        let bounds = Bounds { least: amount(500), most: amount(5_000) };
        let deposits = Deposits::new(house.ledger.clone(), world.rail.clone(), bounds).unwrap();
        let reconciler = reconciler(&house, &world);
        Self { house, world, deposits, reconciler }
    }

    async fn answer(&self, into: u8, amount: Amount, payment: Option<&str>) -> Told {
        let payment = payment.map(str::as_bytes);
        let url = "http://127.0.0.1/v1/wallets/x/deposit?amount=1";
        self.deposits.answer(&Asked { wallet: wallet(into), amount, url, payment, client: None }).await
    }

    async fn pay(&self, payment: &str) -> DepositReply {
        self.answer(1, price(), Some(payment)).await.reply()
    }

    /// What a client sends for the offer it gets, of which it makes what it likes.
    async fn payment(&self, nonce: u8, change: impl FnOnce(&mut Offer)) -> String {
        let Told::Asked { mut offers, .. } = self.answer(1, price(), None).await else { panic!("not asked") };
        change(&mut offers[0]);
        let challenge = PaymentRequired {
            x402_version: X402_VERSION,
            error: None,
            resource: None,
            accepts: offers,
            extensions: None,
        };
        sign_offer(&key(), &challenge, 0, B256::repeat_byte(nonce), UnixMillis(NOON)).unwrap()
    }

    async fn honest_payment(&self, nonce: u8) -> String {
        self.payment(nonce, |_| {}).await
    }

    async fn balance(&self, of: u8) -> i64 {
        self.house.ledger.wallet(wallet(of)).await.unwrap().unwrap().balance.atomic()
    }

    async fn reconcile(&mut self) {
        self.world.later(15_000);
        self.world.rail.refresh().await;
        self.reconciler.round().await;
    }

    fn settlements(&self) -> usize {
        self.world.asked(0, "settle")
    }
}

fn receipt(reply: &DepositReply, field: &str) -> SettlementResponse {
    let header = reply.headers.iter().find(|(name, _)| *name == field);
    let (_, value) = header.unwrap_or_else(|| panic!("no {field} in {reply:?}"));
    SettlementResponse::parse(value.as_bytes()).unwrap().unwrap()
}

fn code(reply: &DepositReply) -> (u16, &str) {
    (reply.status, reply.body["code"].as_str().unwrap())
}

#[tokio::test]
async fn a_deposit_asks_for_itself_in_both_versions_and_is_made_out_to_the_treasury() {
    let till = Till::new().await;
    let reply = till.answer(1, price(), None).await.reply();
    assert_eq!(code(&reply), (402, "payment_required"));
    let (name, header) = &reply.headers[0];
    assert_eq!(*name, "payment-required");
    let asked = PaymentRequired::parse(header.as_bytes()).unwrap().unwrap();
    let offer = &asked.accepts[0];
    assert_eq!((&*offer.network, &*offer.amount), (NETWORK, "1000"));
    assert_eq!(offer.pay_to, PAY_TO.to_checksum(None));
    assert!(asked.resource.unwrap().url.ends_with("?amount=1"));
    let v1 = &reply.body["accepts"][0];
    assert_eq!((&v1["network"], &v1["maxAmountRequired"]), (&"base-sepolia".into(), &"1000".into()));
    assert_eq!((&reply.body["x402Version"], &reply.body["error"]), (&1.into(), &"payment_required".into()));
    till.house.finish().await;
}

#[tokio::test]
async fn a_deposit_funds_its_wallet_once_and_the_same_payment_is_told_the_same_deposit() {
    let till = Till::new().await;
    let payment = till.honest_payment(1).await;
    let first = till.pay(&payment).await;
    assert_eq!((first.status, &first.body["state"]), (200, &"funded".into()));
    let told = receipt(&first, "payment-response");
    let moved = transaction(B256::repeat_byte(1)).to_string();
    assert_eq!(
        (told.success, &told.transaction, told.payer),
        (true, &moved, Some(payer().to_checksum(None)))
    );
    assert_eq!(first.body["transaction"], *moved);
    assert_eq!(till.balance(1).await, BEFORE + 1_000);
    for _ in 0..3 {
        assert_eq!(till.pay(&payment).await, first);
    }
    // Also when its time is over, whatever would be said of a new one.
    till.house.clock.set(NOON + 65_000);
    till.world.facilitators[0].does(Act::Reset);
    assert_eq!(till.pay(&payment).await, first);
    // It pays for nothing else: no other wallet, no other amount.
    for (into, units) in [(2, 1_000), (1, 2_000)] {
        let reply = till.answer(into, amount(units), Some(&payment)).await.reply();
        assert_eq!(code(&reply), (409, "payment_reused"));
    }
    assert_eq!((till.balance(1).await, till.balance(2).await, till.settlements()), (BEFORE + 1_000, 0, 1));
    assert!(
        !first.body.to_string().contains(&(BEFORE + 1_000).to_string()),
        "what is in the wallet is not told"
    );
    till.house.finish().await;
}

#[tokio::test]
async fn a_payment_that_is_not_the_one_that_was_asked_for_is_refused_and_holds_nothing() {
    let till = Till::new().await;
    let other_amount = till.payment(1, |offer| "999".clone_into(&mut offer.amount)).await;
    let other_payee = till.payment(2, |offer| offer.pay_to = payer().to_checksum(None)).await;
    let too_long = till.payment(3, |offer| offer.max_timeout_seconds = 3_600).await;
    let over = till.honest_payment(4).await;
    for (payment, expected) in [
        (&other_amount, "invalid_payment_requirements"),
        (&other_payee, "invalid_exact_evm_recipient_mismatch"),
        (&too_long, "invalid_payment_requirements"),
    ] {
        assert_eq!(code(&till.pay(payment).await), (402, expected));
    }
    till.house.clock.set(NOON + 55_000);
    assert_eq!(code(&till.pay(&over).await), (402, "invalid_exact_evm_payload_authorization_valid_before"));
    let unreadable = till.answer(1, price(), Some("e30=")).await.reply();
    assert_eq!(code(&unreadable), (400, "invalid_payload"));
    for units in [499, 5_001] {
        let reply = till.answer(1, amount(units), None).await.reply();
        assert_eq!(
            (code(&reply), &reply.body["minimum"]["amount"]),
            ((422, "invalid_amount"), &"500".into())
        );
    }
    assert_eq!((till.balance(1).await, till.settlements()), (BEFORE, 0));
    assert_eq!(till.house.ledger.unknown(), []);
    till.house.finish().await;
}

#[tokio::test]
async fn who_has_too_little_is_asked_again_and_nothing_is_held() {
    let till = Till::new().await;
    till.world.chain.lock().balance = 999;
    let payment = till.honest_payment(1).await;
    assert_eq!(code(&till.pay(&payment).await), (402, "insufficient_funds"));
    till.world.chain.lock().balance = 1_000;
    till.world.later(1_000);
    assert_eq!(till.pay(&payment).await.status, 200);
    till.house.finish().await;
}

#[tokio::test]
async fn a_settlement_whose_answer_is_lost_is_unknown_until_the_chain_shows_it_and_funds_once() {
    let mut till = Till::new().await;
    till.world.facilitators[0].does(settling(|_| Act::Reset));
    let payment = till.honest_payment(1).await;
    let lost = till.pay(&payment).await;
    assert_eq!(code(&lost), (503, "settlement_unknown"));
    assert!(lost.headers.iter().any(|(name, _)| *name == "retry-after"), "{lost:?}");
    let id = lost.body["payment"].as_str().unwrap().to_owned();
    let again = till.pay(&payment).await;
    assert_eq!((code(&again), &again.body["payment"]), ((503, "settlement_unknown"), &id.as_str().into()));
    assert_eq!(till.balance(1).await, BEFORE, "nobody knows: nothing is funded");
    // The books are opened again, as after a crash: what is open is still open.
    till.house.crash();
    let bounds = Bounds { least: amount(500), most: amount(5_000) };
    till.deposits = Deposits::new(till.house.ledger.clone(), till.world.rail.clone(), bounds).unwrap();
    till.reconciler = reconciler(&till.house, &till.world);
    till.world.chain.lock().use_up(B256::repeat_byte(1), true);
    till.reconcile().await;
    assert_eq!(till.balance(1).await, BEFORE + 1_000);
    let found = till.pay(&payment).await;
    assert_eq!((found.status, &found.body["id"]), (200, &id.as_str().into()));
    till.reconcile().await;
    assert_eq!(till.balance(1).await, BEFORE + 1_000);
    till.house.finish().await;
}

#[tokio::test]
async fn what_stands_in_a_block_that_does_not_count_yet_is_pending_and_funds_when_it_does() {
    let mut till = Till::deep(2).await;
    let payment = till.honest_payment(1).await;
    let pending = till.pay(&payment).await;
    assert_eq!((pending.status, &pending.body["state"]), (202, &"pending".into()));
    assert!(receipt(&pending, "payment-response").success);
    let again = till.pay(&payment).await;
    assert_eq!((again.status, &again.body["id"]), (202, &pending.body["id"]));
    till.reconcile().await;
    assert_eq!(till.balance(1).await, BEFORE, "its block may still be undone");
    till.world.chain.lock().block += 2;
    till.reconcile().await;
    assert_eq!(till.balance(1).await, BEFORE + 1_000);
    let funded = till.pay(&payment).await;
    assert_eq!((funded.status, &funded.body["id"]), (200, &pending.body["id"]));
    till.house.finish().await;
}

#[tokio::test]
async fn what_is_taken_back_before_its_block_counts_is_settled_again_and_funds_once() {
    let mut till = Till::deep(2).await;
    let payment = till.honest_payment(1).await;
    assert_eq!(till.pay(&payment).await.status, 202);
    till.world.chain.lock().used.clear();
    till.reconcile().await;
    assert_eq!((till.balance(1).await, till.settlements()), (BEFORE, 2));
    till.world.chain.lock().block += 2;
    till.reconcile().await;
    till.reconcile().await;
    assert_eq!(till.pay(&payment).await.status, 200);
    assert_eq!((till.balance(1).await, till.settlements()), (BEFORE + 1_000, 2));
    till.house.finish().await;
}

#[tokio::test]
async fn a_payment_that_is_found_invalid_moves_nothing_and_a_new_one_may_be_signed() {
    let till = Till::new().await;
    let invalid = "{\"isValid\":false,\"invalidReason\":\"insufficient_funds\"}";
    till.world.facilitators[0].does(Act::Answer(200, invalid.to_owned()));
    let payment = till.honest_payment(1).await;
    let refused = till.pay(&payment).await;
    assert_eq!(code(&refused), (402, "settlement_failed"));
    assert!(!receipt(&refused, "payment-response").success);
    assert_eq!((till.balance(1).await, till.house.ledger.unknown()), (BEFORE, Vec::new()));
    till.world.facilitators[0].does(crate::rail::tests::honest(&till.world.chain));
    assert_eq!(till.pay(&payment).await.status, 200);
    till.house.finish().await;
}

#[tokio::test]
async fn deposits_of_one_client_or_of_one_payer_keep_nobody_else_out() {
    let till = Till::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let invalid = Act::Answer(200, r#"{"isValid":false,"invalidReason":"not_now"}"#.to_owned());
    till.world.facilitators[0].does(Act::When(Arc::clone(&gate), Box::new(invalid)));
    let [greedy, other] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
    let mut hanging = JoinSet::new();
    for nonce in 1..=8 {
        let (deposits, payment) = (till.deposits.clone(), till.honest_payment(nonce).await);
        hanging.spawn(async move { ask(&deposits, payment.as_bytes(), greedy).await.reply().status });
    }
    while till.world.asked(0, "verify") < 8 {
        tokio::task::yield_now().await;
    }
    // The same client is not even read; the same payer is, wherever it calls from.
    assert!(matches!(ask(&till.deposits, b"none", greedy).await, Told::Overloaded));
    assert!(matches!(ask(&till.deposits, b"none", other).await, Told::Malformed(_)));
    let ninth = till.honest_payment(9).await;
    assert!(matches!(ask(&till.deposits, ninth.as_bytes(), other).await, Told::Overloaded));
    assert!(matches!(ask(&till.deposits, ninth.as_bytes(), None).await, Told::Overloaded));
    gate.add_permits(100);
    assert_eq!(hanging.join_all().await, [402; 8]);
    assert_eq!(ask(&till.deposits, ninth.as_bytes(), greedy).await.reply().status, 402);
    till.house.finish().await;
}

async fn ask(deposits: &Deposits, payment: &[u8], client: Option<IpAddr>) -> Told {
    let url = "http://127.0.0.1/v1/wallets/x/deposit?amount=1";
    let (amount, payment) = (price(), Some(payment));
    deposits.answer(&Asked { wallet: wallet(1), amount, url, payment, client }).await
}
