//! S2: several requests on one connection. Each is priced for itself, and none is read from another one's body.

use tests::{Gate, Request, Route, Script, World};

const UNPAID: &[u8] = b"GET /paid HTTP/1.1\r\nHost: a\r\n\r\n";

async fn world() -> World {
    World::new("$1", [Route::new("/paid", "$0.001"), Route::free("/free")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_what_is_pipelined_behind_a_paid_request_is_not_served_with_it() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    for round in 0..10 {
        let before = world.upstream.calls("/paid").len();
        let mut wire = world.gateway.wire().await;
        let paid = Request::get("/paid").key(&key).bytes("a");
        wire.send_bytes(&[&paid, UNPAID, UNPAID].concat()).await;
        let mut served = 0;
        while let Some(response) = wire.try_response("GET").await {
            served += usize::from(response.status == 200);
            if response.status == 402 {
                break;
            }
        }
        let seen = world.upstream.calls("/paid").len() - before;
        assert!(seen <= 1 && served <= seen, "round {round}: {served} answers, {seen} calls");
    }
    let calls = i64::try_from(world.upstream.calls("/paid").len()).unwrap();
    for seen in world.upstream.calls("/paid") {
        assert!(seen.header("faregate-payment-id").is_some(), "{seen:?}");
    }
    let left = tests::wait::until("nothing to be held", || async {
        let money = world.agent.money(&world.gateway).await;
        (money.held == 0).then_some(money.balance)
    })
    .await;
    assert!(left >= 1_000_000 - 1_000 * calls);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_a_paid_request_behind_an_unpaid_one_is_charged_only_if_it_is_answered() {
    let world = world().await;
    let key = world.agent.key(&world.gateway).await;
    let mut wire = world.gateway.wire().await;
    let paid = Request::get("/paid").key(&key).bytes("a");
    wire.send_bytes(&[UNPAID, &paid].concat()).await;
    wire.response("GET").await.expect_status(402);
    let served = wire.try_response("GET").await.filter(|response| response.status == 200);
    let charged = if served.is_some() { 1_000 } else { 0 };
    world.expect_balance(1_000_000 - charged).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_bytes_that_come_while_a_paid_request_runs_are_no_free_ride() {
    let world = world().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&Request::post("/paid", "work").paying(payment.header())).await;
    gate.reached().await;
    wire.send_bytes(UNPAID).await;
    gate.open();
    while let Some(response) = wire.try_response("POST").await {
        if response.status == 402 {
            break;
        }
    }
    world.balance_reached(999_000).await;
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_the_body_of_a_refused_request_is_never_read_as_the_next_one() {
    let world = world().await;
    // A short body is read, and the connection kept.
    let mut wire = world.gateway.wire().await;
    let hidden = String::from_utf8(Request::get("/free").bytes("a")).unwrap();
    wire.call(&Request::post("/paid", &hidden)).await.expect_status(402);
    let next = wire.call(&Request::get("/free?next")).await;
    next.expect_status(200);
    assert_eq!(world.upstream.calls("/free").len(), 1);

    // A long one, one of unknown length, and one that does not come: the connection ends with the 402.
    let long = hidden.repeat(2_000);
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n{hidden}", hidden.len());
    for (field, value, body) in [
        ("Content-Length", long.len().to_string(), long.as_str()),
        ("Transfer-Encoding", "chunked".to_owned(), chunked.as_str()),
        ("Content-Length", "1000".to_owned(), ""),
    ] {
        let mut wire = world.gateway.wire().await;
        wire.send(&Request::new("POST", "/paid").with(field, value)).await;
        wire.send_bytes(body.as_bytes()).await;
        let refused = wire.try_response("POST").await;
        assert!(refused.is_none_or(|response| response.status == 402), "{field}");
        assert!(wire.try_response("GET").await.is_none(), "{field}: its body was read as a request");
    }
    assert_eq!(world.upstream.seen().len(), 1, "{:?}", world.upstream.seen());
    world.finish().await;
}
