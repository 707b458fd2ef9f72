//! Permits leave no name in the transaction that moves them: each transfer pays for one payment, and for as many as there are.

use std::collections::HashSet;

use protocol::payload::PaymentPayload;
use protocol::permit::Permit;
use protocol::transfer::Transfer;
use serde_json::{Value, json};
use tests::crowd::{answers, begin_all, count};
use tests::process::run;
use tests::wait::until;
use tests::{Clock, Gate, Payment, PublicWorld, Request, Route, Script, Setting};

/// What each call costs.
const PRICE: u64 = 1_000;

/// Time for two attempts of a settler, which `deferred` wants; by Permit2 alone.
fn lines() -> String {
    format!("max_timeout = \"2m\"\n{}", PublicWorld::moved_by("\"permit2\""))
}

fn permit(payment: &Payment) -> Permit {
    let read = PaymentPayload::parse(payment.header().as_bytes()).expect("a payment");
    let Transfer::Permit(permit) = *read.transfer() else { panic!("a permit") };
    permit
}

async fn payments(world: &PublicWorld) -> Vec<Value> {
    let payments = world.gateway.ask("GET", "/v1/payments", None).await;
    payments["data"].as_array().expect("payments").clone()
}

/// Three calls run when their payer settles one of its payments itself, and uses up the nonces of the others beside it.
async fn one_transfer_pays_once(route: Route) -> PublicWorld {
    let clock = Clock::new();
    let world = Setting::new([route]).network(&lines()).settling_itself().clock(&clock).start().await;
    let gate = Gate::new();
    world.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let payer = world.payer(5 * PRICE).await;
    world.network.approve_permit2(payer.address()).await;
    let challenge = world.challenge(&Request::get("/paid")).await;
    let signed: Vec<Payment> = (0..3).map(|_| payer.pay_challenge(&challenge)).collect();
    let calls = signed.iter().map(|payment| Request::get("/paid").paying(payment.header()));
    let calls = begin_all(world.gateway.data(), calls);
    gate.reached_by(3).await;
    let [first, rest @ ..] = &signed[..] else { panic!("three payments") };
    let burnt: Vec<Permit> = rest.iter().map(permit).collect();
    world.network.settle_one_and_burn(&payer, (&permit(first), &first.signature()), &burnt).await;
    gate.open();
    let told = answers(calls).await;
    assert!(told.iter().all(|answer| [200, 503].contains(&answer.status)), "{told:?}");
    until("the others to be closed as unpaid", || async {
        clock.step(5);
        let metrics = world.gateway.metrics().await;
        let closed = |how| metrics.count("faregate_chain_closed_total", &[("how", how)]);
        (closed("void") + closed("written_off") == 2).then_some(())
    })
    .await;
    let paid = payments(&world).await;
    let of_transfer = paid.iter().filter(|payment| payment["on_chain"]["transaction"].is_string());
    assert_eq!(of_transfer.count(), 1, "{paid:?}");
    world.expect_received(PRICE).await;
    // Nobody says of the others that their transfer came after all.
    let config = world.gateway.config_path().display().to_string();
    let said = run(&["reconcile", "-c", &config]).await;
    assert!(
        said.out.contains("3 payments compared, no differences; 0 held, 0 due"),
        "{}{}",
        said.out,
        said.err
    );
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_pays_for_one_payment_though_its_payer_used_the_nonces_of_others_through_another_spender()
{
    let world = one_transfer_pays_once(Route::new("/paid", "$0.001")).await;
    assert_eq!(payments(&world).await.len(), 1, "the others were never charged");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_served_before_it_was_settled_is_written_off_where_another_payment_has_its_transfer() {
    let world = one_transfer_pays_once(Route::new("/paid", "$0.001").line("settle = \"deferred\"")).await;
    let written_off = payments(&world).await;
    assert_eq!(
        written_off.iter().filter(|payment| payment["state"] == "written_off").count(),
        2,
        "{written_off:?}"
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_payments_of_one_payer_and_one_price_are_all_booked_for_the_transaction_that_moves_them() {
    const COUNT: usize = 12;
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let world = Setting::new([route]).network(&lines()).settling_itself().start().await;
    let payer = world.payer(20 * PRICE).await;
    world.network.approve_permit2(payer.address()).await;
    let challenge = world.challenge(&Request::get("/paid")).await;
    let pay = |_| Request::get("/paid").paying(payer.pay_challenge(&challenge).header());
    let told = answers(begin_all(world.gateway.data(), (0..COUNT).map(pay))).await;
    assert_eq!(count(&told, 200), COUNT, "{told:?}");
    let settled = until("every payment to be settled in the books", || async {
        let payments = payments(&world).await;
        let named = payments.iter().map(|payment| payment["on_chain"]["transaction"].clone());
        let named: Vec<_> = named.filter(|transaction| *transaction != json!(null)).collect();
        (named.len() == COUNT).then_some(named)
    })
    .await;
    let transactions: HashSet<String> = settled.iter().map(Value::to_string).collect();
    assert!(transactions.len() < COUNT, "several were moved by one transaction: {transactions:?}");
    world.expect_received(PRICE * COUNT as u64).await;
    world.finish().await;
}
