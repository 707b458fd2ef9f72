//! Many at once: limits and balances hold to the unit, and one payment is one request.

use serde_json::json;
use tests::crowd::{answers, begin_all, count, send_all};
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
    let responses = send_all(world.gateway.data(), requests.collect(), CONNECTIONS).await;

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
    let responses = send_all(gateway.data(), vec![Request::get("/unit").key(&key); 1_001], CONNECTIONS).await;

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
    let responses = send_all(world.gateway.data(), (0..100).map(pay).collect(), CONNECTIONS).await;

    assert_eq!(count(&responses, 200), 10);
    for refused in responses.iter().filter(|response| response.status != 200) {
        refused.expect_refusal(402, "insufficient_funds");
    }
    assert_eq!(world.upstream.seen().len(), 10);
    world.expect_balance(0).await;
    world.finish().await;
}

/// Ten fit into the balance of one agent, seven into the daily limit of another; nothing is captured while they all run.
#[tokio::test(flavor = "multi_thread")]
async fn a3_what_runs_at_once_never_holds_more_than_the_balance_or_the_limit() {
    let world = World::new("$0.01", [Route::new("/paid", "$0.001")]).await;
    let limited = Agent::with_policy(&world.gateway, "$1", json!({ "per_day": "$0.007" })).await;
    for (agent, fit, refusal, start) in [
        (&world.agent, 10_usize, (402, "insufficient_funds"), 10_000),
        (&limited, 7, (403, "spending_limit_exceeded"), 1_000_000),
    ] {
        let gate = Gate::new();
        let (served, failed) = (Script::reply(200, &[], "yes"), Script::reply(500, &[], "no"));
        // Every second one fails once it is let go of.
        let scripts = (0..fit).map(|call| if call % 2 == 0 { &served } else { &failed }.clone().after(&gate));
        world.upstream.on_each("/paid", scripts.chain([served.clone()]));
        let key = agent.key(&world.gateway).await;
        let challenge = world.gateway.challenge("/paid").await;
        let request = |call: usize| match call % 2 {
            0 => Request::get("/paid").key(&key),
            _ => Request::get("/paid").paying(agent.payer.pay(&challenge).header()),
        };
        let before = world.upstream.seen().len();
        let calls = begin_all(world.gateway.data(), (0..3 * fit).map(request));
        gate.reached_by(fit).await;
        tests::wait::until("the others to be refused", || async {
            (calls.iter().filter(|call| call.is_finished()).count() == 2 * fit).then_some(())
        })
        .await;
        let money = agent.money(&world.gateway).await;
        assert_eq!((money.balance, money.held), (start, i64::try_from(fit).unwrap() * 1_000));

        gate.open();
        let responses = answers(calls).await;
        for refused in responses.iter().filter(|response| ![200, 500].contains(&response.status)) {
            refused.expect_refusal(refusal.0, refusal.1);
        }
        assert_eq!((count(&responses, 200), count(&responses, 500)), (fit.div_ceil(2), fit / 2));
        assert_eq!(world.upstream.seen().len() - before, fit);
        agent.expect_balance(&world.gateway, start - i64::try_from(fit.div_ceil(2)).unwrap() * 1_000).await;
        // What failed is free again, and no more than that.
        let again = send_all(world.gateway.data(), vec![request(0); fit], 4).await;
        assert_eq!(count(&again, 200), fit / 2);
    }
    world.finish().await;
}

/// The price of the n-th delivered call, whoever else calls, whichever call fails: the sum is that of the sequence.
#[tokio::test(flavor = "multi_thread")]
async fn r11_a_tier_boundary_crossed_by_many_calls_charges_the_prices_of_the_sequence() {
    const PRICES: [(usize, i64); 3] = [(10, 3_000), (20, 2_000), (25, 1_000)];
    let tiers = r#"[{ from = 1, price = "$0.003" }, { from = 11, price = "$0.002" }, { from = 31, price = "$0.001" }]"#;
    let world = World::new("$1", [Route::tiered("/paid", tiers)]).await;
    let key = world.agent.key(&world.gateway).await;
    let (served, failed) = (Script::reply(200, &[], "yes"), Script::reply(500, &[], "no"));
    let mixed = (0..60).map(|call| if call % 12 == 5 { failed.clone() } else { served.clone() });
    world.upstream.on_each("/paid", mixed.chain([served.clone()]));
    let challenge = world.gateway.challenge("/paid").await;
    let request = |call: usize| match call % 2 {
        0 => Request::get("/paid").key(&key),
        _ => Request::get("/paid").paying(world.agent.payer.pay(&challenge).header()),
    };
    let responses = send_all(world.gateway.data(), (0..60).map(request).collect(), 20).await;

    assert_eq!((count(&responses, 200), count(&responses, 500)), (55, 5));
    let paid = responses.iter().filter(|response| response.status == 200);
    let amount = |response: &Response| response.receipt()["amount"].as_str().unwrap().parse::<i64>().unwrap();
    let mut charged: Vec<i64> = paid.map(amount).collect();
    charged.sort_unstable_by(|one, other| other.cmp(one));
    let sequence: Vec<i64> = PRICES.iter().flat_map(|(calls, price)| vec![*price; *calls]).collect();
    assert_eq!(charged, sequence);
    let quoted: i64 = challenge.challenge()["accepts"][0]["amount"].as_str().unwrap().parse().unwrap();
    assert!(charged.iter().all(|charged| *charged <= quoted));
    world.expect_balance(1_000_000 - sequence.iter().sum::<i64>()).await;
    world.finish().await;
}
