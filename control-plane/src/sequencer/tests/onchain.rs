//! What happens to payments on public networks behind their requests.

use serde_json::json;

use super::*;

/// One that was written off, arrived, and of which a person has decided; a refund; and what a person said of one that nobody knew of.
fn told_of(payment: PaymentId) -> [What; 5] {
    let written_off = What::WrittenOff {
        payment,
        provider: "acme".to_owned(),
        network: "eip155:84532".to_owned(),
        token: "0x05".to_owned(),
        payer: "0x01".to_owned(),
        custody: "direct",
        amount: units(700),
        fee: units(7),
    };
    let differed = What::Differed {
        payment,
        provider: "acme".to_owned(),
        network: "eip155:84532".to_owned(),
        token: "0x05".to_owned(),
        booked: "written_off",
        way: "arrived",
        transaction: "0x02".to_owned(),
        amount: units(700),
        late: Some(PaymentId::from_bytes([4; 16])),
    };
    let resolved = What::Resolved {
        id: TransferId::from_bytes([5; 16]),
        payment,
        provider: "acme".to_owned(),
        network: "eip155:84532".to_owned(),
        token: "0x05".to_owned(),
        to: "payer",
        amount: units(700),
        is_loss: false,
        reason: "it was never served".to_owned(),
        booked: None,
    };
    let refunded = What::Refunded {
        id: TransferId::from_bytes([6; 16]),
        payment,
        provider: "acme".to_owned(),
        wallet: Wallet::from_bytes([7; 16]),
        token: Some(("eip155:84532".to_owned(), "0x05".to_owned())),
        amount: units(300),
        fee: units(3),
        reason: "operator",
    };
    let verdict = What::Verdict {
        payment,
        network: "eip155:84532".to_owned(),
        token: "0x05".to_owned(),
        amount: units(300),
        transaction: None,
    };
    [written_off, differed, resolved, refunded, verdict]
}

#[tokio::test]
async fn what_was_written_off_and_what_a_chain_shows_otherwise_are_their_providers_events() {
    let house = House::new().await;
    let mut sequencer = house.sequencer(&house.registry);
    let payment = PaymentId::from_bytes([3; 16]);
    let movements = told_of(payment).map(|what| Movement { at: START, who: None, what });
    house.books.commit(Batch { payments: Vec::new(), movements: movements.into() });
    sequencer.look().await.unwrap();
    let written_off = &house.of_kind("payment.written_off").await[0];
    assert_eq!(written_off.tenant.provider.as_deref(), Some("acme"));
    assert_eq!((&written_off.subject, &written_off.data["payer"]), (&payment.to_string(), &json!("0x01")));
    assert_eq!(written_off.data["amount"]["amount"], "700");
    let differed = &house.of_kind("reconciliation.difference").await[0];
    assert_eq!((&differed.tenant, &differed.subject), (&written_off.tenant, &written_off.subject));
    assert_eq!((&differed.data["way"], &differed.data["booked"]), (&json!("arrived"), &json!("written_off")));
    assert_eq!(differed.data["late_payment"], PaymentId::from_bytes([4; 16]).to_string());
    let resolved = &house.of_kind("reconciliation.resolved").await[0];
    assert_eq!((&resolved.tenant, &resolved.subject), (&written_off.tenant, &written_off.subject));
    assert_eq!(
        (&resolved.data["to"], &resolved.data["reason"]),
        (&json!("payer"), &json!("it was never served"))
    );
    // In what was paid, and in nothing else.
    let in_token = "eip155:84532/erc20:0x05";
    let refunded = &house.of_kind("payment.refunded").await[0];
    let said = &house.of_kind("payment.resolved").await[0];
    assert_eq!((&said.data["outcome"], &said.data["transaction"]), (&json!("not_moved"), &json!(null)));
    for told in [written_off, differed, resolved, refunded, said] {
        assert_eq!(told.data["amount"]["asset"], in_token, "{}", told.kind);
    }
    for told in [written_off, refunded] {
        assert_eq!(told.data["fee"]["asset"], in_token, "{}", told.kind);
    }
}
