//! Dropped without a close and opened again: what was acknowledged stands, what was held is free.

use domain::Amount;

use super::kit::{Books, Fault, NOON, amount, named, request, signed};
use crate::{CaptureError, Held, OpenError, Settings};

#[tokio::test]
async fn c2_a_crash_voids_what_was_held() {
    let mut books = Books::funded(100).await;
    let hold = books.hold(signed(60, 7)).await.unwrap();
    books.crash().await;
    // The request outlives the writer: nothing is charged, and it is told so.
    assert_eq!(hold.capture().await.unwrap_err(), CaptureError::Failed);
    books.reopen().await;
    assert_eq!(books.available(1).await, 100);
    books.pay(signed(60, 7)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn c4_a_crash_before_the_commit_charges_nothing() {
    let mut books = Books::funded(100).await;
    books.pay(request(1)).await.delivered();
    books.faults.commit(Fault::Wait);
    let first = books.hold(request(10)).await.unwrap().capture();
    books.faults.until_waiting().await;
    let second = books.hold(signed(20, 7)).await.unwrap().capture();
    books.ledger.shared.enter(crate::shared::Phase::Aborted);
    books.faults.let_go();
    // The first one was on its way to disk; the second was queued behind it.
    first.await.unwrap().delivered();
    assert_eq!(second.await.unwrap_err(), CaptureError::Unknown);
    books.reopen().await;
    assert_eq!(books.balance(1).await, 89);
    books.pay(signed(20, 7)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn c6_a_crash_after_the_commit_forwards_the_same_request_once_more_free() {
    let mut books = Books::funded(100).await;
    let unconfirmed = books.pay(signed(10, 7)).await;
    let mine = books.pay(named(10, "call")).await;
    books.pay(signed(10, 8)).await.delivered();
    books.crash().await;
    drop((unconfirmed, mine));
    books.reopen().await;
    // The last one was delivered, but no batch could say so any more: once more is free, and safe.
    for request in [signed(10, 7), named(10, "call"), signed(10, 8)] {
        let held = books.ledger.hold(request).await.unwrap();
        let Held::Redelivery(redelivery) = held else { panic!("{held:?}") };
        redelivery.delivered();
    }
    assert_eq!(books.balance(1).await, 70);
    // Everything was delivered by now, and a clean stop remembers it.
    books.close().await;
    books.reopen().await;
    for nonce in [7, 8] {
        assert!(matches!(books.ledger.hold(signed(10, nonce)).await, Ok(Held::Prior(_))), "{nonce}");
    }
    books.finish().await;
}

#[tokio::test]
async fn c5_every_acknowledged_payment_survives_a_row_of_crashes() {
    let mut books = Books::funded(10_000).await;
    let mut acknowledged = Vec::new();
    for round in 0..10_u8 {
        let mut running = Vec::new();
        for number in 0..20 {
            running.push(books.hold(signed(1, round * 20 + number)).await.unwrap().capture());
        }
        for capturing in running.drain(..10) {
            acknowledged.push(capturing.await.unwrap().record().payment);
        }
        books.crash().await;
        for capturing in running {
            match capturing.await {
                Ok(receipt) => acknowledged.push(receipt.record().payment),
                Err(CaptureError::Unknown) => {}
                Err(other) => panic!("{other}"),
            }
        }
        books.reopen().await;
        for payment in &acknowledged {
            assert!(books.ledger.payment(*payment).await.unwrap().is_some());
        }
        // The same payloads again: charged once, whatever became of them.
        for number in 0..20 {
            if let Held::Hold(hold) = books.ledger.hold(signed(1, round * 20 + number)).await.unwrap() {
                hold.capture().await.unwrap().delivered();
            }
        }
        let captured = 20 * (i64::from(round) + 1);
        assert_eq!(books.balance(1).await, 10_000 - captured);
    }
    books.finish().await;
}

#[tokio::test]
async fn a_clean_stop_commits_what_is_queued() {
    let mut books = Books::funded(100).await;
    let running: Vec<_> =
        [books.hold(request(1)).await.unwrap().capture(), books.hold(request(1)).await.unwrap().capture()]
            .into();
    books.close().await;
    for capturing in running {
        capturing.await.unwrap().delivered();
    }
    books.reopen().await;
    assert_eq!(books.balance(1).await, 98);
    books.finish().await;
}

#[tokio::test]
async fn c16_a_second_process_is_refused_with_the_owner() {
    let books = Books::funded(100).await;
    let again = crate::Ledger::open(
        books.settings.clone(),
        books.clock.clone(),
        std::sync::Arc::new(crate::Unobserved),
    );
    let Err(OpenError::Owned { owner, .. } | OpenError::Leased { owner, .. }) = again else {
        panic!("opened twice")
    };
    assert!(owner.contains(&std::process::id().to_string()), "{owner}");
    assert_eq!(Amount::from_atomic(books.balance(1).await), Some(amount(100)));
    books.finish().await;
}

#[tokio::test]
async fn another_chain_id_later_is_refused() {
    let mut books = Books::new();
    books.close().await;
    let settings = Settings { chain_id: 402_403, ..books.settings.clone() };
    let opened = crate::Ledger::open(settings, books.clock.clone(), std::sync::Arc::new(crate::Unobserved));
    assert!(matches!(opened, Err(OpenError::Network { .. })));
    books.reopen().await;
    assert_eq!(books.ledger.time().0, NOON);
    books.finish().await;
}
