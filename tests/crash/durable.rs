//! Routes with `capture = "before"`: the hold is on disk before the upstream is called, so that neither a crash nor a client
//! that leaves is a free ride. Whoever was charged without an answer gets it free.

use nix::sys::signal::Signal;
use tests::h2::Http2;
use tests::wait::until;
use tests::{Config, Database, Disk, Gate, Request, Route, Script, World};

const BEFORE: &str = "capture = \"before\"";

fn route() -> Route {
    Route::new("/paid", "$0.001").line(BEFORE)
}

async fn world() -> World {
    World::new("$1", [route()]).await
}

/// On a disk that the test breaks; PostgreSQL's is its own affair.
async fn world_on(disk: &Disk) -> World {
    World::with("$1", |upstream| Config {
        database: Some(Database::Sqlite),
        ..Config::new(upstream, [route()]).disk(disk)
    })
    .await
}

async fn signed(world: &World, request: Request) -> Request {
    let payment = world.agent.sign(&world.gateway, &request).await;
    request.paying(payment.header())
}

/// Holds on disk.
async fn holds(world: &World) -> u64 {
    world.gateway.ask("GET", "/v1/audit", None).await["holds"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_killed_while_the_upstream_works_it_is_charged_once_and_delivered_free() {
    let mut world = world().await;
    let gate = Gate::new();
    world
        .upstream
        .on_each("/paid", [Script::reply(200, &[], "lost").after(&gate), Script::reply(200, &[], "found")]);
    let request = signed(&world, Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    assert_eq!(holds(&world).await, 1);
    assert_eq!(world.agent.money(&world.gateway).await.held, 1_000);
    world.gateway.kill().await;
    assert!(wire.try_response("GET").await.is_none());

    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    assert_eq!(holds(&world).await, 0, "closed before anything was served");
    assert!(world.gateway.log().contains("holds that a crash left on disk were captured"));
    let found = world.gateway.call(&request).await;
    assert_eq!(found.expect_status(200).text(), "found");
    let ids = world.upstream.calls("/paid");
    let ids: Vec<_> = ids.iter().map(|seen| seen.header("faregate-payment-id")).collect();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]), "the upstream can tell that it is the same payment");
    world.again(&request).await.expect_refusal(409, "already_delivered");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_an_unsafe_request_that_was_killed_is_charged_and_not_repeated_unless_its_route_says_so() {
    let routes = [
        Route::new("/once", "$0.001").line(BEFORE),
        Route::new("/again", "$0.001").line(BEFORE).line("redeliver = true"),
    ];
    let mut world = World::new("$1", routes).await;
    let mut requests = Vec::new();
    for target in ["/once", "/again"] {
        let gate = Gate::new();
        world.upstream.on_each(target, [Script::hang().after(&gate), Script::echo()]);
        let request = signed(&world, Request::post(target, "work")).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&request).await;
        gate.reached().await;
        requests.push((request, wire));
    }
    world.gateway.kill().await;
    world.gateway.restart().await;
    world.expect_balance(998_000).await;
    let once = world.gateway.call(&requests[0].0).await;
    once.expect_refusal(409, "already_delivered");
    assert_eq!(once.receipt()["success"], true);
    assert_eq!(world.gateway.call(&requests[1].0).await.expect_status(200).text(), "work");
    assert_eq!((world.upstream.calls("/once").len(), world.upstream.calls("/again").len()), (1, 2));
    world.expect_balance(998_000).await;
    world.finish().await;
}

/// Between the commit of the hold and the first byte to the upstream nothing is written any more: after a crash nobody can
/// tell this moment from the one after it, and it is charged too. That is what the mode costs the payer; a safe request, or one
/// of a route with `redeliver = true`, is then delivered free.
#[tokio::test(flavor = "multi_thread")]
async fn c2_killed_after_the_hold_and_before_forwarding_is_charged_and_delivered_free() {
    let mut world = World::new("$1", [route().line("redeliver = true")]).await;
    let request = signed(&world, Request::post("/paid", "work")).await;
    let header = request.fields.iter().find(|(name, _)| name == "PAYMENT-SIGNATURE").unwrap().1.clone();
    let expecting = Request::new("POST", "/paid")
        .paying(header)
        .with("Content-Length", "4")
        .with("Expect", "100-continue");
    let mut wire = world.gateway.wire().await;
    wire.send(&expecting).await;
    assert_eq!(wire.head("POST").await.unwrap().0, 100, "held, and waiting for the body");
    world.gateway.kill().await;
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.gateway.call(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_killed_around_the_holds_own_sync_it_is_charged_once_at_most_and_served() {
    for after in [false, true] {
        let disk = Disk::new();
        let mut world = world_on(&disk).await;
        world.buy(&Request::get("/paid")).await.expect_status(200);
        let request = signed(&world, Request::get("/paid")).await;
        if after {
            disk.kill_after_sync(1)
        } else {
            disk.kill_before_sync(1)
        }
        assert!(world.gateway.wire().await.try_call(&request).await.is_none());
        world.gateway.end().await;
        assert_eq!(world.upstream.calls("/paid").len(), 1, "nothing goes out before its hold is on disk");
        world.gateway.restart().await;
        if after {
            world.expect_balance(998_000).await;
        }
        world.gateway.call(&request).await.expect_status(200);
        world.expect_balance(998_000).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_killed_under_many_calls_each_is_charged_once_and_delivered_free() {
    const CALLS: usize = 40;
    let routes = [Route::new("/items/{id}", "$0.001").line(BEFORE)];
    let mut world = World::new("$1", routes).await;
    let gate = Gate::new();
    let challenge = world.gateway.challenge("/items/0").await.challenge();
    let mut calls = Vec::new();
    for number in 0..CALLS {
        let target = format!("/items/{number}");
        let slow = Script::reply(200, &[], "lost").after(&gate);
        world.upstream.on_each(&target, [slow, Script::reply(200, &[], "found")]);
        let request = Request::get(&target).paying(world.agent.payer.pay_challenge(&challenge).header());
        let mut wire = world.gateway.wire().await;
        wire.send(&request).await;
        calls.push((request, wire));
    }
    gate.reached_by(CALLS).await;
    for _ in 0..2 {
        world.gateway.kill().await;
        world.gateway.restart().await;
    }
    let left = 1_000_000 - 1_000 * i64::try_from(CALLS).unwrap();
    world.expect_balance(left).await;
    for (request, _) in &calls {
        assert_eq!(world.gateway.call(request).await.expect_status(200).text(), "found");
    }
    world.expect_balance(left).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_u2_an_upstream_that_fails_is_not_paid_and_the_payment_is_free_again() {
    let world = world().await;
    let request = signed(&world, Request::get("/paid")).await;
    for (failing, status) in [(Script::reply(500, &[], "no"), 500), (Script::hang_up(), 502)] {
        world.upstream.on("/paid", failing);
        world.gateway.call(&request).await.expect_status(status);
        assert_eq!(holds(&world).await, 0, "gone before its client heard of it");
        let money = world.agent.money(&world.gateway).await;
        assert_eq!((money.balance, money.held), (1_000_000, 0));
    }
    world.upstream.on("/paid", Script::reply(200, &[], "yes"));
    world.gateway.call(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_get_whose_client_leaves_is_charged_where_the_upstream_delivers() {
    let world = world().await;
    for (answer, balance) in
        [(Script::reply(500, &[], "no"), 1_000_000), (Script::reply(200, &[], "done"), 999_000)]
    {
        let gate = Gate::new();
        world.upstream.on("/paid", answer.after(&gate));
        let mut wire = world.gateway.wire().await;
        wire.send(&signed(&world, Request::get("/paid")).await).await;
        gate.reached().await;
        drop(wire);
        gate.open();
        world.expect_balance(balance).await;
        assert_eq!(holds(&world).await, 0);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_a_get_that_announces_a_body_and_leaves_instead_of_sending_it_is_charged() {
    let world = world().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").before_the_body().after(&gate));
    let mut wire = world.gateway.wire().await;
    wire.send(&signed(&world, Request::get("/paid")).await.with("Content-Length", "1")).await;
    gate.reached().await;
    drop(wire);
    world.balance_reached(999_000).await;
    gate.open();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_an_http2_get_that_is_reset_is_charged() {
    let world = world().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let call = http2.start(&signed(&world, Request::get("/paid")).await).await;
    gate.reached().await;
    drop(call);
    world.balance_reached(999_000).await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_a_hold_that_finds_the_disk_full_forwards_and_charges_nothing() {
    let disk = Disk::new();
    let mut world = world_on(&disk).await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    let request = signed(&world, Request::get("/paid")).await;
    disk.set_full(true);
    world.gateway.call(&request).await.expect_refusal(503, "ledger_unavailable");
    assert!(disk.failed() > 0, "the disk was asked");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.gateway.kill().await;
    disk.set_full(false);
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.gateway.call(&request).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_an_end_that_finds_the_disk_full_is_said_to_be_unknown_and_made_up_for() {
    let answers = [
        (Script::reply(200, &[], "late"), 999_000),
        (Script::reply(500, &[], "no"), 1_000_000),
        (Script::hang_up(), 1_000_000),
    ];
    for (answer, balance) in answers {
        let disk = Disk::new();
        let world = world_on(&disk).await;
        let gate = Gate::new();
        world.upstream.on("/paid", answer.after(&gate));
        let request = signed(&world, Request::get("/paid")).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&request).await;
        gate.reached().await;
        disk.set_full(true);
        gate.open();
        let response = wire.try_response("GET").await.unwrap();
        response.expect_refusal(503, "outcome_unknown");
        assert!(response.header("payment-required").is_none());
        assert_eq!(world.agent.money(&world.gateway).await.held, 1_000, "as long as its row stands");
        disk.set_full(false);
        world.expect_balance(balance).await;
        world.upstream.on("/paid", Script::reply(200, &[], "found"));
        until("the same payment to be served", || async {
            (world.gateway.call(&request).await.status == 200).then_some(())
        })
        .await;
        world.expect_balance(999_000).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_by_key_without_a_name_whose_end_nobody_knows_is_not_told_to_come_again() {
    let disk = Disk::new();
    let world = world_on(&disk).await;
    let key = world.agent.key(&world.gateway).await;
    let unnamed = Request::get("/paid").key(&key);
    let named = unnamed.clone().with("Idempotency-Key", "the same call");
    let calls = [(unnamed, None, "paid for anew", 999_000), (named, Some("5"), "at most once", 998_000)];
    for (request, retry_after, told, balance) in calls {
        let gate = Gate::new();
        world.upstream.on("/paid", Script::reply(200, &[], "late").after(&gate));
        let mut wire = world.gateway.wire().await;
        wire.send(&request).await;
        gate.reached().await;
        disk.set_full(true);
        gate.open();
        let response = wire.response("GET").await;
        response.expect_refusal(503, "outcome_unknown");
        assert_eq!(response.header("retry-after"), retry_after);
        assert!(response.text().contains(told), "{}", response.text());
        assert!(response.header("faregate-payment-id").is_some());
        disk.set_full(false);
        world.expect_balance(balance).await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c15_a_hold_whose_sync_fails_forwards_nothing_and_is_not_said_to_be_free() {
    let disk = Disk::new();
    let mut world = world_on(&disk).await;
    world.buy(&Request::get("/paid")).await.expect_status(200);
    let request = signed(&world, Request::get("/paid")).await;
    disk.set_broken(true);
    // The process ends over it: the answer may not make it.
    if let Some(response) = world.gateway.wire().await.try_call(&request).await {
        response.expect_refusal(503, "outcome_unknown");
    }
    assert_eq!(world.gateway.end().await.code(), Some(1));
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    disk.set_broken(false);
    world.gateway.restart().await;
    world.gateway.call(&request).await.expect_status(200);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_stop_in_order_leaves_no_hold_on_disk() {
    let mut world = world().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let mut wire = world.gateway.wire().await;
    wire.send(&signed(&world, Request::get("/paid")).await).await;
    gate.reached().await;
    world.gateway.signal(Signal::SIGTERM);
    gate.open();
    assert_eq!(wire.try_response("GET").await.unwrap().expect_status(200).text(), "done");
    world.gateway.ended().await;
    assert_eq!(world.gateway.holds().await, 0);
    world.gateway.restart().await;
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c11_asked_twice_it_cuts_what_runs_and_leaves_no_hold_on_disk() {
    let mut world = world().await;
    let gate = Gate::new();
    world.upstream.on_each("/paid", [Script::hang().after(&gate), Script::reply(200, &[], "found")]);
    let request = signed(&world, Request::get("/paid")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    world.gateway.signal(Signal::SIGTERM);
    until("readiness to be red", || async { (!world.gateway.is_ready().await).then_some(()) }).await;
    world.gateway.signal(Signal::SIGTERM);
    world.gateway.ended().await;
    assert_eq!(world.gateway.holds().await, 0);
    world.gateway.restart().await;
    world.expect_balance(1_000_000).await;
    world.gateway.call(&request).await.expect_status(200);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_a_reload_that_changes_it_leaves_what_runs_as_it_began() {
    let mut world = world().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let mut before = world.gateway.wire().await;
    before.send(&signed(&world, Request::get("/paid")).await).await;
    gate.reached().await;
    world.gateway.reload(Config::new(world.upstream.address(), [Route::new("/paid", "$0.001")])).await;
    let mut after = world.gateway.wire().await;
    after.send(&signed(&world, Request::get("/paid")).await).await;
    gate.reached_by(2).await;
    assert_eq!(holds(&world).await, 1, "the one that began under the old file");
    drop((before, after));
    world.upstream.left("/paid").await;
    gate.open();
    world.expect_balance(999_000).await;
    assert_eq!(holds(&world).await, 0);
    world.finish().await;
}
