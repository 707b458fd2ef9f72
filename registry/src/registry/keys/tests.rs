use domain::{Amount, Clock, SpendingPolicy};

use crate::agent::{ENDED_KEY_MS, ENDED_KEYS_MAX, KEYS_MAX, NewAgent, NewKey};
use crate::journal::Filter;
use crate::registry::tests::{OPERATOR, Place, TestClock, open};
use crate::{Registry, RegistryError};

pub(in crate::registry) async fn agent(registry: &Registry) -> domain::AgentId {
    let wallet = registry.new_wallet().unwrap();
    registry.create_wallet(&OPERATOR, wallet, "w".to_owned(), Some("lab".to_owned())).await.unwrap();
    let owner = Some("lab".to_owned());
    let new = NewAgent { name: "x".to_owned(), wallet, owner, policy: SpendingPolicy::default() };
    registry.create_agent(&OPERATOR, new).await.unwrap().id
}

#[tokio::test]
async fn r13_a_rotated_key_works_beside_the_new_one_until_its_overlap_ends() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let per_request = Amount::from_atomic(7).unwrap();
    let scopes = vec!["route:quotes".parse().unwrap(), "category:data".parse().unwrap()];
    let term = Some(clock.now().plus(90_000));
    let new = NewKey { per_request, scopes: scopes.clone(), expires_at: term };
    let old = registry.add_key(&OPERATOR, agent, new).await.unwrap();
    let (made, end) = registry.rotate_key(&OPERATOR, agent, old.grant.id, 1_000).await.unwrap();
    assert_eq!(end, clock.now().plus(1_000));
    assert_eq!((made.grant.per_request, &made.grant.scopes), (per_request, &scopes));
    assert_eq!(made.grant.expires_at, term);
    let known = registry.directory().by_key(&old.key).await.unwrap().unwrap();
    assert_eq!(known.key.as_ref().unwrap().scopes, scopes);
    assert_eq!(known.key.as_ref().unwrap().expires_at, Some(clock.now().plus(1_000)));
    assert!(registry.directory().by_key(&made.key).await.unwrap().is_some());

    // Rotated again, the old one does not live longer, and what takes its place not as short.
    let (again, end) = registry.rotate_key(&OPERATOR, agent, old.grant.id, 60_000).await.unwrap();
    assert_eq!((end, again.grant.expires_at), (clock.now().plus(1_000), term));
    let known = registry.agent(agent).await.unwrap().unwrap();
    let old_now = known.keys.iter().find(|key| key.id == old.grant.id).unwrap();
    assert_eq!(old_now.expires_at, Some(clock.now().plus(1_000)));
}

#[tokio::test]
async fn a_key_belongs_to_its_agent() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let shown = registry.add_key(&OPERATOR, agent(&registry).await, NewKey::default()).await.unwrap();
    let wallet = registry.new_wallet().unwrap();
    let new = NewAgent { name: "y".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
    let other = registry.create_agent(&OPERATOR, new).await.unwrap().id;
    let refused = registry.revoke_key(&OPERATOR, other, shown.grant.id).await;
    assert!(matches!(refused, Err(RegistryError::UnknownKey(_))));
    let refused = registry.rotate_key(&OPERATOR, other, shown.grant.id, 0).await;
    assert!(matches!(refused, Err(RegistryError::UnknownKey(_))));
    assert!(registry.directory().by_key(&shown.key).await.unwrap().is_some());
}

#[tokio::test]
async fn the_last_use_of_a_key_is_written_down_when_asked() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let shown = registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap();
    let last = async || registry.agent(agent).await.unwrap().unwrap().keys[0].last_used_at;
    registry.save_last_uses().await.unwrap();
    assert_eq!(last().await, None);
    registry.directory().by_key(&shown.key).await.unwrap();
    registry.save_last_uses().await.unwrap();
    let used = clock.now();
    assert_eq!(last().await, Some(used.plus(-(used.0 % 60_000))));
}

#[tokio::test]
async fn a_frozen_wallet_freezes_its_agents_at_once() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let shown = registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap();
    let wallet = registry.agent(agent).await.unwrap().unwrap().wallet;
    let frozen = async || registry.directory().by_key(&shown.key).await.unwrap().unwrap().frozen;
    assert!(!frozen().await);
    registry.set_wallet_frozen(&OPERATOR, crate::Freezer::Operator, wallet, true).await.unwrap();
    assert!(frozen().await);
    registry.set_wallet_frozen(&OPERATOR, crate::Freezer::Operator, wallet, false).await.unwrap();
    assert!(!frozen().await);
    let filter = Filter { owner: Some("lab".to_owned()), ..Filter::default() };
    let events = registry.events_after(0, 100, &filter).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let wanted = ["wallet.created", "agent.created", "agent_key.created", "wallet.frozen", "wallet.thawed"];
    assert_eq!(kinds, wanted);
}

#[tokio::test]
async fn an_agent_has_so_many_keys_that_live_and_ended_ones_make_room() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let agent = agent(&registry).await;
    let keys = async || registry.agent(agent).await.unwrap().unwrap().keys;
    let mut first = registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap().grant.id;
    for _ in 1..KEYS_MAX {
        registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap();
    }
    let more = registry.add_key(&OPERATOR, agent, NewKey::default()).await;
    assert!(matches!(more, Err(RegistryError::TooMany("keys of this agent", KEYS_MAX))));
    // With an overlap two would live; and what was refused left the old one as it was.
    let more = registry.rotate_key(&OPERATOR, agent, first, 1_000).await;
    assert!(matches!(more, Err(RegistryError::TooMany("keys of this agent", KEYS_MAX))));
    assert!(keys().await.iter().all(|key| key.expires_at.is_none()));

    for _ in 0..ENDED_KEYS_MAX + 2 {
        clock.advance(1);
        first = registry.rotate_key(&OPERATOR, agent, first, 0).await.unwrap().0.grant.id;
    }
    assert_eq!(keys().await.len(), KEYS_MAX as usize + ENDED_KEYS_MAX);
    clock.advance(ENDED_KEY_MS);
    registry.revoke_key(&OPERATOR, agent, first).await.unwrap();
    registry.add_key(&OPERATOR, agent, NewKey::default()).await.unwrap();
    assert_eq!(keys().await.len(), KEYS_MAX as usize);
}
