//! Kills at known moments, held open by a gate at the upstream or by a client that waits.

use tests::payer::random_hex;
use tests::{Gate, Request, Route, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn c1_c2_killed_after_the_hold_and_before_forwarding_nothing_is_held_or_charged() {
    let mut world = World::paid().await;
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let expecting = Request::new("POST", "/paid")
        .paying(payment.header())
        .with("Content-Length", "4")
        .with("Expect", "100-continue");
    let mut wire = world.gateway.wire().await;
    wire.send(&expecting).await;
    assert_eq!(wire.head("POST").await.unwrap().0, 100, "held, and waiting for the body");
    assert_eq!(world.agent.money(&world.gateway).await.held, 1_000);

    world.gateway.kill().await;
    world.gateway.restart().await;
    world.expect_balance(1_000_000).await;
    let retry = Request::post("/paid", "work").paying(payment.header());
    world.gateway.call(&retry).await.expect_status(200);
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_killed_while_the_upstream_works_nothing_is_charged_and_the_retry_is_served() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    world
        .upstream
        .on_each("/paid", [Script::reply(200, &[], "lost").after(&gate), Script::reply(200, &[], "found")]);
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "work")).await;
    let request = Request::post("/paid", "work").paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    world.gateway.kill().await;
    assert!(wire.try_response("POST").await.is_none());

    world.gateway.restart().await;
    world.expect_balance(1_000_000).await;
    let response = world.gateway.call(&request).await;
    assert_eq!(response.expect_status(200).text(), "found");
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_killed_inside_the_upstreams_header_nothing_is_charged() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    let half = Script::raw("HTTP/1.1 200 OK\r\ncontent-le").pass(&gate).send("ngth: 0\r\n\r\n");
    world.upstream.on_each("/paid", [half, Script::reply(200, &[], "found")]);
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await;
    let request = Request::get("/paid").paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    gate.reached().await;
    world.gateway.kill().await;
    assert!(wire.try_response("GET").await.is_none(), "no 2xx without a commit");

    world.gateway.restart().await;
    world.expect_balance(1_000_000).await;
    world.gateway.call(&request).await.expect_status(200);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_c6_an_acknowledged_payment_survives_and_is_delivered_once_more_free() {
    let mut world = World::paid().await;
    let (request, first) = killed_in_the_middle_of_the_body(&mut world, Request::get("/paid")).await;
    world.expect_balance(999_000).await;
    world.upstream.on("/paid", Script::reply(200, &[], "all of it"));
    let second = world.gateway.call(&request).await;
    assert_eq!(second.expect_status(200).text(), "all of it");
    assert_eq!(second.receipt(), first, "the same receipt");
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    let ids: Vec<_> = world
        .upstream
        .calls("/paid")
        .iter()
        .map(|seen| seen.header("faregate-payment-id").map(str::to_owned))
        .collect();
    assert_eq!(ids[0], ids[1], "the upstream can tell that it is the same payment");

    let third = world.again(&request).await;
    third.expect_refusal(409, "already_delivered");
    assert_eq!(third.receipt(), first);
    assert_eq!(world.upstream.calls("/paid").len(), 2, "delivered once is enough");
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_redelivery_that_the_upstream_fails_can_be_asked_for_again() {
    let mut world = World::paid().await;
    let (request, receipt) = killed_in_the_middle_of_the_body(&mut world, Request::get("/paid")).await;
    world.upstream.on("/paid", Script::reply(500, &[], "not now"));
    world.gateway.call(&request).await.expect_status(500);
    world.upstream.on("/paid", Script::begin(200, &["content-length: 9"]).send("all").close());
    let broken_off = world.gateway.wire().await.try_call(&request).await;
    assert!(broken_off.is_none_or(|response| !response.complete));
    world.upstream.on("/paid", Script::reply(200, &[], "all of it"));
    let served = world.again(&request).await;
    assert_eq!(served.expect_status(200).text(), "all of it", "paid, and still owed");
    assert_eq!(served.receipt(), receipt);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_an_unsafe_request_is_not_repeated_unless_its_route_says_so() {
    let routes = [Route::new("/once", "$0.001"), Route::new("/again", "$0.001").line("redeliver = true")];
    let mut world = World::new("$1", routes).await;
    let (once, receipt) = killed_in_the_middle_of_the_body(&mut world, Request::post("/once", "work")).await;
    let response = world.gateway.call(&once).await;
    response.expect_refusal(409, "already_delivered");
    assert_eq!(response.receipt(), receipt);
    assert_eq!(world.upstream.calls("/once").len(), 1);

    let (again, receipt) =
        killed_in_the_middle_of_the_body(&mut world, Request::post("/again", "work")).await;
    world.upstream.on("/again", Script::echo());
    let response = world.gateway.call(&again).await;
    assert_eq!(response.expect_status(200).text(), "work");
    assert_eq!(response.receipt(), receipt);
    world.expect_balance(998_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_an_unconfirmed_delivery_is_not_open_to_another_request_or_payer() {
    let mut world = World::new("$1", [Route::new("/items/{id}", "$0.001")]).await;
    let (request, _) = killed_in_the_middle_of_the_body(&mut world, Request::get("/items/1")).await;
    let header = request.fields.iter().find(|(name, _)| name == "PAYMENT-SIGNATURE").unwrap().1.clone();
    let other = world.gateway.call(&Request::get("/items/2").paying(header)).await;
    other.expect_refusal(409, "payment_reused");
    world.upstream.on("/items/1", Script::reply(200, &[], "mine"));
    world.gateway.call(&request).await.expect_status(200);
    assert!(world.upstream.calls("/items/2").is_empty());
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_named_request_killed_after_its_commit_is_charged_once() {
    let mut world = World::paid().await;
    let gate = Gate::new();
    let slow = Script::begin(200, &["content-length: 9"]).send("all").pass(&gate).send(" of it");
    world.upstream.on_each("/paid", [slow, Script::reply(200, &[], "all of it")]);
    let name = random_hex()[2..].to_owned();
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await.identified(&name);
    let request = Request::get("/paid").paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&request).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    world.gateway.kill().await;
    world.gateway.restart().await;
    let second = world.gateway.call(&request).await;
    assert_eq!(second.expect_status(200).text(), "all of it");
    let third = world.again(&request).await;
    // What is delivered once more is not kept: it is the first answer that is.
    third.expect_refusal(409, "already_delivered");
    assert_eq!(third.receipt(), second.receipt());
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    world.expect_balance(999_000).await;
    world.finish().await;
}

/// Pays, reads the header and the receipt, and kills the gateway while the body is on its way. Starts it again; gives the
/// signed request and the receipt.
async fn killed_in_the_middle_of_the_body(
    world: &mut World,
    request: Request,
) -> (Request, serde_json::Value) {
    let gate = Gate::new();
    let script = Script::begin(200, &["content-length: 9"]).send("all").pass(&gate).send(" of it");
    world.upstream.on(&request.target, script);
    let payment = world.agent.sign(&world.gateway, &request).await;
    let signed = request.paying(payment.header());
    let mut wire = world.gateway.wire().await;
    wire.send(&signed).await;
    let (status, fields) = wire.head(&signed.method).await.unwrap();
    assert_eq!(status, 200);
    let receipt = tests::message::decoded(fields.get("payment-response").expect("a receipt"));
    gate.reached().await;
    world.gateway.kill().await;
    world.gateway.restart().await;
    (signed, receipt)
}
