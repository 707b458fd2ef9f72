//! Money in the treasury and out of it again where several processes share the books: a deposit funds once, and what leaves is one
//! transfer on chain, whoever is killed.

use std::time::Duration;

use domain::Address;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tests::chain::NETWORK;
use tests::{Agent, Payer, PublicWorld, Request, Response, Route, Script, Wire};

use super::super::expect_all;
use super::firm::{Firm, TREASURY, at_last, paying};
use crate::client::Client;

const PRICE: u64 = 2_000;

/// Long enough for turns to pass on while payments wait for a block.
const LONG: &str = "max_timeout = \"10m\"\npayer_unsettled_max = \"$1\"";

/// What was paid first and never delivered is given back soon.
const SHORT: &str = "max_timeout = \"20s\"\nmargin = \"2s\"";

/// Settled with providers as soon as there is anything.
const AT_ONCE: &str = "[settlement]\nschedule = \"continuous\"\namount_min = \"$0.000001\"\ndelay = \"0s\"\ninterval = \"20ms\"";

/// Not before the test asks for it.
const LATER: &str = "[settlement]\nschedule = \"monthly\"\nage_max = \"0s\"";

/// Ten cents.
const DEPOSIT: u64 = 100_000;

// === impl Firm ===

impl Firm {
    async fn of_treasury(lines: &str, sections: &str, route: Route) -> Self {
        Self::start((lines, sections, TREASURY), [route]).await
    }

    /// Buys at a gateway; the payment's name.
    async fn bought(&self, gateway: usize, payer: &Payer) -> String {
        let paying = self.signed(gateway, payer, "/paid").await;
        let served = self.served_at_last(gateway, &paying).await;
        served.fields.get("faregate-payment-id").expect("a payment").to_owned()
    }

    async fn give_back(&self, payment: &str) {
        let request = Request::post(&format!("/v1/payments/{payment}/refund"), "{}");
        let request = request.with("Content-Type", "application/json").with("Idempotency-Key", payment);
        self.control().admin(&request).await.expect_status(200);
    }

    async fn pay_out_to(&self, till: Address) {
        let body = json!({ "rail": "chain", "network": NETWORK, "address": till.to_checksum(None) });
        let path = "/v1/providers/acme/payout-destination";
        self.control().ask("PUT", path, Some(&body)).await;
    }

    /// What left the treasury is what the books say, and the rest is there.
    async fn expect_left(&self, came: u64, left: u64) {
        let treasury = PublicWorld::treasury();
        let received = self.network.received(treasury).await;
        assert_eq!(received.iter().map(|one| one.value).sum::<u64>(), came);
        assert_eq!(self.network.balance(treasury).await, came - left, "the treasury");
    }
}

/// Where a wallet is topped up on the listener of agents.
fn deposit(agent: &Agent) -> Request {
    let path = format!("/.well-known/faregate/wallets/{}/deposit?amount=0.10", agent.wallet);
    Request::post(&path, "").with("Host", "api.example.com")
}

/// A payment for a deposit, and the call that carries it.
async fn depositing(firm: &Firm, gateway: usize, agent: &Agent, payer: &Payer) -> Request {
    let asked = at_last("the gateway to ask for a deposit", async || {
        let response = firm.all[gateway].call(&deposit(agent)).await;
        (response.status == 402).then(|| response.challenge())
    })
    .await;
    paying(deposit(agent), payer, asked)
}

/// Asks as often as it is told to: the listener answers nobody who asks too often.
async fn funded_at_last(firm: &Firm, gateway: usize, request: &Request) -> Response {
    at_last("the wallet to be funded", async || {
        let response = firm.all[gateway].call(request).await;
        match response.status {
            200 => Some(response),
            202 | 409 | 503 => {
                let seconds = response.header("retry-after").expect("when to ask again");
                tokio::time::sleep(Duration::from_secs(seconds.parse().expect("seconds"))).await;
                None
            }
            status => panic!("{status} {}", response.text()),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_tops_a_wallet_up_at_each_of_several_processes_and_its_agent_spends_it_at_any() {
    let firm = Firm::of_treasury("", LATER, Route::new("/paid", "$0.002")).await;
    firm.mine().await;
    let agent = Agent::new(firm.control(), "$0").await;
    let payer = firm.network.payers(1, 1_000_000).await.remove(0);
    // Nobody settles yet right after a start.
    let first = depositing(&firm, 1, &agent, &payer).await;
    funded_at_last(&firm, 1, &first).await;
    let target = format!("/.well-known/faregate/wallets/{}/deposit?amount=0.10", agent.wallet);
    let managed = format!("/v1/wallets/{}/deposit?amount=0.10", agent.wallet);
    let calls = json!([
        { "method": "POST", "url": format!("{}{target}", firm.all[1].url()) },
        { "method": "POST", "url": format!("{}{target}", firm.all[2].url()) },
        { "method": "POST", "url": format!("{}{managed}", firm.control().control_url()) },
    ]);
    let mut running = Client::fetch().start_by_default(&payer, &calls);
    for count in 2..=4 {
        let told = running.next().await;
        assert_eq!(told["status"], 200, "{told}");
        let deposit: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
        let moved = firm.network.received(PublicWorld::treasury()).await.pop().expect("a transfer");
        let expected = json!({ "state": "funded", "wallet": agent.wallet, "transaction": moved.transaction });
        expect_all(&deposit, &expected);
        agent.expect_balance(firm.control(), i64::try_from(count * DEPOSIT).unwrap()).await;
    }
    running.end().await;
    // Asked for again, wherever, it is the same one.
    funded_at_last(&firm, 2, &first).await;
    let key = agent.key(firm.control()).await;
    for gateway in [1, 2] {
        firm.all[gateway].call(&Request::get("/paid").key(&key)).await.expect_status(200);
    }
    agent.expect_balance(firm.control(), 4 * 100_000 - 2 * 2_000).await;
    firm.expect_left(4 * DEPOSIT, 0).await;
    firm.finish(PublicWorld::treasury()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_gateway_killed_while_a_deposit_is_on_its_way_funds_once_and_another_one_says_so() {
    let mut firm = Firm::of_treasury(LONG, LATER, Route::new("/paid", "$0.002")).await;
    let agent = Agent::new(firm.control(), "$0").await;
    let payers = firm.network.payers(2, DEPOSIT).await;
    firm.mine().await;
    // Nobody settles yet right after a start.
    let first = depositing(&firm, 1, &agent, &payers[0]).await;
    funded_at_last(&firm, 1, &first).await;
    firm.counted("sent_transaction where closed = 0", 0).await;
    let paying = depositing(&firm, 1, &agent, &payers[1]).await;
    firm.stop_mining().await;
    let cut_off = tokio::spawn({
        let (gateway, paying) = (firm.all[1].data(), paying.clone());
        async move { Wire::connect(gateway).await.try_call(&paying).await }
    });
    firm.counted("sent_transaction where closed = 0", 1).await;
    firm.all[1].kill().await;
    assert!(cut_off.await.expect("a call that does not panic").is_none(), "killed before it could answer");
    firm.mine().await;
    funded_at_last(&firm, 2, &paying).await;
    agent.expect_balance(firm.control(), 200_000).await;
    firm.all[1].restart().await;
    funded_at_last(&firm, 1, &paying).await;
    agent.expect_balance(firm.control(), 200_000).await;
    firm.expect_left(2 * DEPOSIT, 0).await;
    firm.finish(PublicWorld::treasury()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_whoever_settles_is_killed_while_money_leaves_the_treasury_and_each_transfer_is_one() {
    let mut firm = Firm::of_treasury(LONG, AT_ONCE, Route::new("/paid", "$0.002")).await;
    firm.mine().await;
    let payers = firm.network.payers(2, PRICE).await;
    let till = tests::Payer::random().address();
    let mut owner = firm.next_owner().await;
    let mut payments = Vec::new();
    for (number, payer) in payers.iter().enumerate() {
        payments.push(firm.bought(1 + number, payer).await);
    }
    firm.counted("sent_transaction where closed = 0", 0).await;
    // First a refund, then a payout, each with its sender killed.
    firm.stop_mining().await;
    firm.give_back(&payments[0]).await;
    firm.counted("sent_transfer where outcome is null", 1).await;
    firm.all[owner].kill().await;
    let heir = firm.next_owner().await;
    firm.mine().await;
    firm.all[owner].restart().await;
    firm.over(1).await;
    assert_eq!(firm.left_for(payers[0].address()).await.len(), 1, "given back once");
    owner = heir;

    firm.stop_mining().await;
    firm.pay_out_to(till).await;
    firm.counted("sent_transfer where outcome is null", 1).await;
    firm.all[owner].kill().await;
    firm.next_owner().await;
    firm.mine().await;
    firm.all[owner].restart().await;
    let all = firm.over(2).await;
    assert!(all.iter().all(|one| one["state"] == "paid"), "{all:?}");
    let paid_out: Vec<u64> = firm.left_for(till).await.iter().map(|one| one.value).collect();
    assert_eq!(paid_out, [1_800], "paid out once");
    firm.expect_left(2 * PRICE, PRICE + 1_800).await;
    firm.finish(PublicWorld::treasury()).await;
}

/// What leaves is a plain transfer: nothing on chain stops a second one.
#[tokio::test(flavor = "multi_thread")]
async fn t3_whoever_settles_is_frozen_while_money_leaves_the_treasury_and_wakes_up_and_each_transfer_is_one()
{
    let mut firm = Firm::of_treasury(LONG, AT_ONCE, Route::new("/paid", "$0.002")).await;
    firm.mine().await;
    let payers = firm.network.payers(3, PRICE).await;
    let till = Payer::random().address();
    let owner = firm.next_owner().await;
    let mut payments = Vec::new();
    for (number, payer) in payers[..2].iter().enumerate() {
        payments.push(firm.bought(1 + number, payer).await);
    }
    firm.counted("sent_transaction where closed = 0", 0).await;
    // A refund is on its way when its sender wakes up, beside the one that has its turn now.
    firm.stop_mining().await;
    firm.give_back(&payments[0]).await;
    firm.counted("sent_transfer where outcome is null", 1).await;
    firm.all[owner].signal(Signal::SIGSTOP);
    let heir = firm.next_owner().await;
    firm.wake(owner).await;
    firm.mine().await;
    firm.over(1).await;
    assert_eq!(firm.left_for(payers[0].address()).await.len(), 1, "given back once");

    // A payout has left when its sender wakes up, and for long.
    firm.counted("sent_transaction where closed = 0", 0).await;
    firm.stop_mining().await;
    firm.pay_out_to(till).await;
    firm.counted("sent_transfer where outcome is null", 1).await;
    firm.all[heir].signal(Signal::SIGSTOP);
    firm.next_owner().await;
    firm.mine().await;
    firm.counted("sent_transfer where outcome is null", 0).await;
    firm.wake(heir).await;
    let all = firm.over(2).await;
    assert!(all.iter().all(|one| one["state"] == "paid"), "{all:?}");
    // And the next one leaves as ever.
    firm.bought(1, &payers[2]).await;
    firm.over(3).await;
    let paid_out: Vec<u64> = firm.left_for(till).await.iter().map(|one| one.value).collect();
    assert_eq!(paid_out, [1_800; 2], "each paid out once");
    firm.expect_left(3 * PRICE, PRICE + 2 * 1_800).await;
    firm.finish(PublicWorld::treasury()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_what_was_paid_first_at_a_gateway_that_is_killed_goes_back_by_another_one() {
    let route = Route::new("/paid", "$0.002").line("settle = \"before\"");
    let mut firm = Firm::of_treasury(SHORT, LATER, route).await;
    firm.mine().await;
    let payers = firm.network.payers(2, PRICE).await;
    // The upstream refuses one: it is given back by the gateway itself.
    firm.upstream.on_each("/paid", [Script::reply(503, &[], "later"), Script::hang()]);
    let refused = at_last("the upstream to refuse", async || {
        let paying = firm.signed(1, &payers[0], "/paid").await;
        let response = firm.all[1].call(&paying).await;
        (response.fields.get("faregate-payment-status") == Some("refunded")).then_some(response)
    })
    .await;
    refused.expect_status(503);
    firm.over(1).await;
    assert_eq!(firm.network.balance(payers[0].address()).await, PRICE);

    let paying = firm.signed(1, &payers[1], "/paid").await;
    let mut unheard = Wire::connect(firm.all[1].data()).await;
    unheard.send(&paying).await;
    at_last("the call to be forwarded", async || (firm.upstream.calls("/paid").len() == 2).then_some(()))
        .await;
    firm.all[1].kill().await;
    drop(unheard);
    firm.over(2).await;
    assert_eq!(firm.network.balance(payers[1].address()).await, PRICE, "given back, once");
    at_last("the other gateway to say so", async || {
        let answer = firm.all[2].call(&paying).await;
        (answer.status == 409 && answer.code() == "payment_refunded").then_some(())
    })
    .await;
    firm.all[1].restart().await;
    firm.expect_left(2 * PRICE, 2 * PRICE).await;
    firm.finish(PublicWorld::treasury()).await;
}
