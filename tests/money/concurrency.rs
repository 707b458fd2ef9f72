//! Many at once: limits and balances hold to the unit, and one payment is one request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tests::{Agent, Config, Faregate, Gate, Request, Response, Route, Script, Upstream, World};
use tokio::task::JoinSet;

/// Connections at once; each sends its share one after another.
const CONNECTIONS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn r1_one_payment_sent_a_hundred_times_at_once_is_served_once() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "once").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());

    let mut running = JoinSet::new();
    for _ in 0..100 {
        let (mut wire, request) = (world.gateway.wire().await, request.clone());
        running.spawn(async move { wire.call(&request).await });
    }
    for _ in 0..99 {
        let response = running.join_next().await.unwrap().unwrap();
        response.expect_refusal(409, "payment_in_progress");
        assert!(response.header("retry-after").is_some());
    }
    gate.open();
    let served = running.join_next().await.unwrap().unwrap();
    served.expect_status(200);
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    assert_eq!(world.gateway.metrics().await.count("faregate_idempotency_collisions_total", &[]), 99);

    let again = world.again(&request).await;
    again.expect_refusal(409, "already_delivered");
    assert_eq!(again.receipt()["extra"], served.receipt()["extra"], "the receipt of the first");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_payment_for_a_thousand_resources_at_once_buys_one() {
    let world = World::new("$1", [Route::new("/items/{id}", "$0.001")]).await;
    let mut payment = world.agent.sign(&world.gateway, &Request::get("/items/0")).await;
    payment.payload["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    let header = payment.header();
    let requests = (0..1_000).map(|id| Request::get(&format!("/items/{id}")).paying(header.as_str()));
    let responses = all_at_once(&world.gateway, requests.collect()).await;

    assert_eq!(count(&responses, 200), 1);
    assert_eq!(count(&responses, 409), 999);
    assert_eq!(world.upstream.seen().len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_a_daily_limit_of_a_thousand_units_takes_a_thousand_calls_of_one() {
    let upstream = Upstream::start().await;
    let routes = [Route::new("/unit", "$0.000001")];
    let gateway = Faregate::start(Config::new(upstream.address(), routes)).await;
    let agent = Agent::with_policy(&gateway, "$1", json!({ "per_day": "$0.001" })).await;
    let key = agent.key(&gateway).await;
    let responses = all_at_once(&gateway, vec![Request::get("/unit").key(&key); 1_001]).await;

    assert_eq!(count(&responses, 200), 1_000);
    let refused = responses.iter().find(|response| response.status != 200).unwrap();
    refused.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(refused.json()["limit"]["amount"], "1000");
    assert_eq!(refused.json()["remaining"]["amount"], "0");
    assert_eq!(refused.json()["window"], "day");
    assert_eq!(gateway.metrics().await.count("faregate_spending_violations_total", &[]), 1);
    assert_eq!(upstream.seen().len(), 1_000);
    agent.expect_balance(&gateway, 999_000).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_balance_of_ten_units_takes_ten_of_a_hundred_calls() {
    let world = World::new("$0.00001", [Route::new("/unit", "$0.000001")]).await;
    let challenge = world.gateway.challenge("/unit").await;
    let pay = |_| Request::get("/unit").paying(world.agent.payer.pay(&challenge).header());
    let responses = all_at_once(&world.gateway, (0..100).map(pay).collect()).await;

    assert_eq!(count(&responses, 200), 10);
    for refused in responses.iter().filter(|response| response.status != 200) {
        refused.expect_refusal(402, "insufficient_funds");
    }
    assert_eq!(world.upstream.seen().len(), 10);
    world.expect_balance(0).await;
    world.finish().await;
}

/// Sends every request over a few connections at once.
async fn all_at_once(gateway: &Faregate, requests: Vec<Request>) -> Vec<Response> {
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut connections = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (address, requests, next) = (gateway.data(), Arc::clone(&requests), Arc::clone(&next));
        connections.spawn(async move {
            let mut wire = tests::Wire::connect(address).await;
            let mut responses = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let response = wire.call(request).await;
                if response.header("connection").is_some_and(|option| option.eq_ignore_ascii_case("close")) {
                    wire = tests::Wire::connect(address).await;
                }
                responses.push(response);
            }
            responses
        });
    }
    connections.join_all().await.into_iter().flatten().collect()
}

fn count(responses: &[Response], status: u16) -> usize {
    responses.iter().filter(|response| response.status == status).count()
}
