//! T3 where several processes share the books: one that was frozen for longer than its row lasts comes back with its memory and an open
//! answer of the upstream, and what it held is another's by then.

use nix::sys::signal::Signal;
use tests::wait::until;
use tests::{Gate, Request, Route, Script, Several};

const PRICE: i64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn t3_what_a_frozen_gateway_held_is_anothers_and_its_late_answer_is_neither_charged_nor_given() {
    frozen_with_a_payment(Route::new("/paid", "$0.001"), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_what_was_paid_before_the_call_at_a_gateway_that_froze_is_charged_once_and_delivered_by_another() {
    frozen_with_a_payment(Route::new("/paid", "$0.001").line("capture = \"before\""), PRICE).await;
}

/// `charged`: by whoever takes over what the frozen one held, before the payment comes again.
async fn frozen_with_a_payment(route: Route, charged: i64) {
    let mut several = Several::new(2, "$1", [route]).await;
    let gate = Gate::new();
    let late = Script::reply(200, &[], "too late").after(&gate);
    several.upstream.on_each("/paid", [late, Script::reply(200, &[], "in time")]);
    // As behind one load balancer: a payment is bound to the host it was made for.
    let request = Request::get("/paid").with("Host", "api.example.com");
    let payment = several.agent.sign(&several.gateways[0], &request).await;
    let request = request.paying(payment.header());
    let mut wire = several.gateways[0].wire().await;
    wire.send(&request).await;
    gate.reached().await;
    several.gateways[0].signal(Signal::SIGSTOP);
    several.expect_balance(1_000_000 - charged).await;
    // The same payment, sent again to one who is awake.
    let served = until("the payment to be served elsewhere", || async {
        let response = several.gateways[1].call(&request).await;
        (response.status == 200).then_some(response)
    });
    assert_eq!(served.await.text(), "in time");

    // Its answer lies there already when it wakes up.
    gate.open();
    several.gateways[0].signal(Signal::SIGCONT);
    let response = wire.try_response("GET").await;
    assert!(response.as_ref().is_none_or(|response| response.status == 503), "paid twice: {response:?}");
    let status = several.gateways[0].end().await;
    assert!(!status.success(), "it knows nothing of the books any more, and ends: {status}");
    several.gateways[0].restart().await;
    for gateway in &several.gateways {
        let again = until("its delivery to be known", || async {
            let response = gateway.call(&request).await;
            (response.code() != "payment_in_progress").then_some(response)
        });
        again.await.expect_refusal(409, "already_delivered");
    }
    assert_eq!(several.upstream.calls("/paid").len(), 2);
    several.expect_balance(1_000_000 - PRICE).await;
    several.finish().await;
}
