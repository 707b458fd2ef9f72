//! The stock clients of Solana, unmodified: the official facilitator settles by real transactions what they signed, and the books say what
//! the chain shows.

mod lost;

use serde_json::{Value, json};
use tests::chain::Official;
use tests::facilitator::{Call, Conduct, Facilitator, SOLANA_DEVNET};
use tests::process::run;
use tests::solana::{PAYER, PAYER_SEED, PROVIDER, Solana};
use tests::wait::until;
use tests::{Config, Faregate, Gate, Provider, Request, Response, Route, Script, Upstream, audit};

use super::{MINT, OWN};
use crate::client::{Client, Running};

/// A provider who is paid on Solana, as its file would be.
struct Shop {
    solana: Solana,
    official: Option<Official>,
    facilitator: Facilitator,
    upstream: Upstream,
    gateway: Faregate,
}

// === impl Shop ===

impl Shop {
    /// Whose payer has so many atomic units.
    async fn new(units: u64) -> Self {
        Self::on(Solana::start(units).await, "").await
    }

    /// The same, and its file names a node.
    async fn with_node(units: u64) -> Self {
        let solana = Solana::start(units).await;
        let rpc = format!("rpc = [\"{}\"]", solana.url());
        Self::on(solana, &rpc).await
    }

    async fn on(solana: Solana, line: &str) -> Self {
        let official = solana.official().await;
        let facilitator = Facilitator::before(official.address()).await;
        let upstream = Upstream::start().await;
        let provider = Provider::new("acme", upstream.address())
            .line(&Solana::recipient())
            .routes([Route::new("/paid", "$0.001")]);
        let config = Config::default().section(&Solana::section(line, &facilitator.url())).provider(provider);
        let gateway = Faregate::start(config).await;
        let shop = Self { solana, official: Some(official), facilitator, upstream, gateway };
        shop.offered().await;
        shop
    }

    /// Waits until its facilitator has said what clients must find in offers.
    async fn offered(&self) {
        until("an offer on Solana", || async {
            let offers = self.gateway.call(&Request::get("/paid")).await.expect_status(402).challenge();
            let mut offers = offers["accepts"].as_array()?.iter();
            offers.any(|offer| offer["network"] == SOLANA_DEVNET).then_some(())
        })
        .await;
    }

    /// A stock client that calls, at its defaults but for the URL of its node.
    fn start(&self, client: &Client, methods: &[&str]) -> Running {
        let url = format!("{}/paid", self.gateway.url());
        let calls: Vec<Value> =
            methods.iter().map(|method| json!({ "method": method, "url": url })).collect();
        client.run(&json!({ "rpc": self.solana.url(), "seed": PAYER_SEED, "calls": calls }))
    }

    /// What a stock client has signed, once it sends it.
    async fn signed(client: &mut Running) -> String {
        let told = client.next().await;
        told["paying"].as_str().unwrap_or_else(|| panic!("nothing was signed: {told}")).to_owned()
    }

    /// Sends a payment again, once nobody is at work on it any more.
    async fn buy(&self, header: &str) -> Response {
        until("nobody to be at work on the payment", || async {
            let response = self.gateway.call(&Request::get("/paid").paying(header)).await;
            (response.status != 409 || response.code() != "payment_in_progress").then_some(response)
        })
        .await
    }

    /// How often the API was asked, and what its provider has.
    async fn expect(&self, calls: usize, units: u64) {
        assert_eq!(self.upstream.calls("/paid").len(), calls, "calls");
        assert_eq!(self.solana.balance(PROVIDER).await, units, "on the chain");
    }

    /// The books and the chain say the same, and the books balance.
    async fn finish(self) {
        audit::solana(&self.gateway, &self.solana).await;
        audit::live(&self.gateway).await;
        self.gateway.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_at_its_defaults_pays_on_solana_and_its_payment_is_served_once() {
    let shop = Shop::with_node(1_000_000).await;
    let said = run(&["doctor", "-c", &shop.gateway.config_path().display().to_string()]).await.out;
    for what in ["node 127.0.0.1 of", "facilitator 127.0.0.1 on", "account of acme on"] {
        let what = format!("{what} {SOLANA_DEVNET}");
        assert!(said.lines().any(|line| line.starts_with(&what) && line.ends_with("  ok")), "{said}");
    }
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), shop.gateway.config_text().replace(PROVIDER, OWN)).unwrap();
    let said = run(&["doctor", "-c", &other.path().display().to_string()]).await.out;
    assert!(said.contains(&format!("{OWN} has no account for the token {MINT}")), "{said}");

    let mut client = shop.start(&Client::solana(), &["GET", "POST"]);
    let first = Shop::signed(&mut client).await;
    for number in 0..2 {
        if number == 1 {
            Shop::signed(&mut client).await;
        }
        let served = client.next().await;
        let receipt = &served["receipt"];
        assert_eq!((&served["status"], &receipt["success"]), (&json!(200), &json!(true)), "{served}");
        assert_eq!((&receipt["payer"], &receipt["network"]), (&json!(PAYER), &json!(SOLANA_DEVNET)));
        let moved = shop.solana.transfers().await.remove(number);
        assert_eq!((&receipt["transaction"], moved.units), (&json!(moved.signature), 1_000));
    }
    client.end().await;
    shop.expect(2, 2_000).await;
    assert_eq!(shop.solana.balance(PAYER).await, 1_000_000 - 2_000);

    shop.buy(&first).await.expect_refusal(409, "already_delivered");
    shop.expect(2, 2_000).await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_x402_fetch_of_v1_at_its_defaults_pays_on_solana() {
    pays_twice(Client::legacy_solana()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_x402_httpx_at_its_defaults_pays_on_solana() {
    pays_twice(Client::httpx_solana()).await;
}

async fn pays_twice(client: Client) {
    let shop = Shop::new(1_000_000).await;
    let mut client = shop.start(&client, &["GET", "GET"]);
    for number in 0..2 {
        let served = client.next().await;
        let moved = shop.solana.transfers().await.remove(number);
        assert_eq!(
            (&served["status"], &served["receipt"]["success"]),
            (&json!(200), &json!(true)),
            "{served}"
        );
        assert_eq!(served["receipt"]["transaction"], moved.signature);
    }
    client.end().await;
    shop.expect(2, 2_000).await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_for_an_api_that_fails_nothing_moves_on_solana_and_the_payment_is_free_again() {
    let shop = Shop::new(1_000).await;
    shop.upstream.on_each("/paid", [Script::reply(503, &[], "try later"), Script::reply(200, &[], "done")]);
    let mut client = shop.start(&Client::solana(), &["GET"]);
    let header = Shop::signed(&mut client).await;
    assert_eq!(client.next().await["body"], "try later");
    client.end().await;
    assert_eq!(shop.solana.transfers().await, []);
    assert_eq!(shop.buy(&header).await.expect_status(200).text(), "done");
    shop.expect(2, 1_000).await;

    // Its payer has nothing left: nobody works for what cannot be paid.
    let mut client = shop.start(&Client::solana(), &["GET"]);
    Shop::signed(&mut client).await;
    assert_eq!(client.next().await["status"], 402);
    client.end().await;
    shop.expect(2, 1_000).await;
    shop.finish().await;
}
