//! What providers and routes of the API may ask of public networks.

use std::io::Write;

use domain::{Payee, Settle};

use super::*;

const TREASURY: &str = "0x90F79bf6EB2c4f870365E785982E1f101E93b906";
const OWN: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

/// A file with a provider, `filed`, that has these keys, and Base, where there is one.
fn filed(has_network: bool, keys: &str) -> RawCatalog {
    let mut key = tempfile::NamedTempFile::new().unwrap();
    key.write_all("11".repeat(32).as_bytes()).unwrap();
    let network = format!(
        "[[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://n\"]\ntreasury = \"{TREASURY}\"\nsettler = \"evm\"\n\
         [networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"\nbatch_interval = \"20s\"\n",
        key.path().display()
    );
    let provider = format!(
        "[[providers]]\nname = \"filed\"\n{keys}\nupstream = {{ addresses = [\"http://127.0.0.1:1\"] }}\n"
    );
    config(&format!("{}{provider}", if has_network { &network } else { "" })).catalog
}

/// A registry with the provider `acme` and its route `a`, on these terms.
async fn on(place: &Place, file: &RawCatalog) -> Registry {
    let registry = open(place, &TestClock::new()).await;
    registry.apply(file, registry.now()).await.unwrap();
    registry.create_provider(&operator(), provider("acme")).await.unwrap();
    registry.create_route(&operator(), route("a", "acme", "$0.01")).await.unwrap();
    registry
}

#[tokio::test]
async fn a_provider_is_paid_on_networks_that_are_there_and_its_routes_settle_as_it_is_paid() {
    let place = Place::new();
    let registry = on(&place, &filed(true, "")).await;
    let set = async |document: Value| registry.update_provider(&operator(), "acme", patch(document)).await;
    let route = async |document: Value| registry.update_route(&operator(), "a", patch(document)).await;
    assert_eq!(pointers(route(json!({ "settle": "deferred" })).await.unwrap_err()), ["/settle"]);
    assert_eq!(
        pointers(route(json!({ "offer_order": "wallet-first" })).await.unwrap_err()),
        ["/offer_order"]
    );
    assert_eq!(pointers(set(json!({ "address": TREASURY })).await.unwrap_err()), ["/address"]);
    let revision = registry.route("a").unwrap().route.revision;
    set(json!({ "address": OWN })).await.unwrap();
    let payee = || registry.provider("acme").unwrap().provider.payee;
    assert_eq!(payee(), Some(Payee::Direct(OWN.parse().unwrap())));
    assert_eq!(registry.route("a").unwrap().route.revision, revision + 1, "its offers are others now");
    assert_eq!(pointers(route(json!({ "settle": "before" })).await.unwrap_err()), ["/settle"]);
    let told = mistakes(route(json!({ "settle": "deferred" })).await.unwrap_err()).remove(0);
    assert!(told.0 == "/settle" && told.1.contains("payments on eip155:8453 are too short"), "{told:?}");

    set(json!({ "address": null, "custody": "treasury" })).await.unwrap();
    route(json!({ "settle": "before", "offer_order": "wallet-first" })).await.unwrap();
    assert_eq!((payee(), registry.route("a").unwrap().route.settle), (Some(Payee::Treasury), Settle::Before));
    let told = mistakes(set(json!({ "address": OWN, "custody": null })).await.unwrap_err()).remove(0);
    assert!(told.0.is_empty() && told.1.starts_with("settle of its route `a` cannot be"), "{told:?}");
    let told = mistakes(set(json!({ "custody": null })).await.unwrap_err()).remove(0);
    assert!(told.1.contains("its provider is not paid there"), "{told:?}");

    let exported = registry.export().to_toml();
    for line in ["custody = \"treasury\"", "settle = \"before\"", "offer_order = \"wallet-first\""] {
        assert!(exported.contains(line), "{exported}");
    }
    let again = registry.apply_bundle(&operator(), registry.export(), false).await.unwrap();
    assert!(again.changes.is_empty(), "{again:?}");
    registry.close().await;
}

#[tokio::test]
async fn without_a_network_nobody_new_is_paid_there_and_what_was_is_left_alone() {
    let place = Place::new();
    let registry = on(&place, &filed(true, "")).await;
    registry.update_provider(&operator(), "acme", patch(json!({ "address": OWN }))).await.unwrap();
    registry.close().await;
    let registry = open(&place, &TestClock::new()).await;
    registry.apply(&filed(false, ""), registry.now()).await.unwrap();
    let set = async |document: Value| registry.update_provider(&operator(), "acme", patch(document)).await;
    set(json!({ "fee": "1%" })).await.unwrap();
    assert!(registry.networks().is_empty());
    assert_eq!(pointers(set(json!({ "address": TREASURY })).await.unwrap_err()), ["/address"]);
    set(json!({ "address": null })).await.unwrap();
    assert_eq!(pointers(set(json!({ "address": OWN })).await.unwrap_err()), ["/address"]);
    registry.close().await;
}

#[tokio::test]
async fn a_changed_file_takes_no_way_to_be_paid_from_under_a_route_of_the_api() {
    let place = Place::new();
    let registry = on(&place, &filed(true, "custody = \"treasury\"")).await;
    let mut before = route("b", "filed", "$0.01");
    before["settle"] = json!("before");
    registry.create_route(&operator(), before).await.unwrap();
    let error = registry.apply(&filed(true, ""), registry.now()).await.unwrap_err();
    assert!(error.to_string().contains("settle of its route `b` is for public networks"), "{error}");
    assert_eq!(registry.provider("filed").unwrap().provider.payee, Some(Payee::Treasury));
    registry.close().await;
}

#[tokio::test]
async fn only_the_operator_says_where_a_provider_is_paid() {
    let place = Place::new();
    let registry = on(&place, &filed(true, "")).await;
    for (key, value) in [("address", OWN), ("custody", "treasury")] {
        let change = registry.update_provider(&tenant(), "acme", patch(json!({ key: value }))).await;
        assert_eq!(pointers(change.unwrap_err()), [format!("/{key}")]);
    }
    registry.update_provider(&operator(), "acme", patch(json!({ "address": OWN }))).await.unwrap();
    let change = registry.update_provider(&tenant(), "acme", patch(json!({ "address": null }))).await;
    assert_eq!(pointers(change.unwrap_err()), ["/address"]);
    let order = patch(json!({ "offer_order": "wallet-first" }));
    registry.update_route(&tenant(), "a", order).await.unwrap();
    registry.close().await;
}
