//! Quotes: what was asked for stays payable for a while, across reloads and restarts, and no longer than it should.

use tests::{Config, Request, Route, World};

fn at(world: &World, price: &str) -> Config {
    Config::new(world.upstream.address(), [Route::new("/paid", price)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_across_a_reload() {
    let mut world = World::paid().await;
    let old = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let dearer = at(&world, "$0.005");
    world.gateway.reload(dearer).await;
    let challenge = world.gateway.challenge("/paid").await.challenge();
    assert_eq!(challenge["accepts"][0]["amount"], "5000");
    world.gateway.call(&Request::get("/paid").paying(old.header())).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(994_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_across_a_reload_and_a_kill() {
    let mut world = World::paid().await;
    let old = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let cheaper = at(&world, "$0.0005");
    world.gateway.reload(cheaper).await;
    world.gateway.kill().await;
    world.gateway.restart().await;
    world.gateway.call(&Request::get("/paid").paying(old.header())).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(998_500).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_honoured_when_the_file_changed_while_it_was_stopped() {
    let mut world = World::paid().await;
    let old = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    world.gateway.terminate().await;
    let dearer = at(&world, "$0.002");
    world.gateway.rewrite(dearer);
    world.gateway.restart().await;
    world.gateway.call(&Request::get("/paid").paying(old.header())).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspension_and_removal_end_quotes_at_once() {
    let mut world = World::paid().await;
    let old = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let paying = Request::get("/paid").paying(old.header());
    let provider = tests::Provider::new("acme", world.upstream.address()).line("suspended = true");
    let suspended = Config::default().provider(provider.routes([Route::new("/paid", "$0.001")]));
    world.gateway.reload(suspended).await;
    world.gateway.call(&paying).await.expect_refusal(503, "provider_suspended");
    let removed = Config::new(world.upstream.address(), [Route::new("/other", "$0.001")]);
    world.gateway.reload(removed).await;
    world.gateway.call(&paying).await.expect_refusal(404, "route_not_found");
    let dearer = at(&world, "$0.003");
    world.gateway.reload(dearer).await;
    world.gateway.call(&paying).await.expect_refusal(402, "invalid_quote");
    assert!(world.upstream.seen().is_empty());
    world.expect_balance(1_000_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_fall_with_the_calls_of_this_month_and_survive_a_kill() {
    let tiers =
        r#"[{ from = 1, price = "$0.003" }, { from = 3, price = "$0.002" }, { from = 5, price = "$0.001" }]"#;
    let mut world = World::new("$1", [Route::tiered("/paid", tiers)]).await;
    let key = world.agent.key(&world.gateway).await;
    let call = Request::get("/paid").key(&key);
    for left in [997_000, 994_000, 992_000] {
        world.gateway.call(&call).await.expect_status(200);
        world.expect_balance(left).await;
    }
    world.gateway.kill().await;
    world.gateway.restart().await;
    for left in [990_000, 989_000, 988_000] {
        let response = world.gateway.call(&call).await;
        response.expect_status(200);
        world.expect_balance(left).await;
    }
    let signed = world.buy(&Request::get("/paid")).await;
    assert_eq!(signed.receipt()["amount"], "1000", "the receipt says what was charged, not what was quoted");
    world.expect_balance(987_000).await;
    world.finish().await;
}
