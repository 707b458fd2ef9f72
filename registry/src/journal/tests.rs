//! The audit log and the event log over the real databases.

use serde_json::json;

use super::*;
use crate::registry::tests::{Place, TestClock, open};

const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };

fn entry<'a>(action: &'static str, subject: &str, tenant: Tenant) -> Entry<'a> {
    Entry {
        actor: &OPERATOR,
        action,
        subject: Subject::new("route", subject),
        tenant,
        before: None,
        after: Some(json!({ "price": "$0.01" })),
        at: UnixMillis(1_800_000_000_000),
    }
}

async fn write(registry: &Registry, entry: &Entry<'_>) -> u64 {
    let mut transaction = registry.begin().await.unwrap();
    let position = record(&mut transaction.session(), entry).await.unwrap();
    transaction.commit().await.unwrap();
    registry.passed(position);
    position
}

#[tokio::test]
async fn a_change_is_an_entry_and_an_event_in_commit_order() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let mut heard = registry.positions();
    assert_eq!(write(&registry, &entry("route.created", "a", Tenant::provider("acme"))).await, 1);
    assert_eq!(write(&registry, &entry("agent.created", "b", Tenant::owner(Some("lab")))).await, 2);
    assert_eq!(*heard.borrow_and_update(), 2);

    let all = registry.events_after(0, 10, &Filter::default()).await.unwrap();
    let seen: Vec<_> = all.iter().map(|event| (event.position, event.kind.as_str())).collect();
    assert_eq!(seen, [(1, "route.created"), (2, "agent.created")]);
    assert_eq!(all[0].data["after"]["price"], "$0.01");
    let filter = Filter { owner: Some("lab".to_owned()), ..Filter::default() };
    assert_eq!(registry.events_after(0, 10, &filter).await.unwrap().len(), 1);
    assert!(registry.events_after(2, 10, &Filter::default()).await.unwrap().is_empty());

    let filter = Filter { provider: Some("acme".to_owned()), ..Filter::default() };
    let changes = registry.changes(None, 10, &filter).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].seq, changes[0].actor_kind.as_str()), (1, "token"));
    let filter = Filter { subject: Some(("route".to_owned(), Some("b".to_owned()))), ..Filter::default() };
    assert_eq!(registry.changes(None, 10, &filter).await.unwrap()[0].seq, 2);
    assert_eq!(registry.changes(Some(2), 10, &Filter::default()).await.unwrap()[0].seq, 1);
}

#[tokio::test]
async fn what_was_rolled_back_left_no_number_behind() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let mut transaction = registry.begin().await.unwrap();
    record(&mut transaction.session(), &entry("route.created", "a", Tenant::default())).await.unwrap();
    drop(transaction);
    assert_eq!(write(&registry, &entry("route.created", "b", Tenant::default())).await, 1);
    assert_eq!(registry.verify_changes().await.unwrap(), Chain { changes: 1, broken_at: None });
}

#[tokio::test]
async fn old_events_go_and_positions_go_on() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    write(&registry, &entry("route.created", "a", Tenant::default())).await;
    let late = Entry { at: UnixMillis(1_900_000_000_000), ..entry("route.created", "b", Tenant::default()) };
    write(&registry, &late).await;
    assert_eq!(registry.forget_events(UnixMillis(1_850_000_000_000)).await.unwrap(), 1);
    assert_eq!(registry.events_after(0, 10, &Filter::default()).await.unwrap()[0].position, 2);
    assert_eq!(registry.last_position().await.unwrap(), 2);
    assert_eq!(registry.verify_changes().await.unwrap().changes, 2);
}

#[tokio::test]
async fn old_events_go_in_steps_until_none_is_left() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let many = FORGOTTEN_AT_ONCE + 7;
    let mut transaction = registry.begin().await.unwrap();
    for _ in 0..many {
        record(&mut transaction.session(), &entry("route.created", "a", Tenant::default())).await.unwrap();
    }
    let late = Entry { at: UnixMillis(1_900_000_000_000), ..entry("route.created", "b", Tenant::default()) };
    record(&mut transaction.session(), &late).await.unwrap();
    transaction.commit().await.unwrap();
    let limit = UnixMillis(1_850_000_000_000);
    assert_eq!(registry.forget_some_events(limit, 5).await.unwrap(), 5);
    assert_eq!(registry.events_after(0, 1, &Filter::default()).await.unwrap()[0].position, 6);
    assert_eq!(registry.forget_events(limit).await.unwrap(), u64::from(many) - 5);
    let left = registry.events_after(0, 10, &Filter::default()).await.unwrap();
    assert_eq!(left.iter().map(|event| event.position).collect::<Vec<_>>(), [u64::from(many) + 1]);
}

#[tokio::test]
async fn a_log_that_grows_while_it_is_looked_at_is_whole() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let writer = registry.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..200 {
            write(&writer, &entry("route.created", "a", Tenant::default())).await;
        }
    });
    while !writing.is_finished() {
        assert_eq!(registry.verify_changes().await.unwrap().broken_at, None);
    }
    writing.await.unwrap();
    assert_eq!(registry.verify_changes().await.unwrap(), Chain { changes: 200, broken_at: None });
}

#[tokio::test]
async fn an_entry_that_was_tampered_with_breaks_the_chain() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    for name in ["a", "b", "c"] {
        write(&registry, &entry("route.created", name, Tenant::default())).await;
    }
    place.force("update change set subject = 'x' where seq = 2").await;
    assert_eq!(registry.verify_changes().await.unwrap().broken_at, Some(2));
    place.force("update change set subject = 'b' where seq = 2").await;
    assert_eq!(registry.verify_changes().await.unwrap().broken_at, None);
    place.force("delete from change where seq = 3").await;
    assert_eq!(registry.verify_changes().await.unwrap().broken_at, Some(3));
}

#[tokio::test]
async fn a_look_for_some_events_goes_through_a_stretch_and_the_next_one_goes_on() {
    let place = Place::new();
    let registry = open(&place, &TestClock::new()).await;
    let old = Entry { at: UnixMillis(1), ..entry("route.created", "a", Tenant::default()) };
    for _ in 0..7 {
        write(&registry, &old).await;
    }
    for action in ["a.b", "x.y", "a.b", "a.b", "a.b", "x.y"] {
        write(&registry, &entry(action, "a", Tenant::provider("acme"))).await;
    }
    // The log lost its beginning: nobody looks through what is gone.
    assert_eq!(registry.forget_events(UnixMillis(2)).await.unwrap(), 7);
    let wanted = Wanted { kind: Some("x.y".to_owned()), subject: None };
    let look = async |after, limit, provider: &str| {
        let filter = Filter { provider: Some(provider.to_owned()), ..Filter::default() };
        let seen = registry.look_through(after, limit, 2, &filter, &wanted).await.unwrap();
        (seen.events.iter().map(|event| event.position).collect::<Vec<_>>(), seen.next)
    };
    assert_eq!(look(0, 10, "acme").await, (vec![9], Some(10)));
    assert_eq!(look(0, 1, "acme").await, (vec![9], Some(9)));
    assert_eq!(look(10, 10, "acme").await, (vec![13], None));
    assert_eq!(look(13, 10, "acme").await, (vec![], None));
    assert_eq!(look(10, 10, "globex").await, (vec![], None));
}
