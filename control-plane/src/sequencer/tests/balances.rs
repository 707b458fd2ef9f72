//! Balances that fall below what they are held against.

use super::*;

#[tokio::test]
async fn a_balance_that_falls_is_told_at_once_and_so_is_one_that_fell_while_nobody_looked() {
    let house = House::new().await;
    let (wallet, other) = (house.wallet(Some("lab")).await, house.wallet(None).await);
    house.registry.create_alert(&OPERATOR, wallet, Threshold::Percent(50)).await.unwrap();
    house.registry.create_alert(&OPERATOR, other, Threshold::Amount(units(10))).await.unwrap();
    let mut sequencer = house.sequencer(&house.registry);
    house.books.fund(wallet, 100);
    house.books.fund(other, 100);
    sequencer.look().await.unwrap();
    house.books.pay("acme", wallet, 50);
    sequencer.look().await.unwrap();
    assert!(house.of_kind("wallet.low_balance").await.is_empty());
    house.books.pay("acme", wallet, 1);
    sequencer.look().await.unwrap();
    let told = house.of_kind("wallet.low_balance").await;
    assert_eq!((told.len(), told[0].subject.clone()), (1, wallet.to_string()));
    let (balance, threshold) = (&told[0].data["balance"], &told[0].data["threshold"]);
    assert_eq!((&balance["amount"], &threshold["amount"]), (&"49".into(), &"50".into()));
    assert_eq!((told[0].tenant.owner.as_deref(), &told[0].data["percent"]), (Some("lab"), &50.into()));
    house.books.pay("acme", wallet, 1);
    sequencer.look().await.unwrap();
    assert_eq!(house.of_kind("wallet.low_balance").await.len(), 1);

    drop(sequencer);
    house.books.pay("acme", other, 95);
    let mut next = house.sequencer(&house.registry);
    next.look().await.unwrap();
    let told = house.of_kind("wallet.low_balance").await;
    assert_eq!((told.len(), told[1].subject.clone()), (2, other.to_string()));
    // Funded again, and fallen again.
    house.books.fund(other, 95);
    next.look().await.unwrap();
    house.books.pay("acme", other, 91);
    next.look().await.unwrap();
    assert_eq!(house.of_kind("wallet.low_balance").await.len(), 3);
}

#[tokio::test]
async fn a_little_that_anybody_pays_in_does_not_silence_a_share() {
    let house = House::new().await;
    let wallet = house.wallet(Some("lab")).await;
    house.registry.create_alert(&OPERATOR, wallet, Threshold::Percent(50)).await.unwrap();
    let mut sequencer = house.sequencer(&house.registry);
    house.books.fund(wallet, 100);
    sequencer.look().await.unwrap();
    house.books.fund(wallet, 2);
    sequencer.look().await.unwrap();
    house.books.pay("acme", wallet, 60);
    sequencer.look().await.unwrap();
    let told = house.of_kind("wallet.low_balance").await;
    assert_eq!((told.len(), &told[0].data["threshold"]["amount"]), (1, &"50".into()));
}
