//! Two processes on one database; the clock stands still, so nothing is forgotten for its age.

use domain::{Amount, SpendingPolicy};
use serde_json::json;

use super::*;
use crate::Freezer;
use crate::agent::{NewAgent, NewKey, ShownKey};
use crate::registry::tests::{OPERATOR, Place, TestClock, open, operator};

const BY: Freezer = Freezer::Operator;

struct Rig {
    writer: Registry,
    follower: Registry,
    agent: AgentId,
    wallet: WalletId,
    shown: ShownKey,
    place: Place,
}

/// What can be taken from a key.
#[derive(Clone, Copy, Debug)]
enum Taken {
    Agent,
    Wallet,
    Policy,
    Rotated,
    Revoked,
}

impl Rig {
    async fn over(place: Place) -> Self {
        let clock = TestClock::new();
        let (writer, follower) = (open(&place, &clock).await, open(&place, &clock).await);
        let wallet = writer.new_wallet().unwrap();
        let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
        let agent = writer.create_agent_and_wallet(&OPERATOR, new).await.unwrap().id;
        let shown = writer.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap();
        Self { writer, follower, agent, wallet, shown, place }
    }

    async fn take(&self, taken: Taken) {
        let (writer, agent, key) = (&self.writer, self.agent, self.shown.grant.id);
        match taken {
            Taken::Agent => drop(writer.set_frozen(&OPERATOR, BY, agent, true).await.unwrap()),
            Taken::Wallet => drop(writer.set_wallet_frozen(&OPERATOR, BY, self.wallet, true).await.unwrap()),
            Taken::Policy => {
                let policy = SpendingPolicy { per_request: Amount::from_atomic(1), ..<_>::default() };
                drop(writer.set_policy(&OPERATOR, agent, |_| true, &policy).await.unwrap());
            }
            Taken::Rotated => drop(writer.rotate_key(&OPERATOR, agent, key, 0).await.unwrap()),
            Taken::Revoked => writer.revoke_key(&OPERATOR, agent, key).await.unwrap(),
        }
    }

    /// Whether the follower would let this key pay as before.
    async fn pays(&self) -> bool {
        let found = self.follower.directory().by_key(&self.shown.key).await.unwrap();
        found.is_some_and(|access| {
            !access.frozen
                && *access.policy == SpendingPolicy::default()
                && access.key.as_ref().is_some_and(|key| key.expires_at.is_none())
        })
    }
}

const ALL: [Taken; 5] = [Taken::Agent, Taken::Wallet, Taken::Policy, Taken::Rotated, Taken::Revoked];

#[tokio::test]
async fn what_was_taken_from_an_agent_is_found_by_a_look_where_the_notice_was_lost() {
    for taken in ALL {
        let rig = Rig::over(Place::new()).await;
        let mut seen = None;
        rig.follower.look(&mut seen).await.unwrap();
        assert!(rig.pays().await);
        rig.follower.look(&mut seen).await.unwrap();
        rig.take(taken).await;
        assert!(rig.pays().await, "{taken:?}: remembered until somebody says so");
        rig.follower.look(&mut seen).await.unwrap();
        assert!(!rig.pays().await, "{taken:?}");
        assert_eq!(seen, Some(journal_end(&rig.writer).await));
    }
}

#[tokio::test]
async fn what_was_taken_from_an_agent_is_found_where_the_catalog_beside_it_cannot_be_read() {
    let rig = Rig::over(Place::new()).await;
    let provider = json!({ "name": "acme", "upstream": { "addresses": ["https://acme.example.com"] } });
    rig.writer.load(Terms::default()).await.unwrap();
    rig.writer.create_provider(&operator(), provider).await.unwrap();
    rig.place.force("update provider set document = '{}'").await;
    let mut seen = None;
    assert!(rig.follower.look(&mut seen).await.is_err(), "a catalog that cannot be read");
    assert!(rig.pays().await);
    rig.take(Taken::Agent).await;
    assert!(rig.follower.look(&mut seen).await.is_err());
    assert!(!rig.pays().await);
}

#[tokio::test]
async fn a_look_that_finds_too_much_to_read_or_is_the_first_forgets_everyone() {
    let rig = Rig::over(Place::new()).await;
    assert!(rig.pays().await);
    rig.take(Taken::Agent).await;
    let mut seen = None;
    rig.follower.look(&mut seen).await.unwrap();
    assert!(!rig.pays().await);
    rig.writer.set_frozen(&OPERATOR, BY, rig.agent, false).await.unwrap();
    for number in 0..CHANGES_MAX {
        rig.writer.set_wallet_frozen(&OPERATOR, BY, rig.wallet, number % 2 == 0).await.unwrap();
    }
    rig.follower.look(&mut seen).await.unwrap();
    assert!(rig.pays().await);
}

#[tokio::test]
async fn what_was_taken_from_an_agent_is_told_to_the_other_processes_with_the_commit() {
    for taken in ALL {
        let url = domain::Secret::new(test_postgres::fresh_database());
        let rig = Rig::over(Place::of(crate::Database::Postgres { url })).await;
        let mut notices = Notices::listen(&rig.follower.shared.pool).await.unwrap().unwrap();
        assert!(rig.pays().await);
        rig.take(taken).await;
        assert!(rig.pays().await, "{taken:?}: remembered until somebody says so");
        let heard = tokio::time::timeout(Duration::from_secs(30), notices.next()).await;
        rig.follower.hear(&heard.expect("a notice").unwrap().unwrap()).await.unwrap();
        assert!(!rig.pays().await, "{taken:?}");
    }
}

async fn journal_end(registry: &Registry) -> u64 {
    journal::last_change(&mut registry.shared.pool.acquire().await.unwrap().session()).await.unwrap()
}
