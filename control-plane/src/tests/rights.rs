//! What a key does not open, however it is tried: calls that another provider sells, and keys that are more than their maker.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

#[tokio::test]
async fn a_key_makes_no_key_that_lives_longer_than_itself() {
    let house = House::control().await;
    let end = "2099-01-01T00:00:00.000Z";
    let maker = key(&house, json!({ "name": "maker", "role": "admin", "expires_at": end })).await;
    let make = async |expires_at: Value| {
        let body = json!({ "name": "next", "role": "admin", "expires_at": expires_at });
        keyed(&house, &maker, "POST", "/v1/api-keys", body).await
    };
    let refused = make(json!("2099-01-01T00:00:01Z")).await.expect_problem(422, "invalid_field");
    assert_eq!(refused["errors"][0]["pointer"], "/expires_at");
    assert_eq!(make(Value::Null).await.expect(201)["expires_at"], end);
    assert_eq!(
        make(json!("2098-01-01T00:00:00Z")).await.expect(201)["expires_at"],
        "2098-01-01T00:00:00.000Z"
    );
    house.end().await;
}

#[tokio::test]
async fn a_key_that_only_reads_may_ask_what_would_be() {
    let house = House::control().await;
    let (agent, _) = house.agent("buyer").await;
    let reader = key(&house, json!({ "name": "r", "role": "admin", "read_only": true })).await;
    let path = format!("/v1/agents/{agent}");
    let asked = json!({ "method": "GET", "path": "/q" });
    keyed(&house, &reader, "POST", &format!("{path}/simulate"), asked).await.expect(200);
    keyed(&house, &reader, "POST", &format!("{path}/freeze"), json!({}))
        .await
        .expect_problem(403, "forbidden");
    house.end().await;
}

#[tokio::test]
async fn what_the_operator_freezes_in_its_owners_place_the_owner_thaws() {
    let house = House::control().await;
    let body = json!({ "name": "buyer", "owner": "lab" });
    let made = house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    let owner = key(&house, json!({ "name": "o", "role": "owner", "owner": "lab" })).await;
    for path in
        [format!("/v1/agents/{}", text(&made["id"])), format!("/v1/wallets/{}", text(&made["wallet"]))]
    {
        let call = async |verb: &str| house.admin("POST", &format!("{path}/{verb}"), None).await.expect(200);
        let thaw = async || keyed(&house, &owner, "POST", &format!("{path}/thaw"), json!({})).await;
        assert_eq!(call("freeze?as_owner=true").await["frozen_by_operator"], false);
        thaw().await.expect(200);
        call("freeze").await;
        assert_eq!(call("freeze?as_owner=true").await["frozen_by_operator"], true, "it stays the operator's");
        thaw().await.expect_problem(403, "forbidden");
    }
    let wallets = house.rows(&owner, "/v1/wallets").await;
    assert_eq!(wallets[0]["frozen_by_operator"], true);
    house.end().await;
}

#[tokio::test]
async fn a_new_key_is_shown_with_all_that_it_may() {
    let house = House::control().await;
    let body = json!({
        "name": "books", "role": "owner", "owner": "lab", "read_only": true, "scopes": ["agents:read"],
        "expires_at": "2099-01-01T00:00:00Z",
    });
    let mut made = house.admin("POST", "/v1/api-keys", Some(body)).await.expect(201);
    let key = made.as_object_mut().unwrap().remove("key").unwrap();
    assert!(text(&key).starts_with("fgm_"));
    assert_eq!((&made["read_only"], &made["scopes"]), (&json!(true), &json!(["agents:read"])));
    let listed = house.admin("GET", "/v1/api-keys", None).await.expect(200);
    assert_eq!(listed["data"][0], made);
    house.end().await;
}

#[tokio::test]
async fn a_webhook_of_the_operator_is_nobody_elses_whosever_events_it_hears() {
    let house = House::control().await;
    let body = json!({ "name": "acme", "upstream": { "addresses": ["https://api.example.com"] } });
    house.admin("POST", "/v1/providers", Some(body)).await.expect(201);
    let acme = key(&house, json!({ "name": "a", "role": "provider", "provider": "acme" })).await;
    let hook = |path: &str| json!({ "url": format!("http://127.0.0.1:9/{path}"), "provider": "acme" });
    let operators = house.admin("POST", "/v1/webhooks", Some(hook("operator"))).await.expect(201);
    let own = keyed(&house, &acme, "POST", "/v1/webhooks", hook("own")).await.expect(201);
    let path = format!("/v1/webhooks/{}", text(&operators["id"]));
    for (method, path) in [
        ("GET", path.clone()),
        ("PATCH", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/rotate-secret")),
        ("GET", format!("{path}/deliveries")),
    ] {
        keyed(&house, &acme, method, &path, json!({})).await.expect_problem(404, "webhook_not_found");
    }
    let listed = keyed(&house, &acme, "GET", "/v1/webhooks", Value::Null).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["data"][0]["id"], own["id"]);
    for log in ["/v1/changes", "/v1/events"] {
        let told = keyed(&house, &acme, "GET", log, Value::Null).await.expect(200);
        assert!(!told.to_string().contains("operator"), "{log}: {told}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_key_that_is_revoked_hears_no_more_on_the_stream_that_it_opened() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let made = house.admin("POST", "/v1/api-keys", Some(json!({ "name": "r", "role": "admin" }))).await;
    let made = made.expect(201);
    let log = house.admin("GET", "/v1/events?limit=500", None).await.expect(200);
    let last = text(&log["data"].as_array().unwrap().last().unwrap()["cursor"]);
    let stream = Call::new("GET", "/v1/events/stream").with("Last-Event-ID", &last);
    let stream = stream.with("Authorization", &format!("Bearer {}", text(&made["key"])));
    let revoke = async {
        // It was let in when its use is written down.
        while house.registry.api_keys(None, 1).await.unwrap()[0].last_used_at.is_none() {
            tokio::task::yield_now().await;
        }
        let path = format!("/v1/api-keys/{}/revoke", text(&made["id"]));
        house.admin("POST", &path, None).await.expect(200);
        house.admin("POST", &format!("/v1/wallets/{wallet}/freeze"), None).await.expect(200);
    };
    let (answer, ()) = tokio::join!(house.call(stream), revoke);
    assert_eq!(answer.status, 200);
    assert!(!answer.body.contains("wallet.frozen"), "{}", answer.body);
    house.end().await;
}

#[tokio::test]
async fn what_stands_in_a_path_and_is_no_text_is_a_problem_too() {
    let house = House::control().await;
    for path in ["/v1/providers/%ff", "/v1/agents/%00", "/v1/events?subject=a%00"] {
        house.admin("GET", path, None).await.expect_problem(400, "invalid_parameter");
    }
    house.end().await;
}

#[tokio::test]
async fn one_tenant_s_slow_calls_keep_neither_others_nor_the_operator_out() {
    let house = House::control().await;
    let lab = key(&house, json!({ "name": "l", "role": "owner", "owner": "lab" })).await;
    let rival = key(&house, json!({ "name": "r", "role": "owner", "owner": "rival" })).await;
    let head = format!(
        "POST /v1/agents HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {lab}\r\nContent-Type: application/json\r\n\
         Content-Length: 60000\r\nExpect: 100-continue\r\n\r\n"
    );
    let mut slow = Vec::new();
    for _ in 0..32 {
        let mut socket = tokio::net::TcpStream::connect(house.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 12];
        socket.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100", "its body is waited for");
        slow.push(socket);
    }
    let list = async |key: &str| {
        house.call(Call::new("GET", "/v1/agents").with("Authorization", &format!("Bearer {key}"))).await
    };
    list(&lab).await.expect_problem(503, "overloaded");
    list(&rival).await.expect(200);
    house.admin("GET", "/v1/agents", None).await.expect(200);
    drop(slow);
    house.end().await;
}

#[tokio::test]
async fn a_tenant_that_changes_too_much_waits_with_all_its_keys_and_nobody_else_does() {
    let house = House::control().await;
    let lab = key(&house, json!({ "name": "l", "role": "owner", "owner": "lab" })).await;
    let other = key(&house, json!({ "name": "m", "role": "owner", "owner": "lab" })).await;
    let rival = key(&house, json!({ "name": "r", "role": "owner", "owner": "rival" })).await;
    let post = async |key: &str| {
        house.call(Call::new("POST", "/v1/none").with("Authorization", &format!("Bearer {key}"))).await
    };
    let mut answer = post(&lab).await;
    for _ in 0..3_000 {
        if answer.status != 404 {
            break;
        }
        answer = post(&lab).await;
    }
    answer.expect_problem(429, "too_fast");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert_eq!(post(&rival).await.status, 404);
    assert_eq!(post(super::TOKEN).await.status, 404);
    let read = Call::new("GET", "/v1/agents").with("Authorization", &format!("Bearer {other}"));
    house.call(read).await.expect(200);
    house.end().await;
}

#[tokio::test]
async fn what_the_operator_froze_its_owner_does_not_thaw() {
    let house = House::control().await;
    let lab = key(&house, json!({ "name": "l", "role": "owner", "owner": "lab" })).await;
    let body = json!({ "name": "buyer" });
    let agent = keyed(&house, &lab, "POST", "/v1/agents", body).await.expect(201);
    for kind in ["agents", "wallets"] {
        let id = text(&agent[if kind == "agents" { "id" } else { "wallet" }]);
        let owner = async |verb: &str| {
            keyed(&house, &lab, "POST", &format!("/v1/{kind}/{id}/{verb}"), json!({})).await
        };
        let operator = async |verb: &str| house.admin("POST", &format!("/v1/{kind}/{id}/{verb}"), None).await;
        // Its own frost it takes away.
        owner("freeze").await.expect(200);
        let thawed = owner("thaw").await.expect(200);
        assert_eq!((&thawed["frozen"], thawed.get("frozen_by_operator")), (&json!(false), None));
        // Also where the owner was first, and where it freezes once more.
        assert_eq!(owner("freeze").await.expect(200)["frozen_by_operator"], false);
        assert_eq!(operator("freeze").await.expect(200)["frozen_by_operator"], true);
        assert_eq!(owner("freeze").await.expect(200)["frozen_by_operator"], true);
        owner("thaw").await.expect_problem(403, "forbidden");
        assert_eq!(operator("thaw").await.expect(200)["frozen"], false);
        owner("freeze").await.expect(200);
        assert_eq!(owner("thaw").await.expect(200)["frozen"], false);
    }
    house.end().await;
}
