//! Prices that change through the management API while requests are paid (H1): each change is one version, each request has one
//! version, and every quote is honoured.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::wait::until;
use tests::{Agent, Faregate, Request, Route, Several, Upstream, Wire, World};
use tokio::task::JoinSet;

const PAYERS: usize = 6;
const CHANGES: usize = 60;
/// Prices in dollars: so many thousandths, one after the other.
const PRICES: usize = 9;

/// A payment and what its payer was charged, in atomic units.
type Charged = (String, i64);

fn price(change: usize) -> String {
    format!("$0.00{}", change % PRICES + 1)
}

fn amount(text: &Value) -> i64 {
    text.as_str().unwrap().parse().unwrap()
}

/// A provider and a route that are the API's, not the file's.
async fn sell(control: &Faregate, upstream: &Upstream) {
    let upstream = json!({ "addresses": [format!("http://{}", upstream.address())] });
    let provider = json!({ "name": "globex", "upstream": upstream });
    control.ask("POST", "/v1/providers", Some(&provider)).await;
    let route = json!({ "name": "live", "provider": "globex", "path": "/live", "price": price(0) });
    control.ask("POST", "/v1/routes", Some(&route)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_prices_change_through_the_api_under_load_and_every_quote_is_honoured() {
    let world = World::new("$1000", [Route::new("/paid", "$0.001")]).await;
    sell(&world.gateway, &world.upstream).await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut payers = JoinSet::new();
    for payer in 0..PAYERS {
        let key = if payer % 2 == 0 { Some(world.agent.key(&world.gateway).await) } else { None };
        let (address, agent) = (world.gateway.data(), world.agent.clone());
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        payers.spawn(async move {
            let (mut wire, mut charged) = (Wire::connect(address).await, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                charged.push(buy(&mut wire, &agent, key.as_deref()).await);
                calls.fetch_add(1, Ordering::Relaxed);
            }
            charged
        });
    }
    let first = world.agent.sign(&world.gateway, &Request::get("/live")).await;
    let mut version = 0;
    for change in 1..=CHANGES {
        // Somebody pays between any two changes.
        let before = calls.load(Ordering::Relaxed);
        until("a paid call", || async { (calls.load(Ordering::Relaxed) > before).then_some(()) }).await;
        let body = json!({ "price": price(change) });
        let outcome = world.gateway.ask("PATCH", "/v1/routes/live", Some(&body)).await;
        let next = outcome["version"].as_u64().unwrap();
        assert!(next > version, "each change is a version of its own");
        version = next;
        let challenge = world.gateway.challenge("/live").await.challenge();
        let quoted = amount(&challenge["accepts"][0]["amount"]);
        assert_eq!(format!("$0.00{}", quoted / 1_000), price(change), "in force when it is answered");
        if change == CHANGES / 2 {
            // Many prices ago, and less than a minute.
            let oldest = world.gateway.call(&Request::get("/live").paying(first.header())).await;
            assert_eq!(amount(&oldest.expect_status(200).receipt()["amount"]), 1_000);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let charged: Vec<Charged> = payers.join_all().await.into_iter().flatten().collect();

    let listed = world.gateway.ask("GET", "/v1/routes/live/revisions?limit=500", None).await;
    let revisions = listed["data"].as_array().unwrap();
    assert_eq!(revisions.len(), CHANGES + 1, "each change of the price is a revision");
    let prices: HashMap<u64, i64> = revisions
        .iter()
        .map(|revision| (revision["revision"].as_u64().unwrap(), dollars(&revision["document"]["price"])))
        .collect();
    let mut seen = std::collections::HashSet::new();
    for (id, amount) in charged.iter().step_by(charged.len().div_ceil(300)) {
        let payment = world.gateway.ask("GET", &format!("/v1/payments/{id}"), None).await;
        let revision = payment["revision"].as_u64().unwrap();
        assert_eq!(prices[&revision], *amount, "{payment}");
        seen.insert(revision);
    }
    assert!(seen.len() > PRICES, "the load must have seen changes: {seen:?}");
    let spent: i64 = charged.iter().map(|(_, amount)| amount).sum();
    world.expect_balance(1_000_000_000 - 1_000 - spent).await;
    world.finish().await;
}

/// Whichever of two processes has a new price first: the other one takes payments for it at once.
#[tokio::test(flavor = "multi_thread")]
async fn h1_a_quote_of_one_gateway_is_honoured_by_another_that_may_not_know_it_yet() {
    let several = Several::new(2, "$1", [Route::new("/paid", "$0.001")]).await;
    sell(&several.control, &several.upstream).await;
    let mut spent = 0;
    for change in 1..=30 {
        let body = json!({ "price": price(change) });
        several.control.ask("PATCH", "/v1/routes/live", Some(&body)).await;
        let wanted = dollars(&body["price"]);
        let (one, other) = (&several.gateways[change % 2], &several.gateways[(change + 1) % 2]);
        let challenge = until("the new price", || async {
            let challenge = one.call(&Request::get("/live")).await;
            let is_new =
                challenge.status == 402 && amount(&challenge.challenge()["accepts"][0]["amount"]) == wanted;
            is_new.then_some(challenge)
        })
        .await;
        let paying = Request::post("/live", "a body").with("Idempotency-Key", format!("call {change}"));
        let paying = paying.paying(several.agent.payer.pay(&challenge).header());
        let paid = other.call(&paying).await;
        assert_eq!(amount(&paid.expect_status(200).receipt()["amount"]), wanted);
        spent += wanted;
        // The body that it was paid with is the one that is known, however often the call was judged.
        until("its answer once more", || async {
            let again = other.call(&paying).await;
            assert!(again.status == 200 || again.code() == "payment_in_progress", "{again:?}");
            (again.status == 200).then_some(())
        })
        .await;
    }
    several.expect_balance(1_000_000 - spent).await;
    several.finish().await;
}

/// One call, paid by key or by signing the 402: never refused, charged what was quoted.
async fn buy(wire: &mut Wire, agent: &Agent, key: Option<&str>) -> Charged {
    let (request, quoted) = match key {
        Some(key) => (Request::get("/live").key(key), None),
        None => {
            let challenge = wire.call(&Request::get("/live")).await;
            let quoted = amount(&challenge.challenge()["accepts"][0]["amount"]);
            (Request::get("/live").paying(agent.payer.pay(&challenge).header()), Some(quoted))
        }
    };
    let response = wire.call(&request).await;
    let charged = amount(&response.expect_status(200).receipt()["amount"]);
    assert_eq!(quoted.unwrap_or(charged), charged);
    (response.header("faregate-payment-id").unwrap().to_owned(), charged)
}

/// `$0.003` in atomic units.
fn dollars(price: &Value) -> i64 {
    let thousandths: i64 = price.as_str().unwrap().strip_prefix("$0.00").unwrap().parse().unwrap();
    thousandths * 1_000
}
