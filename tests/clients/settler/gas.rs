//! What a payment takes in a batch, beside a transaction of its own as the official facilitator makes it.

use tests::Request;
use tests::Wire;

use super::*;

/// Payments of a batch.
const BATCH: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_a_batch_takes_0_68_of_the_gas_of_one_by_itself_and_0_60_where_payers_pay_again() {
    let network = Network::start().await;
    let payers = network.payers(101, 1_000_000).await;
    // Whoever is paid has been paid before.
    network.fund(recipient(), 1).await;
    let alone = facilitator(&network, &payers[100]).await;
    let batch = async |payers: &[Payer]| {
        let outbox = Memory::default();
        let settler = Settler::start_with(&network, &outbox, 0, gathering());
        let members: Vec<_> =
            payers.iter().cycle().take(BATCH).map(|payer| member(payer, &offer())).collect();
        for settled in settler.settle_all(members).await {
            transaction(&settled);
        }
        let closed = outbox.closed();
        assert_eq!(closed.len(), 1);
        closed[0].landed.expect("ours").gas
    };
    let many = batch(&payers[..BATCH]).await;
    let few = batch(&payers[..20]).await;
    let share = |gas: u64| gas * 100 / (alone * u64::try_from(BATCH).expect("a number"));
    println!(
        "gas alone {alone}; in a batch of {BATCH}: {} with {BATCH} payers ({} %), {} with 20 ({} %)",
        many / 100,
        share(many),
        few / 100,
        share(few)
    );
    assert!(many * 100 <= alone * 68 * 100, "{many} of {alone}");
    assert!(few * 100 <= alone * 60 * 100, "{few} of {alone}");
}

/// Gas of a settlement by the official facilitator.
async fn facilitator(network: &Network, payer: &Payer) -> u64 {
    let official = network.official().await;
    let offer = offer();
    let payment = payer.pay_challenge(&json!({ "accepts": [offer] }));
    let asked = json!({ "x402Version": 2, "paymentPayload": payment.payload, "paymentRequirements": offer });
    let request = Request::post("/settle", &asked.to_string()).with("Content-Type", "application/json");
    let answer = Wire::connect(official.address()).await.call(&request).await.json();
    let receipt = network.rpc("eth_getTransactionReceipt", json!([answer["transaction"]])).await;
    let gas = receipt["gasUsed"].as_str().expect("what it took").trim_start_matches("0x");
    u64::from_str_radix(gas, 16).expect("a number")
}
