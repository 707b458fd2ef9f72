//! Spending policies: what they refuse, what they say, and that what failed gives its share back.

use serde_json::json;
use tests::crowd::{answers, begin_all};
use tests::{Agent, Config, Gate, Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_failed_call_gives_its_share_of_the_limit_back_at_once() {
    let world = World::paid().await;
    let agent = Agent::with_policy(&world.gateway, "$1", json!({ "per_day": "$0.001" })).await;
    let key = agent.key(&world.gateway).await;
    let call = Request::get("/paid").key(&key);
    let gate = Gate::new();
    let failing = Script::reply(503, &[], "busy").after(&gate);
    world.upstream.on_each("/paid", [failing, Script::reply(200, &[], "now")]);

    let mut first = world.gateway.wire().await;
    first.send(&call).await;
    gate.reached().await;
    assert_eq!(agent.money(&world.gateway).await.held, 1_000);
    let meanwhile = world.gateway.call(&call).await;
    meanwhile.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(meanwhile.json()["remaining"]["amount"], "0", "what is held counts");

    gate.open();
    first.response("GET").await.expect_status(503);
    world.gateway.call(&call).await.expect_status(200);
    let spent = world.gateway.call(&call).await;
    spent.expect_refusal(403, "spending_limit_exceeded");
    agent.expect_balance(&world.gateway, 999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_limit_and_what_is_left_of_it() {
    let world = World::new("$1", [Route::new("/one", "$0.001"), Route::new("/two", "$0.002")]).await;
    let policy = json!({ "per_day": "$0.0025", "per_month": "$1" });
    let agent = Agent::with_policy(&world.gateway, "$1", policy).await;
    agent.buy(&world.gateway, &Request::get("/one")).await.expect_status(200);
    let refused = agent.buy(&world.gateway, &Request::get("/two")).await;
    refused.expect_refusal(403, "spending_limit_exceeded");
    let body = refused.json();
    assert_eq!(body["window"], "day");
    assert_eq!(body["limit"]["display"], "$0.0025");
    assert_eq!(body["remaining"]["display"], "$0.0015");
    assert_eq!(body["price"]["display"], "$0.002");
    assert_eq!(refused.header("payment-required"), None, "another payment would not help");
    agent.buy(&world.gateway, &Request::get("/one")).await.expect_status(200);
    agent.expect_balance(&world.gateway, 998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monthly_limit_holds_across_a_restart() {
    let mut world = World::paid().await;
    let agent = Agent::with_policy(&world.gateway, "$1", json!({ "per_month": "$0.002" })).await;
    let key = agent.key(&world.gateway).await;
    let call = Request::get("/paid").key(&key);
    for _ in 0..2 {
        world.gateway.call(&call).await.expect_status(200);
    }
    world.gateway.kill().await;
    world.gateway.restart().await;
    let refused = world.gateway.call(&call).await;
    refused.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(refused.json()["window"], "month");
    agent.expect_balance(&world.gateway, 998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_allows_only_the_routes_and_prices_it_names() {
    let routes = [Route::new("/a", "$0.001"), Route::new("/b", "$0.001"), Route::new("/c", "$0.01")];
    let world = World::new("$1", routes).await;
    let policy = json!({ "routes": ["a", "c"], "per_request": "$0.005" });
    let agent = Agent::with_policy(&world.gateway, "$1", policy).await;
    agent.buy(&world.gateway, &Request::get("/a")).await.expect_status(200);
    agent.buy(&world.gateway, &Request::get("/b")).await.expect_refusal(403, "route_not_allowed");
    agent.buy(&world.gateway, &Request::get("/c")).await.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(world.upstream.seen().len(), 1);
    agent.expect_balance(&world.gateway, 999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_of_one_wallet_share_the_money_and_not_the_limit() {
    let world = World::paid().await;
    let body = json!({ "wallet": world.agent.wallet, "policy": { "per_day": "$0.001" } });
    let child = Agent::made(&world.gateway, "$0", body).await;
    child.buy(&world.gateway, &Request::get("/paid")).await.expect_status(200);
    child.buy(&world.gateway, &Request::get("/paid")).await.expect_refusal(403, "spending_limit_exceeded");
    world.buy(&Request::get("/paid")).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_limit_lowered_while_calls_run_binds_the_next_and_lets_them_stand() {
    let mut world = World::paid().await;
    let name =
        world.gateway.ask("GET", &format!("/v1/agents/{}", world.agent.id), None).await["name"].clone();
    let limit = |world: &World, per_day: &str| {
        let config = Config::new(world.upstream.address(), [Route::new("/paid", "$0.001")]);
        config.section(&format!("[[agents]]\nname = {name}\nper_day = \"{per_day}\"\n"))
    };
    let key = world.agent.key(&world.gateway).await;
    let gate = Gate::new();
    let (slow, now) = (Script::reply(200, &[], "slow").after(&gate), Script::reply(200, &[], "now"));
    world.upstream.on_each("/paid", [slow.clone(), slow, now]);
    let signed = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let running = [Request::get("/paid").key(&key), Request::get("/paid").paying(signed.header())];
    let running = begin_all(world.gateway.data(), running);
    gate.reached_by(2).await;

    let lowered = limit(&world, "$0.001");
    world.gateway.reload(lowered).await;
    let refused = world.buy(&Request::get("/paid")).await;
    refused.expect_refusal(403, "spending_limit_exceeded");
    assert_eq!(refused.json()["limit"]["amount"], "1000");
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(403);
    gate.open();
    for response in answers(running).await {
        response.expect_status(200);
    }
    world.expect_balance(998_000).await;

    let raised = limit(&world, "$0.003");
    world.gateway.reload(raised).await;
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    world.buy(&Request::get("/paid")).await.expect_refusal(403, "spending_limit_exceeded");
    world.expect_balance(997_000).await;
    world.finish().await;
}
