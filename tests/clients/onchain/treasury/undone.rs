//! A block that does not count yet, and is no more: nothing that was paid in it has left the treasury.

use super::*;

/// What a call costs.
const PRICE: u64 = 2_000;

/// What its provider has of it.
const EARNED: u64 = 1_800;

/// A payment that nobody settles is lost soon, and one that is settled counts after some blocks.
const DEEP: &str = "confirmations = 3\nmax_timeout = \"12s\"\nmargin = \"2s\"";

/// A list of the management API.
async fn listed(house: &House, what: &str) -> Vec<Value> {
    let listed = house.0.gateway.ask("GET", &format!("/v1/{what}"), None).await;
    listed["data"].as_array().expect("a list").clone()
}

/// A call that was served, and whose payment no block counts for yet; its name.
async fn served(house: &House, payer: &Payer) -> String {
    let request = Request::get("/paid");
    let response = until("a call that is served", || async {
        let response = house.0.buy(payer, &request).await;
        let is_early = response.status == 503 && response.code() == "settlement_unavailable";
        (!is_early).then_some(response)
    })
    .await;
    assert_ne!(response.expect_status(200).receipt()["transaction"], "");
    response.header("faregate-payment-id").expect("a name").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_what_does_not_count_yet_is_neither_settled_nor_paid_out_and_is_lost_where_its_payer_has_no_more()
{
    let house = House::new(DEEP, AT_ONCE).await;
    let network = &house.0.network;
    // A chain that is shorter than its confirmations shows nothing.
    network.mine(10).await;
    house.pay_out_to(till()).await;
    let payers = network.payers(2, PRICE).await;
    network.approve_permit2(payers[0].address()).await;
    // What counts is settled and paid out.
    served(&house, &payers[1]).await;
    until("a payout", || async {
        network.mine(1).await;
        let left = house.outgoing().await;
        (left.len() == 1 && left[0]["state"] == "paid").then_some(())
    })
    .await;
    let before = (PRICE - EARNED, EARNED);
    let has = async || (network.balance(PublicWorld::treasury()).await, network.balance(till()).await);
    assert_eq!(has().await, before);
    let lost = served(&house, &payers[0]).await;
    assert_eq!(has().await, (before.0 + PRICE, before.1));

    // In its place the payer moves what it has elsewhere, before the settler's transaction can come again.
    network.mine_each(false).await;
    network.drop_blocks(1).await;
    network.pay_ahead(payers[0].address(), Address::repeat_byte(7), PRICE).await;
    network.mine_each(true).await;
    assert_eq!(has().await, before);
    network.mine_at(network.time().await + 20).await;
    let told = until("the loss to be told", || async {
        network.mine(1).await;
        listed(&house, "events?type=payment.written_off").await.first().cloned()
    })
    .await;
    assert_eq!((&told["subject"], &told["data"]["custody"]), (&json!(lost), &json!("treasury")), "{told}");
    for what in ["settlements", "payouts", "outgoing"] {
        assert_eq!(listed(&house, what).await.len(), 1, "{what}");
    }
    assert_eq!(has().await, before);
    house.finish().await;
}
