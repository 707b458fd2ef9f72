//! What the control plane says would be, against what the gateway then does; limits on parts of what is sold, calls that are
//! free, and keys that are for some of it.

use serde_json::{Value, json};
use tests::crowd::send_all;
use tests::{Agent, Config, Faregate, Request, Route, Upstream, World};

/// How many connections a crowd calls over.
const CONNECTIONS: usize = 16;

fn routes() -> [Route; 4] {
    [
        Route::new("/cheap", "$0.001").line("category = \"data\""),
        Route::new("/dear", "$0.05").line("category = \"data\""),
        Route::new("/given", "$0.002").line("free_per_day = 2"),
        Route::new("/other", "$0.003"),
    ]
}

/// What the control plane says of a call: whether it would pass, and the first reason why not.
async fn simulate(gateway: &Faregate, agent: &Agent, path: &str, body: Value) -> (bool, Value) {
    let mut asked = json!({ "method": "GET", "path": path });
    asked.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let told = gateway.ask("POST", &format!("/v1/agents/{}/simulate", agent.id), Some(&asked)).await;
    (told["would_pass"] == json!(true), told)
}

async fn key(gateway: &Faregate, agent: &Agent, body: Value) -> (String, String) {
    let made = gateway.ask("POST", &format!("/v1/agents/{}/keys", agent.id), Some(&body)).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

/// One agent after the other calls one route after the other, as often as it takes for limits to bind: before each call the
/// control plane is asked, and has to say what the gateway then says.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_simulated_is_what_happens() {
    let world = World::new("$1", routes()).await;
    let gateway = &world.gateway;
    let limit =
        |scope: &str, per: &str, amount: &str| json!({ "scope": scope, "per": per, "amount": amount });
    let policies = [
        ("$1", json!({})),
        ("$0.004", json!({})),
        ("$1", json!({ "per_hour": "$0.005" })),
        ("$1", json!({ "per_day": "$0.004", "per_request": "$0.01" })),
        (
            "$1",
            json!({ "limits": [limit("category:data", "day", "$0.002"), limit("route:other", "hour", "$0.003")] }),
        ),
        ("$1", json!({ "limits": [limit("provider:acme", "month", "$0.006")] })),
        ("$1", json!({ "routes": ["cheap", "given"] })),
        ("$0", json!({})),
    ];
    let (mut passed, mut refused) = (0, 0);
    for (dollars, policy) in policies {
        let agent = Agent::with_policy(gateway, dollars, policy.clone()).await;
        let scoped = json!({ "scopes": ["category:data", "route:given"], "per_request": "$1" });
        for terms in [json!({}), scoped] {
            let (key_id, key) = key(gateway, &agent, terms).await;
            for path in
                ["/cheap", "/given", "/other", "/dear", "/given", "/cheap", "/given", "/other", "/none"]
            {
                let (passes, told) = simulate(gateway, &agent, path, json!({ "key_id": key_id })).await;
                let before = agent.money(gateway).await.balance;
                let answer = gateway.call(&Request::get(path).key(&key)).await;
                let what = format!("{policy} {path}: {told}, then {} {}", answer.status, answer.text());
                assert_eq!(passes, answer.status == 200, "{what}");
                if passes {
                    passed += 1;
                    let paid = before - agent.money(gateway).await.balance;
                    assert_eq!(told["price"]["amount"], json!(paid.to_string()), "{what}");
                } else {
                    refused += 1;
                    assert_eq!(told["reasons"][0]["code"], json!(answer.code()), "{what}");
                }
            }
        }
        let frozen = format!("/v1/agents/{}/freeze", agent.id);
        gateway.ask("POST", &frozen, Some(&json!({}))).await;
        let (passes, told) = simulate(gateway, &agent, "/cheap", json!({})).await;
        assert_eq!((passes, &told["reasons"][0]["code"]), (false, &json!("agent_frozen")));
    }
    assert!(passed > 20 && refused > 20, "{passed} passed, {refused} were refused");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_names_every_limit_in_the_way_and_changes_nothing() {
    let world = World::new("$0.002", routes()).await;
    let limits = json!([{ "scope": "route:cheap", "per": "hour", "amount": "$0.0015" }]);
    let policy = json!({ "per_day": "$0.0018", "limits": limits });
    let agent = Agent::with_policy(&world.gateway, "$0.001", policy).await;
    let (key_id, key) = key(&world.gateway, &agent, json!({})).await;
    world.gateway.call(&Request::get("/cheap").key(&key)).await.expect_status(200);
    for _ in 0..2 {
        let asked = json!({ "key_id": key_id, "max_price": "$0.0005" });
        let (passes, told) = simulate(&world.gateway, &agent, "/cheap", asked).await;
        let codes: Vec<_> =
            told["reasons"].as_array().unwrap().iter().map(|reason| &reason["code"]).collect();
        let expected = [
            "price_above_maximum",
            "insufficient_funds",
            "spending_limit_exceeded",
            "spending_limit_exceeded",
        ];
        assert!(!passes && codes == expected, "{told}");
        let route = &told["reasons"][3];
        assert_eq!((&route["scope"], &route["window"]), (&json!("route:cheap"), &json!("hour")));
        assert_eq!(
            (&route["spent"]["amount"], &route["remaining"]["amount"]),
            (&json!("1000"), &json!("500"))
        );
    }
    agent.expect_balance(&world.gateway, 0).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_limit_on_a_category_takes_so_many_calls_of_a_crowd() {
    let upstream = Upstream::start().await;
    let routes = [
        Route::new("/a", "$0.000001").line("category = \"data\""),
        Route::new("/b", "$0.000001").line("category = \"data\""),
        Route::new("/c", "$0.000001"),
    ];
    let gateway = Faregate::start(Config::new(upstream.address(), routes)).await;
    let limits = json!([{ "scope": "category:data", "per": "hour", "amount": "$0.0001" }]);
    let agent = Agent::with_policy(&gateway, "$1", json!({ "limits": limits })).await;
    let key = agent.key(&gateway).await;
    let calls = |path: &str, times: usize| vec![Request::get(path).key(&key); times];
    let crowd = [calls("/a", 80), calls("/c", 50), calls("/b", 80)].concat();
    let responses = send_all(gateway.data(), crowd, CONNECTIONS).await;

    assert_eq!(responses.iter().filter(|response| response.status == 200).count(), 150);
    let refused = responses.iter().find(|response| response.status != 200).unwrap();
    refused.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(
        (&refused.json()["scope"], &refused.json()["window"]),
        (&json!("category:data"), &json!("hour"))
    );
    let violations = [("kind", "category")];
    assert_eq!(gateway.metrics().await.count("faregate_spending_violations_total", &violations), 60);
    agent.expect_balance(&gateway, 999_850).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_allowance_of_fifty_calls_at_once_is_free_and_others_are_asked_to_pay() {
    let world = World::new("$1", [Route::new("/given", "$0.001").line("free_per_day = 7")]).await;
    let key = world.agent.key(&world.gateway).await;
    let crowd = vec![Request::get("/given").key(&key); 50];
    let responses = send_all(world.gateway.data(), crowd, CONNECTIONS).await;
    assert!(responses.iter().all(|response| response.status == 200));
    world.expect_balance(1_000_000 - 43 * 1_000).await;

    // Nobody in particular has no allowance; an agent without money has its own.
    world.gateway.call(&Request::get("/given")).await.expect_status(402);
    let poor = Agent::new(&world.gateway, "$0").await;
    let preview = format!("/v1/prices/preview?payer={}&method=GET&path=/given", poor.id);
    let told = world.gateway.ask("GET", &preview, None).await;
    assert_eq!((&told["price"]["amount"], &told["free_left"]), (&json!("0"), &json!(7)));
    for _ in 0..7 {
        poor.buy(&world.gateway, &Request::get("/given")).await.expect_status(200);
    }
    poor.buy(&world.gateway, &Request::get("/given")).await.expect_refusal(402, "insufficient_funds");
    let told = world.gateway.ask("GET", &preview, None).await;
    assert_eq!((&told["price"]["amount"], &told["free_left"]), (&json!("1000"), &json!(0)));
    assert_eq!((&told["route"], &told["call"]), (&json!("given"), &json!(8)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pays_only_for_what_it_is_for_and_so_does_the_one_that_follows_it() {
    let world = World::new("$1", routes()).await;
    let scopes = json!({ "scopes": ["route:cheap", "category:data"] });
    let (id, first) = key(&world.gateway, &world.agent, scopes).await;
    let path = format!("/v1/agents/{}/keys/{id}/rotate", world.agent.id);
    let made = world.gateway.ask("POST", &path, Some(&json!({}))).await;
    assert_eq!(made["scopes"], json!(["route:cheap", "category:data"]));
    for key in [&first, made["key"].as_str().unwrap()] {
        world.gateway.call(&Request::get("/cheap").key(key)).await.expect_status(200);
        world.gateway.call(&Request::get("/dear").key(key)).await.expect_status(200);
        world.gateway.call(&Request::get("/other").key(key)).await.expect_refusal(403, "key_scope");
    }
    // Nor is it told what another key of its agent paid for.
    let (_, other) = key(&world.gateway, &world.agent, json!({ "scopes": ["route:other"] })).await;
    let named = |key: &str| Request::get("/other").key(key).with("Idempotency-Key", "one");
    world.gateway.call(&named(&other)).await.expect_status(200);
    world.gateway.call(&named(&first)).await.expect_refusal(403, "key_scope");
    // A signature is not a key.
    world.buy(&Request::get("/other")).await.expect_status(200);
    world.expect_balance(1_000_000 - 2 * 51_000 - 2 * 3_000).await;
    world.finish().await;
}
