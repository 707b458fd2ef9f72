//! Wallets that stock clients top up at their defaults: USDC moves to the treasury, the wallet is funded once, and its agent spends it.

use domain::Address;
use serde_json::{Value, json};
use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{Agent, Payer, Payment, PublicWorld, Request, Response, Route, Wire, audit};

use super::expect_all;
use crate::client::Client;

/// Ten cents: what the oldest of the clients pays at its defaults, and the least that is taken.
const UNITS: u64 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_tops_a_wallet_up_and_its_agent_spends_it() {
    tops_a_wallet_up(Client::fetch(), "eip155:84532").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_tops_a_wallet_up_and_its_agent_spends_it() {
    tops_a_wallet_up(Client::httpx(), "eip155:84532").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_of_v1_tops_a_wallet_up_and_its_agent_spends_it() {
    tops_a_wallet_up(Client::legacy(), "base-sepolia").await;
}

/// A gateway with a treasury, and an agent with nothing.
struct Till {
    world: PublicWorld,
    agent: Agent,
}

// === impl Till ===

impl Till {
    async fn new() -> Self {
        let treasury = format!("treasury = \"{}\"", treasury().to_checksum(None));
        let world = PublicWorld::with(&treasury, [Route::new("/paid", "$0.001")]).await;
        let agent = Agent::new(&world.gateway, "$0").await;
        Self { world, agent }
    }

    /// Where agents call.
    fn target(&self) -> String {
        format!("/.well-known/faregate/wallets/{}/deposit?amount=0.10", self.agent.wallet)
    }

    fn request(&self) -> Request {
        Request::post(&self.target(), "")
    }

    /// A payment for what the 402 asks.
    async fn payment(&self, payer: &Payer) -> Payment {
        let asked = self.world.gateway.call(&self.request()).await;
        payer.pay_challenge(&asked.expect_status(402).challenge())
    }

    /// With so many payments for deposits on chain and in the books.
    async fn finish(self, deposits: usize) {
        let received = self.world.network.received(treasury()).await;
        assert_eq!(received.iter().map(|moved| moved.value).collect::<Vec<_>>(), vec![UNITS; deposits]);
        audit::chain(&self.world.gateway, &self.world.network, treasury()).await;
        self.world.gateway.finish().await;
    }
}

const fn treasury() -> Address {
    Address::repeat_byte(0x77)
}

async fn tops_a_wallet_up(client: Client, named: &str) {
    let till = Till::new().await;
    let Till { world, agent } = &till;
    let payer = world.payer(1_000_000).await;
    // Once on each listener: the management API's, where no key is shown, and the one that agents call.
    let managed = format!("/v1/wallets/{}/deposit?amount=0.10", agent.wallet);
    let calls = json!([
        { "method": "POST", "url": format!("{}{managed}", world.gateway.control_url()) },
        { "method": "POST", "url": format!("{}{}", world.gateway.url(), till.target()) },
    ]);
    let mut running = client.start_by_default(&payer, &calls);
    for count in 1..=2 {
        let told = running.next().await;
        assert_eq!(told["status"], 200, "{told}");
        let deposit: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
        let moved = world.network.received(treasury()).await.pop().expect("a transfer");
        let (payer, transaction) = (payer.address().to_checksum(None), moved.transaction);
        let receipt =
            json!({ "success": true, "network": named, "payer": payer, "transaction": transaction });
        expect_all(&told["receipt"], &receipt);
        expect_all(
            &deposit,
            &json!({ "state": "funded", "wallet": agent.wallet, "transaction": transaction }),
        );
        agent.expect_balance(&world.gateway, i64::try_from(count * UNITS).unwrap()).await;
    }
    running.end().await;
    assert_eq!(world.network.balance(payer.address()).await, 1_000_000 - 2 * UNITS);

    let key = agent.key(&world.gateway).await;
    world.gateway.call(&Request::get("/paid").key(&key)).await.expect_status(200);
    agent.expect_balance(&world.gateway, 2 * 100_000 - 1_000).await;
    until("the owner to be told of both", || async {
        let events = world.gateway.ask("GET", "/v1/events?type=wallet.funded&limit=10", None).await;
        let events = events["data"].as_array().unwrap().clone();
        let of_chain = |event: &&Value| event.to_string().contains("eip155:84532 0x");
        (events.iter().filter(of_chain).count() == 2).then_some(())
    })
    .await;
    till.finish(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_between_settlement_and_answer_funds_once() {
    let mut till = Till::new().await;
    let payer = till.world.payer(UNITS).await;
    till.world.facilitator.on(Call::Settle, Conduct::silent().after_doing());
    let payment = till.payment(&payer).await;
    let paying = till.request().paying(payment.header());
    let cut_off = tokio::spawn({
        let (gateway, paying) = (till.world.gateway.data(), paying.clone());
        async move { Wire::connect(gateway).await.try_call(&paying).await }
    });
    till.world.facilitator.done(Call::Settle, 1).await;
    till.world.gateway.kill().await;
    assert!(cut_off.await.expect("a call that does not panic").is_none(), "killed before it could answer");
    till.world.gateway.restart().await;
    // The same payment is told the outcome, on whichever listener, as often as it asks.
    let [data, control, _] = till.world.gateway.addresses();
    let funded = funded_at_last(data, &paying).await;
    let managed = format!("/v1/wallets/{}/deposit?amount=0.10", till.agent.wallet);
    let again = funded_at_last(control, &Request::post(&managed, "").paying(payment.header())).await;
    assert_eq!(again.json(), funded.json());
    assert_eq!(till.world.facilitator.asked().iter().filter(|asked| asked.call == Call::Settle).count(), 1);
    till.agent.expect_balance(&till.world.gateway, 100_000).await;
    till.finish(1).await;
}

/// Sends the same payment again and again, as a client is told to. It is never asked for another one.
async fn funded_at_last(listener: std::net::SocketAddr, request: &Request) -> Response {
    until("the wallet to be funded", || async {
        let response = Wire::connect(listener).await.call(request).await;
        match response.status {
            200 => Some(response),
            503 => {
                assert_eq!(response.code(), "settlement_unknown");
                assert!(response.fields.has("retry-after"), "{response:?}");
                assert!(response.json()["payment"].is_string(), "{}", response.text());
                None
            }
            409 if response.code() == "payment_in_progress" => None,
            status => panic!("{status} {}", response.text()),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_payment_that_was_asked_for_funds_nothing() {
    let till = Till::new().await;
    let payer = till.world.payer(1_000_000).await;
    let other = Address::repeat_byte(0x55).to_checksum(None);
    let change = async |pointer: &str, value: &str| {
        till.payment(&payer).await.signed_with(&payer, pointer, value.into())
    };
    let authorization = "/payload/authorization";
    for (payment, code) in [
        (change(&format!("{authorization}/value"), "99999").await, "invalid_exact_evm_authorization_value"),
        (change(&format!("{authorization}/to"), &other).await, "invalid_exact_evm_recipient_mismatch"),
        (
            change(&format!("{authorization}/validBefore"), "1700000000").await,
            "invalid_exact_evm_payload_authorization_valid_before",
        ),
    ] {
        let refused = till.world.gateway.call(&till.request().paying(payment.header())).await;
        refused.expect_status(402);
        assert_eq!(refused.code(), code);
    }
    assert!(till.world.facilitator.asked().iter().all(|asked| asked.call != Call::Settle));
    till.agent.expect_balance(&till.world.gateway, 0).await;

    // The right one funds once, however often it comes, and buys no call beside.
    let payment = till.payment(&payer).await;
    for _ in 0..3 {
        till.world.gateway.call(&till.request().paying(payment.header())).await.expect_status(200);
    }
    let call = Request::get("/paid").paying(payment.header());
    till.world.gateway.call(&call).await.expect_refusal(409, "payment_reused");
    till.agent.expect_balance(&till.world.gateway, 100_000).await;
    till.finish(1).await;
}
