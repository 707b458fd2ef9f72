//! The same where the facilitator or the gateway is killed while value moves: each payment moves once, and is delivered.

use super::*;

// === impl Shop ===

impl Shop {
    /// The official facilitator is killed.
    async fn kill_official(&mut self) {
        self.official.take().expect("a facilitator").kill().await;
    }

    /// It starts again, and knows nothing of before.
    async fn restart_official(&mut self) {
        let official = self.solana.official().await;
        self.facilitator.move_before(official.address());
        self.official = Some(official);
    }

    /// A payment that moves, and the official facilitator is killed before it says so.
    async fn lose_answer(&mut self) -> String {
        self.solana.stop("after sendTransaction").await;
        let mut client = self.start(&Client::solana(), &["GET"]);
        let header = Shop::signed(&mut client).await;
        self.solana.reached("after sendTransaction").await;
        self.kill_official().await;
        self.solana.open("after sendTransaction").await;
        assert_eq!(client.next().await["status"], 503);
        client.end().await;
        self.expect(1, 1_000).await;
        header
    }

    /// A person says of a payment what the chain shows of it.
    async fn resolve(&self, payment: &Value, header: &str) {
        let signature = self.solana.landing(header).await.expect("a payment that has landed");
        let path = format!("/v1/payments/{}/resolve", payment.as_str().expect("an id"));
        let said = json!({ "outcome": "moved", "transaction": signature });
        self.gateway.ask("POST", &path, Some(&said)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_facilitator_that_is_killed_before_it_settles_moves_the_same_payment_once_it_is_back() {
    let mut shop = Shop::new(1_000_000).await;
    let gate = Gate::new();
    shop.facilitator.on(Call::Settle, Conduct::honest().at(&gate));
    let mut client = shop.start(&Client::solana(), &["GET"]);
    let header = Shop::signed(&mut client).await;
    gate.reached().await;
    shop.kill_official().await;
    gate.open();
    assert_eq!(client.next().await["status"], 503);
    client.end().await;
    shop.expect(1, 0).await;
    shop.buy(&header).await.expect_refusal(503, "settlement_unknown");

    shop.restart_official().await;
    until("its facilitator to settle it", || async { (shop.buy(&header).await.status == 200).then_some(()) })
        .await;
    shop.buy(&header).await.expect_refusal(409, "already_delivered");
    shop.expect(2, 1_000).await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_facilitator_that_is_killed_once_it_has_sent_leaves_what_a_person_reads_on_the_chain() {
    let mut shop = Shop::new(1_000_000).await;
    let header = shop.lose_answer().await;

    // The official one refuses what has landed, and does not say that it did.
    shop.restart_official().await;
    let told = shop.buy(&header).await;
    let payment = told.expect_refusal(503, "settlement_unknown").json()["payment"].clone();
    shop.resolve(&payment, &header).await;
    shop.buy(&header).await.expect_status(200);
    shop.buy(&header).await.expect_refusal(409, "already_delivered");
    shop.expect(2, 1_000).await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_what_has_landed_is_found_by_a_node_and_nobody_is_asked_to_settle_it_again() {
    let mut shop = Shop::with_node(1_000_000).await;
    let header = shop.lose_answer().await;
    let landed = shop.solana.landing(&header).await.expect("a payment that has landed");
    until("a node to show it", || async {
        let listed = shop.gateway.ask("GET", "/v1/payments", None).await["data"][0].clone();
        (listed["on_chain"]["transaction"] == landed).then_some(())
    })
    .await;
    audit::solana(&shop.gateway, &shop.solana).await;
    let asked = shop.facilitator.asked();
    assert_eq!(asked.iter().filter(|asked| asked.call == Call::Settle).count(), 1);
    // Its payer comes back, and there is no facilitator.
    shop.buy(&header).await.expect_status(200);
    shop.buy(&header).await.expect_refusal(409, "already_delivered");
    shop.expect(2, 1_000).await;
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_d8_killed_while_the_official_facilitator_settles_each_payment_moves_once_and_is_delivered() {
    let mut shop = Shop::with_node(1_000_000).await;
    shop.solana.stop("before sendTransaction").await;
    let mut clients: Vec<_> = (0..4).map(|_| shop.start(&Client::solana(), &["GET"])).collect();
    let mut headers = Vec::new();
    for client in &mut clients {
        headers.push(Shop::signed(client).await);
    }
    shop.solana.reached("before sendTransaction").await;
    shop.gateway.kill().await;
    shop.solana.open("before sendTransaction").await;
    for mut client in clients {
        assert!(client.next().await["error"].is_string(), "its connection has ended");
        client.end().await;
    }
    shop.gateway.restart().await;
    shop.offered().await;
    for header in &headers {
        until("a payment to be delivered", || async { (shop.buy(header).await.status == 200).then_some(()) })
            .await;
        shop.buy(header).await.expect_refusal(409, "already_delivered");
    }
    assert_eq!(shop.solana.transfers().await.len(), headers.len());
    assert_eq!(shop.solana.balance(PROVIDER).await, 4_000);
    shop.finish().await;
}
