//! Several processes on one database.

use std::time::Duration;

use super::*;

/// What a catalog sells, and by which numbers.
fn numbers(registry: &Registry) -> Vec<(String, u32, u64)> {
    let numbered =
        |entry: &Arc<RouteEntry>| (entry.route.name.to_string(), entry.route.revision, entry.route.since);
    registry.routes(None).iter().map(numbered).collect()
}

#[tokio::test]
async fn a_change_of_one_process_is_in_force_in_the_others_without_being_asked_for() {
    let place = Place::new();
    let (writer, clock) = opened(&place).await;
    let follower = open(&place, &clock).await;
    follower.load(Terms::default()).await.unwrap();
    assert_eq!(follower.catalogs().borrow().version(), writer.catalogs().borrow().version());
    let following = tokio::spawn(follower.clone().follow());
    let mut catalogs = follower.catalogs();
    for price in ["$1", "$2", "$3"] {
        let outcome = match follower.route("a") {
            None => writer.create_route(&operator(), route("a", "acme", price)).await.unwrap(),
            Some(_) => writer.update_route(&operator(), "a", patch(json!({ "price": price }))).await.unwrap(),
        };
        let reached = catalogs.wait_for(|catalog| catalog.version() >= outcome.version);
        tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap().unwrap();
        assert_eq!(follower.route("a"), writer.route("a"));
    }
    writer.apply(&file(&[("b", "$1")]), writer.now()).await.unwrap();
    writer.suspend_provider(&operator(), "acme", true).await.unwrap();
    let last = writer.remove_route(&operator(), "a").await.unwrap();
    let reached = catalogs.wait_for(|catalog| catalog.version() >= last.version);
    tokio::time::timeout(Duration::from_secs(30), reached).await.unwrap().unwrap();
    assert_eq!(numbers(&follower), numbers(&writer));
    assert_eq!(follower.providers(), writer.providers());
    following.abort();
}

#[tokio::test]
async fn processes_that_change_at_once_see_each_others_changes_and_collide_where_they_must() {
    let place = Place::new();
    let (one, clock) = opened(&place).await;
    let other = open(&place, &clock).await;
    other.load(Terms::default()).await.unwrap();
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..10 {
        for (registry, prefix) in [(&one, "x"), (&other, "y")] {
            let registry = registry.clone();
            // Both want the same path: exactly one may have it.
            let document = json!({
                "name": format!("{prefix}{number}"), "provider": "acme", "path": format!("/{number}"), "price": "$1",
            });
            changes.spawn(async move { registry.create_route(&operator(), document).await.is_ok() });
        }
    }
    let made = changes.join_all().await.into_iter().filter(|made| *made).count();
    assert_eq!(made, 10);
    one.refresh().await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(numbers(&one), numbers(&other));
    assert_eq!(numbers(&one).len(), 10);
    assert_eq!(one.catalogs().borrow().version(), other.catalogs().borrow().version());
}

#[tokio::test]
async fn a_look_without_a_change_changes_nothing() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let before = registry.catalogs().borrow().clone();
    assert_eq!(registry.refresh().await.unwrap(), before.version());
    assert!(Arc::ptr_eq(&before, &registry.catalogs().borrow()));
}
