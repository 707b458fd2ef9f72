//! Changes through the API.

use domain::{Amount, Price};

use super::*;
use crate::document::SECRET;

#[tokio::test]
async fn a_provider_and_its_route_are_made_changed_and_told_of() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let made = registry.create_route(&operator(), route("quotes", "acme", "$0.01")).await.unwrap();
    let in_force = registry.catalogs().borrow().clone();
    assert_eq!(in_force.version(), made.version, "the answer waits until it is in force");
    let entry = registry.route("quotes").unwrap();
    assert!(Arc::ptr_eq(&entry.route, &in_force.routes()[0]));
    assert_eq!((entry.managed_by, &*entry.provider), (ManagedBy::Api, "acme"));
    assert_eq!(in_force.provider(entry.route.provider).unwrap().name, "acme".into());
    assert_eq!((entry.route.revision, entry.route.since), (1, made.version));

    let changed =
        registry.update_route(&operator(), "quotes", patch(json!({ "price": "$0.02" }))).await.unwrap();
    assert_eq!(changed.version, made.version + 1);
    assert_eq!(
        serde_json::to_value(&changed.changes).unwrap(),
        json!([{
            "kind": "route", "name": "quotes", "provider": "acme", "change": "changed",
            "old_price": "$0.01", "new_price": "$0.02",
            "differences": [{ "pointer": "/price", "old": "$0.01", "new": "$0.02" }],
        }])
    );
    let again =
        registry.update_route(&operator(), "quotes", patch(json!({ "price": "$0.02" }))).await.unwrap();
    assert_eq!((again.version, again.changes.len()), (changed.version, 0));
    registry.update_route(&operator(), "quotes", patch(json!({ "description": "d" }))).await.unwrap();
    registry.suspend_provider(&operator(), "acme", true).await.unwrap();
    assert!(registry.route("quotes").unwrap().route.superseded.is_empty(), "quotes end at once");
    registry.suspend_provider(&operator(), "acme", false).await.unwrap();
    assert_eq!(registry.route("quotes").unwrap().route.revision, 4);
    registry.remove_route(&operator(), "quotes").await.unwrap();
    assert!(registry.catalogs().borrow().routes().is_empty());
    assert_eq!(
        events(&registry).await,
        [
            "provider.created filed",
            "provider.created acme",
            "route.created quotes",
            "route.price_changed quotes",
            "route.updated quotes",
            "provider.suspended acme",
            "provider.resumed acme",
            "route.removed quotes",
        ]
    );
    let newest = &registry.catalog_changes(None, 1).await.unwrap()[0];
    assert_eq!(newest.version, registry.catalogs().borrow().version());
    assert_eq!(newest.difference["entries"][0]["change"], "removed");
}

#[tokio::test]
async fn every_mistake_is_told_with_its_pointer_and_nothing_is_kept() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.create_route(&operator(), route("a", "acme", "$1")).await.unwrap();
    let version = registry.catalogs().borrow().version();
    let create = |document: Value| {
        let registry = &registry;
        async move { registry.create_route(&operator(), document).await.unwrap_err() }
    };
    let wrong = json!({ "name": "b", "provider": "acme", "path": "b", "price": 5, "prise": "$1" });
    assert_eq!(pointers(create(wrong).await), ["/path", "/price", "/prise"]);
    assert_eq!(pointers(create(route("b", "nobody", "$1")).await), ["/provider"]);
    let twin = json!({ "name": "b", "provider": "acme", "path": "/A", "price": "$1" });
    assert_eq!(pointers(create(twin).await), ["/path"]);
    assert!(matches!(create(route("a", "acme", "$1")).await, RegistryError::Taken { kind: "route", .. }));
    assert_eq!(pointers(create(json!(["a"])).await), [""]);

    let update = |document: Value| {
        let registry = &registry;
        async move { registry.update_route(&operator(), "a", patch(document)).await.unwrap_err() }
    };
    assert_eq!(pointers(update(json!({ "name": "c", "provider": "filed" })).await), ["/name", "/provider"]);
    assert_eq!(pointers(update(json!({ "price": null })).await), ["/price"]);
    let unknown = registry.update_route(&operator(), "nothing", Map::new()).await.unwrap_err();
    assert!(matches!(unknown, RegistryError::UnknownRoute(_)));
    let payee = registry.provider("acme").unwrap().provider.pay_to.to_string();
    let mut same = provider("other");
    same["pay_to"] = json!(payee);
    let error = registry.create_provider(&operator(), same).await.unwrap_err();
    assert_eq!(pointers(error), ["/pay_to"]);
    let mut same = provider("other");
    (same["upstream"]["addresses"], same["hosts"]) =
        (json!(["https://acme.example.com"]), json!(["x.example"]));
    let error = registry.create_provider(&operator(), same).await.unwrap_err();
    assert_eq!(pointers(error), ["/upstream/addresses"]);
    assert_eq!(registry.catalogs().borrow().version(), version);
}

#[tokio::test]
async fn o5_secrets_stand_in_no_answer_no_event_and_no_audit_entry() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let entry = registry.provider("acme").unwrap();
    assert_eq!(entry.document()["upstream"]["headers"]["x-api-key"], SECRET);
    assert_eq!(entry.provider.upstream.headers[0].1.expose(), "hunter2");
    let shown = entry.document();
    let same = registry.update_provider(&operator(), "acme", patch(shown)).await.unwrap();
    assert!(same.changes.is_empty(), "what was shown may be sent back");
    let unknown = json!({ "upstream": { "headers": { "x-other": SECRET } } });
    let error = registry.update_provider(&operator(), "acme", patch(unknown)).await.unwrap_err();
    assert_eq!(pointers(error), ["/upstream/headers/x-other"]);
    let entry = registry.provider("acme").unwrap();
    assert_eq!(entry.provider.upstream.headers[0].1.expose(), "hunter2");

    let changes = registry.changes(None, 100, &Filter::default()).await.unwrap();
    let events = registry.events_after(0, 100, &Filter::default()).await.unwrap();
    let versions = registry.catalog_changes(None, 100).await.unwrap();
    let told = format!("{changes:?} {events:?} {versions:?} {entry:?} {}", registry.export().to_toml());
    assert!(told.contains(SECRET) && !told.contains("hunter2"));
    registry.close().await;
    let again = open(&place, &TestClock::new()).await;
    again.load(Terms::default()).await.unwrap();
    assert_eq!(again.provider("acme").unwrap().provider, entry.provider, "the database keeps it");
}

#[tokio::test]
async fn a_provider_writes_neither_the_operators_terms_nor_private_upstreams_nor_files() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    // Its secret goes along only where it is written again.
    let secret = json!({ "x-api-key": "hunter3" });
    let mut upstream = json!({ "addresses": ["http://169.254.169.254"], "headers": secret });
    for (address, refused) in [
        ("http://169.254.169.254", true),
        ("http://[::1]:8403", true),
        ("http://localhost:8403", true),
        ("http://10.1.2.3", true),
        ("https://8.8.8.8", false),
        ("https://api.example.com", false),
    ] {
        upstream["addresses"] = json!([address]);
        let changed = patch(json!({ "upstream": upstream }));
        match registry.update_provider(&tenant(), "acme", changed).await {
            Ok(_) => assert!(!refused, "{address}"),
            Err(error) => assert!(refused && pointers(error) == ["/upstream/addresses/0"], "{address}"),
        }
    }
    let of = |registry: &Registry| registry.provider("acme").unwrap().provider.upstream.clone();
    assert!(of(&registry).public_only, "what the name leads to is judged where it is connected to");
    registry.update_provider(&operator(), "acme", patch(json!({ "fee": "1%" }))).await.unwrap();
    assert!(of(&registry).public_only, "the operator did not name that upstream");
    let own = json!({ "upstream": { "addresses": ["http://10.1.2.3"], "headers": secret } });
    registry.update_provider(&operator(), "acme", patch(own)).await.unwrap();
    assert!(!of(&registry).public_only);
    registry
        .update_provider(&tenant(), "acme", patch(json!({ "upstream": { "read_timeout": "2s" } })))
        .await
        .unwrap();
    assert!(!of(&registry).public_only, "the operator named it");

    for (key, value) in [("fee", json!("0%")), ("hosts", json!(["a.b"])), ("suspended", json!(true))] {
        let error =
            registry.update_provider(&tenant(), "acme", patch(json!({ key: value }))).await.unwrap_err();
        assert_eq!(pointers(error), [format!("/{key}")]);
    }
    for editor in [operator(), tenant()] {
        for (key, value) in
            [("headers_file", json!({ "x-a": "/etc/passwd" })), ("ca_file", json!("/etc/passwd"))]
        {
            let named = patch(json!({ "upstream": { key: value } }));
            let error = registry.update_provider(&editor, "acme", named).await.unwrap_err();
            assert_eq!(pointers(error), [format!("/upstream/{key}")]);
        }
    }
}

#[tokio::test]
async fn o3_a_tenant_is_not_told_whose_route_or_upstream_is_in_the_way() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.create_provider(&operator(), provider("rival")).await.unwrap();
    registry.create_route(&operator(), route("secret-plan", "rival", "$1")).await.unwrap();
    let mine = json!({ "name": "mine", "provider": "acme", "path": "/secret-plan", "price": "$1" });
    let told = mistakes(registry.create_route(&tenant(), mine.clone()).await.unwrap_err());
    assert!(!told[0].1.contains("`secret-plan`"), "{told:?}");
    let told = mistakes(registry.create_route(&operator(), mine).await.unwrap_err());
    assert!(told[0].1.contains("`secret-plan`"), "{told:?}");
    registry.remove_route(&operator(), "secret-plan").await.unwrap();
    let taken = route("secret-plan", "acme", "$1");
    let told = mistakes(registry.create_route(&tenant(), taken).await.unwrap_err());
    assert!(told[0].0 == "/name" && !told[0].1.contains("rival"), "{told:?}");
    registry.create_route(&tenant(), route("secret-plan", "rival", "$2")).await.unwrap();
    assert_eq!(registry.route("secret-plan").unwrap().route.revision, 2, "numbers never begin again");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let (version, events_before) = (registry.catalogs().borrow().version(), events(&registry).await);
    let dry = Editor { dry_run: true, ..operator() };
    let would = registry.create_route(&dry, route("a", "acme", "$1")).await.unwrap();
    assert_eq!((would.version, would.changes[0].change), (version + 1, "added"));
    assert!(registry.route("a").is_none());
    assert_eq!(events(&registry).await, events_before);
    let made = registry.create_route(&operator(), route("a", "acme", "$1")).await.unwrap();
    assert_eq!(made.version, would.version, "no number was used up");
    let nothing = registry.update_route(&dry, "a", patch(json!({ "price": "$1" }))).await.unwrap();
    assert_eq!((nothing.version, nothing.changes.len()), (made.version, 0));
}

#[tokio::test]
async fn revisions_have_their_documents_and_a_rollback_is_a_new_one() {
    let place = Place::new();
    let (registry, clock) = opened(&place).await;
    registry.create_route(&operator(), route("a", "acme", "$1")).await.unwrap();
    for changed in [json!({ "price": "$2" }), json!({ "description": "new" }), json!({ "price": "$3" })] {
        clock.advance(1_000);
        registry.update_route(&operator(), "a", patch(changed)).await.unwrap();
    }
    let listed = registry.route_revisions("a", None, 10).await.unwrap();
    let prices: Vec<_> =
        listed.iter().map(|revision| (revision.revision, revision.document()["price"].clone())).collect();
    assert_eq!(prices, [(4, json!("$3")), (3, json!("$2")), (2, json!("$2")), (1, json!("$1"))]);
    let between = registry.route_differences("a", 1, 3).await.unwrap();
    let pointers: Vec<_> = between.iter().map(|difference| difference.pointer.as_str()).collect();
    assert_eq!(pointers, ["/price", "/description"]);

    let back = registry.rollback_route(&operator(), "a", 1).await.unwrap();
    let route = registry.route("a").unwrap();
    assert_eq!((route.route.revision, route.route.since), (5, back.version));
    assert_eq!(route.document(), super::route("a", "acme", "$1"));
    let superseded: Vec<_> = route.route.superseded.iter().map(|price| price.revision).collect();
    assert_eq!(superseded, [4, 3, 2, 1], "quotes of the last minute are honoured");
    assert_eq!(route.route.price, Price::Fixed(Amount::from_atomic(1_000_000).unwrap()));
    let unknown = registry.rollback_route(&operator(), "a", 6).await.unwrap_err();
    assert!(matches!(unknown, RegistryError::UnknownRevision { revision: 6, .. }));
}

#[tokio::test]
async fn a_bundle_goes_out_and_comes_back_and_takes_away_only_where_asked() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    for (name, price) in [("a", "$1"), ("b", "$1")] {
        registry.create_route(&operator(), route(name, "acme", price)).await.unwrap();
    }
    let exported = registry.export().to_toml();
    assert!(exported.contains("[[routes]]\nname = \"a\"") && !exported.contains("filed"), "{exported}");
    let bundle = Bundle::from_toml(&exported).unwrap();
    let same = registry.apply_bundle(&operator(), bundle.clone(), true).await.unwrap();
    assert!(same.changes.is_empty(), "{:?}", same.changes);

    let changed = exported.replace("name = \"b\"", "name = \"c\"").replace("\"/b\"", "\"/c\"");
    let bundle = Bundle::from_toml(&changed).unwrap();
    let dry = Editor { dry_run: true, ..operator() };
    let would = registry.apply_bundle(&dry, bundle.clone(), true).await.unwrap();
    let told: Vec<_> = would.changes.iter().map(|change| (change.name.as_str(), change.change)).collect();
    assert_eq!(told, [("b", "removed"), ("c", "added")]);
    let added = registry.apply_bundle(&operator(), bundle.clone(), false).await.unwrap();
    assert_eq!(added.changes.len(), 1);
    registry.apply_bundle(&operator(), bundle, true).await.unwrap();
    let names: Vec<_> = registry.routes(None).iter().map(|entry| entry.route.name.to_string()).collect();
    assert_eq!(names, ["a", "c"]);
    registry.apply_bundle(&operator(), Bundle::default(), true).await.unwrap();
    assert!(registry.provider("acme").is_none() && registry.provider("filed").is_some());

    let wrong = "[[routes]]\nname = \"x\"\n[[providers]]\nname = \"filed\"\n";
    let error =
        registry.apply_bundle(&operator(), Bundle::from_toml(wrong).unwrap(), false).await.unwrap_err();
    let found = pointers(error);
    assert!(
        found.contains(&"/routes/0/path".to_owned()) && found.contains(&"/providers/0/name".to_owned()),
        "{found:?}"
    );
    assert!(Bundle::from_toml("agents = []\nroutes = 1\n").unwrap_err().len() == 2);
}

#[tokio::test]
async fn changes_that_come_together_are_put_in_force_together_and_each_is_answered_when_it_holds() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let mut seen = registry.catalogs();
    let watcher = tokio::spawn(async move {
        let mut swaps = 0;
        while !seen.borrow_and_update().routes().iter().any(|route| &*route.name == "r39") {
            seen.changed().await.unwrap();
            swaps += 1;
        }
        swaps
    });
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..40 {
        let registry = registry.clone();
        changes.spawn(async move {
            let name = format!("r{number}");
            let made = registry.create_route(&operator(), route(&name, "acme", "$1")).await.unwrap();
            let in_force = registry.catalogs().borrow().clone();
            assert!(in_force.version() >= made.version);
            assert!(
                in_force.routes().iter().any(|route| *route.name == *name),
                "{name} holds when it is answered"
            );
            made.version
        });
    }
    let mut versions = changes.join_all().await;
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 40, "each has a version of its own");
    assert!(watcher.await.unwrap() <= 40);
}

#[tokio::test]
async fn who_asks_and_leaves_is_no_reason_to_forget_what_is_committed() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    let mut catalogs = registry.catalogs();
    let editor = operator();
    let asked = registry.create_route(&editor, route("a", "acme", "$1"));
    // Begun, and then let go of.
    let left = tokio::time::timeout(std::time::Duration::ZERO, asked).await;
    assert!(left.is_err(), "it was done before it could be left");
    let found = catalogs.wait_for(|catalog| !catalog.routes().is_empty());
    tokio::time::timeout(std::time::Duration::from_secs(30), found).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_provider_says_who_it_is_and_that_is_a_change_as_any_other_and_changes_no_price() {
    let place = Place::new();
    let (registry, _) = opened(&place).await;
    registry.create_route(&operator(), route("a", "acme", "$1")).await.unwrap();
    let before = registry.provider("acme").unwrap().provider.clone();
    let profile = json!({ "display_name": "Acme", "website": "https://acme.example" });
    let change = patch(json!({ "profile": profile }));
    let changed = registry.update_provider(&tenant(), "acme", change.clone()).await.unwrap();
    let told = serde_json::to_value(&changed.changes).unwrap();
    assert_eq!(told[0]["differences"], json!([{ "pointer": "/profile", "new": profile }]));
    assert_eq!(registry.update_provider(&tenant(), "acme", change).await.unwrap().changes.len(), 0);
    let more = patch(json!({ "profile": { "website": null, "contact": "api@acme.example" } }));
    registry.update_provider(&tenant(), "acme", more).await.unwrap();
    let entry = registry.provider("acme").unwrap();
    assert_eq!(entry.document()["profile"], json!({ "display_name": "Acme", "contact": "api@acme.example" }));
    assert_eq!(entry.provider, before, "nothing that is served depends on it");
    assert_eq!(registry.route("a").unwrap().route.revision, 1, "its prices stand");
    let audit = registry.changes(None, 2, &Filter::default()).await.unwrap();
    assert_eq!(audit[1].after.as_ref().unwrap()["profile"], profile);
    assert_eq!(audit[0].before.as_ref().unwrap()["profile"], profile);

    let wrong = patch(json!({ "profile": { "website": "acme.example", "phone": "1" } }));
    let error = registry.update_provider(&tenant(), "acme", wrong).await.unwrap_err();
    assert_eq!(pointers(error), ["/profile/phone", "/profile/website"]);
    registry.update_provider(&tenant(), "acme", patch(json!({ "profile": null }))).await.unwrap();
    assert_eq!(registry.provider("acme").unwrap().document().get("profile"), None);
    let exported = registry.export().to_toml();
    assert!(!exported.contains("profile"), "{exported}");
}
