//! What binds a payment to one request, where several gateways share the books: its first use at one of them binds it at all.

use tests::Payment;

use super::*;

fn items() -> [Route; 1] {
    [Route::new("/items/{id}", "$0.001")]
}

/// What a gateway says once the first use of the payment is over.
async fn at_rest(gateway: &Faregate, request: &Request) -> Response {
    until("the first use of the payment to be over", || async {
        let response = gateway.call(request).await;
        (response.status != 409 || response.code() != "payment_in_progress").then_some(response)
    })
    .await
}

fn paying(payment: &Payment, request: Request) -> Request {
    request.paying(payment.header())
}

/// It is taken, and whoever asks for something else learns nothing of the first.
fn expect_reused(response: &Response) {
    response.expect_refusal(409, "payment_reused");
    assert_eq!((response.header("payment-response"), response.header("payment-required")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_one_payment_for_two_hundred_resources_at_four_gateways_at_once_buys_one() {
    let several = Several::new(GATEWAYS, "$1", items()).await;
    let mut payment = several.agent.sign(&several.gateways[0], &get("/items/0")).await;
    // Nothing but the first use binds it.
    payment.payload["accepted"]["extra"].as_object_mut().unwrap().remove("quote");
    let requests = (0..200).map(|id| paying(&payment, get(&format!("/items/{id}"))));
    let responses = send_to_all(&several, requests.collect()).await;
    assert_eq!((count(&responses, 200), count(&responses, 409)), (1, 199));
    let seen = several.upstream.seen();
    let [only] = &seen[..] else { panic!("one call: {seen:?}") };
    let receipt = responses.iter().find(|response| response.status == 200).unwrap().receipt();
    for gateway in &several.gateways {
        expect_reused(&at_rest(gateway, &paying(&payment, get("/items/200"))).await);
        let again = at_rest(gateway, &paying(&payment, get(&only.target))).await;
        again.expect_refusal(409, "already_delivered");
        assert_eq!(again.receipt()["extra"], receipt["extra"], "the receipt of the first");
    }
    assert_eq!(several.upstream.seen().len(), 1);
    several.expect_balance(999_000).await;
    several.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_payment_or_a_name_that_one_gateway_took_is_409_with_another_request_at_each() {
    let several = Several::new(GATEWAYS, "$1", items()).await;
    let payment = several.agent.sign(&several.gateways[0], &get("/items/1?v=1")).await;
    let first = paying(&payment, get("/items/1?v=1"));
    several.gateways[0].call(&first).await.expect_status(200);
    let key = several.agent.key(&several.control).await;
    let named = |mut request: Request| {
        request = request.with("Host", "api.example.com").key(&key);
        request.with("Idempotency-Key", "the-only-one")
    };
    let served = several.gateways[1].call(&named(Request::post("/items/3", "one"))).await;
    served.expect_status(200);
    for gateway in &several.gateways {
        let post = Request::post("/items/1?v=1", "x").with("Host", "api.example.com");
        for other in [get("/items/2?v=1"), get("/items/1?v=2"), post] {
            let response = at_rest(gateway, &paying(&payment, other)).await;
            expect_reused(&response);
        }
        at_rest(gateway, &first).await.expect_refusal(409, "already_delivered");
        for other in [Request::post("/items/3", "two"), Request::post("/items/4", "one")] {
            expect_reused(&at_rest(gateway, &named(other)).await);
        }
        let again = at_rest(gateway, &named(Request::post("/items/3", "one"))).await;
        assert_eq!((again.status, again.text()), (200, served.text()), "its own answer");
    }
    assert_eq!(several.upstream.seen().len(), 2);
    several.expect_balance(998_000).await;
    several.finish().await;
}
