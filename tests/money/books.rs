//! What Prometheus is told is what the ledger has.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;
use tests::wait::until;
use tests::{
    Agent, Clock, Config, Database, Faregate, Provider, Request, Response, Route, Script, Upstream, Wire,
    World,
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn m2_metrics_equal_the_ledger_after_mixed_operations() {
    let upstream = Upstream::start().await;
    let routes = [
        Route::new("/good", "$0.001"),
        Route::new("/bad", "$0.001"),
        Route::new("/cut", "$0.002"),
        Route::free("/free"),
    ];
    let provider = Provider::new("acme", upstream.address()).line("fee = \"2.5%\"").routes(routes);
    let gateway = Faregate::start(Config::default().provider(provider)).await;
    let agent = Agent::new(&gateway, "$0.05").await;
    let poor = Agent::new(&gateway, "$0").await;
    upstream.on("/bad", Script::reply(500, &[], "no"));
    upstream.on("/cut", Script::begin(200, &["content-length: 9"]).send("x").close());
    let key = agent.key(&gateway).await;
    for _ in 0..20 {
        agent.buy(&gateway, &Request::get("/good")).await.expect_status(200);
        gateway.call(&Request::get("/good").key(&key)).await.expect_status(200);
        gateway.call(&Request::get("/free")).await.expect_status(200);
    }
    for _ in 0..7 {
        gateway.call(&Request::get("/bad").key(&key)).await.expect_status(500);
    }
    for _ in 0..3 {
        // How much of it arrives is not the point here.
        let _ = gateway.wire().await.try_call(&Request::get("/cut").key(&key)).await;
    }
    for _ in 0..5 {
        poor.buy(&gateway, &Request::get("/good")).await.expect_status(402);
    }
    gateway.counted("faregate_payments_total", &[("outcome", "refunded")], 3).await;
    agent.expect_balance(&gateway, 10_000).await;

    let metrics = gateway.metrics().await;
    let payments = |outcome| metrics.count("faregate_payments_total", &[("outcome", outcome)]);
    let revenue =
        |name: &str| metrics.count(&format!("faregate_revenue_{name}_units_total"), &[("provider", "acme")]);
    let failures = |reason| metrics.count("faregate_payment_failures_total", &[("reason", reason)]);
    let captured = gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    assert_eq!(captured, 43);
    assert_eq!(payments("captured"), captured);
    assert_eq!(payments("voided"), 7);
    assert_eq!(revenue("gross"), 40 * 1_000 + 3 * 2_000);
    assert_eq!(revenue("fees"), 40 * 25 + 3 * 50);
    assert_eq!(revenue("net"), revenue("gross") - revenue("fees"));
    assert_eq!(metrics.count("faregate_refunds_units_total", &[]), 3 * 2_000);
    assert_eq!(failures("insufficient_funds"), 5);
    assert_eq!(failures("payment_required"), 0, "a first 402 is no failure");
    let requests =
        |outcome| metrics.count("faregate_request_duration_seconds_count", &[("outcome", outcome)]);
    assert_eq!(requests("free"), 20);
    assert_eq!(requests("challenged"), 25);
    assert!(!metrics.0.contains(&agent.id), "no label names a payer");
    gateway.finish().await;
}

/// What one client of the mix saw, by the word that the metrics use for it.
type Journal = BTreeMap<&'static str, u64>;

/// Eight clients at once, each through the whole mix again and again.
#[tokio::test(flavor = "multi_thread")]
async fn m2_metrics_equal_the_ledger_after_a_mix_of_everything_at_once() {
    const CLIENTS: usize = 8;
    let upstream = Upstream::start().await;
    let routes = [("/good", "$0.001"), ("/bad", "$0.001"), ("/cut", "$0.002"), ("/dear", "$0.05")];
    let routes = routes.map(|(path, price)| Route::new(path, price));
    let provider = Provider::new("acme", upstream.address()).line("fee = \"2.5%\"").routes(routes);
    let gateway = Faregate::start(Config::default().provider(provider)).await;
    upstream.on("/bad", Script::reply(500, &[], "no"));
    upstream.on("/cut", Script::begin(200, &["content-length: 9"]).send("x").close());
    let agent = Agent::with_policy(&gateway, "$10", json!({ "per_request": "$0.01" })).await;
    let key = agent.key(&gateway).await;
    let challenge = gateway.challenge("/good").await;

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let mix = Mix { address: gateway.data(), agent: agent.clone(), key: key.clone(), client };
        let challenge = challenge.clone();
        clients.spawn(async move { mix.run(&challenge).await });
    }
    let mut seen = Journal::new();
    for (word, count) in clients.join_all().await.into_iter().flatten() {
        *seen.entry(word).or_default() += count;
    }
    let seen = |word: &str| seen.get(word).copied().unwrap_or(0);
    gateway.counted("faregate_payments_total", &[("outcome", "refunded")], seen("cut")).await;

    let metrics = gateway.metrics().await;
    let payments = |outcome| metrics.count("faregate_payments_total", &[("outcome", outcome)]);
    let failures = |reason| metrics.count("faregate_payment_failures_total", &[("reason", reason)]);
    let collisions = |kind| metrics.count("faregate_idempotency_collisions_total", &[("kind", kind)]);
    let units = |name: &str| metrics.count(&format!("faregate_{name}_units_total"), &[]);
    assert_eq!(gateway.ask("GET", "/v1/audit", None).await["payments"], payments("captured"));
    assert_eq!(payments("captured"), seen("good") + seen("cut"));
    assert_eq!((payments("voided"), payments("refunded")), (seen("bad"), seen("cut")));
    assert_eq!(failures("spending_limit_exceeded"), seen("spending_limit_exceeded"));
    assert_eq!(metrics.count("faregate_spending_violations_total", &[]), seen("spending_limit_exceeded"));
    assert_eq!(failures("invalid_exact_evm_signature"), seen("invalid_exact_evm_signature"));
    assert_eq!(collisions("conflict"), seen("payment_reused"));
    assert_eq!(collisions("replayed"), seen("already_delivered") + seen("stored"));
    assert_eq!(collisions("in_progress"), seen("payment_in_progress"));
    assert_eq!(units("revenue_gross"), 1_000 * seen("good") + 2_000 * seen("cut"));
    assert_eq!(units("revenue_fees"), 25 * seen("good") + 50 * seen("cut"));
    assert_eq!(units("revenue_net"), units("revenue_gross") - units("revenue_fees"));
    assert_eq!(units("refunds"), 2_000 * seen("cut"));
    let spent = i64::try_from(units("revenue_gross") - units("refunds")).unwrap();
    agent.expect_balance(&gateway, 10_000_000 - spent).await;
    gateway.finish().await;
}

/// One client of the mix.
struct Mix {
    address: SocketAddr,
    agent: Agent,
    key: String,
    client: usize,
}

// === impl Mix ===

impl Mix {
    async fn run(self, challenge: &Response) -> Journal {
        const ROUNDS: usize = 10;
        let mut journal = Journal::new();
        for round in 0..ROUNDS {
            let payment = self.agent.payer.pay(challenge);
            let signed = Request::get("/good").paying(payment.header());
            let elsewhere = Request::get("/good?other").paying(payment.header());
            let mut bytes = payment.signature();
            bytes[7] ^= 1;
            let forged = Request::get("/good").paying(payment.with_signature(&bytes).header());
            let by_key = |path: &str| Request::get(path).key(&self.key);
            let named = by_key("/good").with("Idempotency-Key", format!("{}-{round}", self.client));
            for request in [&signed, &signed, &elsewhere, &forged, &named, &named] {
                self.call(request, &mut journal).await;
            }
            for path in ["/good", "/bad", "/dear", "/cut"] {
                self.call(&by_key(path), &mut journal).await;
            }
        }
        journal
    }

    async fn call(&self, request: &Request, journal: &mut Journal) {
        let response = Wire::connect(self.address).await.try_call(request).await;
        let word = match &response {
            _ if request.target == "/cut" => "cut",
            Some(response) if response.header("idempotency-replayed").is_some() => "stored",
            Some(response) if response.status == 200 => "good",
            Some(response) if response.status == 500 => "bad",
            Some(response) => {
                let code = response.code();
                let known = CODES.iter().find(|known| **known == code);
                known.unwrap_or_else(|| panic!("unexpected: {response:?}"))
            }
            None => panic!("no answer to {request:?}"),
        };
        *journal.entry(word).or_default() += 1;
    }
}

/// Refusals that the mix provokes.
const CODES: [&str; 5] = [
    "spending_limit_exceeded",
    "invalid_exact_evm_signature",
    "payment_reused",
    "already_delivered",
    "payment_in_progress",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_running_books_are_audited_again_and_again_and_what_is_broken_is_told_until_it_is_mended() {
    let database = Database::fresh();
    let world = World::with("$1", |upstream| {
        let config = Config::new(upstream, [Route::new("/paid", "$0.001")]);
        config.on(database.clone()).data_line("audit_interval = \"50ms\"")
    })
    .await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(999_000).await;
    let (gateway, folder) = (&world.gateway, world.gateway.data_directory());
    let broken = async || gateway.metrics().await.count("faregate_ledger_invariants_broken", &[]);
    gateway.counted("faregate_ledger_audits_total", &[("result", "clean")], 2).await;
    assert_eq!(broken().await, 0);

    database.tamper(&folder, "update usage_minute set gross = gross + 1");
    gateway.counted("faregate_ledger_audits_total", &[("result", "broken")], 2).await;
    assert!(broken().await > 0);
    gateway.counted("faregate_ledger_invariant_failures_total", &[], 2).await;
    let told = gateway.logged("the books do not balance").await;
    assert!(told.contains("usage"), "{told}");

    database.tamper(&folder, "update usage_minute set gross = gross - 1");
    until("an audit to find the books sound again", || async { (broken().await == 0).then_some(()) }).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_too_old_are_gone_after_a_start_and_the_audit_log_is_not() {
    const DAY: i64 = 24 * 3_600;
    let clock = Clock::new();
    let mut world = World::with("$1", |upstream| {
        let config = Config::new(upstream, [Route::new("/paid", "$0.001")]).clock(&clock);
        config.data_line("events_kept = \"2d\"")
    })
    .await;
    let funded = async |gateway: &Faregate, log: &str| {
        let rows = gateway.ask("GET", &format!("/v1/{log}?limit=500"), None).await["data"].clone();
        let names = rows.as_array().unwrap().iter();
        names.filter(|row| row["type"] == "wallet.funded" || row["action"] == "wallet.funded").count()
    };
    until("the funding to be told", || async { (funded(&world.gateway, "events").await == 1).then_some(()) })
        .await;
    world.gateway.terminate().await;
    clock.step(3 * DAY);
    world.gateway.restart().await;
    until("the funding to be forgotten", || async {
        (funded(&world.gateway, "events").await == 0).then_some(())
    })
    .await;
    assert_eq!(funded(&world.gateway, "changes").await, 1);
    world.agent.expect_balance(&world.gateway, 1_000_000).await;
    world.finish().await;
}
