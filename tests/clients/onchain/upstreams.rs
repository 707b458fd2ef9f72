//! Upstreams and clients on a bad day, where what pays is USDC on a public network: for what was not delivered nothing moves, whoever left
//! work that was done has paid for it, and the books say what the chain says.

use tests::h2::Http2;
use tests::ports::Port;
use tests::wait::until;
use tests::{Gate, Payer, PublicWorld, Request, Response, Route, Script, Setting};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

/// What a call costs.
const PRICE: u64 = 1_000;

/// What is settled later has time for it.
const PATIENT: &str = "max_timeout = \"2m\"";

/// Each is settled when its name says.
const PATHS: [&str; 2] = ["/after", "/deferred"];

fn route(path: &str) -> Route {
    Route::new(path, "$0.001").line(&format!("settle = \"{}\"", path.trim_start_matches('/')))
}

fn setting() -> Setting {
    Setting::new(PATHS.map(route)).network(PATIENT)
}

async fn world() -> PublicWorld {
    setting().start().await
}

async fn signed(world: &PublicWorld, payer: &Payer, request: &Request) -> Request {
    request.clone().paying(payer.pay_challenge(&world.challenge(request).await).header())
}

/// Sends the same payment once more, when the gateway has noticed how it ended before.
async fn again(world: &PublicWorld, request: &Request) -> Response {
    until("the end of the first call", || async {
        let answer = world.gateway.call(request).await;
        let is_under_way = answer.status == 409 && answer.code() == "payment_in_progress";
        (!is_under_way).then_some(answer)
    })
    .await
}

/// Buys a part that its upstream breaks off once it has come.
async fn broken_off(world: &PublicWorld, path: &str, part: Script, request: &Request) {
    let gate = Gate::new();
    world.upstream.on(path, part.pass(&gate).close());
    until("the end of the call before", || async {
        let mut wire = world.gateway.wire().await;
        wire.send(request).await;
        let (status, _) = wire.head("GET").await.expect("the header before the end");
        if status == 409 {
            return None;
        }
        assert_eq!(status, 200);
        wire.piece().await.expect("the piece before the end");
        gate.open();
        assert_eq!(wire.piece().await, None, "the client must be able to see that it is not whole");
        Some(())
    })
    .await;
}

/// It failed: nobody is asked to pay for it, and nobody gets a receipt.
fn expect_voided(answer: &Response, status: u16, code: &str) {
    answer.expect_refusal(status, code);
    assert!(!answer.fields.has("payment-response") && !answer.fields.has("payment-required"));
}

/// Nothing has moved; now the upstream works, and the same payments buy what they were signed for.
async fn expect_free_again(world: PublicWorld, payments: &[Request]) {
    world.settled(0).await;
    for (path, payment) in PATHS.iter().zip(payments) {
        world.upstream.on(path, Script::reply(200, &[], "served"));
        assert_eq!(again(&world, payment).await.expect_status(200).text(), "served");
    }
    world.settled(PRICE * payments.len() as u64).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_for_an_upstream_that_cannot_be_reached_no_usdc_moves() {
    let nobody = Port::reserve();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let without_tls = format!("https://localhost:{}", plain.local_addr().unwrap().port());
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let apis = [format!("http://{}", nobody.address()), without_tls];
    for (path, api) in PATHS.into_iter().zip(apis) {
        let world = Setting::new([route(path)]).network(PATIENT).api_at(&api).start().await;
        let payer = world.payer(PRICE).await;
        expect_voided(&world.buy(&payer, &Request::get(path)).await, 502, "upstream_failed");
        world.settled(0).await;
        world.finish().await;
    }
    answering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_for_an_upstream_that_hangs_up_no_usdc_moves_and_the_payment_is_free_again() {
    let world = world().await;
    let payer = world.payer(2 * PRICE).await;
    let mut payments = Vec::new();
    for path in PATHS {
        world.upstream.on(path, Script::hang_up());
        let paying = signed(&world, &payer, &Request::post(path, "work")).await;
        expect_voided(&world.gateway.call(&paying).await, 502, "upstream_failed");
        assert_eq!(world.upstream.calls(path).len(), 1, "a POST is not sent twice");
        payments.push(paying);
    }
    expect_free_again(world, &payments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_a_body_that_breaks_off_is_owed_to_whoever_paid_in_usdc_until_it_was_delivered() {
    let routes = PATHS.map(|path| route(path).line("stream_bytes_min = \"100B\""));
    let world = Setting::new(routes).network(PATIENT).start().await;
    let begun = || Script::begin(200, &["content-length: 100"]).send("a part");
    let stream = |bytes| Script::events().chunk(vec![b'x'; bytes]);
    let payer = world.payer(3 * PRICE).await;
    for path in PATHS {
        let paying = signed(&world, &payer, &Request::get(path)).await;
        for part in [begun(), stream(99)] {
            broken_off(&world, path, part, &paying).await;
        }
        world.upstream.on(path, Script::reply(200, &[], "all of it"));
        let whole = again(&world, &paying).await;
        assert_eq!(whole.expect_status(200).text(), "all of it");
        again(&world, &paying).await.expect_refusal(409, "already_delivered");
    }
    // A stream was worth its price once enough of it has passed.
    let paying = signed(&world, &payer, &Request::get("/after")).await;
    broken_off(&world, "/after", stream(100), &paying).await;
    again(&world, &paying).await.expect_refusal(409, "already_delivered");
    assert_eq!(world.upstream.seen().len(), 7);
    world.settled(3 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u4_for_an_upstream_that_never_answers_no_usdc_moves_and_the_payment_is_free_again() {
    let world = setting().api("read_timeout = \"1s\"").start().await;
    let payer = world.payer(2 * PRICE).await;
    let mut payments = Vec::new();
    for path in PATHS {
        world.upstream.on(path, Script::hang());
        let paying = signed(&world, &payer, &Request::get(path)).await;
        expect_voided(&world.gateway.call(&paying).await, 504, "upstream_timeout");
        world.upstream.left(path).await;
        payments.push(paying);
    }
    expect_free_again(world, &payments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_whoever_leaves_a_get_pays_no_usdc_and_the_payment_is_free_again() {
    let world = world().await;
    let payer = world.payer(2 * PRICE).await;
    let mut payments = Vec::new();
    for path in PATHS {
        let gate = Gate::new();
        world.upstream.on(path, Script::reply(200, &[], "late").after(&gate));
        let paying = signed(&world, &payer, &Request::get(path)).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&paying).await;
        gate.reached().await;
        drop(wire);
        world.upstream.left(path).await;
        payments.push(paying);
    }
    expect_free_again(world, &payments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u5_whoever_leaves_work_pays_for_it_in_usdc_where_it_was_done() {
    let world = world().await;
    let payer = world.payer(6 * PRICE).await;
    for path in PATHS {
        for (status, over_http2) in [(200, false), (500, false), (200, true)] {
            let gate = Gate::new();
            world.upstream.on(path, Script::reply(status, &[], "done").after(&gate));
            let paying = signed(&world, &payer, &Request::post(path, "work")).await;
            if over_http2 {
                let mut http2 = Http2::connect(world.gateway.data()).await;
                let call = http2.start(&paying).await;
                gate.reached().await;
                drop(call);
            } else {
                let mut wire = world.gateway.wire().await;
                wire.send(&paying).await;
                gate.reached().await;
                drop(wire);
            }
            gate.open();
            if status == 200 {
                again(&world, &paying).await.expect_refusal(409, "already_delivered");
            }
        }
        assert_eq!(world.upstream.calls(path).len(), 3, "work is done once");
    }
    world.gateway.counted("faregate_payments_total", &[("outcome", "voided")], 2).await;
    world.settled(4 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u6_whoever_leaves_in_the_middle_of_a_body_has_paid_for_it_in_usdc() {
    let world = world().await;
    let payer = world.payer(2 * PRICE).await;
    for path in PATHS {
        let gate = Gate::new();
        let script = Script::begin(200, &["content-length: 10"]).send("first").pass(&gate).send("later");
        world.upstream.on(path, script);
        let paying = signed(&world, &payer, &Request::get(path)).await;
        let mut wire = world.gateway.wire().await;
        wire.send(&paying).await;
        assert_eq!(wire.head("GET").await.unwrap().0, 200);
        assert_eq!(wire.piece().await.unwrap(), b"first");
        drop(wire);
        world.upstream.left(path).await;
        gate.open();
        let told = again(&world, &paying).await;
        told.expect_refusal(409, "already_delivered");
        assert_eq!(told.receipt()["success"], true);
        assert_eq!(world.upstream.calls(path).len(), 1);
    }
    world.settled(2 * PRICE).await;
    world.finish().await;
}
