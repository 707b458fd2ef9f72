//! The same when the gateway is killed, and what a person says of payments that nobody knows of.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn c7_d8_killed_while_a_facilitator_settles_it_is_unknown_and_settled_when_it_comes_again() {
    let mut solana = Solana::new().await;
    let (offer, gate) = (solana.offer().await, Gate::new());
    let asked = payment(&offer, &transaction(1, "asked"));
    solana.facilitator.on(Call::Settle, Conduct::silent().after_doing().at(&gate));
    let request = Request::get("/paid").paying(&*asked);
    let mut wire = solana.gateway.wire().await;
    let calling = tokio::spawn(async move { wire.try_call(&request).await });
    gate.reached().await;
    solana.gateway.kill().await;
    gate.open();
    let _ = calling.await;
    solana.facilitator.on(Call::Settle, Conduct::failing(500));
    solana.gateway.restart().await;
    solana.offer().await;
    solana.buy(&asked).await.expect_refusal(503, "settlement_unknown");
    assert_eq!(solana.upstream.calls("/paid").len(), 1, "it is the payment of before");
    solana.facilitator.on(Call::Settle, Conduct::honest());
    solana.buy_unknown(&asked).await;
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_before_anybody_was_asked_to_settle_it_is_free_again() {
    let mut solana = Solana::new().await;
    let (offer, gate) = (solana.offer().await, Gate::new());
    solana.upstream.on("/paid", Script::reply(200, &[], "done").after(&gate));
    let header = payment(&offer, &transaction(1, "unasked"));
    let request = Request::get("/paid").paying(&*header);
    let mut wire = solana.gateway.wire().await;
    let calling = tokio::spawn(async move { wire.try_call(&request).await });
    gate.reached().await;
    solana.gateway.kill().await;
    gate.open();
    let _ = calling.await;
    solana.gateway.restart().await;
    solana.offer().await;
    assert_eq!(solana.unknown().await, 0);
    solana.buy(&header).await.expect_status(200);
    assert_eq!(solana.facilitator.asked().iter().filter(|asked| asked.call == Call::Settle).count(), 1);
    solana.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_the_operator_says_what_became_of_what_nobody_knows() {
    let solana = Solana::new().await;
    let offer = solana.offer().await;
    solana.facilitator.on(Call::Settle, Conduct::failing(500));
    let header = payment(&offer, &transaction(1, "unknown"));
    let refused = solana.buy(&header).await;
    let id = refused.expect_refusal(503, "settlement_unknown").json()["payment"].as_str().unwrap().to_owned();
    let path = format!("/v1/payments/{id}/resolve");
    let say = async |body: Value| {
        let request = Request::post(&path, &body.to_string()).with("Content-Type", "application/json");
        solana.gateway.admin(&request).await
    };
    // It may still land.
    say(json!({ "outcome": "not_moved" })).await.expect_status(409);
    say(json!({ "outcome": "moved" })).await.expect_status(422);
    say(json!({ "outcome": "moved", "transaction": "5h6xBEauJ3PK6SWCZ1PGjBvj8vDdWG3KpwATGy1ARAXF" }))
        .await
        .expect_status(200);
    say(json!({ "outcome": "not_moved" })).await.expect_status(404);
    solana.buy(&header).await.expect_status(200);
    solana.finish().await;
}
