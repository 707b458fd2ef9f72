//! Prices and terms that change under load (H1, H4): each request has one revision from its 402 to its receipt, and what
//! runs is charged on the terms it was held under.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tests::crowd::{answers, begin_all};
use tests::{Agent, Config, Gate, Provider, Request, Response, Route, Script, Wire, World};
use tokio::task::JoinSet;

const PAYERS: usize = 6;
const RELOADS: u64 = 12;

/// A payment and what its payer was charged, in atomic units.
type Charged = (String, i64);

#[tokio::test(flavor = "multi_thread")]
async fn h1_prices_change_under_load_and_each_request_has_one_revision() {
    let mut world = World::new("$1000", [Route::new("/paid", "$0.001")]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut payers = JoinSet::new();
    for payer in 0..PAYERS {
        let key = if payer % 2 == 0 { Some(world.agent.key(&world.gateway).await) } else { None };
        let (address, agent, stop) = (world.gateway.data(), world.agent.clone(), Arc::clone(&stop));
        payers.spawn(async move {
            let (mut wire, mut charged) = (Wire::connect(address).await, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                charged.push(buy(&mut wire, &agent, key.as_deref()).await);
            }
            charged
        });
    }
    for reload in 1..=RELOADS {
        let price = format!("$0.00{}", reload % 3 + 1);
        let config = Config::new(world.upstream.address(), [Route::new("/paid", &price)]);
        world.gateway.reload(config).await;
    }
    stop.store(true, Ordering::Relaxed);
    let charged: Vec<Charged> = payers.join_all().await.into_iter().flatten().collect();

    // What the upstream was told each call costs is what its payer was charged.
    let told: HashMap<String, String> = world
        .upstream
        .seen()
        .iter()
        .filter_map(|seen| Some((seen.header("faregate-payment-id")?, seen.header("faregate-price")?)))
        .map(|(id, price)| (id.to_owned(), price.to_owned()))
        .collect();
    assert_eq!(told.len(), charged.len());
    for (id, amount) in &charged {
        assert_eq!(told[id], format!("$0.00{}", amount / 1_000), "{id}");
    }
    let prices: std::collections::HashSet<i64> = charged.iter().map(|(_, amount)| *amount).collect();
    assert!(prices.len() > 1, "the load must have seen a change of price");
    let spent: i64 = charged.iter().map(|(_, amount)| amount).sum();
    assert_eq!(world.gateway.metrics().await.count("faregate_reloads_total", &[("result", "failed")]), 0);
    world.expect_balance(1_000_000_000 - spent).await;
    world.finish().await;
}

/// One call, paid by key or by signing the 402: never refused, charged what was quoted.
async fn buy(wire: &mut Wire, agent: &Agent, key: Option<&str>) -> Charged {
    let (request, quoted) = match key {
        Some(key) => (Request::get("/paid").key(key), None),
        None => {
            let challenge = wire.call(&Request::get("/paid")).await;
            let quoted = amount(&challenge.challenge()["accepts"][0]["amount"]);
            (Request::get("/paid").paying(agent.payer.pay(&challenge).header()), Some(quoted))
        }
    };
    let response = wire.call(&request).await;
    let charged = amount(&response.expect_status(200).receipt()["amount"]);
    assert_eq!(quoted.unwrap_or(charged), charged);
    (response.header("faregate-payment-id").unwrap().to_owned(), charged)
}

fn amount(text: &serde_json::Value) -> i64 {
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn h4_a_fee_and_a_recipient_that_change_mid_flight_bind_the_next_payment_only() {
    let mut world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let gate = Gate::new();
    let slow = Script::reply(200, &[], "slow").after(&gate);
    world.upstream.on_each("/paid", [slow.clone(), slow, Script::reply(200, &[], "now")]);
    let signed = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let old_terms = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let running = [Request::get("/paid").key(&key), Request::get("/paid").paying(signed.header())];
    let running = begin_all(world.gateway.data(), running);
    gate.reached_by(2).await;

    let provider = Provider::new("acme", world.upstream.address())
        .line("fee = \"10%\"")
        .line("pay_to = \"0x1111111111111111111111111111111111111111\"");
    let moved = Config::default().provider(provider.routes([Route::new("/paid", "$0.001")]));
    world.gateway.reload(moved).await;
    gate.open();
    for response in answers(running).await {
        response.expect_status(200);
    }
    assert_eq!(fees(&world).await, 0, "what ran is captured without a fee, as it was held");

    // Made out to somebody else now: refused, not charged, and asked for anew on the terms in force.
    let refused = world.gateway.call(&Request::get("/paid").paying(old_terms.header())).await;
    refused.expect_refusal(402, "invalid_exact_evm_recipient_mismatch");
    assert_eq!(refused.challenge()["accepts"][0]["payTo"], "0x1111111111111111111111111111111111111111");
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    assert_eq!(fees(&world).await, 200);
    world.expect_balance(996_000).await;
    world.finish().await;
}

async fn fees(world: &World) -> u64 {
    world.gateway.metrics().await.count("faregate_revenue_fees_units_total", &[("provider", "acme")])
}

/// What runs finishes; what was quoted before the removal is worth nothing after it.
#[tokio::test(flavor = "multi_thread")]
async fn h3_a_route_that_is_removed_and_comes_back_begins_anew() {
    let mut world = World::paid().await;
    let old = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "still").after(&gate));
    let running = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let running = begin_all(world.gateway.data(), [Request::get("/paid").paying(running.header())]);
    gate.reached().await;
    let without = Config::new(world.upstream.address(), [Route::new("/other", "$0.001")]);
    world.gateway.reload(without).await;
    let back = Config::new(world.upstream.address(), [Route::new("/paid", "$0.001")]);
    world.gateway.reload(back).await;
    gate.open();
    answers(running).await.iter().for_each(|response: &Response| {
        response.expect_status(200);
    });
    // A quote that was ended stays ended, though the price is the same.
    let refused = world.gateway.call(&Request::get("/paid").paying(old.header())).await;
    refused.expect_refusal(402, "invalid_quote");
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}
