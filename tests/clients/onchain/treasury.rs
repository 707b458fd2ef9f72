//! Money in the treasury, and out of it again on chain: to providers as payouts, to payers as refunds, through the real binary. Each
//! transfer happens once, whatever is killed, and in the end the treasury has what the books say.

mod first;
mod killed;
mod restored;
mod undone;

use std::collections::HashSet;

use domain::Address;
use serde_json::{Value, json};
use tests::chain::{NETWORK, usdc};
use tests::process::run;
use tests::wait::until;
use tests::{Payer, PublicWorld, Request, Response, Route, audit};

/// Settled as soon as there is anything.
const AT_ONCE: &str = "[settlement]\nschedule = \"continuous\"\namount_min = \"$0.000001\"\ndelay = \"0s\"\ninterval = \"20ms\"";

/// Not before the test asks for it.
const LATER: &str = "[settlement]\nschedule = \"monthly\"\nage_max = \"0s\"";

const DESTINATION: &str = "/v1/providers/acme/payout-destination";

/// Where payouts go here.
const fn till() -> Address {
    Address::repeat_byte(0x91)
}

/// What the tests of this module ask of a world.
struct House(PublicWorld);

// === impl House ===

impl House {
    async fn new(lines: &str, sections: &str) -> Self {
        Self(PublicWorld::of_treasury(lines, sections, [Route::new("/paid", "$0.002")]).await)
    }

    /// A call that was served; its payment.
    async fn buy(&self, payer: &Payer) -> String {
        let request = Request::get("/paid");
        // Nobody settles yet right after a start.
        let response = until("a call that is served", || async {
            let response = self.0.buy(payer, &request).await;
            let is_early = response.status == 503 && response.code() == "settlement_unavailable";
            (!is_early).then_some(response)
        })
        .await;
        response.expect_status(200);
        let transaction = response.receipt()["transaction"].clone();
        let listed = self.0.gateway.ask("GET", "/v1/payments?limit=500", None).await;
        let own = listed["data"].as_array().expect("payments").iter();
        let own = own.clone().find(|payment| payment["on_chain"]["transaction"] == transaction);
        own.expect("the payment in the books")["id"].as_str().expect("its name").to_owned()
    }

    async fn refund(&self, payment: &str, amount: Option<&str>, key: &str) -> Response {
        let body = json!({ "amount": amount }).to_string();
        let request = Request::post(&format!("/v1/payments/{payment}/refund"), &body);
        let request = request.with("Content-Type", "application/json").with("Idempotency-Key", key);
        self.0.gateway.admin(&request).await
    }

    /// As people ask for it on the command line.
    async fn pay_out_to(&self, address: Address) -> Value {
        let address = address.to_checksum(None);
        self.say(&format!(
            "provider set-payout-destination acme --rail chain --network {NETWORK} --address {address}"
        ))
        .await
    }

    async fn say(&self, line: &str) -> Value {
        let (api, token) = (self.0.gateway.control_url(), self.0.gateway.admin_token());
        let words = line.split(' ').chain(["--api", &*api, "--token", token, "-o", "json"]);
        let said = run(&words.collect::<Vec<_>>()).await;
        assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
        serde_json::from_str(&said.out).expect("JSON")
    }

    async fn outgoing(&self) -> Vec<Value> {
        let listed = self.0.gateway.ask("GET", "/v1/outgoing?limit=500", None).await;
        listed["data"].as_array().expect("a list").clone()
    }

    /// All that leaves, once it is so much and each of it is over.
    async fn over(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} transfers out of the treasury"), || async {
            let all = self.outgoing().await;
            let is_over = |one: &Value| ["paid", "failed", "void"].contains(&one["state"].as_str().unwrap());
            (all.len() >= count && all.iter().all(is_over)).then_some(all)
        })
        .await
    }

    /// The one that leaves, in this state.
    async fn one_that_is(&self, state: &str) -> Value {
        until(&format!("a transfer that is {state}"), || async {
            self.outgoing().await.into_iter().find(|one| one["state"] == state)
        })
        .await
    }

    async fn told(&self, kind: &str) -> Value {
        until(&format!("an event {kind}"), || async {
            let events = self.0.gateway.ask("GET", "/v1/events?limit=500", None).await;
            events["data"].as_array().unwrap().iter().find(|event| event["type"] == kind).cloned()
        })
        .await
    }

    /// The treasury has what came, less what left: each paid transfer is one on chain, and the other way round.
    async fn finish(self) {
        let Self(world) = self;
        audit::chain(&world.gateway, &world.network, PublicWorld::treasury()).await;
        let came: u64 =
            world.network.received(PublicWorld::treasury()).await.iter().map(|one| one.value).sum();
        let listed = world.gateway.ask("GET", "/v1/outgoing?limit=500&state=paid", None).await;
        let booked = listed["data"].as_array().expect("a list").iter();
        let booked: HashSet<(String, u64)> =
            booked.map(|one| (text(&one["transaction"]), units(one))).collect();
        let mut moved = HashSet::new();
        let whom: HashSet<_> =
            listed["data"].as_array().unwrap().iter().map(|one| text(&one["address"])).collect();
        for address in whom {
            let address: Address = address.parse().expect("an address");
            let received = world.network.received(address).await.into_iter();
            let ours = received.filter(|one| one.from == PublicWorld::treasury());
            moved.extend(ours.map(|one| (one.transaction.to_string(), one.value)));
        }
        assert_eq!(booked, moved, "what left, in the books and on chain\n{}", world.gateway.log());
        let left: u64 = booked.iter().map(|(_, units)| units).sum();
        assert_eq!(world.network.balance(PublicWorld::treasury()).await, came - left, "the treasury");
        world.gateway.finish().await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn units(one: &Value) -> u64 {
    text(&one["amount"]["amount"]).parse().expect("atomic units")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_payers_are_given_back_and_what_a_provider_earned_leave_the_treasury_once_and_the_rest_stays() {
    let house = House::new("refunds_per_day_max = \"$0.0025\"", AT_ONCE).await;
    let payers = house.0.network.payers(3, 10_000).await;
    let mut payments = Vec::new();
    for payer in &payers {
        payments.push(house.buy(payer).await);
    }
    let whole = house.refund(&payments[0], None, "whole").await.expect_status(200).json();
    assert_eq!(
        (&whole["remains"]["display"], &whole["on_chain"]["payment"]),
        (&json!("$0.00"), &json!(payments[0]))
    );
    let part = house.refund(&payments[1], Some("$0.0005"), "part").await.expect_status(200).json();
    let again = house.refund(&payments[1], Some("$0.0005"), "part").await.expect_status(200).json();
    assert_eq!(part["id"], again["id"]);
    let more = house.refund(&payments[2], Some("$0.0001"), "more").await;
    assert_eq!((more.status, more.json()["code"].clone()), (409, json!("refund_limit")));
    house.over(2).await;
    assert_eq!(house.0.network.balance(payers[0].address()).await, 10_000);
    assert_eq!(house.0.network.balance(payers[1].address()).await, 8_500);

    let set = house.pay_out_to(till()).await;
    assert_eq!(set["current"]["network"], NETWORK);
    assert_eq!(set["current"]["asset"], json!(usdc().address.to_checksum(None)));
    house.over(3).await;
    // Of $0.006 less $0.0025 given back, nine tenths.
    assert_eq!(house.0.network.balance(till()).await, 3_150);
    assert_eq!(house.0.network.balance(PublicWorld::treasury()).await, 350);
    let received = house.0.network.received(till()).await;
    let [transfer] = &received[..] else { panic!("one payout: {received:?}") };
    let payouts = house.0.gateway.ask("GET", "/v1/payouts?state=paid", None).await;
    let payout = &payouts["data"][0];
    assert_eq!((&payout["rail"], &payout["on_chain"]["state"]), (&json!("chain"), &json!("paid")));
    assert_eq!(payout["reference"], json!(transfer.transaction.to_string()));
    let shown = house.0.gateway.ask("GET", &format!("/v1/payments/{}", payments[0]), None).await;
    assert_eq!(shown["refunds"][0]["on_chain"]["state"], "paid");
    assert_eq!(shown["collection"], "moved");
    let timeline = house.0.gateway.ask("GET", &format!("/v1/payments/{}/timeline", payments[0]), None).await;
    let moved = timeline["data"].as_array().expect("steps").iter().find(|step| step["what"] == "moved");
    assert_eq!(moved.expect("that it moved")["detail"], shown["transaction"], "{timeline}");
    house.told("outgoing.sent").await;
    let paid = house.told("payout.paid").await;
    assert_eq!(paid["data"]["reference"], json!(transfer.transaction.to_string()));
    let told = house.told("outgoing.paid").await;
    assert_eq!(told["data"]["network"], NETWORK);
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_reverted_waits_for_a_person_who_has_it_tried_again_or_pays_in_another_way() {
    let house = House::new("", LATER).await;
    let payer = house.0.payer(10_000).await;
    let payment = house.buy(&payer).await;
    let code = house.0.network.rpc("eth_getCode", json!([usdc().address, "latest"])).await;
    house.0.network.mine_each(false).await;
    house.refund(&payment, Some("$0.001"), "part").await.expect_status(200);
    house.one_that_is("sent").await;
    until("the transaction in the node's pool", || async {
        let pool = house.0.network.rpc("txpool_status", json!([])).await;
        (pool["pending"] != "0x0").then_some(())
    })
    .await;
    // The token takes nothing any more, for one block.
    house.0.network.rpc("anvil_setCode", json!([usdc().address, "0x60006000fd"])).await;
    house.0.network.mine(1).await;
    let failed = house.one_that_is("failed").await;
    assert!(text(&failed["reason"]).contains("reverted"), "{failed}");
    house.0.network.rpc("anvil_setCode", json!([usdc().address, code])).await;
    house.0.network.mine_each(true).await;
    assert_eq!(house.told("outgoing.failed").await["data"]["reason"], failed["reason"]);
    assert_eq!(house.0.network.balance(payer.address()).await, 8_000);

    let listed = house.say("outgoing list --state failed").await;
    assert_eq!((&listed[0]["id"], &listed[0]["reason"]), (&failed["id"], &failed["reason"]));
    let again = house.say(&format!("outgoing retry {}", text(&failed["id"]))).await;
    assert_eq!((&again["state"], &again["tries"]), (&json!("due"), &json!(1)));
    house.over(1).await;
    assert_eq!(house.0.network.balance(payer.address()).await, 9_000);
    house.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_treasury_does_not_have_waits_until_it_has_it() {
    let house = House::new("", AT_ONCE).await;
    let payer = house.0.payer(10_000).await;
    house.buy(&payer).await;
    // It is gone, and no transaction of the key took it: where one did, nothing would leave until a person has looked.
    let treasury = PublicWorld::treasury();
    let sent = house.0.network.rpc("eth_getTransactionCount", json!([treasury, "latest"])).await;
    house.0.network.pay(treasury, Address::repeat_byte(7), 1_500).await;
    house.0.network.rpc("anvil_setNonce", json!([treasury, sent])).await;
    house.pay_out_to(till()).await;
    house.0.gateway.logged("the treasury does not have what is to leave it").await;
    assert_eq!(house.one_that_is("due").await["amount"]["amount"], "1800");
    // Somebody puts in what is missing.
    house.0.network.pay(payer.address(), PublicWorld::treasury(), 1_500).await;
    house.over(1).await;
    assert_eq!(house.0.network.balance(till()).await, 1_800);
    house.0.gateway.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_where_nothing_can_leave_a_treasury_and_the_api_takes_no_destination_there() {
    let lines = format!("treasury = \"{}\"", Address::repeat_byte(3).to_checksum(None));
    let world = PublicWorld::settling_itself(&lines, [Route::new("/paid", "$0.002")]).await;
    let said = run(&["check", "-c", &world.gateway.config_path().display().to_string()]).await;
    assert_eq!(said.code, Some(0));
    let told = format!("{}{}", said.out, said.err);
    assert!(told.contains("payouts and refunds on chain are impossible there"), "{told}");
    let listed = world.gateway.ask("GET", "/v1/networks", None).await;
    assert_eq!(listed["data"][0]["pays_out"], false);
    let body =
        json!({ "rail": "chain", "network": NETWORK, "address": till().to_checksum(None) }).to_string();
    let request = Request::new("PUT", DESTINATION).with("Content-Type", "application/json");
    let refused = world.gateway.admin(&Request { body: Some(body.into_bytes()), ..request }).await;
    assert_eq!((refused.status, refused.json()["errors"][0]["pointer"].clone()), (422, json!("/network")));
    // And what was paid to a provider's own address is the provider's to give back.
    let payer = world.payer(10_000).await;
    let house = House(world);
    let payment = house.buy(&payer).await;
    let refused = house.refund(&payment, None, "all").await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (409, json!("conflict")));
    assert_eq!(house.outgoing().await, Vec::<Value>::new());
    house.0.finish().await;
}
