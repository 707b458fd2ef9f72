//! Payments by Permit2: stock clients at their defaults sign what the offer asks for, and USDC moves by x402's proxy once.

use protocol::payload::PaymentPayload;
use protocol::permit::PERMIT2;
use protocol::transfer::Transfer;
use serde_json::{Value, json};
use tests::chain::NETWORK;
use tests::facilitator::Call;
use tests::payer::seconds;
use tests::wait::until;
use tests::{Clock, Payer, Payment, PublicWorld, Request, Route, Setting};

use crate::client::Client;

/// The token is moved by Permit2 alone.
fn permits() -> String {
    PublicWorld::moved_by("\"permit2\"")
}

fn routes() -> [Route; 2] {
    [Route::new("/paid", "$0.001"), Route::new("/later", "$0.002").line("settle = \"deferred\"")]
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_by_permit2_through_the_official_facilitator() {
    pays_by_permit2(Client::fetch(), PublicWorld::with(&format!("{LONG}\n{}", permits()), routes()).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_by_permit2_and_we_settle() {
    let world = PublicWorld::settling_itself(&format!("{LONG}\n{}", permits()), routes()).await;
    pays_by_permit2(Client::fetch(), world).await;
}

/// Time for two attempts of a facilitator, which `deferred` wants.
const LONG: &str = "max_timeout = \"2m\"";

async fn pays_by_permit2(client: Client, world: PublicWorld) {
    let payer = world.payer(10_000).await;
    world.network.approve_permit2(payer.address()).await;
    let url = |path: &str| format!("{}{path}", world.gateway.url());
    let calls = json!([
        { "method": "GET", "url": url("/paid") },
        { "method": "GET", "url": url("/later") },
        { "method": "GET", "url": url("/paid") },
    ]);
    let mut running = client.start_by_default(&payer, &calls);
    let mut told = Vec::new();
    for _ in 0..3 {
        let answer = running.next().await;
        assert_eq!(answer["status"], 200, "{answer}\n{}", world.gateway.log());
        assert_eq!(answer["receipt"]["payer"], payer.address().to_checksum(None));
        told.push(answer);
    }
    running.end().await;
    until("every payment to be settled in the books", || async {
        let payments = world.gateway.ask("GET", "/v1/payments", None).await;
        let payments = payments["data"].as_array().expect("payments").clone();
        payments.iter().all(|payment| payment["on_chain"]["transaction"].is_string()).then_some(())
    })
    .await;
    let received = world.network.received(PublicWorld::provider()).await;
    for answer in [&told[0], &told[2]] {
        let named = &answer["receipt"]["transaction"];
        assert!(received.iter().any(|moved| *named == json!(moved.transaction)), "{named}: {received:?}");
    }
    assert_eq!(world.network.balance(payer.address()).await, 6_000);
    world.expect_received(4_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_allowed_permit2_is_told_so_before_anything_is_forwarded_and_pays_once_it_has() {
    let world = PublicWorld::with(&permits(), [Route::new("/paid", "$0.001")]).await;
    let payer = world.payer(5_000).await;
    let request = Request::get("/paid");
    let payment = payer.pay_challenge(&world.challenge(&request).await);
    let paying = request.clone().paying(payment.header());
    let refused = world.gateway.call(&paying).await;
    assert_eq!((refused.status, &*refused.code()), (412, "permit2_allowance_required"));
    assert_eq!(refused.challenge()["error"], "permit2_allowance_required");
    assert_eq!(refused.json()["spender"], "0x000000000022D473030F116dDEE9F6B43aC78BA3");
    assert!(world.upstream.seen().is_empty(), "nothing was forwarded");
    assert!(world.facilitator.asked().iter().all(|asked| asked.call == Call::Supported));

    world.network.approve_permit2(payer.address()).await;
    // The same payment: nothing was taken of it. What was read a moment ago is believed for a second.
    let served = until("the allowance to be seen", || async {
        let answer = world.gateway.call(&paying).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(served.receipt()["success"], true);
    // It moves value once, however often it comes.
    let again = until("nobody to be at work on it", || async {
        let answer = world.gateway.call(&paying).await;
        (answer.status != 409 || answer.code() != "payment_in_progress").then_some(answer)
    })
    .await;
    again.expect_refusal(409, "already_delivered");
    assert_eq!((again.receipt(), again.header("payment-required")), (served.receipt(), None));
    assert_eq!(world.upstream.seen().len(), 1);
    world.expect_received(1_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_allowed_permit2_and_has_no_money_is_refused_before_anything_is_forwarded() {
    let world = PublicWorld::with(&permits(), [Route::new("/paid", "$0.001")]).await;
    let payer = world.payer(999).await;
    world.network.approve_permit2(payer.address()).await;
    let refused = world.buy(&payer, &Request::get("/paid")).await;
    assert_eq!((refused.status, &*refused.code()), (402, "insufficient_funds"));
    assert!(world.upstream.seen().is_empty(), "nothing was forwarded");
    world.expect_received(0).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_permit2_has_used_pays_for_nothing_more() {
    let world = PublicWorld::settling_itself(&permits(), [Route::new("/paid", "$0.001")]).await;
    let payer = world.payer(5_000).await;
    world.network.approve_permit2(payer.address()).await;
    let request = Request::get("/paid");
    let challenge = world.challenge(&request).await;
    let payment = payer.pay_challenge(&challenge);
    world.gateway.call(&request.clone().paying(payment.header())).await.expect_status(200);
    // The same nonce, signed again with another time.
    let deadline = "/payload/permit2Authorization/deadline";
    let before: u64 = text(&payment.payload, deadline).parse().expect("a time");
    let again = payment.signed_with(&payer, deadline, json!((before - 1).to_string()));
    let answer = world.gateway.call(&request.clone().paying(again.header())).await;
    answer.expect_refusal(409, "payment_reused");
    assert_eq!(answer.header("payment-required"), None, "it has paid: nobody is asked to pay again");
    assert_eq!(world.upstream.seen().len(), 1);
    world.expect_received(1_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a7_a_permit_of_other_terms_or_signed_by_others_is_refused_with_its_code() {
    let metered = Route::metered("/paid", "{ up_to = \"$0.001\" }");
    for route in [Route::new("/paid", "$0.001"), metered] {
        let world = Setting::new([route]).network(&format!("{LONG}\n{}", permits())).start().await;
        let payer = world.payer(5_000).await;
        world.network.approve_permit2(payer.address()).await;
        let request = Request::get("/paid");
        // What is metered is offered once the facilitator has said who settles it.
        let challenge = until("an offer by permit", || async {
            let mut challenge = world.gateway.call(&request).await.challenge();
            let offers = challenge["accepts"].as_array_mut().expect("offers");
            offers.retain(|offer| offer["network"] == NETWORK);
            (!offers.is_empty()).then_some(challenge)
        })
        .await;
        let payment = payer.pay_challenge(&challenge);
        let other = "0x0000000000000000000000000000000000000001";
        let later = (seconds() + 60).to_string();
        let cases = [
            ("permitted/amount", "999", "permit2_amount_mismatch"),
            ("permitted/amount", "1001", "permit2_amount_mismatch"),
            ("permitted/token", other, "permit2_token_mismatch"),
            ("spender", other, "invalid_permit2_spender"),
            ("witness/to", other, "invalid_permit2_recipient_mismatch"),
            ("witness/validAfter", &later, "permit2_not_yet_valid"),
            ("deadline", "1", "permit2_deadline_expired"),
        ];
        let refused = async |payment: &Payment, code: &str| {
            world.gateway.call(&request.clone().paying(payment.header())).await.expect_refusal(402, code);
        };
        for (member, value, code) in cases {
            let pointer = format!("/payload/permit2Authorization/{member}");
            refused(&payment.clone().signed_with(&payer, &pointer, json!(value)), code).await;
        }
        let mut by_another = payment.clone();
        Payer::random().sign(&mut by_another);
        refused(&by_another, "invalid_permit2_signature").await;
        assert!(world.upstream.seen().is_empty(), "a refused payment was forwarded");
        world.expect_received(0).await;
        world.gateway.call(&request.clone().paying(payment.header())).await.expect_status(200);
        world.settled(1_000).await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_nonce_its_payer_used_up_is_unknown_until_that_was_shown_for_a_while_and_then_void() {
    let (clock, route) = (Clock::new(), [Route::new("/paid", "$0.001")]);
    let world = Setting::new(route).network(&permits()).settling_itself().clock(&clock).start().await;
    let payer = world.payer(5_000).await;
    world.network.approve_permit2(payer.address()).await;
    let request = Request::get("/paid");
    let payment = payer.pay_challenge(&world.challenge(&request).await);
    let read = PaymentPayload::parse(payment.header().as_bytes()).expect("a payment");
    let Transfer::Permit(permit) = read.transfer() else { panic!("a permit") };
    // `invalidateUnorderedNonces`, of this one and its neighbours.
    let data = format!("0x3ff9dcb1{:064x}{}", permit.nonce >> 8, "f".repeat(64));
    world.network.send(&payer.address().to_string(), PERMIT2, &data).await;
    // Nobody settles yet right after a start.
    let answer = until("an answer of the settler", || async {
        let answer = world.gateway.call(&request.clone().paying(payment.header())).await;
        (answer.code() != "settlement_unavailable").then_some(answer)
    })
    .await;
    // A node whose logs lag behind shows the same of one that moved.
    answer.expect_refusal(503, "settlement_unknown");
    until("it to be void", || async {
        clock.step(5);
        let metrics = world.gateway.metrics().await;
        (metrics.count("faregate_chain_closed_total", &[("how", "void")]) == 1).then_some(())
    })
    .await;
    world.expect_received(0).await;
    world.finish().await;
}

fn text(payload: &Value, pointer: &str) -> String {
    payload.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned()
}
