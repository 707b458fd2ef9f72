//! Public networks over the API.

use std::path::Path;

use registry::{Config, Environment, Role};

use super::http::Call;
use super::*;

const OWN: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/// A file with two networks, whose secrets all hold the same word.
fn networks(key_file: &Path) -> RawCatalog {
    let text = format!(
        "[[networks]]\nid = \"eip155:84532\"\nrpc = [\"https://node/c4n4ry\"]\nconfirmations = 3\n\
         [[networks.facilitators]]\nurl = \"https://f.example\"\nheaders = {{ authorization = \"c4n4ry\" }}\n\
         [[networks]]\nid = \"eip155:8453\"\nrpc = [\"https://node/c4n4ry\"]\nsettler = \"evm\"\n\
         treasury = \"0x90F79bf6EB2c4f870365E785982E1f101E93b906\"\n\
         [networks.evm]\nkey_file = \"{}\"\nmax_fee_per_gas = \"1gwei\"\n\
         [[providers]]\nname = \"filed\"\naddress = \"{OWN}\"\nupstream = {{ addresses = [\"http://127.0.0.1:9\"] }}\n",
        key_file.display()
    );
    Config::parse(Path::new("test.toml"), &text, &Environment::default()).unwrap().config.catalog
}

impl House {
    async fn with_networks(&self) {
        let key_file = self._directory.path().join("key");
        std::fs::write(&key_file, "c4".repeat(32)).unwrap();
        self.registry.apply(&networks(&key_file), Still.now()).await.unwrap();
    }

    async fn keyed(&self, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let call = Call::new(method, path).with("Authorization", &format!("Bearer {key}"));
        self.call(body.iter().fold(call, |call, body| call.json(body))).await
    }
}

#[tokio::test]
async fn everybody_reads_the_networks_and_nobody_their_secrets() {
    let house = House::control().await;
    assert_eq!(house.admin("GET", "/v1/networks", None).await.expect(200)["data"], json!([]));
    house.with_networks().await;
    for role in [Role::Admin, Role::Provider("filed".to_owned()), Role::Owner("lab".to_owned())] {
        let key = house.key_of(role, true).await;
        let answer = house.keyed(&key, "GET", "/v1/networks", None).await;
        assert!(!answer.body.contains("c4n4ry") && !answer.body.contains("c4c4"), "{}", answer.body);
        let listed = answer.expect(200);
        assert_eq!(
            listed["data"][0],
            json!({
                "id": "eip155:8453",
                "tokens": [{ "address": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", "name": "USD Coin",
                             "version": "2", "decimals": 6, "methods": ["eip3009"] }],
                "settler": "evm", "confirmations": 10, "max_timeout_seconds": 60, "margin_seconds": 10,
                "treasury": "0x90F79bf6EB2c4f870365E785982E1f101E93b906", "payer_unsettled_max": "$10.00",
                "pays_out": false, "refunds_per_day_max": null,
            })
        );
        let other = &listed["data"][1];
        assert_eq!((&other["id"], &other["settler"]), (&json!("eip155:84532"), &json!("facilitator")));
        assert_eq!((&other["confirmations"], &other["treasury"]), (&json!(3), &Value::Null));
    }
    let first = house.admin("GET", "/v1/networks?limit=1", None).await.expect(200);
    let path = format!("/v1/networks?limit=1&after={}", text(&first["next"]));
    let second = house.admin("GET", &path, None).await.expect(200);
    assert_eq!((&second["data"][0]["id"], &second["has_more"]), (&json!("eip155:84532"), &json!(false)));
    house.end().await;
}

#[tokio::test]
async fn where_a_provider_is_paid_is_the_operator_s_to_say_and_how_its_routes_settle_its_own() {
    let house = House::control().await;
    house.with_networks().await;
    let acme =
        json!({ "name": "acme", "upstream": { "addresses": ["https://acme.example.com"] }, "address": OWN });
    house.admin("POST", "/v1/providers", Some(acme)).await.expect(201);
    let key = house.key_of(Role::Provider("acme".to_owned()), false).await;
    let other = json!({ "address": "0x1111111111111111111111111111111111111111" });
    let refused = house.keyed(&key, "PATCH", "/v1/providers/acme", Some(other)).await;
    assert_eq!(refused.expect_problem(422, "invalid_field")["errors"][0]["pointer"], "/address");
    let shown = house.keyed(&key, "GET", "/v1/providers/acme", None).await.expect(200);
    assert_eq!(shown["document"]["address"], OWN);

    let sold = json!({ "name": "sold", "provider": "acme", "path": "/sold", "price": "$0.01", "offer_order": "wallet-first" });
    house.keyed(&key, "POST", "/v1/routes", Some(sold)).await.expect(201);
    let refused = house.keyed(&key, "PATCH", "/v1/routes/sold", Some(json!({ "settle": "before" }))).await;
    assert_eq!(refused.expect_problem(422, "invalid_field")["errors"][0]["pointer"], "/settle");
    let exported = house.admin("GET", "/v1/catalog/export", None).await.expect(200);
    assert_eq!(exported["providers"][0]["address"], OWN);
    assert_eq!(exported["routes"][0]["offer_order"], "wallet-first");
    house.end().await;
}
