//! What providers see of their traffic: every request of a route is counted once, with the reason where it failed, also by a
//! process that ends.

use tests::{Agent, Config, Database, Provider, Request, Route, Script, World};

async fn round(world: &World, agent: &Agent) {
    let paid = Request::get("/paid");
    world.upstream.on("/paid", Script::reply(200, &[], "ok"));
    for _ in 0..2 {
        agent.buy(&world.gateway, &paid).await.expect_status(200);
    }
    let key = agent.key(&world.gateway).await;
    for (status, script) in [(500, Script::reply(500, &[], "no")), (404, Script::reply(404, &[], "no"))] {
        world.upstream.on("/paid", script);
        world.gateway.call(&paid.clone().key(&key)).await.expect_status(status);
    }
    let dear = paid.clone().key(&key).with("Agent-Max-Price", "$0.0001");
    world.gateway.call(&dear).await.expect_refusal(402, "price_above_maximum");
    world.gateway.call(&Request::get("/free")).await.expect_status(200);
    world.gateway.call(&Request::get("/nowhere")).await.expect_status(404);
    world.gateway.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_called_is_in_the_sums_of_its_route_when_the_process_has_ended() {
    let url = test_postgres::fresh_database();
    let mut world = World::with("$1", |upstream| {
        let acme =
            Provider::new("acme", upstream).routes([Route::new("/paid", "$0.001"), Route::free("/free")]);
        Config::default().provider(acme).on(Database::Postgres(url.clone()))
    })
    .await;
    let ask = |sql: &str| test_postgres::query(&url, sql);
    let sums =
        "select route, outcome, reason, sum(requests) from registry.traffic_request where span = 'hour'
                group by route, outcome, reason order by route, outcome, reason";
    let expected = |times: u64| {
        let rows = [
            ("free", "free", "", 1),
            ("paid", "challenged", "", 2),
            ("paid", "paid", "", 2),
            ("paid", "refused", "price_above_maximum", 1),
            ("paid", "voided", "upstream_4xx", 1),
            ("paid", "voided", "upstream_5xx", 1),
        ];
        rows.map(|(route, outcome, reason, count)| format!("{route}|{outcome}|{reason}|{}", count * times))
            .join("\n")
    };
    round(&world, &world.agent).await;
    world.gateway.terminate().await;
    world.gateway.restart().await;
    assert_eq!(ask(sums), expected(1));
    round(&world, &world.agent).await;
    world.gateway.terminate().await;
    world.gateway.restart().await;
    assert_eq!(ask(sums), expected(2), "two processes add up");
    let days = sums.replace("'hour'", "'day'");
    assert_eq!(ask(&days), expected(2));
    let answers = "select route, sum((step->>1)::bigint) from registry.traffic_latency, json_array_elements(steps::json) as step
        where span = 'hour' group by route order by route";
    assert_eq!(ask(answers), "free|2\npaid|8", "what an upstream answered");
    world.finish().await;
}
