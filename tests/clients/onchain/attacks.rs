//! Attacks on payments, where what moves is USDC on a public network: each ends with books that say what the chain says.

use std::time::Duration;

use serde_json::{Value, json};
use tests::crowd::{answers, begin_all, count, send_all};
use tests::facilitator::{Call, Conduct};
use tests::payer::hex;
use tests::wait::until;
use tests::{Gate, Payer, Payment, PublicWorld, Request, Route, Script, Setting};

/// What the call of most tests here costs.
const PRICE: u64 = 1_000;

/// Connections at once; each sends its share one after another.
const CONNECTIONS: usize = 25;

const VALUE: &str = "invalid_exact_evm_authorization_value";
const REQUIREMENTS: &str = "invalid_payment_requirements";
const RECIPIENT: &str = "invalid_exact_evm_recipient_mismatch";
const SIGNATURE: &str = "invalid_exact_evm_signature";

#[tokio::test(flavor = "multi_thread")]
async fn a1_a_payment_in_usdc_for_one_route_buys_nothing_at_another_of_the_same_price() {
    let world = PublicWorld::new([Route::new("/a", "$0.001"), Route::new("/b", "$0.001")]).await;
    let payer = world.payer(2 * PRICE).await;
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/a")).await);
    let at = |path: &str| Request::get(path).paying(payment.header());
    world.gateway.call(&at("/b")).await.expect_refusal(402, "invalid_quote");
    world.gateway.call(&at("/a")).await.expect_status(200);
    let used = world.gateway.call(&at("/b")).await;
    used.expect_refusal(409, "payment_reused");
    assert_eq!(used.header("payment-required"), None, "it has paid: nobody is asked to pay again");
    assert!(world.upstream.calls("/b").is_empty());
    world.settled(PRICE).await;
    world.finish().await;
}

/// Everybody can read a payment on chain, and send it once more; what its payer named the call stands nowhere there.
#[tokio::test(flavor = "multi_thread")]
async fn a11_a_stored_answer_is_told_to_whoever_has_the_name_beside_the_payment() {
    let world = PublicWorld::new([Route::new("/paid", "$0.001")]).await;
    world.upstream.on("/paid", Script::reply(200, &[], "for its payer"));
    let payer = world.payer(2 * PRICE).await;
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/paid")).await);
    let unnamed = || Request::get("/paid").paying(payment.header());
    let named = |name: &str| unnamed().with("Idempotency-Key", name);
    let at_rest = async |request: Request| {
        until("nobody to be at work on the payment", || async {
            let response = world.gateway.call(&request).await;
            (response.status != 409 || response.code() != "payment_in_progress").then_some(response)
        })
        .await
    };
    let first = world.gateway.call(&named("ours")).await;
    first.expect_status(200);
    for theirs in [unnamed(), named("guessed")] {
        let told = at_rest(theirs).await;
        told.expect_refusal(409, "already_delivered");
        assert!(!told.text().contains("for its payer"));
    }
    let again = at_rest(named("ours")).await;
    assert_eq!((again.status, again.text(), again.receipt()), (200, first.text(), first.receipt()));
    assert_eq!(world.upstream.seen().len(), 1);
    let collisions = ("faregate_idempotency_collisions_total", [("kind", "replayed")]);
    assert_eq!(world.gateway.metrics().await.count(collisions.0, &collisions.1), 3, "each came again once");
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_payment_in_usdc_for_two_hundred_resources_at_once_buys_one() {
    let world = PublicWorld::new([Route::new("/items/{id}", "$0.001")]).await;
    let payer = world.payer(2 * PRICE).await;
    let mut payment = payer.pay_challenge(&world.challenge(&Request::get("/items/0")).await);
    payment.payload["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    let requests = (0..200).map(|id| Request::get(&format!("/items/{id}")).paying(payment.header()));
    let responses = send_all(world.gateway.data(), requests.collect(), CONNECTIONS).await;
    assert_eq!((count(&responses, 200), count(&responses, 409)), (1, 199));
    assert_eq!(world.upstream.seen().len(), 1);
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_what_a_payer_has_open_at_once_is_never_more_than_it_has_on_chain() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let world = Setting::new([route]).settling_itself().start().await;
    let payer = world.payer(4 * PRICE + PRICE / 2).await;
    let challenge = world.challenge(&Request::get("/paid")).await;
    // Nothing is mined, so that nothing is settled while they come.
    world.network.mine_each(false).await;
    let pay = |_| Request::get("/paid").paying(payer.pay_challenge(&challenge).header());
    let responses = send_all(world.gateway.data(), (0..20).map(pay).collect(), CONNECTIONS).await;
    assert_eq!(count(&responses, 200), 4);
    for refused in responses.iter().filter(|response| response.status != 200) {
        refused.expect_refusal(402, "insufficient_funds");
    }
    assert_eq!(world.upstream.seen().len(), 4);
    world.network.mine_each(true).await;
    world.network.mine(1).await;
    world.settled(4 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_settlements_of_one_payer_that_hang_take_nothing_from_another_one() {
    let world = Setting::new([Route::new("/paid", "$0.001")])
        .network("payer_unsettled_max = \"$0.003\"")
        .facilitator("verify_timeout = \"20s\"")
        .start()
        .await;
    let [slow, other] = &world.network.payers(2, 10 * PRICE).await[..] else { panic!("two payers") };
    let gate = Gate::new();
    let hanging = || Conduct::honest().at(&gate);
    world.facilitator.on_each(Call::Settle, [hanging(), hanging(), hanging(), Conduct::honest()]);
    let challenge = world.challenge(&Request::get("/paid")).await;
    let pay = |payer: &Payer| Request::get("/paid").paying(payer.pay_challenge(&challenge).header());
    let calls = begin_all(world.gateway.data(), (0..3).map(|_| pay(slow)));
    gate.reached_by(3).await;
    let more = world.gateway.call(&pay(slow)).await;
    more.expect_refusal(429, "unsettled_payments");
    assert!(more.header("retry-after").is_some());
    world.gateway.call(&pay(other)).await.expect_status(200);
    gate.open();
    assert_eq!(count(&answers(calls).await, 200), 3);
    world.gateway.call(&pay(slow)).await.expect_status(200);
    world.settled(5 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_payer_who_empties_the_account_before_it_is_settled_costs_no_more_than_its_cap() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let world = Setting::new([route])
        .network("max_timeout = \"12s\"\nmargin = \"2s\"\npayer_unsettled_max = \"$0.002\"")
        .facilitator("verify_timeout = \"20s\"\nsettle_timeout = \"4s\"")
        .start()
        .await;
    let payer = world.payer(3 * PRICE).await;
    let gate = Gate::new();
    world.facilitator.on(Call::Verify, Conduct::honest().at(&gate));
    let mut served = 0;
    for status in [200, 200, 429] {
        world.buy(&payer, &Request::get("/paid")).await.expect_status(status);
        served += u64::from(status == 200);
    }
    assert_eq!(world.upstream.seen().len(), 2, "a third one could not be lost any more");
    let elsewhere = Payer::random().address();
    world.network.pay(payer.address(), elsewhere, 3 * PRICE).await;
    gate.open();
    world.facilitator.on(Call::Verify, Conduct::honest());
    // Time goes on there until the payments are over in a block.
    let _blocks = world.network.ticking(Duration::from_millis(500));
    let lost = "faregate_chain_written_off_units_total";
    until("both to be written off", || async {
        (world.gateway.metrics().await.count(lost, &[]) == served * PRICE).then_some(())
    })
    .await;
    world.settled(0).await;
    // Whoever did not pay then pays now before it is served.
    world.network.fund(payer.address(), PRICE).await;
    let paid_first = until("funds that were read a moment ago to be read again", || async {
        let response = world.buy(&payer, &Request::get("/paid")).await;
        (response.status == 200).then_some(response)
    })
    .await;
    assert_ne!(paid_first.receipt()["transaction"], "", "settled before it was served");
    world.settled(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_payment_in_usdc_of_other_terms_is_refused_with_its_code() {
    let world = PublicWorld::paid().await;
    let payer = world.payer(10 * PRICE).await;
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/paid")).await);
    let signed =
        |pointer: &str, value: &str| payment.clone().signed_with(&payer, pointer, Value::from(value));
    let authorized = |name: &str, value: &str| signed(&format!("/payload/authorization/{name}"), value);
    let unsigned = |value: &str| payment.clone().with("/payload/authorization/value", Value::from(value));
    let elsewhere = Payer::random().address().to_checksum(None);
    let too_large = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    let cases = [
        ("overpaid", authorized("value", "1001"), 402, VALUE),
        ("underpaid", authorized("value", "999"), 402, VALUE),
        ("in other decimals", authorized("value", "1000000000000000"), 402, VALUE),
        ("nothing", authorized("value", "0"), 402, VALUE),
        ("another asset", signed("/accepted/asset", &elsewhere), 402, REQUIREMENTS),
        ("another chain", signed("/accepted/network", "eip155:8453"), 402, "invalid_network"),
        ("another recipient", authorized("to", &elsewhere), 402, RECIPIENT),
        ("another recipient accepted", signed("/accepted/payTo", &elsewhere), 402, RECIPIENT),
        ("another token's name", signed("/accepted/extra/name", "USD Coin"), 402, REQUIREMENTS),
        ("negative", unsigned("-1000"), 400, "invalid_payload"),
        ("leading zeros", unsigned("01000"), 400, "invalid_payload"),
        ("2^256", unsigned(too_large), 400, "invalid_payload"),
    ];
    for (name, payment, status, code) in cases {
        expect_refused(&world, name, &payment, status, code).await;
    }
    expect_untouched(world, &payment).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_a_signature_over_usdc_in_another_form_is_refused_and_one_nonce_pays_once() {
    let world = PublicWorld::paid().await;
    let payer = world.payer(10 * PRICE).await;
    let payment = payer.pay_challenge(&world.challenge(&Request::get("/paid")).await);
    let bytes = payment.signature();
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        payment.clone().with_signature(&bytes)
    };
    let mut by_another = payment.clone();
    Payer::random().sign(&mut by_another);
    let cases = [
        ("other v", changed(|bytes| bytes[64] = if bytes[64] == 27 { 28 } else { 27 }), 402, SIGNATURE),
        ("v = 29", changed(|bytes| bytes[64] = 29), 400, "invalid_payload"),
        ("compact", changed(|bytes| bytes.truncate(64)), 400, "invalid_payload"),
        ("by another key", by_another, 402, SIGNATURE),
    ];
    for (name, payment, status, code) in cases {
        expect_refused(&world, name, &payment, status, code).await;
    }
    let low_v = changed(|bytes| bytes[64] -= 27);
    let shouted = hex(&bytes).to_uppercase().replacen("0X", "0x", 1);
    let shouted = payment.clone().with("/payload/signature", json!(shouted));
    let call = |payment: &Payment| Request::get("/paid").paying(payment.header());
    world.gateway.call(&call(&low_v)).await.expect_status(200);
    for same in [shouted, payment] {
        world.gateway.call(&call(&same)).await.expect_refusal(409, "already_delivered");
    }
    assert_eq!(world.upstream.seen().len(), 1);
    world.settled(PRICE).await;
    world.finish().await;
}

async fn expect_refused(world: &PublicWorld, name: &str, payment: &Payment, status: u16, code: &str) {
    let response = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
    assert_eq!((response.status, &*response.code()), (status, code), "{name}: {}", response.text());
}

/// Nothing was forwarded and nothing moved, and the honest payment still works.
async fn expect_untouched(world: PublicWorld, payment: &Payment) {
    assert!(world.upstream.seen().is_empty(), "a refused payment was forwarded");
    world.expect_received(0).await;
    world.gateway.call(&Request::get("/paid").paying(payment.header())).await.expect_status(200);
    world.settled(PRICE).await;
    world.finish().await;
}
