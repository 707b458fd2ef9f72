//! What chains show otherwise: what is in suspense, and what a person decides of it.

use domain::{Address, AgentId, Amount, Custody, ReplayKey, Settle, WalletId};
use ledger::{Intent, Shown, Step};
use registry::journal::Filter;

use super::*;

/// The network where money may leave the treasury in these tests.
const NETWORK: &str = "eip155:31337";

impl House {
    /// A payment of ten cents to the treasury that was voided, and moved all the same.
    pub(super) async fn differing(&self, provider: &str, nonce: u8) -> PaymentId {
        self.ledger.open_provider(provider).await.unwrap();
        let (token, payer) = (Address::repeat_byte(5), Address::repeat_byte(0x99));
        let valid_before = u64::try_from(Still.now().0 / 1000 + 60).unwrap();
        let intent = Intent {
            network: NETWORK.into(),
            token: token.into(),
            payer: payer.into(),
            pay_to: Address::repeat_byte(7).into(),
            custody: Custody::Treasury,
            deposit: None,
            settle: Settle::After,
            valid_before,
            since_block: 1,
            payload: "{}".into(),
            requirements: "{}".into(),
        };
        let (agent, wallet) =
            (AgentId::from_bytes([1; 16]).to_string(), WalletId::from_bytes([1; 16]).to_string());
        let request = self.hold_request((provider, "quotes"), (&agent, &wallet), 100_000);
        let request = HoldRequest {
            agent: intent.agent(),
            wallet: intent.wallet(),
            replay: Some(ReplayKey::new(valid_before, NETWORK, token, payer, B256::repeat_byte(nonce))),
            intent: Some(Arc::new(intent)),
            ..request
        };
        let payment = request.payment;
        let Held::Hold(hold) = self.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        hold.void().await.unwrap();
        self.ledger
            .differ(payment, Shown::Moved(B256::repeat_byte(8), Amount::from_atomic(100_000).unwrap()))
            .await
            .unwrap()
            .unwrap();
        payment
    }

    async fn resolve(&self, payment: PaymentId, key: &str, body: Value) -> Answer {
        let call = Call::new("POST", &format!("/v1/differences/{payment}/resolve"));
        let call = call.with("Authorization", &format!("Bearer {TOKEN}")).with("Idempotency-Key", key);
        self.call(call.json(&body)).await
    }
}

#[tokio::test]
async fn a_person_says_whose_money_in_suspense_is_and_everybody_concerned_hears_of_it() {
    let house = House::control().await;
    let (first, second) = (house.differing("acme", 1).await, house.differing("acme", 2).await);
    let listed = house.admin("GET", "/v1/differences?open=true", None).await.expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let shown = house.admin("GET", &format!("/v1/differences/{first}"), None).await.expect(200);
    assert_eq!((&shown["way"], &shown["booked"]), (&json!("arrived"), &json!("void")));
    assert_eq!((&shown["in_suspense"]["display"], &shown["resolutions"]), (&json!("$0.10"), &json!([])));
    assert_eq!(shown["payer"], json!(Address::repeat_byte(0x99).to_checksum(None)));

    let back = json!({ "to": "payer", "amount": "$0.04", "reason": "never served" });
    let made = house.resolve(first, "back", back.clone()).await.expect(200);
    assert_eq!(house.resolve(first, "back", back).await.expect(200), made);
    let sent =
        house.admin("GET", &format!("/v1/outgoing/{}", text(&made["outgoing"])), None).await.expect(200);
    assert_eq!((&sent["difference"], &sent["payment"]), (&json!(first.to_string()), &Value::Null));
    assert_eq!((&sent["state"], &sent["amount"]["display"]), (&json!("due"), &json!("$0.04")));
    let rest = json!({ "to": "provider", "reason": "served after all" });
    let rest = house.resolve(first, "rest", rest).await.expect(200);
    let paid =
        house.admin("GET", &format!("/v1/payments/{}", text(&rest["late_payment"])), None).await.expect(200);
    assert_eq!((&paid["amount"]["display"], &paid["provider"]), (&json!("$0.06"), &json!("acme")));
    let shown = house.admin("GET", &format!("/v1/differences/{first}"), None).await.expect(200);
    assert_eq!(
        (&shown["in_suspense"]["display"], shown["resolutions"].as_array().unwrap().len()),
        (&json!("$0.00"), 2)
    );
    let operators = json!({ "to": "operator", "reason": "x" });
    let again = house.resolve(first, "again", operators.clone()).await.expect(409);
    assert_eq!(again["code"], "conflict");
    let none = house.resolve(PaymentId::from_bytes([9; 16]), "none", operators).await.expect(404);
    assert_eq!(none["code"], "difference_not_found");
    let wrong = house.resolve(second, "wrong", json!({ "to": "me", "reason": " " })).await.expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2);

    house.tell().await;
    let events = house.admin("GET", "/v1/events?type=reconciliation.resolved", None).await.expect(200);
    let events = events["data"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["data"]["payment"]), (2, &json!(first.to_string())));
    let in_token = json!(format!("{NETWORK}/erc20:{}", Address::repeat_byte(5).to_checksum(None)));
    let told = house.admin("GET", "/v1/events?type=reconciliation.difference", None).await.expect(200);
    for amount in [
        &shown["amount"],
        &shown["in_suspense"],
        &rest["amount"],
        &sent["amount"],
        &paid["amount"],
        &paid["net"],
    ] {
        assert_eq!(amount["asset"], in_token);
    }
    for event in events.iter().chain(told["data"].as_array().unwrap()) {
        assert_eq!(event["data"]["amount"]["asset"], in_token, "{}", event["type"]);
    }
    house.end().await;
}

#[tokio::test]
async fn whoever_has_what_goes_back_tried_again_stands_in_the_audit_log() {
    let house = House::control().await;
    let payment = house.differing("acme", 1).await;
    let made =
        house.resolve(payment, "back", json!({ "to": "payer", "reason": "never served" })).await.expect(200);
    let path = format!("/v1/outgoing/{}", text(&made["outgoing"]));
    let id = text(&made["outgoing"]).parse().unwrap();
    let mut outgoing = house.ledger.outgoing(id).await.unwrap().unwrap();
    for step in [Step::Send, Step::Fail("no".to_owned())] {
        outgoing = house.ledger.outgoing_step(&outgoing, step).await.unwrap();
    }
    house.admin("POST", &format!("{path}/retry"), None).await.expect(200);
    house.tell().await;
    let subject = Some(("outgoing".to_owned(), None));
    let told = house.registry.changes(None, 10, &Filter { subject, ..Filter::default() }).await.unwrap();
    let [only] = &told[..] else { panic!("not what somebody asked for, once: {told:?}") };
    assert_eq!((only.action.as_str(), only.actor_kind.as_str()), ("outgoing.due", "token"));
    assert_eq!(only.subject, outgoing.id.to_string());
    house.end().await;
}
