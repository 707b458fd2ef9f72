//! A provider from nothing to a payout, through the management API alone: registered, paid, settled with, paid out.

use serde_json::{Value, json};
use tests::wait::until;
use tests::{Agent, Clock, Config, Faregate, Gate, Request, Script, Upstream};

/// 2028-02-10T12:00:00Z, a Thursday.
const NOON: i64 = 1_833_796_800;

const HOUR: i64 = 3_600;

const DESTINATION: &str = "/v1/providers/acme/payout-destination";

/// A gateway whose file names nobody, and which looks often who is to be settled with.
struct House {
    clock: Clock,
    upstream: Upstream,
    gateway: Faregate,
    agent: Agent,
}

impl House {
    async fn new() -> Self {
        let (clock, upstream) = (Clock::at(NOON), Upstream::start().await);
        let section =
            "[settlement]\ninterval = \"20ms\"\namount_min = \"$0.01\"\npayout_destination_delay = \"2h\"";
        let gateway = Faregate::start(Config::default().section(section).clock(&clock)).await;
        let mut agent = Agent::new(&gateway, "$5").await;
        agent.payer.follow(&clock);
        Self { clock, upstream, gateway, agent }
    }

    async fn register(&self) {
        let upstream = json!({ "addresses": [format!("http://{}", self.upstream.address())] });
        let provider = json!({ "name": "acme", "fee": "10%", "upstream": upstream });
        self.post("/v1/providers", &provider).await;
        let route = json!({ "name": "paid", "provider": "acme", "path": "/paid", "price": "$0.50" });
        self.post("/v1/routes", &route).await;
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = Request::post(path, &body.to_string()).with("Content-Type", "application/json");
        let response = self.gateway.admin(&request.with("Idempotency-Key", path.replace('/', "-"))).await;
        assert!((200..300).contains(&response.status), "{path}: {}", response.text());
        response.json()
    }

    async fn buy(&self, times: usize) {
        for _ in 0..times {
            self.agent.buy(&self.gateway, &Request::get("/paid")).await.expect_status(200);
        }
        self.gateway.idle().await;
    }

    async fn get(&self, path: &str) -> Value {
        self.gateway.ask("GET", path, None).await
    }

    /// Its settlements, newest first, when there are so many.
    async fn settlements(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} settlements"), || async {
            let listed = self.get("/v1/settlements?provider=acme").await["data"].as_array().unwrap().clone();
            (listed.len() >= count).then_some(listed)
        })
        .await
    }

    /// The worker has looked at everybody once more: a scrape after it shows so.
    async fn waiting(&self, seconds: u64) {
        let name = "faregate_settlement_oldest_unsettled_seconds";
        self.gateway.counted(name, &[], seconds).await;
    }

    async fn agent_has(&self, balance: i64) {
        until(&format!("a balance of {balance}"), || async {
            (self.agent.money(&self.gateway).await.balance == balance).then_some(())
        })
        .await;
    }

    /// Everybody who listens heard of these.
    async fn told(&self, kinds: &[&str]) {
        for kind in kinds {
            until(&format!("an event {kind}"), || async {
                let events = self.get("/v1/events?limit=500").await;
                events["data"].as_array().unwrap().iter().any(|event| event["type"] == *kind).then_some(())
            })
            .await;
        }
    }

    async fn csv(&self, path: &str) -> String {
        self.gateway.admin(&Request::get(path).with("Accept", "text/csv")).await.expect_status(200).text()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_registers_is_paid_is_settled_with_and_is_paid_out() {
    let house = House::new().await;
    house.register().await;
    house.buy(3).await;
    let bank = json!({ "rail": "manual", "reference": "DE02 1203 0000 0000 2020 51" });
    house.gateway.ask("PUT", DESTINATION, Some(&bank)).await;

    // Too young, and then before its date.
    let run = "/v1/settlements?dry_run=true";
    let would_be = house.gateway.ask("POST", run, Some(&json!({ "provider": "acme" }))).await;
    assert_eq!(would_be["payments"], 0, "{would_be}");
    house.clock.step(6 * HOUR);
    house.waiting(6 * 3_600).await;
    let would_be = house.gateway.ask("POST", run, Some(&json!({ "provider": "acme" }))).await;
    assert_eq!((&would_be["payments"], &would_be["net"]["display"]), (&json!(3), &json!("$1.35")));
    assert_eq!(house.get("/v1/settlements").await["data"], json!([]));

    // One o'clock: all of the day is old enough. What is bought now is of the next one.
    house.clock.step(7 * HOUR);
    house.buy(1).await;
    let [settlement] = &house.settlements(1).await[..] else { panic!("more than one") };
    assert_eq!((&settlement["payments"], &settlement["number"]), (&json!(3), &json!(1)));
    let money = |name: &str| settlement[name]["display"].as_str().unwrap().to_owned();
    assert_eq!([money("gross"), money("fee"), money("net")], ["$1.50", "$0.15", "$1.35"]);
    let id = settlement["id"].as_str().unwrap();
    let members = house.csv(&format!("/v1/settlements/{id}/members")).await;
    assert_eq!(members.lines().count(), 4, "{members}");

    // The bank run.
    let open = house.csv("/v1/payouts?state=open").await;
    let payout = settlement["payout"].as_str().unwrap();
    let line = open.lines().nth(1).unwrap();
    assert!(line.starts_with(&format!("{payout},acme,manual,DE02 1203 0000 0000 2020 51,$1.35,")), "{open}");
    let paid =
        house.post(&format!("/v1/payouts/{payout}/pay"), &json!({ "reference": "run 2028-02-11" })).await;
    assert_eq!((&paid["state"], &paid["reference"]), (&json!("paid"), &json!("run 2028-02-11")));
    assert_eq!(house.csv("/v1/payouts?state=open").await.lines().count(), 1);
    house.told(&["settlement.created", "payout.created", "payout.paid"]).await;
    let metrics = house.gateway.metrics().await;
    assert_eq!(metrics.count("faregate_settlement_batches_total", &[]), 1);
    for reason in ["unavailable", "conflict", "refused", "rail"] {
        assert_eq!(metrics.count("faregate_settlement_failures_total", &[("reason", reason)]), 0, "{reason}");
    }
    house.gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_destination_waits_and_what_was_settled_before_stays_where_it_was_to_go() {
    let mut house = House::new().await;
    house.register().await;
    let till = Agent::new(&house.gateway, "$0").await;
    house.gateway.ask("PUT", DESTINATION, Some(&json!({ "rail": "manual", "reference": "one" }))).await;
    house.buy(1).await;
    house.clock.step(12 * HOUR + 30 * 60);
    let wallet = json!({ "rail": "ledger", "wallet": till.wallet });
    let asked = house.gateway.ask("PUT", DESTINATION, Some(&wallet)).await;
    assert_eq!(asked["current"]["reference"], "one");
    house.clock.step(HOUR);
    let first = house.settlements(1).await.remove(0);
    house.buy(2).await;
    house.gateway.kill().await;
    house.clock.step(24 * HOUR);
    house.gateway.restart().await;
    let second = house.settlements(2).await.remove(0);
    assert_eq!((&second["payments"], &second["number"]), (&json!(2), &json!(2)));
    till.expect_balance(&house.gateway, 900_000).await;
    let payout = async |settlement: &Value| {
        let shown = house.get(&format!("/v1/payouts/{}", settlement["payout"].as_str().unwrap())).await;
        (shown["destination"].clone(), shown["state"].clone())
    };
    assert_eq!(payout(&first).await, (json!("one"), json!("open")));
    assert_eq!(payout(&second).await, (json!(till.wallet), json!("paid")));
    house.told(&["provider.payout_destination_changed", "provider.payout_destination_effective"]).await;
    house.gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_before_a_settlement_are_not_in_it_and_a_suspended_provider_keeps_what_it_earned() {
    let house = House::new().await;
    house.register().await;
    house.gateway.ask("PUT", DESTINATION, Some(&json!({ "rail": "manual", "reference": "one" }))).await;
    house.buy(2).await;
    // Broken off by the upstream: given back at once, long before it is old enough.
    let gate = Gate::new();
    house.upstream.on("/paid", Script::begin(200, &["content-length: 9"]).send("all").pass(&gate).close());
    let payment = house.agent.sign(&house.gateway, &Request::get("/paid")).await;
    let mut wire = house.gateway.wire().await;
    wire.send(&Request::get("/paid").paying(payment.header())).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200, "captured");
    gate.open();
    house.agent_has(4_000_000).await;
    house.post("/v1/providers/acme/suspend", &json!({})).await;
    house.clock.step(24 * HOUR);
    let run = json!({ "provider": "acme" });
    let would_be = house.gateway.ask("POST", "/v1/settlements?dry_run=true", Some(&run)).await;
    assert_eq!((&would_be["payments"], &would_be["refunds"]["display"]), (&json!(3), &json!("$0.45")));
    assert_eq!(house.get("/v1/settlements").await["data"], json!([]), "it is suspended");
    house.post("/v1/providers/acme/resume", &json!({})).await;
    let settlement = house.settlements(1).await.remove(0);
    assert_eq!((&settlement["net"]["display"], &settlement["payments"]), (&json!("$0.90"), &json!(3)));
    house.gateway.finish().await;
}
