//! The chain shows something else than the books say of a payment that is closed: it is said on the command line, written down once, told,
//! counted, and over when the chain shows it again.

use serde_json::{Value, json};
use tests::chain::NETWORK;
use tests::facilitator::Call;
use tests::process::{Said, run};
use tests::wait::until;
use tests::{Clock, PublicWorld, Request, Route, Setting, Wire};

/// What the call costs.
const PRICE: u64 = 1_000;

async fn reconcile(world: &PublicWorld) -> (Said, Vec<Value>) {
    let config = world.gateway.config_path().display().to_string();
    let said = run(&["reconcile", "-c", &config, "-o", "json"]).await;
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
    let differences = report["differences"].as_array().expect("differences").clone();
    (said, differences)
}

/// The books are compared when a process starts, and what differs is looked at once more: time goes on until there is this event.
async fn told(world: &mut PublicWorld, clock: &Clock, way: &str) -> Value {
    world.gateway.terminate().await;
    world.gateway.restart().await;
    until(&format!("a difference that is {way} to be told"), || async {
        clock.pass(2);
        let told = world.gateway.ask("GET", "/v1/events?type=reconciliation.difference", None).await;
        let told = told["data"].as_array().expect("events").clone();
        told.into_iter().find(|event| event["data"]["way"] == way)
    })
    .await
}

async fn listed(world: &PublicWorld, query: &str) -> Vec<Value> {
    let listed = world.gateway.ask("GET", &format!("/v1/differences{query}"), None).await;
    listed["data"].as_array().expect("differences").clone()
}

async fn suspense(world: &PublicWorld) -> i64 {
    world.gateway.metrics().await.sum("faregate_chain_suspense_units", &[]) as i64
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_what_is_settled_for_good_and_is_no_more_is_said_written_down_once_and_over_when_it_is_there_again()
 {
    let clock = Clock::new();
    let mut world = Setting::new([Route::new("/paid", "$0.001")]).clock(&clock).start().await;
    let payer = world.payer(PRICE).await;
    let served = world.buy(&payer, &Request::get("/paid")).await;
    let transaction = served.expect_status(200).receipt()["transaction"].clone();
    let payment = json!(served.header("faregate-payment-id").expect("a name"));
    world.settled(PRICE).await;
    let (said, differences) = reconcile(&world).await;
    assert_eq!((said.code, differences.len()), (Some(0), 0), "{said:?}");

    // A reorganization deeper than it takes for a block to count.
    world.network.drop_blocks(1).await;
    let (said, differences) = reconcile(&world).await;
    let [missing] = &differences[..] else { panic!("one: {said:?}") };
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(
        (&missing["payment"], &missing["network"], &missing["amount"]),
        (&payment, &json!(NETWORK), &json!("$0.001")),
        "{missing}"
    );
    let event = told(&mut world, &clock, "missing").await;
    assert_eq!(
        (&event["data"]["payment"], &event["data"]["transaction"]),
        (&payment, &transaction),
        "{event}"
    );
    world.gateway.counted("faregate_chain_differences", &[], 1).await;
    assert_eq!(suspense(&world).await, -1_000);
    let [open] = &listed(&world, "?open=true").await[..] else { panic!("one") };
    assert_eq!(
        (&open["id"], &open["way"], &open["booked"], &open["in_suspense"]["amount"]),
        (&payment, &json!("missing"), &json!("settled"), &json!("-1000"))
    );
    let (said, differences) = reconcile(&world).await;
    assert_eq!((said.code, differences.len()), (Some(0), 0), "it is written down: {said:?}");

    // Whoever has what was signed has it moved again.
    let body = world.facilitator.call(Call::Settle, 1).await.body.to_string();
    let again = Request::post("/settle", &body).with("Content-Type", "application/json");
    let again = Wire::connect(world.official.address()).await.call(&again).await;
    assert_eq!(again.json()["success"], true, "{}", again.text());
    let (said, differences) = reconcile(&world).await;
    assert_eq!((said.code, differences.len()), (Some(1), 1), "{said:?}");
    let event = told(&mut world, &clock, "arrived").await;
    assert_eq!(event["data"]["transaction"], again.json()["transaction"], "{event}");
    world.gateway.counted("faregate_chain_differences", &[], 1).await;
    assert_eq!((suspense(&world).await, listed(&world, "?open=true").await), (0, vec![]));
    let [closed] = &listed(&world, "").await[..] else { panic!("one payment, and one line") };
    assert_eq!((&closed["way"], &closed["transaction"]), (&json!("arrived"), &again.json()["transaction"]));
    let (said, differences) = reconcile(&world).await;
    assert_eq!((said.code, differences.len()), (Some(0), 0), "{said:?}");
    assert_eq!(world.upstream.seen().len(), 1);
    assert_eq!(world.network.balance(PublicWorld::provider()).await, PRICE);
    // What was written down of the payment itself stays as it is.
    let listed = world.gateway.ask("GET", "/v1/payments", None).await;
    assert_eq!(listed["data"][0]["on_chain"]["transaction"], transaction);
    world.gateway.finish().await;
}
