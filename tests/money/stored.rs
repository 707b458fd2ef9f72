//! Requests with a name, `payment-identifier` or `Idempotency-Key`: their answer is stored with the payment and given
//! again, never another call and never another charge.

use tests::payer::random_hex;
use tests::{Agent, Request, Script, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_named_request_sent_again_gets_the_stored_answer() {
    let mut world = World::paid().await;
    let answer = Script::reply(200, &["content-type: text/plain", "x-number: 7"], "the one answer");
    world.upstream.on("/paid", answer);
    let payment = world.agent.sign(&world.gateway, &Request::post("/paid", "ask")).await.identified(&name());
    let request = Request::post("/paid", "ask").paying(payment.header());
    let first = world.gateway.call(&request).await;
    first.expect_status(200);
    let stored = |again: &tests::Response| {
        again.expect_status(200);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.text(), "the one answer");
        assert_eq!(again.header("x-number"), Some("7"));
        assert_eq!(again.receipt(), first.receipt());
    };
    stored(&world.again(&request).await);
    world.gateway.kill().await;
    world.gateway.restart().await;
    stored(&world.again(&request).await);
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_request_paid_again_by_another_signature_is_not_charged_again() {
    let world = World::paid().await;
    let name = name();
    let buy = async || {
        let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await.identified(&name);
        world.again(&Request::get("/paid").paying(payment.header())).await
    };
    let first = buy().await;
    first.expect_status(200);
    let again = buy().await;
    again.expect_status(200);
    assert_eq!(again.receipt()["extra"], first.receipt()["extra"]);
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_does_the_same_for_agent_keys() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let name = name();
    let request = |body: &str| Request::post("/paid", body).key(&key).with("Idempotency-Key", name.as_str());
    let first = world.gateway.call(&request("a")).await;
    first.expect_status(200);
    assert_eq!(
        world.upstream.call("/paid", 1).await.header("idempotency-key"),
        Some(name.as_str()),
        "it passes through"
    );
    let again = world.again(&request("a")).await;
    again.expect_status(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    world.gateway.call(&request("b")).await.expect_refusal(409, "payment_reused");
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_name_with_another_body_or_path_is_409() {
    let world = World::paid().await;
    let name = name();
    let sign = async |request: Request| {
        let payment = world.agent.sign(&world.gateway, &request).await.identified(&name);
        request.paying(payment.header())
    };
    world.gateway.call(&sign(Request::post("/paid", "one")).await).await.expect_status(200);
    for other in [Request::post("/paid", "two"), Request::post("/paid?x=1", "one"), Request::get("/paid")] {
        let response = world.again(&sign(other).await).await;
        response.expect_refusal(409, "payment_reused");
    }
    assert_eq!(world.upstream.calls("/paid").len(), 1);
    world.expect_balance(999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_belongs_to_the_agent_that_chose_it() {
    let world = World::paid().await;
    let other = Agent::new(&world.gateway, "$1").await;
    let name = name();
    for agent in [&world.agent, &other] {
        let payment = agent.sign(&world.gateway, &Request::get("/paid")).await.identified(&name);
        let response = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
        response.expect_status(200);
        assert_eq!(response.header("idempotency-replayed"), None);
    }
    assert_eq!(world.upstream.calls("/paid").len(), 2);
    world.expect_balance(999_000).await;
    other.expect_balance(&world.gateway, 999_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_to_store_is_told_by_its_receipt() {
    let world = World::paid().await;
    world.upstream.on("/paid", Script::reply(200, &[], vec![b'x'; 65 * 1024]));
    let payment = world.agent.sign(&world.gateway, &Request::get("/paid")).await.identified(&name());
    let request = Request::get("/paid").paying(payment.header());
    let first = world.gateway.call(&request).await;
    assert_eq!(first.body.len(), 65 * 1024);
    let again = world.again(&request).await;
    again.expect_refusal(409, "already_delivered");
    assert_eq!(again.receipt(), first.receipt());
    world.expect_balance(999_000).await;
    world.finish().await;
}

fn name() -> String {
    random_hex()[2..].to_owned()
}

/// A stranger who knows or guesses a payment's id or a request's name learns as much as from one that does not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a11_another_agents_payment_id_and_identifier_reveal_nothing() {
    let world = World::paid().await;
    let stranger = Agent::new(&world.gateway, "$1").await;
    let (key, strange_key) = (world.agent.key(&world.gateway).await, stranger.key(&world.gateway).await);
    world.upstream.on_each("/paid", ["private", "their own"].map(|text| Script::reply(200, &[], text)));
    let name = name();
    let named = |key: &str| Request::get("/paid").key(key).with("Idempotency-Key", name.as_str());
    let served = world.gateway.call(&named(&key)).await;
    let id = served.expect_status(200).header("faregate-payment-id").unwrap();

    let look = async |id: &str, key: &str| {
        let path = format!("/.well-known/faregate/payments/{id}");
        world.gateway.call(&Request::get(&path).key(key)).await
    };
    assert_eq!(look(id, &key).await.expect_status(200).json()["payment"], id);
    let (taken, guessed) = (look(id, &strange_key).await, look(&unused(id), &strange_key).await);
    taken.expect_status(404);
    assert_eq!((taken.status, taken.text()), (guessed.status, guessed.text()));

    let theirs = world.gateway.call(&named(&strange_key)).await;
    theirs.expect_status(200);
    assert_eq!((theirs.header("idempotency-replayed"), theirs.text().as_str()), (None, "their own"));
    world.expect_balance(999_000).await;
    stranger.expect_balance(&world.gateway, 999_000).await;
    world.finish().await;
}

/// An id that nobody has, one letter beside `id`.
fn unused(id: &str) -> String {
    let other = if id.ends_with('a') { 'e' } else { 'a' };
    format!("{}{other}", &id[..id.len() - 1])
}
