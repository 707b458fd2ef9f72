//! One gateway owns the books in PostgreSQL at a time: a second one is refused (C16), and one that slept through the end of
//! its ownership commits nothing any more (T3).

use std::time::Instant;

use nix::sys::signal::Signal;
use test_postgres::Cluster;
use tests::wait::PATIENCE;
use tests::{Agent, Config, Database, Faregate, Gate, Request, Route, Script, Upstream, World};

const PRICE: i64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn c16_a_second_gateway_on_the_same_database_refuses_to_start_and_names_the_owner() {
    let cluster = Cluster::start();
    let (world, config) = world(&cluster).await;
    let words = Faregate::try_start(config.clone()).await.expect_err("the books have an owner");
    let owner = world.gateway.pid().to_string();
    assert!(words.contains(&owner), "the owner is process {owner}:\n{words}");
    world.buy(&Request::get("/items/1")).await.expect_status(200);
    world.expect_balance(1_000_000 - PRICE).await;
    // What has ended owns nothing.
    let World { upstream, mut gateway, agent } = world;
    gateway.terminate().await;
    let second = World { upstream, gateway: Faregate::start(config).await, agent };
    second.buy(&Request::get("/items/2")).await.expect_status(200);
    second.expect_balance(1_000_000 - 2 * PRICE).await;
    gateway.finish().await;
    second.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_a_gateway_that_slept_through_its_lease_commits_nothing_and_nothing_is_spent_twice() {
    let cluster = Cluster::start();
    let (world, config) = world(&cluster).await;
    let gate = Gate::new();
    let late = Script::reply(200, &[], "too late").after(&gate);
    world.upstream.on_each("/items/held", [late, Script::reply(200, &[], "in time")]);
    let held = signed(&world, "/items/held").await;
    let mut wire = world.gateway.wire().await;
    wire.send(&held).await;
    gate.reached().await;
    world.gateway.signal(Signal::SIGSTOP);

    let World { upstream, gateway: sleeper, agent } = world;
    let awake = World { upstream, gateway: taken_over(&config).await, agent };
    // The same payment, sent again to the one who owns the books now.
    assert_eq!(awake.gateway.call(&held).await.expect_status(200).text(), "in time");
    let spare: Vec<Request> = vec![signed(&awake, "/items/1").await, signed(&awake, "/items/2").await];
    gate.open();
    sleeper.signal(Signal::SIGCONT);
    let response = wire.try_response("GET").await;
    assert!(response.is_none_or(|response| response.status == 503), "nobody pays the one who slept");
    let mut has_said_no = false;
    for request in spare.iter().cycle().take(20) {
        let Some(mut wire) = tests::Wire::try_connect(sleeper.data()).await else {
            has_said_no = true;
            continue;
        };
        let response = wire.try_call(request).await;
        assert!(response.as_ref().is_none_or(|response| response.status == 503));
        has_said_no |= response.is_some();
    }
    assert!(has_said_no, "it says 503, or has ended");
    awake.expect_balance(1_000_000 - PRICE).await;
    for request in &spare {
        awake.gateway.call(request).await.expect_status(200);
    }
    awake.expect_balance(1_000_000 - 3 * PRICE).await;
    sleeper.give_up().await;
    awake.finish().await;
}

/// A gateway on a database of its own, and what another one on it would be started with.
async fn world(cluster: &Cluster) -> (World, Config) {
    let upstream = Upstream::start().await;
    let config = Config::new(upstream.address(), [Route::new("/items/{id}", "$0.001")])
        .on(Database::Postgres(cluster.fresh_database()));
    let gateway = Faregate::start(config.clone()).await;
    let agent = Agent::new(&gateway, "$1").await;
    (World { upstream, gateway, agent }, config)
}

async fn signed(world: &World, target: &str) -> Request {
    let payment = world.agent.sign(&world.gateway, &Request::get(target)).await;
    Request::get(target).paying(payment.header())
}

/// Starts again and again until the books are free.
async fn taken_over(config: &Config) -> Faregate {
    let began = Instant::now();
    loop {
        match Faregate::try_start(config.clone()).await {
            Ok(gateway) => {
                println!("taken over {:?} after the owner fell asleep", began.elapsed());
                return gateway;
            }
            Err(words) => assert!(began.elapsed() < 2 * PATIENCE, "nobody may take over:\n{words}"),
        }
    }
}
