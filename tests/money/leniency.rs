//! What a payer is let off with, and how often: provoking it is no way to read for free.

use tests::h2::Http2;
use tests::wait::until;
use tests::{Gate, Request, Route, Script, World, within};

/// As in `gateway/src/limits.rs`.
const A_DAY: i64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn u3_bodies_that_break_off_are_refunded_a_hundred_times_a_day_and_agent() {
    let world = World::paid().await;
    let script = Script::begin(200, &["content-length: 100"]).send("a part").close();
    world.upstream.on("/paid", script);
    let key = world.agent.key(&world.gateway).await;
    let broken_off = async || {
        let part = world.gateway.wire().await.try_call(&Request::get("/paid").key(&key)).await;
        assert!(part.is_none_or(|part| part.status == 200 && !part.complete));
    };
    for _ in 0..A_DAY {
        broken_off().await;
    }
    world.balance_reached(1_000_000).await;
    for _ in 0..3 {
        broken_off().await;
    }
    world.gateway.counted("faregate_payments_total", &[("outcome", "captured")], 103).await;
    world.expect_balance(997_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_safe_requests_are_left_unpaid_a_hundred_times_a_day_and_agent() {
    let world = World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "late").before_the_body().after(&gate));
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    for count in 1..=A_DAY {
        let count = usize::try_from(count).unwrap();
        if count % 3 == 0 {
            let call = http2.start(&Request::get("/paid").key(&key)).await;
            gate.reached_by(count).await;
            drop(call);
            continue;
        }
        let mut wire = world.gateway.wire().await;
        // A body that never comes changes nothing: its upstream works without it.
        let announced = Request::get("/paid").key(&key).with("Content-Length", "1");
        let request = if count % 3 == 1 { Request::get("/paid").key(&key) } else { announced };
        wire.send(&request).await;
        gate.reached_by(count).await;
        if count % 3 == 1 {
            // More than was announced ends the exchange as well.
            wire.send_bytes(b"G").await;
            while !wire.some().await.is_empty() {}
        }
    }
    world.gateway.counted("faregate_payments_total", &[("outcome", "voided")], 100).await;
    world.expect_balance(1_000_000).await;
    let call = http2.start(&Request::get("/paid").key(&key)).await;
    gate.reached_by(101).await;
    drop(call);
    world.balance_reached(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_an_http2_connection_that_is_gone_is_like_all_its_streams_reset() {
    let world = World::new("$1", [Route::new("/get", "$0.001"), Route::new("/post", "$0.001")]).await;
    let gate = Gate::new();
    for path in ["/get", "/post"] {
        world.upstream.on(path, Script::reply(200, &[], "late").after(&gate));
    }
    let key = world.agent.key(&world.gateway).await;
    let mut http2 = Http2::connect(world.gateway.data()).await;
    let calls = [Request::get("/get"), Request::post("/post", "work")];
    let mut running = Vec::new();
    for call in calls {
        running.push(http2.start(&call.key(&key)).await);
    }
    gate.reached_by(2).await;
    drop((running, http2));
    world.upstream.left("/get").await;
    world.balance_reached(999_000).await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_a_client_that_leaves_before_the_upstream_breaks_off_gets_no_refund() {
    let world = World::paid().await;
    let gate = Gate::new();
    let script = Script::begin(200, &["content-length: 999999999"]).send(vec![b'z'; 256 * 1024]);
    world.upstream.on("/paid", script.pass(&gate).close());
    let key = world.agent.key(&world.gateway).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::post("/paid", "x").key(&key)).await;
    assert_eq!(wire.head("POST").await.unwrap().0, 200);
    drop(wire);
    // Of two that leave at the same moment either may be seen first.
    world.gateway.counted("faregate_request_duration_seconds_count", &[("outcome", "paid")], 1).await;
    gate.open();
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u9_a_client_that_leaves_its_handshake_has_no_tunnel_and_is_not_asked_again() {
    let world = World::paid().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::websocket().after(&gate));
    let key = world.agent.key(&world.gateway).await;
    let mut wire = world.gateway.wire().await;
    let handshake = Request::get("/paid").key(&key).upgrading();
    wire.send(&handshake).await;
    gate.reached().await;
    drop(wire);
    gate.open();
    let settled = until("nothing to be held", || async {
        let money = world.agent.money(&world.gateway).await;
        (money.held == 0).then_some(money.balance)
    });
    let balance = within("the end of the handshake", settled).await;
    assert!(balance == 999_000 || balance == 1_000_000, "{balance}");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.finish().await;
}
