//! Payments on public networks over the API: in their token, with their payer, and with no transaction but the chain's.

use domain::{Address, Custody, Settle};
use ledger::Intent;

use super::*;

const ASSET: &str = "eip155:84532/erc20:0x0505050505050505050505050505050505050505";

fn paid(house: &House, nonce: u8, settle: Settle) -> HoldRequest {
    let (token, payer) = (Address::repeat_byte(5), Address::repeat_byte(1));
    let intent = Intent {
        network: "eip155:84532".into(),
        token: token.into(),
        payer: payer.into(),
        pay_to: Address::repeat_byte(7).into(),
        custody: Custody::Direct,
        deposit: None,
        settle,
        valid_before: u64::MAX >> 1,
        since_block: 41,
        payload: "{}".into(),
        requirements: "{}".into(),
    };
    let (agent, wallet) = (intent.agent().to_string(), intent.wallet().to_string());
    let request = house.hold_request(("acme", "quotes"), (&agent, &wallet), 100_000);
    let key =
        domain::ReplayKey::new(intent.valid_before, &intent.network, token, payer, B256::repeat_byte(nonce));
    let digest = Some(B256::repeat_byte(nonce));
    HoldRequest { replay: Some(key), digest, intent: Some(Arc::new(intent)), ..request }
}

#[tokio::test]
async fn they_are_listed_in_their_token_and_with_no_transaction_but_the_chain_s() {
    let house = House::control().await;
    house.ledger.open_provider("acme").await.unwrap();
    let moved = B256::repeat_byte(0xaa);
    for (nonce, settle) in [(1, Settle::After), (2, Settle::Deferred)] {
        let Held::Hold(hold) = house.ledger.hold(paid(&house, nonce, settle)).await.unwrap() else {
            panic!("no hold");
        };
        let captured = if settle == Settle::After { hold.capture_seen(moved) } else { hold.capture() };
        captured.await.unwrap().delivered();
    }
    let listed = house.admin("GET", "/v1/payments", None).await.expect(200);
    let payer = Address::repeat_byte(1).to_checksum(None);
    let transactions = [Value::Null, json!(moved.to_string())];
    for (row, transaction) in listed["data"].as_array().unwrap().iter().zip(transactions) {
        assert_eq!((&row["amount"]["asset"], &row["fee"]["asset"]), (&json!(ASSET), &json!(ASSET)));
        assert_eq!(
            (&row["on_chain"]["payer"], &row["on_chain"]["transaction"]),
            (&json!(payer), &transaction)
        );
        assert_eq!(row["transaction"], transaction);
        let path = format!("/v1/payments/{}", text(&row["id"]));
        let shown = house.admin("GET", &path, None).await.expect(200);
        assert_eq!((&shown["net"]["asset"], &shown["transaction"]), (&json!(ASSET), &transaction));
        let timeline = house.admin("GET", &format!("{path}/timeline"), None).await.expect(200);
        assert_eq!(timeline["data"][1]["amount"]["asset"], ASSET);
    }
    let due = house.admin("GET", "/v1/payments?due=true", None).await.expect(200);
    assert_eq!(due, listed, "both are still to come");
    let call = Call::new("GET", "/v1/payments").with("Authorization", &format!("Bearer {}", TOKEN));
    let csv = house.call(call.with("Accept", "text/csv")).await.body;
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",on_chain.network,on_chain.payer,on_chain.custody,collection"), "{csv}");
    let end = format!("{ASSET},false,eip155:84532,{payer},direct,due");
    assert!(lines[1].ends_with(&format!(",,{end}")), "{csv}");
    assert!(lines[2].ends_with(&format!(",{moved},{end}")), "{csv}");
    house.end().await;
}
