//! What is stored and cannot be read: it stands in the way of everything, and is never passed over.

use super::*;
use crate::Config;

/// Writes over the document of a route or a provider, as an older version of this program could have written it.
async fn rewrite(place: &Place, table: &str, name: &str, from: &str, to: &str) {
    place
        .force(&format!(
            "update {table} set document = replace(document, '{from}', '{to}') where name = '{name}'"
        ))
        .await;
}

/// A restart: the same database, the same file.
async fn restart(
    place: &Place,
    clock: &Arc<TestClock>,
    file: &RawCatalog,
) -> Result<Registry, RegistryError> {
    let registry = open(place, clock).await;
    registry.apply(file, registry.now()).await?;
    Ok(registry)
}

async fn with_a_priced_route(place: &Place) -> Arc<TestClock> {
    let (registry, clock) = opened(place).await;
    let mut priced = route("priced", "acme", "$1");
    priced["methods"] = json!(["GET", "PUT"]);
    registry.create_route(&operator(), priced).await.unwrap();
    let wide = json!({ "name": "wide", "provider": "acme", "path": "/{*rest}", "price": "free" });
    registry.create_route(&operator(), wide).await.unwrap();
    clock
}

#[tokio::test]
async fn a_stored_route_with_a_method_that_nobody_registered_is_still_sold_and_judged_when_it_is_edited() {
    let place = Place::new();
    let clock = with_a_priced_route(&place).await;
    rewrite(&place, "route", "priced", "PUT", "PURGE").await;
    let registry = restart(&place, &clock, &file(&[])).await.unwrap();
    let entry = registry.route("priced").unwrap();
    assert_eq!(entry.document()["methods"], json!(["GET", "PURGE"]));
    assert!(registry.catalogs().borrow().routes().iter().any(|route| &*route.name == "priced"));
    let edit = registry.update_route(&operator(), "priced", patch(json!({ "price": "$2" }))).await;
    assert_eq!(pointers(edit.unwrap_err()), ["/methods/1"]);
    let mended = patch(json!({ "price": "$2", "methods": ["GET"] }));
    registry.update_route(&operator(), "priced", mended).await.unwrap();
}

#[tokio::test]
async fn a_stored_route_that_cannot_be_read_refuses_the_start_and_keeps_its_name() {
    let place = Place::new();
    let clock = with_a_priced_route(&place).await;
    rewrite(&place, "route", "priced", "PUT", "P T").await;
    let refused = restart(&place, &clock, &file(&[])).await.err().unwrap().to_string();
    assert!(refused.contains("`priced`") && refused.contains("faregate route remove priced"), "{refused}");
    let config = Config { data: place.database.clone(), ..config("") };
    let tried = Registry::try_file(&config, clock.clone()).await.unwrap_err();
    assert!(matches!(tried[..], [RegistryError::Unreadable(_)]), "check says what the start would");

    let follower = open(&place, &clock).await;
    assert!(follower.load(Terms::default()).await.is_err(), "nor does a process start that only follows");
    let other = route("priced", "acme", "free");
    assert!(follower.create_route(&operator(), other).await.is_err(), "its name is nobody else's");
    assert!(follower.catalogs().borrow().routes().is_empty());

    rewrite(&place, "route", "priced", "P T", "PUT").await;
    assert!(restart(&place, &clock, &file(&[])).await.unwrap().route("priced").is_some());
}

#[tokio::test]
async fn a_running_process_keeps_the_last_good_catalog_where_a_newer_one_cannot_be_read() {
    let place = Place::new();
    let clock = with_a_priced_route(&place).await;
    let (running, writer) = (open(&place, &clock).await, open(&place, &clock).await);
    running.load(Terms::default()).await.unwrap();
    writer.load(Terms::default()).await.unwrap();
    let before = running.catalogs().borrow().version();
    writer.update_route(&operator(), "priced", patch(json!({ "price": "$3" }))).await.unwrap();
    rewrite(&place, "route", "priced", "PUT", "P T").await;
    assert!(matches!(running.refresh().await, Err(RegistryError::Unreadable(_))));
    assert_eq!(running.catalogs().borrow().version(), before);
    assert!(running.route("priced").is_some());
}

#[tokio::test]
async fn what_the_file_brought_and_cannot_be_read_is_written_again_by_the_file_or_goes_with_it() {
    let place = Place::new();
    let (registry, clock) = opened(&place).await;
    registry.apply(&file(&[("a", "$1"), ("b", "$1")]), registry.now()).await.unwrap();
    registry.create_route(&operator(), route("added", "filed", "$1")).await.unwrap();
    for (table, name) in [("route", "a"), ("route", "b"), ("provider", "filed")] {
        rewrite(&place, table, name, "name", "mane").await;
    }
    assert!(open(&place, &clock).await.load(Terms::default()).await.is_err(), "whoever only follows waits");
    let gone = restart(&place, &clock, &config("").catalog).await.err().unwrap().to_string();
    assert!(gone.contains("`filed`") && gone.contains("(added)"), "{gone}");

    let registry = restart(&place, &clock, &file(&[("b", "$1")])).await.unwrap();
    let names: Vec<_> = registry.routes(None).iter().map(|entry| entry.route.name.to_string()).collect();
    assert_eq!(names, ["added", "b"]);
    let follower = open(&place, &clock).await;
    follower.load(Terms::default()).await.unwrap();
    assert_eq!(follower.routes(None).len(), 2);
}
