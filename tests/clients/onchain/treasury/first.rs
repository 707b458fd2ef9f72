//! `settle = "before"`: value moves before the call is forwarded, and what is not delivered leaves the treasury again, to whoever paid it.

use super::*;

use tests::{Gate, Payment, Script, Wire};

use crate::client::Client;

/// What a call costs here.
const PRICE: u64 = 2_000;

/// What is not delivered is given back soon.
const SHORT: &str = "max_timeout = \"12s\"\nmargin = \"2s\"";

/// A route that is paid first.
fn first(path: &str) -> Route {
    Route::new(path, "$0.002").line("settle = \"before\"")
}

// === impl House ===

impl House {
    /// With calls that are paid first.
    async fn paid_first(lines: &str, api: &str, routes: impl IntoIterator<Item = Route>) -> Self {
        let world = PublicWorld::of_treasury_before(lines, LATER, api, routes).await;
        world.network.mine_every(1).await;
        Self(world)
    }

    /// A payment for a call, and the call that carries it.
    async fn signed(&self, payer: &Payer, request: &Request) -> (Payment, Request) {
        let payment = payer.pay_challenge(&self.0.challenge(request).await);
        let paying = request.clone().paying(payment.header());
        (payment, paying)
    }

    /// A call that nobody hears the answer of.
    async fn unheard(&self, request: &Request) -> Wire {
        let mut wire = Wire::connect(self.0.gateway.data()).await;
        wire.send(request).await;
        wire
    }

    /// What a payer has in the end.
    async fn has(&self, payer: &Payer, units: u64) {
        until(&format!("the payer to have {units}"), || async {
            (self.0.network.balance(payer.address()).await == units).then_some(())
        })
        .await;
    }

    /// The one payment in the books: what was given back of it, and why.
    async fn given_back(&self) -> (Value, Value) {
        let listed = self.0.gateway.ask("GET", "/v1/payments", None).await;
        let payment = text(&listed["data"][0]["id"]);
        let whole = self.0.gateway.ask("GET", &format!("/v1/payments/{payment}"), None).await;
        (whole["state"].clone(), whole["refunds"][0]["reason"].clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_pays_first_and_gets_back_what_its_upstream_did_not_deliver() {
    let paths = ["/served", "/failing", "/silent", "/gone"];
    let house = House::paid_first("", "read_timeout = \"2s\"", paths.map(first)).await;
    house.0.upstream.on("/failing", Script::reply(500, &[], "no"));
    house.0.upstream.on("/silent", Script::hang());
    house.0.upstream.on("/gone", Script::hang_up());
    let payer = house.0.payer(4 * PRICE).await;
    let call = |path: &&str| json!({ "method": "GET", "url": format!("{}{path}", house.0.gateway.url()) });
    let calls = Value::from(paths.iter().map(call).collect::<Vec<_>>());
    let mut running = Client::fetch().start_by_default(&payer, &calls);
    let served = running.next().await;
    assert_eq!((&served["status"], &served["receipt"]["success"]), (&json!(200), &json!(true)), "{served}");
    let failed = running.next().await;
    assert_eq!((&failed["status"], &failed["body"]), (&json!(500), &json!("no")), "{failed}");
    let silent = running.next().await;
    assert_eq!(silent["status"], 504, "{silent}");
    assert!(silent["body"].as_str().unwrap().contains("is given back"), "{silent}");
    let gone = running.next().await;
    assert_eq!(gone["status"], 502, "{gone}");
    running.end().await;
    let all = house.over(3).await;
    assert!(all.iter().all(|one| one["state"] == "paid" && units(one) == PRICE), "{all:?}");
    house.has(&payer, 3 * PRICE).await;
    assert_eq!(house.0.network.received(PublicWorld::treasury()).await.len(), 4, "each moved first");
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_is_told_that_what_it_paid_first_was_given_back() {
    let house = House::paid_first("", "", [first("/paid")]).await;
    house.0.upstream.on_each("/paid", [Script::reply(503, &[], "later"), Script::reply(200, &[], "now")]);
    let payer = house.0.payer(PRICE).await;
    let request = Request::get("/paid");
    let (_, paying) = house.signed(&payer, &request).await;
    let refused = house.0.gateway.call(&paying).await;
    refused.expect_status(503);
    assert_eq!(refused.fields.get("faregate-payment-status"), Some("refunded"));
    assert_eq!(refused.receipt()["success"], true, "it moved: the transaction is there to look up");
    house.0.gateway.call(&paying).await.expect_refusal(409, "payment_refunded");
    house.has(&payer, PRICE).await;
    let calls = json!([{ "method": "GET", "url": format!("{}/paid", house.0.gateway.url()) }]);
    let mut running = Client::httpx().start_by_default(&payer, &calls);
    assert_eq!(running.next().await["body"], "now");
    running.end().await;
    house.has(&payer, 0).await;
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_served_by_the_same_payment_and_gets_it_back_where_it_never_comes_again() {
    let paths = ["/again", "/never"];
    let house = House::paid_first(SHORT, "", paths.map(first)).await;
    let gate = Gate::new();
    for path in paths {
        house.0.upstream.on(path, Script::reply(200, &[], "late").after(&gate));
    }
    let payers = house.0.network.payers(2, PRICE).await;
    let (_, comes_again) = house.signed(&payers[0], &Request::get("/again")).await;
    let (_, never) = house.signed(&payers[1], &Request::get("/never")).await;
    let both = (house.unheard(&comes_again).await, house.unheard(&never).await);
    gate.reached_by(2).await;
    drop(both);
    for path in paths {
        house.0.upstream.left(path).await;
    }
    gate.open();
    until("the same payment to be served", || async {
        let answer = house.0.gateway.call(&comes_again).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let all = house.over(1).await;
    assert_eq!((all.len(), &all[0]["state"]), (1, &json!("paid")));
    house.has(&payers[1], PRICE).await;
    house.has(&payers[0], 0).await;
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_between_payment_and_delivery_the_same_payment_is_served_or_given_back_and_never_kept() {
    let mut house = House::paid_first(SHORT, "", [first("/paid"), first("/work")]).await;
    let gate = Gate::new();
    for path in ["/paid", "/work"] {
        house.0.upstream.on_each(path, [Script::hang().after(&gate), Script::reply(200, &[], "served")]);
    }
    let payers = house.0.network.payers(2, PRICE).await;
    let (get, work) = (Request::get("/paid"), Request::post("/work", "work"));
    let (_, getting) = house.signed(&payers[0], &get).await;
    let (_, working) = house.signed(&payers[1], &work).await;
    let both = (house.unheard(&getting).await, house.unheard(&working).await);
    gate.reached_by(2).await;
    house.0.gateway.kill().await;
    drop(both);
    gate.open();
    house.0.gateway.restart().await;
    until("the same payment to be served", || async {
        let answer = house.0.gateway.call(&getting).await;
        (answer.status == 200).then_some(())
    })
    .await;
    until("what cannot be done twice to be given back", || async {
        let answer = house.0.gateway.call(&working).await;
        (answer.status == 409 && answer.code() == "payment_refunded").then_some(())
    })
    .await;
    house.over(1).await;
    assert_eq!(house.0.upstream.calls("/work").len(), 1, "work that may have been done is not done again");
    house.has(&payers[1], PRICE).await;
    assert_eq!(house.0.network.balance(payers[0].address()).await, 0);
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_and_never_asked_again_what_was_paid_first_goes_back_by_itself() {
    let mut house = House::paid_first(SHORT, "", [first("/paid")]).await;
    let gate = Gate::new();
    house.0.upstream.on("/paid", Script::hang().after(&gate));
    let payer = house.0.payer(PRICE).await;
    let (_, paying) = house.signed(&payer, &Request::get("/paid")).await;
    let unheard = house.unheard(&paying).await;
    gate.reached().await;
    house.0.gateway.kill().await;
    drop(unheard);
    house.0.gateway.restart().await;
    house.over(1).await;
    house.has(&payer, PRICE).await;
    assert_eq!(house.given_back().await, (json!("refunded"), json!("upstream_failed")));
    house.finish().await;
}
