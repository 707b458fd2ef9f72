//! Who moved money: the books keep it in the commit that moves it, and the audit log has it from there.

use ledger::{Funding, Settings};
use registry::journal::{Change, Filter};
use registry::{Actor, ActorKind};

use super::*;
use crate::history::History;
use crate::sequencer::Sequencer;

impl House {
    /// Makes events, and entries of the audit log, of all that moved so far.
    pub(super) async fn tell(&self) {
        tell(&self.ledger, &self.registry).await;
    }
}

async fn tell(ledger: &Ledger, registry: &Registry) {
    let movements = Arc::new(History::new(ledger.clone()));
    let mut sequencer = Sequencer::new(registry.clone(), movements, ledger.asset().clone());
    while sequencer.look().await.unwrap() {}
}

/// What the audit log has of wallets that got or gave money, oldest first.
async fn of_wallets(registry: &Registry) -> Vec<Change> {
    let subject = Some(("wallet".to_owned(), None));
    let mut changes = registry.changes(None, 100, &Filter { subject, ..Filter::default() }).await.unwrap();
    changes.retain(|change| change.action != "wallet.created");
    changes.reverse();
    changes
}

#[tokio::test]
async fn whoever_moved_money_is_named_after_the_process_ended_before_its_log_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let (books, database) = databases(directory.path());
    let key = Actor {
        kind: ActorKind::Key(domain::ApiKeyId::from_bytes([7; 16])),
        request: Some("req_1".to_owned()),
    };
    let id = {
        let (ledger, writer) =
            Ledger::open(Settings::new(books.clone()), Arc::new(Still), Arc::new(Unobserved)).unwrap();
        let registry = Registry::open(&database, Arc::new(Still)).await.unwrap();
        let id = registry.new_wallet().unwrap();
        ledger.create_wallet(id).await.unwrap();
        let funding = |word: &str| Funding {
            wallet: id,
            amount: Amount::from_atomic(1_000_000).unwrap(),
            idempotency_key: word.to_owned(),
            external_reference: "x".to_owned(),
        };
        let moving = ledger.asked_by(&key.to_string());
        moving.fund(funding("one")).await.unwrap();
        // The same word from somebody else is still the first one's.
        ledger.asked_by(&Actor::new(ActorKind::Token).to_string()).fund(funding("one")).await.unwrap();
        ledger.fund(funding("by a rule")).await.unwrap();
        assert_eq!(of_wallets(&registry).await, []);
        registry.close().await;
        drop((ledger, moving));
        tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
        id
    };

    let (ledger, writer) = Ledger::open(Settings::new(books), Arc::new(Still), Arc::new(Unobserved)).unwrap();
    let registry = Registry::open(&database, Arc::new(Still)).await.unwrap();
    for _ in 0..2 {
        tell(&ledger, &registry).await;
        let told = of_wallets(&registry).await;
        let [only] = &told[..] else { panic!("not the one that somebody asked for, once: {told:?}") };
        assert_eq!((only.actor_kind.as_str(), only.request.as_deref()), ("key", Some("req_1")));
        assert_eq!(only.actor, domain::ApiKeyId::from_bytes([7; 16]).to_string());
        assert_eq!((only.action.as_str(), only.subject.clone()), ("wallet.funded", id.to_string()));
    }
    assert!(registry.verify_changes().await.unwrap().broken_at.is_none());
    registry.close().await;
    drop(ledger);
    tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
}

#[tokio::test]
async fn a_mover_that_nobody_can_read_holds_events_up_and_is_not_made_up() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let funding = Funding {
        wallet: wallet.parse().unwrap(),
        amount: Amount::from_atomic(1).unwrap(),
        idempotency_key: "one".to_owned(),
        external_reference: "x".to_owned(),
    };
    house.ledger.asked_by("somebody").fund(funding).await.unwrap();
    let movements = Arc::new(History::new(house.ledger.clone()));
    let asset = house.ledger.asset().clone();
    let mut sequencer = Sequencer::new(house.registry.clone(), movements, asset);
    assert!(sequencer.look().await.is_err());
    assert_eq!(of_wallets(&house.registry).await, []);
    house.end().await;
}
