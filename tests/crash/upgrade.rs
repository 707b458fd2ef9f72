//! Another process takes the gateway's place under constant load: no connection is refused, reset or cut, and every payment
//! that was acknowledged is in the books.

use nix::sys::signal::Signal;
use tests::wait::until;
use tests::{Config, Gate, Request, Route, Script, World};

use crate::journal::Journal;
use crate::visitors::Visitors;

const VISITORS: usize = 12;
const RESTARTS: usize = 3;
const PRICE: i64 = 1_000;
const FUNDS: i64 = 1_000_000_000;

/// A world whose sockets the test keeps, or which keeps its own.
async fn world(is_activated: bool) -> World {
    World::with("$1000", |upstream| {
        let config = Config::new(upstream, [Route::new("/items/{id}", "$0.001")]);
        if is_activated { config.activated() } else { config }
    })
    .await
}

/// The books have what the visitors have, and nothing else.
async fn verify(world: &World, journal: &Journal) {
    journal.expect_distinct();
    let count = journal.acknowledged.len();
    println!("{count} payments, none refused");
    let audited = world.gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    assert_eq!(audited, u64::try_from(count).unwrap());
    world.expect_balance(FUNDS - PRICE * i64::try_from(count).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_restarts_on_sockets_that_stay_open_refuse_nobody() {
    let mut world = world(true).await;
    let visitors = Visitors::come(&world, VISITORS).await;
    for _ in 0..RESTARTS {
        visitors.served(2 * VISITORS).await;
        world.gateway.terminate().await;
        world.gateway.restart().await;
    }
    visitors.served(2 * VISITORS).await;
    let journal = visitors.leave().await;
    verify(&world, &journal).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_sigusr2_hands_the_sockets_to_the_new_binary_and_refuses_nobody() {
    let world = world(false).await;
    let pid = world.gateway.pid();
    let visitors = Visitors::come(&world, VISITORS).await;
    for restart in 1..=RESTARTS {
        visitors.served(2 * VISITORS).await;
        world.gateway.signal(Signal::SIGUSR2);
        serving(&world, restart + 1).await;
    }
    visitors.served(2 * VISITORS).await;
    let journal = visitors.leave().await;
    assert_eq!(world.gateway.pid(), pid, "supervisors see one process");
    verify(&world, &journal).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_binary_that_does_not_accept_the_file_does_not_take_over() {
    let world = world(false).await;
    let good = world.gateway.config_text();
    world.gateway.overwrite(&good.replace("price", "prize"));
    world.gateway.signal(Signal::SIGUSR2);
    until("the refusal", || async { world.gateway.log().contains("not upgrading").then_some(()) }).await;
    world.buy(&Request::get("/items/1")).await.expect_status(200);
    world.gateway.overwrite(&good);
    world.gateway.signal(Signal::SIGUSR2);
    serving(&world, 2).await;
    world.buy(&Request::get("/items/2")).await.expect_status(200);
    world.expect_balance(FUNDS - 2 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_stop_wins_over_an_upgrade_that_waits_for_what_runs() {
    let mut world = world(false).await;
    let gate = Gate::new();
    world.upstream.on("/items/1", Script::reply(200, &[], "done").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::get("/items/1")).await;
    let mut running = world.gateway.wire().await;
    running.send(&Request::get("/items/1").paying(payment.header())).await;
    gate.reached().await;
    world.gateway.signal(Signal::SIGUSR2);
    world.gateway.logged("upgrading: ").await;
    world.gateway.signal(Signal::SIGTERM);
    world.gateway.logged("no new binary takes over").await;
    gate.open();
    assert_eq!(running.response("GET").await.expect_status(200).text(), "done");
    world.gateway.ended().await;
    world.gateway.restart().await;
    world.expect_balance(FUNDS - PRICE).await;
    world.finish().await;
}

/// Waits until the so many-eth process serves.
async fn serving(world: &World, count: usize) {
    until("the next process to serve", || async {
        let log = world.gateway.log();
        (log.lines().filter(|line| line.contains("listen.ops")).count() >= count).then_some(())
    })
    .await;
}
