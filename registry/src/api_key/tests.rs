use domain::Clock;

use super::*;
use crate::journal::{ActorKind, Filter};
use crate::registry::tests::{Place, TestClock, open};

const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };

fn new(role: Role) -> NewApiKey {
    NewApiKey { name: "console".to_owned(), role, read_only: false, scopes: None, expires_at: None }
}

#[tokio::test]
async fn a_key_opens_what_it_was_made_for_until_it_is_revoked() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let role = Role::Provider("acme".to_owned());
    let (key, made) = registry.create_api_key(&OPERATOR, new(role.clone())).await.unwrap();
    let key = ApiKey::parse(&key.reveal()).unwrap();
    let grant = registry.open_with_key(&key).await.unwrap().unwrap();
    assert_eq!((grant.id, &grant.role), (made.id, &role));

    registry.revoke_api_key(&OPERATOR, made.id).await.unwrap();
    registry.revoke_api_key(&OPERATOR, made.id).await.unwrap();
    assert!(registry.open_with_key(&key).await.unwrap().is_none());
    let events = registry.events_after(0, 10, &Filter::default()).await.unwrap();
    let seen: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(seen, ["api_key.created", "api_key.revoked"]);
    assert!(!format!("{events:?}").contains(&key.reveal()));
}

#[tokio::test]
async fn a_key_that_expired_and_one_with_another_secret_open_nothing() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let expires_at = Some(clock.now().plus(1_000));
    let (key, _) =
        registry.create_api_key(&OPERATOR, NewApiKey { expires_at, ..new(Role::Admin) }).await.unwrap();
    assert!(registry.open_with_key(&key).await.unwrap().is_some());
    let forged = ApiKey { id: key.id, secret: [0; SECRET_BYTES] };
    assert!(registry.open_with_key(&forged).await.unwrap().is_none());
    let unknown = ApiKey::generate(clock.now(), [1; 10], key.secret);
    assert!(registry.open_with_key(&unknown).await.unwrap().is_none());
    clock.advance(1_000);
    assert!(registry.open_with_key(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn the_last_use_is_kept_to_the_minute() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let (key, _) = registry.create_api_key(&OPERATOR, new(Role::Admin)).await.unwrap();
    let last = async || registry.api_keys(None, 10).await.unwrap()[0].last_used_at;
    assert_eq!(last().await, None);
    let first = clock.now();
    registry.open_with_key(&key).await.unwrap();
    clock.advance(LAST_USED_EVERY_MS - 1);
    registry.open_with_key(&key).await.unwrap();
    assert_eq!(last().await, Some(first));
    clock.advance(1);
    registry.open_with_key(&key).await.unwrap();
    assert_eq!(last().await, Some(first.plus(LAST_USED_EVERY_MS)));
}

#[test]
fn an_agents_key_is_no_key_of_the_api() {
    let agent = crate::AgentKey::generate(UnixMillis(0), [7; 42]).reveal();
    assert!(ApiKey::parse(&agent).is_err());
    let key = ApiKey::generate(UnixMillis(0), [7; 10], [9; 32]);
    assert!(crate::AgentKey::parse(&key.reveal()).is_err());
    assert!(!format!("{key:?}").contains(&key.reveal()[31..]));
}
