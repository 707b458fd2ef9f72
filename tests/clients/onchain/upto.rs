//! Metered routes on a public network: the payer signs the most that a call may cost (`upto`), and what was used moves, once.

use serde_json::{Value, json};
use tests::crowd::{self, begin_all, count};
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Clock, Gate, Payer, PublicWorld, Request, Route, Script, Setting};

use crate::client::Client;

/// The most that a call costs here.
const MOST: u64 = 2_000;

/// By both methods: a metered route is offered by Permit2 alone.
fn lines() -> String {
    format!("max_timeout = \"2m\"\n{}", PublicWorld::moved_by("\"eip3009\", \"permit2\""))
}

fn routes() -> [Route; 5] {
    ["/used", "/whole", "/unused", "/failing", "/stream"].map(|path| {
        let counted = if path == "/stream" {
            r#"{ up_to = "$0.002", units = [{ from = "json:/used", price = "$0.000001" }] }"#
        } else {
            r#"{ up_to = "$0.002" }"#
        };
        Route::metered(path, counted)
    })
}

/// An answer whose upstream says that so much was used.
fn used(amount: &str) -> Script {
    Script::reply(200, &[&format!("settlement-overrides: {{\"amount\":\"{amount}\"}}")], "done")
}

fn answers(world: &PublicWorld) {
    world.upstream.on("/used", used("300"));
    world.upstream.on("/unused", used("0"));
    world.upstream.on("/failing", Script::reply(503, &[], "try later"));
    world.upstream.on("/stream", Script::events().event("{}").event("{\"used\":700}").last_chunk());
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_what_was_used_through_the_official_facilitator() {
    pays_what_was_used(PublicWorld::with(&lines(), routes()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_what_was_used_and_we_settle() {
    pays_what_was_used(PublicWorld::settling_itself(&lines(), routes()).await).await;
}

async fn pays_what_was_used(world: PublicWorld) {
    answers(&world);
    offered(&world).await;
    let payer = world.payer(10_000).await;
    world.network.approve_permit2(payer.address()).await;
    let paths = ["/used", "/whole", "/unused", "/failing", "/stream", "/used"];
    let calls: Vec<Value> = paths
        .iter()
        .map(|path| json!({ "method": "GET", "url": format!("{}{path}", world.gateway.url()) }))
        .collect();
    let mut running = Client::fetch().start_by_default(&payer, &json!(calls));
    let mut told = Vec::new();
    for path in paths {
        let answer = running.next().await;
        let status = if path == "/failing" { 503 } else { 200 };
        assert_eq!(answer["status"], status, "{path}: {answer}\n{}", world.gateway.log());
        told.push(answer);
    }
    running.end().await;
    let amounts: Vec<&Value> = told.iter().map(|answer| &answer["receipt"]["amount"]).collect();
    // A stream's receipt comes after its header.
    let (none, part) = (Value::Null, json!("300"));
    assert_eq!(amounts, [&part, &json!("2000"), &json!("0"), &none, &none, &part], "{told:?}");
    assert_eq!(told[2]["receipt"]["transaction"], "", "nothing moved");
    settled(&world).await;
    let mut moved: Vec<u64> =
        world.network.received(PublicWorld::provider()).await.iter().map(|moved| moved.value).collect();
    moved.sort_unstable();
    assert_eq!(moved, [300, 300, 700, 2_000]);
    assert_eq!(world.network.balance(payer.address()).await, 10_000 - 3_300);
    world.expect_received(3_300).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_facilitator_that_takes_more_than_was_asked_is_booked_for_what_it_took() {
    let world = PublicWorld::with(&lines(), routes()).await;
    answers(&world);
    let challenge = offered(&world).await;
    let payer = world.payer(10_000).await;
    world.network.approve_permit2(payer.address()).await;
    world.facilitator.on(Call::Settle, Conduct::greedy());
    let paying = Request::get("/used").paying(payer.pay_challenge(&challenge).header());
    // Nobody is told of an amount that the books do not have yet; never a fresh 402.
    let served = until("the payment to be closed by what the chain shows", || async {
        let answer = world.gateway.call(&paying).await;
        assert!([200, 409, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(served.receipt()["amount"], MOST.to_string());
    assert_eq!(world.network.balance(payer.address()).await, 10_000 - MOST);
    world.expect_received(MOST).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_while_its_payment_can_still_be_settled() {
    let clock = Clock::new();
    clock.freeze();
    let world = Setting::new(routes()).network(&lines()).clock(&clock).start().await;
    let [first, second, third] = [Gate::new(), Gate::new(), Gate::new()];
    let stream = Script::events().event("{}").pass(&first).event("{\"used\":700}").pass(&second);
    world.upstream.on("/stream", stream.event("{\"used\":900}").pass(&third).last_chunk());
    let mut payer = world.payer(10_000).await;
    payer.follow(&clock);
    world.network.approve_permit2(payer.address()).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&streamed(&world, &payer).await).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    // Its payment's time is 120 s and the whole second after them; it takes 12 s to settle it.
    clock.step(120 - 12);
    first.open();
    assert_eq!(wire.piece().await.unwrap(), b"data: {\"used\":700}\n\n");
    clock.step(1);
    second.open();
    assert_eq!(wire.piece().await, None, "it ends before the next event");
    world.settled(700).await;
    third.open();
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_does_not_outlast_the_time_of_its_payment() {
    let clock = Clock::new();
    clock.freeze();
    let patient = "[limits]\nclient_write_timeout = \"1h\"";
    let world = Setting::new(routes()).section(patient).network(&lines()).clock(&clock).start().await;
    let gate = Gate::new();
    let begun = Script::events().event("{}").pass(&gate).event("{\"used\":700}");
    // More than lies between two sockets.
    let more = ": and so on\n".repeat(100_000);
    world.upstream.on("/stream", (0..32).fold(begun, |script, _| script.chunk(&more)).last_chunk());
    let mut payer = world.payer(10_000).await;
    payer.follow(&clock);
    world.network.approve_permit2(payer.address()).await;
    let mut wire = world.gateway.wire().await;
    wire.send(&streamed(&world, &payer).await).await;
    assert_eq!(wire.head("GET").await.unwrap().0, 200);
    wire.piece().await.unwrap();
    clock.step(120 - 12 - 4);
    gate.open();
    world.settled(700).await;
    drop(wire);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metered_route_is_offered_where_somebody_settles_it_and_by_upto_alone() {
    let world = PublicWorld::with(&lines(), routes()).await;
    let challenge = offered(&world).await;
    let all = world.challenge(&Request::get("/used")).await;
    assert_eq!(all["accepts"], challenge["accepts"], "an exact payment cannot be lowered");
    let offer = &challenge["accepts"][0];
    assert_eq!(
        (&offer["extra"]["assetTransferMethod"], &offer["amount"]),
        (&json!("permit2"), &json!("2000"))
    );
    assert_eq!(offer["extra"]["facilitatorAddress"], world.official.settler().to_checksum(None));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_for_another_facilitator_pays_for_nothing() {
    let world = PublicWorld::settling_itself(&lines(), routes()).await;
    let mut challenge = offered(&world).await;
    let payer = world.payer(10_000).await;
    world.network.approve_permit2(payer.address()).await;
    challenge["accepts"][0]["extra"]["facilitatorAddress"] =
        world.official.settler().to_checksum(None).into();
    let paying = Request::get("/used").paying(payer.pay_challenge(&challenge).header());
    let refused = world.gateway.call(&paying).await;
    assert_eq!((refused.status, &*refused.code()), (402, "upto_facilitator_mismatch"));
    assert!(world.upstream.seen().is_empty(), "nothing was forwarded");
    world.expect_received(0).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_streams_that_run_at_once_never_hold_more_than_their_payer_lets_permit2_move() {
    const USED: u64 = 700;
    let world = PublicWorld::settling_itself(&lines(), routes()).await;
    let gate = Gate::new();
    let stream = Script::events().event("{}").pass(&gate).event("{\"used\":700}").last_chunk();
    world.upstream.on("/stream", stream);
    let payer = world.payer(10 * MOST).await;
    world.network.approve_permit2_of(payer.address(), 3 * MOST + 1).await;
    let mut requests = Vec::new();
    for _ in 0..10 {
        requests.push(streamed(&world, &payer).await);
    }
    let calls = begin_all(world.gateway.data(), requests);
    gate.reached_by(3).await;
    until("all others to be refused", || async {
        (calls.iter().filter(|call| call.is_finished()).count() == 7).then_some(())
    })
    .await;
    assert_eq!(world.upstream.calls("/stream").len(), 3, "while they run nobody else is let in");
    gate.open();
    let told = crowd::answers(calls).await;
    assert_eq!(count(&told, 200), 3);
    for refused in told.iter().filter(|answer| answer.status != 200) {
        refused.expect_refusal(412, "permit2_allowance_required");
    }
    world.settled(3 * USED).await;
    // Less than was held was used: there is room for another one.
    until("what was read a moment ago to be read again", || async {
        let answer = world.gateway.call(&streamed(&world, &payer).await).await;
        (answer.status == 200).then_some(())
    })
    .await;
    world.settled(4 * USED).await;
    world.finish().await;
}

/// A paid call of `/stream`.
async fn streamed(world: &PublicWorld, payer: &Payer) -> Request {
    offered(world).await;
    let request = Request::get("/stream");
    let payment = payer.pay_challenge(&world.challenge(&request).await);
    request.paying(payment.header())
}

/// The 402 of `/used` with its offers of `upto` alone, once there are some: whoever settles is asked first.
async fn offered(world: &PublicWorld) -> Value {
    until("somebody who settles to be known", || async {
        let mut challenge = world.gateway.call(&Request::get("/used")).await.challenge();
        let offers = challenge["accepts"].as_array_mut().expect("offers");
        offers.retain(|offer| offer["scheme"] == "upto");
        (!offers.is_empty()).then_some(challenge)
    })
    .await
}

/// Waits until every payment of the books is settled.
async fn settled(world: &PublicWorld) {
    until("every payment to be settled in the books", || async {
        let payments = world.gateway.ask("GET", "/v1/payments", None).await;
        let payments = payments["data"].as_array().expect("payments").clone();
        let is_settled = |payment: &Value| payment["on_chain"]["transaction"].is_string();
        (payments.len() == 4 && payments.iter().all(is_settled)).then_some(())
    })
    .await;
}
