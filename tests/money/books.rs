//! What Prometheus is told is what the ledger has.

use tests::{Agent, Config, Faregate, Provider, Request, Route, Script, Upstream};

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
