//! Thresholds over the real databases.

use super::*;
use crate::journal::{ActorKind, Filter};
use crate::registry::tests::{Place, TestClock, open};
use crate::sequence::{Funded, Reached};

const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };

fn dollars(text: &str) -> Amount {
    Amount::parse_dollars(text).unwrap()
}

async fn wallet(registry: &Registry, owner: Option<&str>) -> WalletId {
    let id = registry.new_wallet().unwrap();
    registry.create_wallet(&OPERATOR, id, "w".to_owned(), owner.map(str::to_owned)).await.unwrap();
    id
}

/// Looks at a balance as the ledger had it after a batch; how often the log told of it altogether.
async fn look(registry: &Registry, wallet: WalletId, balance: &str, batch: u64) -> usize {
    let balance = Balance { wallet, balance: dollars(balance), batch, at: UnixMillis(7) };
    let describe = |alert: &Alert, balance: Amount, threshold: Amount| json!({ "alert": alert.id.to_string(), "balance": balance.to_string(), "threshold": threshold.to_string() });
    registry.judge(&[balance], describe).await.unwrap();
    told(registry).await.len()
}

async fn told(registry: &Registry) -> Vec<crate::journal::Event> {
    let events = registry.events_after(0, 1_000, &Filter::default()).await.unwrap();
    events.into_iter().filter(|event| event.kind == "wallet.low_balance").collect()
}

#[tokio::test]
async fn a_crossing_is_told_once_and_again_only_after_the_balance_was_above() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let wallet = wallet(&registry, Some("lab")).await;
    registry.create_alert(&OPERATOR, wallet, Threshold::Amount(dollars("$5"))).await.unwrap();
    for (batch, (balance, count)) in
        [("$9", 0), ("$5", 0), ("$4.999999", 1), ("$1", 1), ("$5", 1), ("$4", 2), ("$0", 2)]
            .into_iter()
            .enumerate()
    {
        assert_eq!(look(&registry, wallet, balance, batch as u64).await, count, "{balance}");
    }
    let event = &told(&registry).await[0];
    assert_eq!((event.at, event.tenant.owner.as_deref()), (UnixMillis(7), Some("lab")));
    assert_eq!(event.subject, wallet.to_string());
    assert_eq!(event.data["threshold"], "$5.00");
}

#[tokio::test]
async fn an_older_look_that_comes_late_changes_nothing() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let wallet = wallet(&registry, None).await;
    registry.create_alert(&OPERATOR, wallet, Threshold::Amount(dollars("$5"))).await.unwrap();
    assert_eq!(look(&registry, wallet, "$1", 10).await, 1);
    assert_eq!(look(&registry, wallet, "$9", 9).await, 1);
    assert_eq!(look(&registry, wallet, "$1", 11).await, 1, "armed by what was true before");
}

#[tokio::test]
async fn a_share_is_one_of_the_last_funding_unless_that_is_little() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let wallet = wallet(&registry, None).await;
    registry.create_alert(&OPERATOR, wallet, Threshold::Percent(20)).await.unwrap();
    assert_eq!(look(&registry, wallet, "$0", 1).await, 0, "a share of nothing yet");
    const DAYS: i64 = 40 * 24 * 60 * 60 * 1_000;
    let fund = async |from: u64, amount: &str, (at, is_asked): (i64, bool)| {
        let (from, to) = (Reached { batch: from, seq: 0 }, Reached { batch: from + 1, seq: 0 });
        let funded = Funded { wallet, amount: dollars(amount), at: UnixMillis(at), is_asked };
        registry.advance((from, to), &[], &[funded]).await.unwrap()
    };
    assert!(fund(0, "$1000", (1, true)).await && !fund(0, "$1", (1, true)).await);
    assert_eq!(look(&registry, wallet, "$200", 2).await, 0);
    assert_eq!(look(&registry, wallet, "$199.99", 3).await, 1);
    // A smaller one counts at once: it runs dry sooner.
    assert!(fund(1, "$100", (2, false)).await);
    assert_eq!(look(&registry, wallet, "$100", 4).await, 1);
    assert_eq!(look(&registry, wallet, "$20", 5).await, 1);
    assert_eq!(look(&registry, wallet, "$19.99", 6).await, 2);
    // What anybody may pay in counts never, however long ago the other one was.
    assert!(fund(2, "$9.99", (DAYS, false)).await);
    assert_eq!(look(&registry, wallet, "$20", 7).await, 2);
    assert_eq!(look(&registry, wallet, "$19.99", 8).await, 3);
    assert!(fund(3, "$500", (DAYS, false)).await);
    assert_eq!(look(&registry, wallet, "$100", 9).await, 3);
    assert_eq!(look(&registry, wallet, "$99.99", 10).await, 4);
    assert_eq!(told(&registry).await[3].data["threshold"], "$100.00");
    // Whoever may fund it is believed, however little it is.
    assert!(fund(4, "$10", (DAYS, true)).await);
    assert_eq!(look(&registry, wallet, "$2", 11).await, 4);
    assert_eq!(look(&registry, wallet, "$1.99", 12).await, 5);
}

#[tokio::test]
async fn an_alert_is_of_a_wallet_that_is_there_and_there_are_not_too_many() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let nowhere = registry.new_wallet().unwrap();
    let five = Threshold::Amount(dollars("$5"));
    let unknown = registry.create_alert(&OPERATOR, nowhere, five).await;
    assert!(matches!(unknown, Err(RegistryError::UnknownWallet(_))));
    let (wallet, other) = (wallet(&registry, None).await, wallet(&registry, None).await);
    for _ in 0..ALERTS_MAX {
        registry.create_alert(&OPERATOR, wallet, five).await.unwrap();
    }
    let more = registry.create_alert(&OPERATOR, wallet, five).await;
    assert!(matches!(more, Err(RegistryError::TooMany(..))));
    let listed = registry.alerts(wallet).await.unwrap();
    assert_eq!(listed.len(), ALERTS_MAX as usize);
    let foreign = registry.remove_alert(&OPERATOR, other, listed[0].id).await;
    assert!(matches!(foreign, Err(RegistryError::UnknownAlert(_))));
    registry.remove_alert(&OPERATOR, wallet, listed[0].id).await.unwrap();
    assert_eq!(registry.alerts(wallet).await.unwrap(), listed[1..]);
}

#[tokio::test]
async fn events_of_a_stretch_are_appended_once_whoever_comes_second() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let mine = wallet(&registry, Some("lab")).await;
    let nobodys = wallet(&registry, None).await;
    let owners = registry.wallet_owners(&[mine, nobodys]).await.unwrap();
    assert_eq!(owners.into_iter().collect::<Vec<_>>(), [(mine, "lab".to_owned())]);

    let event = NewEvent {
        kind: "wallet.funded",
        at: UnixMillis(3),
        tenant: Tenant::owner(Some("lab")),
        subject: mine.to_string(),
        data: json!({}),
    };
    let (start, next) = (Reached::default(), Reached { batch: 4, seq: 9 });
    assert_eq!(registry.reached().await.unwrap(), start);
    let before = registry.last_position().await.unwrap();
    let event = (event, None);
    assert!(registry.advance((start, next), &[event.clone(), event.clone()], &[]).await.unwrap());
    assert!(!registry.advance((start, next), &[event], &[]).await.unwrap());
    assert_eq!(registry.reached().await.unwrap(), next);
    assert_eq!(*registry.positions().borrow(), before + 2);
    assert_eq!(registry.last_position().await.unwrap(), before + 2);
}
