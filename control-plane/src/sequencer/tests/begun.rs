//! Where events begin on a ledger that was there before.

use super::*;

#[tokio::test]
async fn what_a_ledger_had_before_the_first_sequencer_is_told_to_nobody_and_everything_after_it_is() {
    let house = House::new().await;
    let wallet = house.wallet(None).await;
    house.registry.create_alert(&OPERATOR, wallet, Threshold::Percent(50)).await.unwrap();
    house.books.fund(wallet, 7);
    house.books.fund(wallet, 100);
    house.books.pay("acme", wallet, 1);
    house.sequencer(&house.registry).prepare().await.unwrap();

    // Committed, and nobody has looked yet when the process ends and the next one begins.
    house.books.fund(wallet, 200);
    house.books.pay("acme", wallet, 2);
    let mut sequencer = house.sequencer(&house.registry);
    sequencer.prepare().await.unwrap();
    sequencer.look().await.unwrap();
    let funded = house.of_kind("wallet.funded").await;
    assert_eq!((funded.len(), &funded[0].data["amount"]["amount"]), (1, &"200".into()));
    let captured = house.of_kind("payment.captured.batch").await;
    assert_eq!((captured.len(), number(&captured[0], "first_seq")), (1, 2));
}

#[tokio::test]
async fn shares_are_of_the_last_funding_also_where_it_is_history() {
    let house = House::new().await;
    let wallet = house.wallet(None).await;
    house.registry.create_alert(&OPERATOR, wallet, Threshold::Percent(50)).await.unwrap();
    house.books.fund(wallet, 1_000);
    house.books.pay("acme", wallet, 1_000);
    house.books.fund(wallet, 100);
    let mut sequencer = house.sequencer(&house.registry);
    sequencer.prepare().await.unwrap();
    sequencer.look().await.unwrap();
    assert!(house.of_kind("wallet.low_balance").await.is_empty());
    house.books.pay("acme", wallet, 51);
    sequencer.look().await.unwrap();
    assert_eq!(house.of_kind("wallet.low_balance").await[0].data["threshold"]["amount"], "50");
}

#[tokio::test]
async fn beside_an_older_ledger_nothing_begins_since_what_it_commits_would_pass_for_told() {
    let house = House::new().await;
    let wallet = house.wallet(None).await;
    let mut sequencer = house.sequencer(&house.registry);
    sequencer.prepare().await.unwrap();
    house.books.fund(wallet, 1);
    house.books.fund(wallet, 2);
    sequencer.look().await.unwrap();
    // Restored alone, from a backup.
    house.books.batches.lock().unwrap().pop();
    let refused = house.sequencer(&house.registry).prepare().await.unwrap_err();
    assert!(matches!(refused, Trouble::Older { head: 1, reached: 2 }), "{refused}");
}
