//! Reloads: a good file takes effect without dropping a request, a bad one changes nothing and says why.

use tests::{Config, Gate, Request, Route, Script, World};

fn priced(world: &World, price: &str) -> Config {
    Config::new(world.upstream.address(), [Route::new("/paid", price)])
}

async fn price(world: &World) -> String {
    let challenge = world.gateway.challenge("/paid").await.challenge();
    challenge["accepts"][0]["amount"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_a_new_price_and_drops_no_request() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "slow").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut running = world.gateway.wire().await;
    running.send(&Request::get("/paid").paying(payment.header())).await;
    gate.reached().await;
    let config = priced(&world, "$0.004");
    world.gateway.reload(config).await;
    assert_eq!(price(&world).await, "4000");
    gate.open();
    running.response("GET").await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

/// Else all who pay at that moment would wait for the database at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_changes_no_agent_forgets_none() {
    let mut world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let read = async |world: &World| {
        let metrics = world.gateway.metrics().await;
        metrics.count("faregate_policy_cache_requests_total", &[("result", "miss")])
    };
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    let before = read(&world).await;
    let config = priced(&world, "$0.004");
    world.gateway.reload(config).await;
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    assert_eq!(read(&world).await, before);
    world.expect_balance(995_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_changed_file_takes_effect_by_itself() {
    let mut world = World::paid().await;
    let config = priced(&world, "$0.007");
    world.gateway.rewrite(config);
    tests::wait::until("the new price", || async { (price(&world).await == "7000").then_some(()) }).await;
    world.gateway.counted("faregate_reloads_total", &[("result", "ok")], 1).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h2_a_bad_file_keeps_the_last_good_catalog_and_counts() {
    let world = World::paid().await;
    let good = world.gateway.config_text();
    let bad = [
        good.replace("price = \"$0.001\"", "price = \"$0.0000001\""),
        good.replace("price = \"$0.001\"", "prize = \"$0.001\""),
        good.replace("[[providers.routes]]", "[[providers.routes"),
        good[..good.find("\"/paid\"").unwrap() + 3].to_owned(),
    ];
    for (index, text) in bad.iter().enumerate() {
        world.gateway.overwrite(text);
        world.gateway.signal(nix::sys::signal::Signal::SIGHUP);
        let failed = u64::try_from(index).unwrap() + 1;
        world.gateway.counted("faregate_reloads_total", &[("result", "failed")], failed).await;
        assert_eq!(price(&world).await, "1000");
    }
    world.buy(&Request::get("/paid")).await.expect_status(200);
    assert!(world.gateway.log().contains("prize"), "the log names the key");
    assert_eq!(world.gateway.metrics().await.count("faregate_reloads_total", &[("result", "ok")]), 0);
    world.gateway.overwrite(&good);
    world.gateway.signal(nix::sys::signal::Signal::SIGHUP);
    world.gateway.counted("faregate_reloads_total", &[("result", "ok")], 1).await;
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_a_route_removed_under_a_running_request_lets_it_finish() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "still").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut running = world.gateway.wire().await;
    running.send(&Request::get("/paid").paying(payment.header())).await;
    gate.reached().await;
    let removed = Config::new(world.upstream.address(), [Route::new("/other", "$0.001")]);
    world.gateway.reload(removed).await;
    world.gateway.call(&Request::get("/paid")).await.expect_status(404);
    gate.open();
    running.response("GET").await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_sigterm_lets_running_requests_finish() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "last").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let mut running = world.gateway.wire().await;
    running.send(&Request::get("/paid").paying(payment.header())).await;
    gate.reached().await;
    world.gateway.signal(nix::sys::signal::Signal::SIGTERM);
    gate.open();
    running.response("GET").await.expect_status(200);
    world.gateway.ended().await;
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.finish().await;
}
