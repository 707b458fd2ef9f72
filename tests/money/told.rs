//! What happened is told: by the stream of events and by signed webhooks, at once where the balance fell, and after a crash
//! under the same id.

use standardwebhooks::Webhook as Reference;

use serde_json::{Value, json};
use tests::upstream::Seen;
use tests::wait::until;
use tests::{Agent, Clock, Config, EventStream, Faregate, Request, Route, Script, Upstream, World};

/// Receivers on this host, which a provider's public gateway would refuse.
const OWN_NETWORK: &str = "[webhooks]\nallow_private = true\nallow_http = true";

/// A turn at a receiver lasts so long, in seconds: who was killed in its turn keeps others away until it is over.
const TURN_SECONDS: i64 = 61;

fn config(upstream: &Upstream) -> Config {
    Config::new(upstream.address(), [Route::new("/paid", "$0.03")]).section(OWN_NETWORK)
}

/// Has a receiver be called; what its deliveries are signed with.
async fn hook(gateway: &Faregate, url: &str, kind: &str) -> String {
    let body = json!({ "url": url, "types": [kind] });
    let made = gateway.ask("POST", "/v1/webhooks", Some(&body)).await;
    made["secret"].as_str().expect("a secret").to_owned()
}

fn url(receiver: &Upstream) -> String {
    format!("http://{}/hook", receiver.address())
}

/// The id and the body of a delivery whose signature is right, by the reference of Standard Webhooks.
fn verified(secret: &str, seen: &Seen) -> (String, Value) {
    let fields = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let field = |name: &'static str| {
        let value = seen.header(name).unwrap_or_else(|| panic!("no {name}"));
        (http::HeaderName::from_static(name), value.parse::<http::HeaderValue>().unwrap())
    };
    let fields: http::HeaderMap = fields.into_iter().map(field).collect();
    let reference = Reference::new(secret).expect("a secret of Standard Webhooks");
    reference.verify(&seen.body, &fields).expect("a valid signature");
    let id = seen.header("webhook-id").expect("an id").to_owned();
    (id, serde_json::from_slice(&seen.body).expect("JSON"))
}

async fn alert(gateway: &Faregate, agent: &Agent, threshold: Value) -> String {
    let path = format!("/v1/wallets/{}/alerts", agent.wallet);
    let made = gateway.ask("POST", &path, Some(&threshold)).await;
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_call_that_crosses_a_threshold_is_told_by_stream_and_signed_webhook() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let gateway = Faregate::start(config(&upstream)).await;
    let world = World { agent: Agent::new(&gateway, "$1").await, upstream, gateway };
    let secret = hook(&world.gateway, &url(&receiver), "wallet.low_balance").await;
    let in_money = alert(&world.gateway, &world.agent, json!({ "amount": "$0.95" })).await;
    let in_per_cent = alert(&world.gateway, &world.agent, json!({ "percent": 90 })).await;
    let mut stream = EventStream::open(&world.gateway, None).await;

    // $0.97, $0.94; $0.91, $0.88.
    for (told, alert, balance, threshold) in
        [(1, in_money, "$0.94", "$0.95"), (2, in_per_cent, "$0.88", "$0.90")]
    {
        for _ in 0..2 {
            world.buy(&Request::get("/paid")).await.expect_status(200);
        }
        let event = stream.next_of("wallet.low_balance").await;
        let data = &event["data"];
        assert_eq!((&data["alert"], &data["wallet"]), (&json!(alert), &json!(world.agent.wallet)));
        assert_eq!(data["balance"]["display"], balance);
        assert_eq!(data["threshold"]["display"], threshold);
        let (id, body) = verified(&secret, &receiver.call("/hook", told).await);
        assert_eq!((&event["id"], &body["type"], &body["data"]), (&json!(id), &event["type"], data));
    }
    world.buy(&Request::get("/paid")).await.expect_status(200);
    stream.next_of("payment.captured.batch").await;
    assert_eq!(receiver.calls("/hook").len(), 2, "told once, not with every call below the threshold");
    world.expect_balance(850_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn captured_payments_are_told_in_batches_that_have_each_payment_once() {
    const PAYMENTS: usize = 25;
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let gateway = Faregate::start(config(&upstream)).await;
    let world = World { agent: Agent::new(&gateway, "$1").await, upstream, gateway };
    let secret = hook(&world.gateway, &url(&receiver), "payment.captured.batch").await;
    let mut paid = Vec::new();
    for _ in 0..PAYMENTS {
        let response = world.buy(&Request::get("/paid")).await;
        paid.push(response.expect_status(200).header("faregate-payment-id").expect("an id").to_owned());
    }
    let told = until("every payment to be told", || async {
        let mut told: Vec<(u64, String)> = receiver
            .calls("/hook")
            .iter()
            .flat_map(|seen| verified(&secret, seen).1["data"]["payments"].as_array().unwrap().clone())
            .map(|payment| (payment["seq"].as_u64().unwrap(), payment["id"].as_str().unwrap().to_owned()))
            .collect();
        // Several deliveries are on their way at once.
        told.sort_unstable();
        (told.len() >= PAYMENTS).then_some(told)
    })
    .await;
    let numbered: Vec<(u64, String)> = (1..).zip(paid).collect();
    assert_eq!(told, numbered);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_crash_kept_from_arriving_arrives_afterwards_under_the_same_id() {
    let clock = Clock::new();
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    receiver.on_each("/hook", [Script::hang(), Script::reply(200, &[], "")]);
    let gateway = Faregate::start(config(&upstream).clock(&clock)).await;
    let mut world = World { agent: Agent::new(&gateway, "$1").await, upstream, gateway };
    world.agent.payer.follow(&clock);
    let key = world.agent.key(&world.gateway).await;
    let secret = hook(&world.gateway, &url(&receiver), "wallet.low_balance").await;
    alert(&world.gateway, &world.agent, json!({ "amount": "$0.98" })).await;
    let request = Request::get("/paid").key(&key);
    world.gateway.call(&request).await.expect_status(200);
    // It is on its way, and nobody has acknowledged it.
    let (first, body) = verified(&secret, &receiver.call("/hook", 1).await);

    world.gateway.kill().await;
    clock.step(TURN_SECONDS);
    world.gateway.restart().await;
    let (again, body_again) = verified(&secret, &receiver.call("/hook", 2).await);
    assert_eq!((&again, &body_again), (&first, &body));

    // Committed, and killed at once: whatever was not made an event yet is made one now, once.
    let calls = 5;
    for _ in 0..calls {
        world.gateway.call(&request).await.expect_status(200);
    }
    world.gateway.kill().await;
    world.gateway.restart().await;
    until("every payment to be in the log", || async {
        let log = world.gateway.ask("GET", "/v1/events?limit=500", None).await;
        let events = log["data"].as_array().unwrap();
        let batches = events.iter().filter(|event| event["type"] == "payment.captured.batch");
        let mut next = 1;
        for batch in batches {
            assert_eq!(batch["data"]["first_seq"], next, "skipped or twice");
            next = batch["data"]["last_seq"].as_u64().unwrap() + 1;
        }
        (next == calls + 2).then_some(())
    })
    .await;
    world.expect_balance(820_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_an_end_in_order_cuts_off_is_made_by_the_next_process_at_once() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    receiver.on_each("/hook", [Script::hang(), Script::reply(200, &[], "")]);
    let mut gateway = Faregate::start(config(&upstream)).await;
    let secret = hook(&gateway, &url(&receiver), "wallet.funded").await;
    Agent::new(&gateway, "$1").await;
    let (first, _) = verified(&secret, &receiver.call("/hook", 1).await);
    gateway.terminate().await;
    gateway.restart().await;
    // Not after the turn of the process that ended would have been over.
    let (again, _) = verified(&secret, &receiver.call("/hook", 2).await);
    assert_eq!(again, first);
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_and_one_that_hangs_delay_nobody() {
    let (upstream, receiver) = (Upstream::start().await, Upstream::start().await);
    let hanging = Upstream::start().await;
    hanging.on("/hook", Script::hang());
    let gone = Upstream::start().await;
    let gone_url = url(&gone);
    drop(gone);
    let gateway = Faregate::start(config(&upstream)).await;
    let agent = Agent::new(&gateway, "$0").await;
    for dead in [&gone_url, &url(&hanging)] {
        hook(&gateway, dead, "wallet.funded").await;
    }
    let secret = hook(&gateway, &url(&receiver), "wallet.funded").await;
    for funding in 1..=20 {
        agent.fund(&gateway, "$0.01").await;
        let seen = receiver.call("/hook", funding).await;
        assert_eq!(verified(&secret, &seen).1["data"]["amount"]["display"], "$0.01");
    }
    hanging.call("/hook", 1).await;
    gateway.counted("faregate_webhook_attempts_total", &[("outcome", "delivered")], 20).await;
    gateway.counted("faregate_webhook_attempts_total", &[("outcome", "failed")], 1).await;
    gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_known_after_a_restart() {
    let mut world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    world.gateway.terminate().await;
    world.gateway.restart().await;
    let agent = world.gateway.ask("GET", &format!("/v1/agents/{}", world.agent.id), None).await;
    assert!(agent["keys"][0]["last_used_at"].is_string(), "{agent}");
    world.finish().await;
}
