//! Destinations over time, on whichever database the tests run.

use std::sync::Arc;

use domain::WalletId;

use super::*;
use crate::journal::Filter;
use crate::registry::tests::{OPERATOR, Place, TestClock, config, open};

const HOUR: i64 = 3_600_000;

const TEXT: &str = "[settlement]\npayout_destination_delay = \"2h\"\nschedule = \"weekly\"\n\
    [[providers]]\nname = \"acme\"\nsettlement = { schedule = \"monthly\" }\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
    [[providers]]\nname = \"blue\"\nhosts = [\"blue.example\"]\n[providers.upstream]\naddresses = [\"http://127.0.0.1:8\"]\n";

struct House {
    _place: Place,
    clock: Arc<TestClock>,
    registry: Registry,
}

impl House {
    async fn new() -> Self {
        let (place, clock) = (Place::new(), TestClock::new());
        let registry = open(&place, &clock).await;
        registry.apply(&config(TEXT).catalog, registry.now()).await.unwrap();
        Self { _place: place, clock, registry }
    }

    async fn set(&self, destination: PayoutDestination) -> PayoutDestinations {
        self.registry.set_payout_destination(&OPERATOR, "acme", destination).await.unwrap()
    }

    async fn now(&self) -> PayoutDestinations {
        self.registry.payout_destinations("acme").await.unwrap()
    }

    async fn events(&self) -> Vec<String> {
        let filter = Filter { provider: Some("acme".to_owned()), ..Filter::default() };
        let events = self.registry.events_after(0, 100, &filter).await.unwrap();
        let kinds = events.into_iter().map(|event| event.kind);
        kinds.filter(|kind| kind.starts_with("provider.payout")).collect()
    }
}

fn bank(name: &str) -> PayoutDestination {
    PayoutDestination::Manual(name.to_owned())
}

fn wallet() -> PayoutDestination {
    PayoutDestination::Wallet(WalletId::from_bytes([7; 16]))
}

fn account() -> PayoutDestination {
    PayoutDestination::Chain(
        "eip155:84532/0x036CbD53842c5426634e7929541eC2318f3dCF7e/0x9999999999999999999999999999999999999999"
            .parse()
            .unwrap(),
    )
}

fn is(entry: Option<DestinationEntry>) -> Option<PayoutDestination> {
    entry.map(|entry| entry.destination)
}

#[tokio::test]
async fn the_first_destination_counts_at_once_and_the_next_one_after_its_delay() {
    let house = House::new().await;
    assert_eq!(house.now().await, PayoutDestinations::default());
    let first = house.set(bank("one")).await;
    assert_eq!((is(first.current.clone()), first.pending), (Some(bank("one")), None));
    let second = house.set(wallet()).await;
    assert_eq!(second.current, first.current);
    let pending = second.pending.clone().unwrap();
    assert_eq!((pending.effective_at, pending.destination), (pending.requested_at.plus(2 * HOUR), wallet()));
    house.clock.advance(2 * HOUR - 1);
    assert_eq!(house.now().await, second);
    house.registry.announce_payout_destinations().await.unwrap();
    assert_eq!(house.events().await.len(), 2);
    house.clock.advance(1);
    assert_eq!(house.now().await, PayoutDestinations { current: second.pending, pending: None });
    for _ in 0..2 {
        house.registry.announce_payout_destinations().await.unwrap();
        assert_eq!(house.events().await[2..], ["provider.payout_destination_effective"]);
    }
    house.registry.close().await;
}

#[tokio::test]
async fn an_address_on_a_public_network_waits_as_any_other_destination_does() {
    let house = House::new().await;
    house.set(bank("one")).await;
    let asked = house.set(account()).await;
    assert_eq!((is(asked.current), is(asked.pending)), (Some(bank("one")), Some(account())));
    assert_eq!(house.events().await, ["provider.payout_destination_changed"; 2]);
    house.clock.advance(2 * HOUR);
    assert_eq!(is(house.now().await.current), Some(account()));
    let terms = house.registry.settlement_terms().await.unwrap();
    assert_eq!(terms[0].1.destination, account());
    house.registry.close().await;
}

#[tokio::test]
async fn asking_again_delays_nothing_and_asking_for_another_begins_anew() {
    let house = House::new().await;
    house.set(bank("one")).await;
    let asked = house.set(bank("two")).await;
    house.clock.advance(HOUR);
    assert_eq!(house.set(bank("two")).await, asked);
    assert_eq!(house.events().await.len(), 2);
    let other = house.set(bank("three")).await;
    house.clock.advance(HOUR);
    assert_eq!(house.now().await, other, "what it took the place of never counts");
    house.clock.advance(HOUR);
    assert_eq!(is(house.now().await.current), Some(bank("three")));
    house.registry.close().await;
}

#[tokio::test]
async fn what_waits_can_be_taken_back_also_by_asking_for_what_is_there() {
    let house = House::new().await;
    house.set(bank("one")).await;
    house.set(bank("two")).await;
    let kept = house.registry.cancel_payout_destination(&OPERATOR, "acme").await.unwrap();
    assert_eq!((is(kept.current.clone()), &kept.pending), (Some(bank("one")), &None));
    assert_eq!(house.registry.cancel_payout_destination(&OPERATOR, "acme").await.unwrap(), kept);
    house.set(bank("three")).await;
    assert_eq!(house.set(bank("one")).await, kept);
    house.clock.advance(5 * HOUR);
    house.registry.announce_payout_destinations().await.unwrap();
    assert_eq!(house.now().await, kept);
    assert_eq!(house.events().await, ["provider.payout_destination_changed"; 5]);
    assert!(house.registry.verify_changes().await.unwrap().broken_at.is_none());
    house.registry.close().await;
}

#[tokio::test]
async fn terms_are_those_of_who_has_a_destination_and_is_not_suspended() {
    let house = House::new().await;
    let terms = async || house.registry.settlement_terms().await.unwrap();
    assert_eq!(terms().await, []);
    house.set(bank("one")).await;
    house.registry.set_payout_destination(&OPERATOR, "blue", wallet()).await.unwrap();
    let unknown = house.registry.set_payout_destination(&OPERATOR, "nobody", wallet()).await;
    assert!(matches!(unknown, Err(RegistryError::UnknownProvider(_))));
    let all = terms().await;
    let schedules: Vec<_> = all.iter().map(|(name, terms)| (&**name, terms.rules.schedule.name())).collect();
    assert_eq!(schedules, [("acme", "monthly"), ("blue", "weekly")]);
    assert_eq!((&all[0].1.destination, &all[1].1.destination), (&bank("one"), &wallet()));
    house.set(wallet()).await;
    assert_eq!(terms().await, all, "what waits does not count");
    let suspended = TEXT.replacen("name = \"acme\"", "name = \"acme\"\nsuspended = true", 1);
    house.registry.apply(&config(&suspended).catalog, house.registry.now()).await.unwrap();
    assert_eq!(terms().await, all[1..]);
    assert!(house.registry.settlement_terms_of("acme").await.unwrap().is_some());
    house.registry.close().await;
}
