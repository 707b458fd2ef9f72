//! The file beside the API.

use super::*;
use crate::{Config, Database};

#[tokio::test]
async fn the_api_adds_to_what_the_file_brings_and_changes_nothing_of_it() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.apply(&file(&[("ours", "$1")]), registry.now()).await.unwrap();
    registry.create_route(&operator(), route("added", "filed", "$1")).await.unwrap();
    assert_eq!(registry.routes(Some("filed")).len(), 2);
    let entry = registry.route("ours").unwrap();
    assert_eq!((entry.managed_by, entry.document()), (ManagedBy::File, route("ours", "filed", "$1")));
    let refused = [
        registry.update_route(&operator(), "ours", patch(json!({ "price": "$2" }))).await.unwrap_err(),
        registry.remove_route(&operator(), "ours").await.unwrap_err(),
        registry.rollback_route(&operator(), "ours", 1).await.unwrap_err(),
        registry.suspend_provider(&operator(), "filed", true).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, RegistryError::ManagedByFile { .. }), "{error}");
    }
}

#[tokio::test]
async fn h2_a_file_that_names_what_the_api_made_is_refused_with_line_and_key() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let before = registry.create_route(&operator(), route("taken", "acme", "$1")).await.unwrap();
    let text = "[[providers]]\nname = \"acme\"\nupstream = { addresses = [\"http://127.0.0.1:1\"] }\n\
                [[providers.routes]]\nname = \"taken\"\npath = \"/t\"\nprice = \"$1\"\n";
    let error = registry.apply(&config(text).catalog, registry.now()).await.unwrap_err();
    let RegistryError::File(errors) = error else { panic!("{error}") };
    let told: Vec<_> = errors.iter().map(|error| (error.line(), error.key.as_str())).collect();
    assert_eq!(told, [(Some(2), "providers[0].name"), (Some(5), "providers[0].routes[0].name")]);

    let colliding = "[[providers]]\nname = \"other\"\nupstream = { addresses = [\"http://127.0.0.1:1\"] }\n\
                     [[providers.routes]]\nname = \"twin\"\npath = \"/taken\"\nprice = \"$1\"\n";
    let error = registry.apply(&config(colliding).catalog, registry.now()).await.unwrap_err().to_string();
    assert!(error.contains("test.toml:5:8: providers[0].routes[0].name: route `twin` answers"), "{error}");
    assert_eq!(registry.catalogs().borrow().version(), before.version, "the last good catalog stays");
}

#[tokio::test]
async fn what_leaves_the_file_leaves_the_catalog_but_not_from_under_routes_of_the_api() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.apply(&file(&[("a", "$1"), ("b", "$1")]), registry.now()).await.unwrap();
    let catalog = registry.apply(&file(&[("b", "$2")]), registry.now()).await.unwrap();
    assert_eq!(catalog.routes().len(), 1);
    registry.create_route(&operator(), route("added", "filed", "$1")).await.unwrap();
    let error = registry.apply(&config("").catalog, registry.now()).await.unwrap_err().to_string();
    assert!(error.contains("`filed`") && error.contains("(added)"), "{error}");
    registry.remove_route(&operator(), "added").await.unwrap();
    let catalog = registry.apply(&config("").catalog, registry.now()).await.unwrap();
    assert_eq!((catalog.providers().len(), catalog.routes().len()), (1, 0));
    let told = events(&registry).await;
    let told: Vec<_> = told.iter().map(String::as_str).skip(2).collect();
    assert_eq!(
        told,
        [
            "route.created a",
            "route.created b",
            "route.removed a",
            "route.price_changed b",
            "route.created added",
            "route.removed added",
            "route.removed b",
            "provider.removed filed",
        ]
    );
    let back = registry.apply(&file(&[("b", "$2")]), registry.now()).await.unwrap();
    assert_eq!(back.routes()[0].revision, 3, "a number is given once");
}

#[tokio::test]
async fn a_start_with_the_same_file_makes_no_version_and_what_the_api_made_is_there() {
    let place = Place::new();
    let (registry, clock) = opened(&place).await;
    registry.apply(&file(&[("a", "$1")]), registry.now()).await.unwrap();
    registry.create_route(&operator(), route("added", "filed", "$1")).await.unwrap();
    let before = registry.update_route(&operator(), "added", patch(json!({ "price": "$2" }))).await.unwrap();
    let entry = registry.route("added").unwrap();
    registry.close().await;
    let again = open(&place, &clock).await;
    let catalog = again.apply(&file(&[("a", "$1")]), again.now()).await.unwrap();
    assert_eq!((catalog.version(), catalog.routes().len()), (before.version, 2));
    assert_eq!(again.route("added").unwrap(), entry, "with its revision and its honoured quotes");
}

#[tokio::test]
async fn a_file_that_a_provider_names_is_read_again_with_the_file() {
    let place = Place::new();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let text = format!(
        "[[providers]]\nname = \"filed\"\nupstream = {{ addresses = [\"http://127.0.0.1:1\"], headers_file = {{ x = \"{}\" }} }}\n",
        secret.display()
    );
    let registry = open(&place, &TestClock::new()).await;
    let mut versions = Vec::new();
    for value in ["one", "one", "two"] {
        std::fs::write(&secret, value).unwrap();
        versions.push(registry.apply(&config(&text).catalog, registry.now()).await.unwrap().version());
    }
    assert_eq!(versions, [1, 1, 2]);
    assert_eq!(registry.provider("filed").unwrap().provider.upstream.headers[0].1.expose(), "two");
}

#[tokio::test]
async fn a_file_is_seen_together_with_what_came_through_the_api_and_nothing_is_written() {
    let place = Place::new();
    let seen = async |filed: &RawCatalog| {
        let seen = Registry::stored_catalog(&place.database, TestClock::new(), filed).await.unwrap()?;
        let of = |route: &Arc<Route>| {
            (route.name.to_string(), seen.provider(route.provider).unwrap().name.to_string())
        };
        Some(seen.routes().iter().map(of).collect::<Vec<_>>())
    };
    assert_eq!(seen(&file(&[])).await, None);
    let (registry, _) = opened(&place).await;
    for (name, provider) in [("sold", "acme"), ("taken", "acme")] {
        registry.create_route(&operator(), route(name, provider, "$0.01")).await.unwrap();
    }
    let version = registry.catalogs().borrow().version();
    let pair = |route: &str, provider: &str| (route.to_owned(), provider.to_owned());
    let filed = file(&[("new", "$1"), ("taken", "$2")]);
    let expected = [pair("new", "filed"), pair("taken", "filed"), pair("sold", "acme")];
    assert_eq!(seen(&filed).await.unwrap(), expected);
    assert_eq!(registry.catalogs().borrow().version(), version);
}

#[tokio::test]
async fn a_file_is_tried_beside_what_came_through_the_api_and_refused_as_the_start_would() {
    let place = Place::new();
    let text = |name: &str, path: &str| {
        format!(
            "[[providers]]\nname = \"filed\"\nupstream = {{ addresses = [\"http://127.0.0.1:1\"] }}\n\
             [[providers.routes]]\nname = \"{name}\"\npath = \"{path}\"\nprice = \"$1\"\n"
        )
    };
    let tried = async |text: &str| {
        let config = Config { data: place.database.clone(), ..config(text) };
        Registry::try_file(&config, TestClock::new()).await
    };
    assert!(tried(&text("a", "/a")).await.unwrap().is_none(), "nothing is there yet, and nothing was made");
    assert!(tried("").await.unwrap().is_none());
    let (registry, _) = opened(&place).await;
    registry.create_route(&operator(), route("taken", "acme", "$1")).await.unwrap();
    registry.create_route(&operator(), route("added", "filed", "$1")).await.unwrap();
    let version = registry.catalogs().borrow().version();
    assert!(tried(&text("free", "/free")).await.unwrap().is_some());
    for refused in [text("taken", "/t"), text("twin", "/taken"), String::new()] {
        let at_start = registry.apply(&config(&refused).catalog, registry.now()).await.unwrap_err();
        let told: Vec<_> = tried(&refused).await.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, [at_start.to_string()]);
    }
    // A gateway that is writing keeps nobody from looking, and the look changes nothing.
    let writing = registry.begin().await.unwrap();
    assert!(tried(&text("free", "/free")).await.unwrap().is_some());
    drop(writing);
    registry.close().await;
    let files = || match &place.database {
        Database::Sqlite { directory } => std::fs::read_dir(directory).unwrap().count(),
        Database::Postgres { .. } => 0,
    };
    let before = files();
    assert!(tried(&text("free", "/free")).await.unwrap().is_some());
    assert_eq!(files(), before, "nor does it leave a file behind where no gateway runs");
    let open = open(&place, &TestClock::new()).await;
    let catalog = open.apply(&file(&[]), open.now()).await.unwrap();
    assert_eq!((catalog.version(), catalog.routes().len()), (version, 2));
}

#[tokio::test]
async fn other_rules_of_settlement_wait_for_a_restart_for_providers_of_either_kind_and_tell_no_event() {
    let place = Place::new();
    let (registry, clock) = opened(&place).await;
    registry.apply(&file(&[]), registry.now()).await.unwrap();
    let ages = |registry: &Registry| -> Vec<Option<i64>> {
        ["acme", "filed"].map(|name| registry.provider(name).unwrap().provider.settlement.age_max_ms).to_vec()
    };
    let (before, told) = (ages(&registry), events(&registry).await);
    let text = "[settlement]\nage_max = \"3d\"\n[[providers]]\nname = \"filed\"\n\
                upstream = { addresses = [\"http://127.0.0.1:1\"] }\n";
    let changed = config(text).catalog;
    registry.apply(&changed, registry.now()).await.unwrap();
    assert_eq!((ages(&registry), events(&registry).await), (before, told.clone()));

    let restarted = open(&place, &clock).await;
    restarted.apply(&changed, restarted.now()).await.unwrap();
    assert_eq!(ages(&restarted), [Some(3 * 86_400_000), Some(3 * 86_400_000)]);
    assert_eq!(events(&restarted).await, told);
}

#[tokio::test]
async fn what_a_named_file_holds_changes_what_is_sent_and_tells_no_event_with_twice_the_same() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let text = format!(
        "[[providers]]\nname = \"filed\"\nupstream = {{ addresses = [\"http://127.0.0.1:1\"], \
         headers_file = {{ \"x-api-key\" = \"{}\" }} }}\n",
        key.display()
    );
    let apply = async |secret: &str| {
        std::fs::write(&key, secret).unwrap();
        registry.apply(&config(&text).catalog, registry.now()).await.unwrap().version()
    };
    let first = apply("one").await;
    let told = events(&registry).await;
    assert!(apply("two").await > first);
    assert_eq!(events(&registry).await, told);
}
