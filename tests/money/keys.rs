//! Agent keys: one round trip, their own limit, and never shown to the upstream.

use domain::{KeyId, UnixMillis};
use serde_json::json;
use tests::crowd::send_all;
use tests::payer::random_hex;
use tests::{Agent, Clock, Request, Route, Wire, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pays_in_one_round_trip_and_ends_at_the_gateway() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let response = world.gateway.call(&Request::get("/paid").key(&key)).await;
    response.expect_status(200);
    assert_eq!(response.receipt()["success"], true);
    let seen = world.upstream.call("/paid", 1).await;
    assert_eq!(seen.header("authorization"), None);
    assert!(!String::from_utf8_lossy(&seen.raw).contains("fg_"), "no byte of the key may reach the upstream");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_key_leaves_authorization_to_the_upstream() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let request = Request::get("/paid").with("Agent-Key", &*key).with("Authorization", "Basic dXNlcjpwYXNz");
    world.gateway.call(&request).await.expect_status(200);
    let seen = world.upstream.call("/paid", 1).await;
    assert_eq!(seen.header("authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(seen.header("agent-key"), None);
    assert!(!String::from_utf8_lossy(&seen.raw).contains("fg_"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_stripped_on_free_routes_too() {
    let world = World::new("$1", [Route::free("/free")]).await;
    let key = world.agent.key(&world.gateway).await;
    world.gateway.call(&Request::get("/free").key(&key)).await.expect_status(200);
    let seen = world.upstream.call("/free", 1).await;
    assert!(!String::from_utf8_lossy(&seen.raw).contains("fg_"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_management_api_is_refused_on_every_route_and_seen_by_no_upstream() {
    let world = World::new("$1", [Route::free("/free"), Route::new("/paid", "$0.001")]).await;
    let key = json!({ "name": "of an owner", "role": "owner", "owner": "lab" });
    let key = world.gateway.ask("POST", "/v1/api-keys", Some(&key)).await["key"].clone();
    let key = key.as_str().unwrap();
    assert!(key.starts_with("fgm_"));
    for path in ["/free", "/paid", "/not-there", "/.well-known/faregate/balance"] {
        for request in [
            Request::get(path).key(key),
            Request::get(path).with("Agent-Key", key),
            Request::get(path)
                .with("Authorization", "Basic x")
                .with("Authorization", format!("Bearer {key}")),
        ] {
            world.gateway.call(&request).await.expect_refusal(401, "management_key");
        }
    }
    assert!(world.upstream.seen().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_a_payment_in_one_request_are_refused() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let header = world.agent.sign(&world.gateway, &Request::get("/paid")).await.header();
    let paying = || Request::get("/paid").paying(header.as_str());
    let both = [
        paying().key(&key),
        paying().with("Agent-Key", &*key),
        Request::get("/paid").key(&key).with("Agent-Key", &*key),
        Request::get("/paid").key(&key).with("X-PAYMENT", &*header),
        Request::get("/paid").with("Agent-Key", &*key).with("Agent-Key", &*key),
        paying().paying(world.agent.sign(&world.gateway, &Request::get("/paid")).await.header()),
    ];
    for request in both {
        let response = world.gateway.call(&request).await;
        response.expect_refusal(400, "two_payments");
    }
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_wrong_in_one_letter_is_401() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let last = key.chars().last().unwrap();
    let other = if last == 'a' { 'b' } else { 'a' };
    let wrong = format!("{}{other}", &key[..key.len() - 1]);
    for text in [wrong.as_str(), "fg_", "fg_short_key_00000000"] {
        let response = world.gateway.call(&Request::get("/paid").key(text)).await;
        response.expect_refusal(401, "invalid_agent_key");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pays_ten_cents_a_request_at_most_unless_told_otherwise() {
    let routes = [Route::new("/dear", "$0.11"), Route::new("/fair", "$0.10")];
    let world = World::new("$1", routes).await;
    let key = world.agent.key(&world.gateway).await;
    let response = world.gateway.call(&Request::get("/dear").key(&key)).await;
    response.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(response.json()["limit"]["display"], "$0.10");
    assert!(response.text().contains("this key's own limit of $0.10 per request"), "{}", response.text());
    world.gateway.call(&Request::get("/fair").key(&key)).await.expect_status(200);
    world.expect_balance(900_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_maximum_price_is_not_charged_above_it() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let call = |maximum: &str| Request::get("/paid").key(&key).with("Agent-Max-Price", maximum);
    let refused = world.gateway.call(&call("$0.0009")).await;
    refused.expect_refusal(402, "price_above_maximum");
    world.gateway.call(&call("$0.001")).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_agents_pay_from_their_own_wallets() {
    let world = World::paid().await;
    let other = Agent::new(&world.gateway, "$2").await;
    let key = other.key(&world.gateway).await;
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    world.expect_balance(1_000_000).await;
    other.expect_balance(&world.gateway, 1_999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_key_shows_nobody_a_stored_answer() {
    let clock = Clock::new();
    let world = World::timed(&clock, "$1", [Route::new("/paid", "$0.001")]).await;
    let end = UnixMillis((clock.seconds() + 3600) * 1000).to_string();
    let path = format!("/v1/agents/{}/keys", world.agent.id);
    let made = world.gateway.ask("POST", &path, Some(&json!({ "expires_at": end }))).await;
    let key = made["key"].as_str().expect("a key");
    let request = Request::get("/paid").key(key).with("Idempotency-Key", random_hex());
    world.gateway.call(&request).await.expect_status(200);
    world.again(&request).await.expect_status(200);
    clock.step(3601);
    world.gateway.call(&request).await.expect_refusal(401, "invalid_agent_key");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_while_its_request_is_still_coming_pays_for_nothing() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let request = Request::new("POST", "/paid").key(&key).with("Idempotency-Key", "slow");
    let mut wire = world.gateway.wire().await;
    wire.send(&request.with("Content-Length", "4").with("Expect", "100-continue")).await;
    assert_eq!(wire.head("POST").await.unwrap().0, 100, "the body is wanted");
    let agent = format!("/v1/agents/{}", world.agent.id);
    let known = world.gateway.ask("GET", &agent, None).await["keys"][0]["id"].clone();
    let revoke = Request::new("POST", &format!("{agent}/keys/{}/revoke", known.as_str().unwrap()));
    world.gateway.admin(&revoke).await.expect_status(204);
    wire.send_bytes(b"late").await;
    wire.response("POST").await.expect_refusal(401, "invalid_agent_key");
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_an_address_that_calls_with_keys_of_nobody_waits_and_others_do_not() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let known = Request::get("/paid").key(&key);
    world.gateway.call(&known).await.expect_status(200);
    tests::wait::until("an address to be told to wait", || async {
        let requests = (0..512).map(|_| Request::get("/paid").key(&nobodys_key()));
        let answers = send_all(world.gateway.data(), requests.collect(), 16).await;
        let refused = answers.iter().find(|answer| answer.status != 401)?;
        refused.expect_refusal(429, "too_many_payers");
        assert!(refused.header("retry-after").is_some());
        Some(())
    })
    .await;
    // At once where it is remembered; what was changed within the last second is read once more, and that waits its turn.
    tests::wait::until("a key that is somebody's to be served", || async {
        let answer = world.gateway.call(&known).await;
        assert!(matches!(answer.status, 200 | 429), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    let mut other = Wire::connect_from([127, 0, 0, 2].into(), world.gateway.data()).await;
    let stranger = other.call(&Request::get("/paid").key(&nobodys_key())).await;
    stranger.expect_refusal(401, "invalid_agent_key");
    world.expect_balance(998_000).await;
    world.finish().await;
}

/// A key that is well formed, and was never made.
fn nobodys_key() -> String {
    let random = random_hex();
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&random.as_bytes()[2..12]);
    let id = KeyId::generate(UnixMillis(1_800_000_000_000), bytes).to_string();
    let covered = format!("fg_{}_{}", &id["key_".len()..], "A".repeat(43));
    format!("{covered}_{:08x}", crc32(covered.as_bytes()))
}

fn crc32(bytes: &[u8]) -> u32 {
    let bit = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), bit))
}
