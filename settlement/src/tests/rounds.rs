//! Rounds of the worker over a real ledger: what is settled when, what waits, and what goes on beside it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{PayoutDestination, Schedule, SettlementRules, UnixMillis};
use ledger::{LedgerError, Page, Position, Settlement};

use super::house::{Agreed, HOUR, House, NOON, Terms, amount, continuous, pay, wallet};
use crate::{SettlementError, SettlementObserver, TermsError, Worker, asked};

fn worker(house: &House) -> Worker<ledger::Ledger> {
    Worker::new(house.ledger.clone(), house.terms.clone(), house.seen.clone())
}

#[tokio::test]
async fn what_is_not_enough_or_not_old_enough_waits_for_the_next_round() {
    let house = House::new(continuous()).await;
    let mut worker = worker(&house);
    house.pay("acme", 50).await;
    assert_eq!(worker.round().await.settled, [], "too young and too little");
    house.clock.set(NOON + HOUR);
    house.pay("acme", 200).await;
    assert_eq!(worker.round().await.settled, [], "what is old enough is too little");
    house.clock.set(NOON + 2 * HOUR - 1);
    assert_eq!(worker.round().await.settled, []);
    house.clock.set(NOON + 2 * HOUR);
    let settled = worker.round().await.settled;
    let [settlement] = &settled[..] else { panic!("{settled:?}") };
    assert_eq!((settlement.payments, settlement.net), (2, amount(225)));
    assert_eq!(worker.round().await.settled, []);
    assert_eq!(*house.seen.settled.lock(), settled);
    assert_eq!(house.seen.looked.lock().first(), Some(&45));
    assert!(house.seen.failed.lock().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_date_takes_its_days_and_carries_over_what_is_too_little() {
    let house = House::new(continuous()).await;
    house.change_terms(|terms| terms.rules.schedule = Schedule::Daily);
    let mut worker = worker(&house);
    house.pay("acme", 60).await;
    // After midnight, when all of the day is old enough.
    house.clock.set(NOON + 13 * HOUR);
    house.pay("acme", 70).await;
    assert_eq!(worker.round().await.settled, [], "54 of Sunday");
    house.clock.set(NOON + 37 * HOUR - 1);
    assert_eq!(worker.round().await.settled, []);
    house.clock.set(NOON + 37 * HOUR);
    house.pay("acme", 1_000).await;
    let settled = worker.round().await.settled;
    assert_eq!((settled.len(), settled[0].payments, settled[0].net), (1, 2, amount(117)));
    house.change_terms(|terms| terms.rules.age_max_ms = Some(3 * HOUR));
    house.clock.set(NOON + 39 * HOUR);
    assert_eq!(worker.round().await.settled, []);
    house.clock.set(NOON + 40 * HOUR);
    assert_eq!(worker.round().await.settled[0].net, amount(900), "too old to wait for its date");
    house.finish().await;
}

#[tokio::test]
async fn refunds_beyond_what_was_earned_are_carried_over() {
    let house = House::new(continuous()).await;
    let mut worker = worker(&house);
    let first = house.pay("acme", 1_000).await;
    house.clock.set(NOON + HOUR);
    assert_eq!(worker.round().await.settled[0].net, amount(900));
    house.pay("acme", 500).await;
    house.give_back(first, 1_000).await;
    house.clock.set(NOON + 2 * HOUR);
    assert_eq!(worker.round().await.settled, [], "400 were given back that it does not have");
    house.pay("acme", 700).await;
    house.clock.set(NOON + 3 * HOUR);
    let settled = worker.round().await.settled;
    assert_eq!((settled[0].adjustments, settled[0].net), (amount(900), amount(180)));
    house.finish().await;
}

#[tokio::test]
async fn one_provider_that_fails_stops_no_other() {
    let house = House::new(continuous()).await;
    let mut terms = continuous();
    terms.destination = PayoutDestination::Wallet(wallet(7));
    house.terms.0.lock().as_mut().unwrap().insert(0, ("blue".into(), terms));
    let nobody = ("nobody".into(), continuous());
    house.terms.0.lock().as_mut().unwrap().insert(0, nobody);
    house.pay("acme", 500).await;
    house.pay("blue", 500).await;
    house.clock.set(NOON + HOUR);
    let mut worker = worker(&house);
    let round = worker.round().await;
    assert_eq!((round.settled.len(), &*round.settled[0].provider), (1, "acme"));
    let unknown = SettlementError::Ledger(LedgerError::UnknownWallet);
    assert_eq!(round.failed, [("blue".into(), unknown.clone())]);
    assert_eq!(*house.seen.failed.lock(), [unknown]);
    house.ledger.create_wallet(wallet(7)).await.unwrap();
    assert_eq!(worker.round().await.settled[0].net, amount(450));
    assert_eq!(house.ledger.wallet(wallet(7)).await.unwrap().unwrap().balance, amount(450));
    let terms = std::mem::replace(&mut *house.terms.0.lock(), Err(TermsError("a test".to_owned())));
    assert_eq!(worker.round().await, crate::Round::default());
    assert_eq!(house.seen.failed.lock().len(), 2);
    assert_eq!(house.seen.rounds.load(Ordering::SeqCst), 2, "nobody was looked at in the last one");
    *house.terms.0.lock() = terms;
    house.finish().await;
}

#[tokio::test]
async fn who_asks_gets_a_settlement_of_all_that_is_old_enough_and_no_more() {
    let house = House::new(continuous()).await;
    let terms = continuous();
    let preview = async || asked::preview(&house.ledger, "acme", &terms.rules).await.unwrap();
    assert_eq!(
        asked::settle(&house.ledger, "acme", &terms).await,
        Ok(None),
        "nobody of this name earned anything"
    );
    let first = house.pay("acme", 50).await;
    assert_eq!(preview().await, None);
    house.clock.set(NOON + HOUR);
    house.pay("acme", 700).await;
    let would_be = preview().await.unwrap();
    assert_eq!((would_be.payments(), would_be.net()), (1, Some(amount(45))));
    let settlement = asked::settle(&house.ledger, "acme", &terms).await.unwrap().unwrap();
    assert_eq!((settlement.payments, settlement.net), (1, amount(45)));
    assert_eq!(asked::settle(&house.ledger, "acme", &terms).await, Ok(None));
    house.give_back(first, 50).await;
    house.pay("acme", 10).await;
    house.clock.set(NOON + 2 * HOUR);
    let would_be = preview().await.unwrap();
    assert_eq!((would_be.payments(), would_be.adjustments()), (2, amount(45)));
    house.finish().await;
}

#[tokio::test]
async fn two_workers_beside_payments_and_refunds_settle_everything_once() {
    let house = House::new(continuous()).await;
    house.change_terms(|terms| (terms.rules.delay_ms, terms.rules.amount_min) = (0, amount(1)));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let worker = Worker::new(house.ledger.clone(), house.terms.clone(), house.seen.clone());
        workers.spawn(worker.run(Duration::from_millis(1), stopped.clone()));
    }
    let mut payers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let ledger = house.ledger.clone();
        payers.spawn(async move {
            let mut payments = Vec::new();
            for units in 1..=40 {
                payments.push(pay(&ledger, "acme", units).await);
            }
            payments
        });
    }
    for payment in payers.join_all().await.into_iter().flatten().step_by(5) {
        house.ledger.refund(payment, ledger::RefundReason::Operator).await.unwrap();
    }
    stop.send(true).unwrap();
    workers.join_all().await;
    let round = worker(&house).round().await;
    assert_eq!(round.failed, []);
    let (mut net, mut payments, mut after) = (0, 0, None);
    loop {
        let page = house.ledger.settlements(Some("acme"), Page { after, ..Page::first(10) }).await.unwrap();
        net += page.items.iter().map(|settlement| settlement.net.atomic()).sum::<i64>();
        payments += page.items.iter().map(|settlement| settlement.payments).sum::<u64>();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let position = house.ledger.position("acme").await.unwrap().unwrap();
    assert_eq!(payments + position.payments, 160);
    // What the last ones earned may be less than what was given back since.
    assert!(
        position.payments == 0 || position.net <= 0,
        "carried over though there was something: {position:?}"
    );
    let earned: i64 = (1..=40).map(|units| units - units / 10).sum::<i64>() * 4;
    let back: i64 = (1..=40).step_by(5).map(|units| units - units / 10).sum::<i64>() * 4;
    assert_eq!(net + position.net, earned - back);
    house.finish().await;
}

/// Somebody who changes the terms while a provider is looked at.
struct Meanwhile {
    terms: Arc<Terms>,
    change: fn(&mut Agreed),
}

impl SettlementObserver for Meanwhile {
    fn looked(&self, _: &Position, _: &SettlementRules, _: UnixMillis) {
        (self.change)(self.terms.0.lock().as_mut().unwrap());
    }

    fn finished(&self) {}

    fn settled(&self, _: &Settlement) {}

    fn failed(&self, _: Option<&str>, _: &SettlementError) {}
}

#[tokio::test]
async fn who_is_suspended_while_its_sums_are_read_is_left_alone_and_what_goes_elsewhere_by_then_goes_there() {
    let house = House::new(continuous()).await;
    house.pay("acme", 1_000).await;
    house.clock.set(NOON + HOUR);
    let round = async |change: fn(&mut Agreed)| {
        let meanwhile = Arc::new(Meanwhile { terms: house.terms.clone(), change });
        let round = Worker::new(house.ledger.clone(), house.terms.clone(), meanwhile).round().await;
        assert_eq!(round.failed, []);
        round.settled
    };
    assert_eq!(round(Vec::clear).await, []);
    *house.terms.0.lock() = Ok(vec![("acme".into(), continuous())]);
    let other = || PayoutDestination::Manual("another bank".to_owned());
    let settled =
        round(|terms| terms[0].1.destination = PayoutDestination::Manual("another bank".to_owned())).await;
    let payout = house.ledger.payout(settled[0].payout).await.unwrap().unwrap();
    assert_eq!(payout.destination, other());
    house.finish().await;
}
