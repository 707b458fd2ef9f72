use domain::{Amount, Price};
use serde_json::{Value, json};

use super::*;

fn document(value: Value) -> Document {
    Document::given(value).unwrap()
}

fn pointers<T: std::fmt::Debug>(read: Result<T, Vec<Mistake>>) -> Vec<String> {
    read.unwrap_err().into_iter().map(|mistake| mistake.pointer).collect()
}

#[test]
fn a_document_has_the_keys_of_the_file() {
    let provider = json!({
        "name": "acme", "fee": "2.5%", "hosts": ["api.example.com"],
        "upstream": { "addresses": ["https://a.example:8443"], "headers": { "X-Api-Key": "k" }, "read_timeout": "5s" },
    });
    let provider = read_provider(&document(provider), SettlementRules::default()).unwrap();
    assert_eq!((&*provider.name, provider.upstream.addresses[0].port), ("acme", 8443));
    assert_eq!(provider.upstream.headers[0].0, "x-api-key");
    assert_eq!(provider.pay_to, crate::catalog::derived_pay_to("acme"));

    let route = json!({
        "name": "quotes", "provider": "acme", "methods": ["GET"], "path": "/v1/{symbol}", "price": "$0.0025",
        "charge_on": [200, 201], "redeliver": true,
    });
    let (provider, route) = read_route(&document(route), 7).unwrap();
    assert_eq!((&*provider, &*route.name, route.request_bytes_max), ("acme", "quotes", 7));
    assert_eq!(route.price, Price::Fixed(Amount::from_atomic(2_500).unwrap()));
    let tiers = json!([{ "from": 1, "price": "$0.01" }, { "from": 1001, "price": "$0.004" }]);
    let route = json!({ "name": "search", "provider": "acme", "path": "/s", "tiers": tiers });
    assert!(matches!(read_route(&document(route), 7).unwrap().1.price, Price::Tiered(_)));
}

#[test]
fn every_mistake_comes_back_with_its_json_pointer() {
    let provider = json!({
        "name": "a b", "fees": "1%", "routes": [], "pay_to": null,
    });
    assert_eq!(pointers(read_provider(&document(provider), SettlementRules::default())), ["/pay_to"]);
    let provider = json!({
        "name": "a b", "fees": "1%", "routes": [],
        "upstream": { "addresses": ["http://a", "b"], "headers": { "host": "x", "a b": "y" }, "health": { "interval": 5 } },
    });
    let found = pointers(read_provider(&document(provider), SettlementRules::default()));
    for expected in [
        "/name",
        "/fees",
        "/routes",
        "/upstream/addresses/1",
        "/upstream/headers/host",
        "/upstream/headers/a b",
        "/upstream/health/interval",
    ] {
        assert!(found.iter().any(|pointer| pointer == expected), "{expected} is not in {found:?}");
    }
    let route =
        json!({ "name": "r", "provider": "a", "path": "/x", "price": "free", "methods": ["PUT", "GTE"] });
    assert_eq!(pointers(read_route(&document(route), 7)), ["/methods/1"]);
    let route =
        json!({ "name": "r", "path": "x", "tiers": [{ "from": 0, "price": "$1" }], "charge_on": [1.5] });
    let found = pointers(read_route(&document(route), 7));
    assert_eq!(found.len(), 4, "{found:?}");
    for expected in ["/provider", "/path", "/tiers/0/from", "/charge_on/0"] {
        assert!(found.iter().any(|pointer| pointer == expected), "{expected} is not in {found:?}");
    }
}

#[test]
fn a_path_that_other_routers_read_otherwise_is_not_written_any_more_and_takes_no_route_away() {
    for path in ["/a/:id", "/files/*"] {
        let route = document(json!({ "name": "r", "provider": "a", "path": path, "price": "free" }));
        assert_eq!(pointers(read_route(&route, 7)), ["/path"]);
        assert_eq!(read_stored_route(&route, 7).unwrap().1.pattern.as_str(), path);
    }
}
