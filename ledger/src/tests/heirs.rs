//! What a process left that is gone, and who takes it over.

use std::time::Duration;

use domain::{Settle, UnixMillis};

use super::kit::{Books, clean, signed};
use super::onchain::{DIRECT, onchain};
use super::postgres::until;
use super::several::settings;
use crate::batch::{Cost, HeldAt};
use crate::commit::StoreError;
use crate::holds::{Holds, Taken};
use crate::{Close, Held, HoldError, HoldRequest, Settings};

/// Leaves a payment that may not have arrived, and one of which nobody knows the outcome.
async fn leave(mut gone: Books, others: &[&Books]) {
    drop(gone.pay(signed(10, 7)).await);
    gone.hold(onchain(1, DIRECT, Settle::After)).await.unwrap().leave_unknown();
    for other in others {
        assert_eq!(other.ledger.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress);
    }
    gone.close().await;
}

/// Delivers what may not have arrived, and knows what is unknown.
async fn inherits(heir: &Books) {
    until("it to take over", || heir.ledger.unknown().len() == 1).await;
    match heir.ledger.hold(signed(10, 7)).await.unwrap() {
        Held::Redelivery(redelivery) => redelivery.delivered(),
        other => panic!("{other:?}"),
    }
    clean(&heir.ledger.audit().await.unwrap());
    heir.ledger.close(heir.ledger.unknown()[0].payment, Close::Void).await.unwrap();
}

#[tokio::test]
async fn only_whoever_can_deliver_inherits() {
    let url = test_postgres::fresh_database();
    let control_plane = Books::at(Settings { delivers: false, ..settings(&url) });
    control_plane.fund(1, 100).await;
    leave(Books::at(settings(&url)), &[&control_plane]).await;
    // It looks every 250 ms, and nothing happens that could be waited for.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let gateway = Books::at(settings(&url));
    inherits(&gateway).await;
    assert_eq!(control_plane.ledger.unknown(), []);
    control_plane.finish().await;
    gateway.finish().await;
}

#[tokio::test]
async fn a_takeover_that_was_not_answered_is_told_again() {
    let url = test_postgres::fresh_database();
    let (gone, heir) = (Books::at(settings(&url)), Books::at(settings(&url)));
    heir.faults.orphans(StoreError::Broken("no answer".to_owned()));
    heir.fund(1, 100).await;
    let own = heir.hold(signed(5, 9)).await.unwrap();
    leave(gone, &[&heir]).await;
    inherits(&heir).await;
    own.capture().await.unwrap().delivered();
    heir.finish().await;
}

#[tokio::test]
async fn a_hold_that_cannot_be_read_stops_nobody_and_is_looked_after_once_it_can() {
    let url = test_postgres::fresh_database();
    let (gone, mut heir) = (Books::at(settings(&url)), Books::at(settings(&url)));
    heir.fund(1, 100).await;
    let [damaged, of_a_damaged_intent] = [2, 3].map(|nonce| onchain(nonce, DIRECT, Settle::After));
    for request in [&damaged, &of_a_damaged_intent] {
        gone.hold(request.clone()).await.unwrap().leave_unknown();
    }
    let name = |request: &HoldRequest| {
        let bytes = request.payment.as_bytes().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let change = |table: &str, change: &str, request: &HoldRequest| {
        let text = format!("update {table} set {change} where payment = '\\x{}'", name(request));
        let text = format!("set search_path to ledger; {text}");
        assert!(test_postgres::query(&url, &text).is_empty(), "it has rows");
    };
    let price = test_postgres::query(&url, "select min(price) from ledger.hold");
    change("hold", "price = 'later'", &damaged);
    change("intent", "since_block = -since_block - 1", &of_a_damaged_intent);
    leave(gone, &[&heir]).await;
    inherits(&heir).await;
    // Whoever starts now serves, and takes over what it can read.
    let newcomer = Books::at(settings(&url));
    newcomer.pay(signed(10, 8)).await.delivered();
    change("hold", &format!("price = '{price}'"), &damaged);
    change("intent", "since_block = -since_block - 1", &of_a_damaged_intent);
    heir.close().await;
    until("it to take over the rest", || newcomer.ledger.unknown().len() == 2).await;
    for request in [damaged, of_a_damaged_intent] {
        newcomer.ledger.close(request.payment, Close::Void).await.unwrap();
    }
    newcomer.finish().await;
}

/// Whoever asks again at the moment in which its payment is taken over from a process that is gone.
#[test]
fn a_row_that_is_taken_over_has_its_keys_whoever_took_them_before() {
    let (mut holds, row, again) = (Holds::default(), signed(10, 7), signed(10, 7));
    assert_ne!(row.payment, again.payment);
    holds.claim(&again).unwrap();
    assert_eq!(holds.taken_from(&again), None);
    holds.restore(&row, &HeldAt::new(UnixMillis(0)), Cost::new(&row, false), false);
    assert_eq!(holds.taken_from(&again), Some(Taken::Running));
    assert_eq!(holds.taken_from(&row), None);
    holds.unclaim(&again);
    assert_eq!(holds.claim(&again), Err(Taken::Running), "it is the row's still");
    holds.unclaim(&row);
    holds.claim(&again).unwrap();
}

#[tokio::test]
async fn a_connection_that_broke_while_nobody_used_it_costs_whoever_inherits_nothing_no_answer() {
    let url = test_postgres::fresh_database();
    let control_plane = Books::at(Settings { delivers: false, ..settings(&url) });
    control_plane.fund(1, 100).await;
    let gone = "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    assert_eq!(test_postgres::query(&url, gone), "t");
    control_plane.fund(2, 100).await;
    control_plane.finish().await;
}
