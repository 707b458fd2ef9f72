//! What a key does not open, however it is tried: calls that another provider sells, and keys that are more than their maker.

use serde_json::{Value, json};

use super::http::{Answer, Call};
use super::{House, text};

async fn keyed(house: &House, key: &str, method: &str, path: &str, body: Value) -> Answer {
    let call = Call::new(method, path).with("Authorization", &format!("Bearer {key}"));
    house.call(call.json(&body)).await
}

async fn key(house: &House, body: Value) -> String {
    text(&house.admin("POST", "/v1/api-keys", Some(body)).await.expect(201)["key"])
}

#[tokio::test]
async fn o3_a_provider_s_key_takes_no_calls_from_another_provider_s_route() {
    let house = House::control().await;
    let provider =
        |name: &str| json!({ "name": name, "upstream": { "addresses": ["https://api.example.com"] } });
    for name in ["seller", "taker"] {
        house.admin("POST", "/v1/providers", Some(provider(name))).await.expect(201);
    }
    let route = |name: &str, provider: &str, path: &str| json!({ "name": name, "provider": provider, "path": path, "price": "$0.01" });
    house.admin("POST", "/v1/routes", Some(route("sold", "seller", "/sold/{symbol}"))).await.expect(201);
    let taker = key(&house, json!({ "name": "t", "role": "provider", "provider": "taker" })).await;
    for path in ["/sold/acme", "/{any}/acme", "/{*all}"] {
        let refused = keyed(&house, &taker, "POST", "/v1/routes", route("taken", "taker", path)).await;
        refused.expect_problem(422, "invalid_field");
    }
    keyed(&house, &taker, "POST", "/v1/routes", route("own", "taker", "/own")).await.expect(201);
    let moved = keyed(&house, &taker, "PATCH", "/v1/routes/own", json!({ "path": "/sold/acme" })).await;
    moved.expect_problem(422, "invalid_field");
    // The operator decides; what stands may then be changed but not moved.
    house.admin("POST", "/v1/routes", Some(route("shared", "taker", "/sold/acme"))).await.expect(201);
    keyed(&house, &taker, "PATCH", "/v1/routes/shared", json!({ "price": "$0.02" })).await.expect(200);
    house.end().await;
}

#[tokio::test]
async fn a_key_makes_no_key_that_opens_more_than_it_does() {
    let house = House::control().await;
    let body = json!({ "name": "maker", "role": "admin", "scopes": ["api_keys:write", "payments:read"] });
    let maker = key(&house, body).await;
    for scopes in [Value::Null, json!(["wallets:fund"]), json!(["payments:read", "wallets:fund"])] {
        let body = json!({ "name": "more", "role": "admin", "scopes": scopes });
        keyed(&house, &maker, "POST", "/v1/api-keys", body).await.expect_problem(422, "invalid_field");
    }
    let body = json!({ "name": "less", "role": "admin", "scopes": ["payments:read"] });
    keyed(&house, &maker, "POST", "/v1/api-keys", body).await.expect(201);
    house.end().await;
}
