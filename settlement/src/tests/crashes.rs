//! The worker fails or ends at each of its steps, and the process with it: whatever happened, the next worker goes on, and each
//! payment is in one settlement.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use ledger::{Page, PayoutFilter};

use super::house::{Fault, Faulty, HOUR, House, NOON, amount, continuous};
use crate::{SettlementError, Worker};

/// Steps of one settlement: position, begin, extend, close, settle.
const STEPS: i64 = 5;

/// Runs a round over books whose step of this number goes wrong; whether it came to that.
async fn disturbed(house: &House, step: i64, fault: Fault) -> bool {
    let books = Faulty { real: house.ledger.clone(), step: AtomicI64::new(step), fault };
    let mut worker = Worker::new(books, house.terms.clone(), house.seen.clone());
    let round = async { worker.round().await };
    match fault {
        Fault::Before | Fault::After => {
            let failed = round.await.failed;
            assert!(
                failed.iter().all(|(_, error)| matches!(error, SettlementError::Ledger(_))),
                "{failed:?}"
            );
            !failed.is_empty()
        }
        // It never comes back: whoever waited lets it fall.
        Fault::DeathBefore | Fault::DeathAfter => {
            tokio::time::timeout(Duration::from_millis(300), round).await.is_err()
        }
    }
}

#[tokio::test]
async fn i8_whatever_ends_the_worker_every_payment_is_settled_once() {
    for fault in [Fault::Before, Fault::After, Fault::DeathBefore, Fault::DeathAfter] {
        let mut house = House::new(continuous()).await;
        let mut at = NOON;
        for step in 0..STEPS {
            let first = house.pay("acme", 1_000).await;
            at += HOUR;
            house.clock.set(at);
            assert!(disturbed(&house, step, fault).await, "step {step} does not exist");
            // Something comes between.
            house.give_back(first, 10 + step).await;
            house.crash();
            let mut worker = Worker::new(house.ledger.clone(), house.terms.clone(), house.seen.clone());
            let round = worker.round().await;
            assert_eq!(round.failed, []);
            let again = round.settled.len();
            let stood = step == STEPS - 1 && matches!(fault, Fault::After | Fault::DeathAfter);
            assert_eq!(again, usize::from(!stood), "{fault:?} at step {step}");
        }
        assert!(!disturbed(&house, STEPS, fault).await, "there are no more steps");
        let all = house.ledger.settlements(Some("acme"), Page::first(100)).await.unwrap().items;
        assert_eq!(all.iter().map(|settlement| settlement.payments).sum::<u64>(), STEPS as u64);
        assert_eq!(all.len(), STEPS as usize);
        let payouts = house.ledger.payouts(&PayoutFilter::default(), Page::first(100)).await.unwrap().items;
        assert_eq!(payouts.len(), all.len());
        let position = house.ledger.position("acme").await.unwrap().unwrap();
        let settled: i64 = all.iter().map(|settlement| settlement.net.atomic()).sum();
        assert_eq!(amount(settled), position.pending);
        let earned = STEPS * 900 - (0..STEPS).map(|step| 10 + step - (10 + step) / 10).sum::<i64>();
        assert_eq!(settled + position.net, earned);
        house.finish().await;
    }
}
