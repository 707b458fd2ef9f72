use serde_json::{Value, json};

use super::{Call, Conduct, Facilitator};
use crate::{Gate, Request, Response, Wire};

async fn ask(facilitator: &Facilitator, path: &str, nonce: &str) -> Option<Response> {
    ask_for(facilitator, path, nonce, "0x01").await
}

async fn ask_for(facilitator: &Facilitator, path: &str, nonce: &str, payer: &str) -> Option<Response> {
    let payment = json!({ "payload": { "authorization": { "nonce": nonce, "from": payer } } });
    let body = json!({ "paymentPayload": payment, "paymentRequirements": { "network": "eip155:84532" } });
    let request = Request::post(path, &body.to_string());
    Wire::connect(facilitator.address).await.try_call(&request).await
}

async fn told(facilitator: &Facilitator, path: &str, nonce: &str) -> Value {
    ask(facilitator, path, nonce).await.expect("an answer").json()
}

#[tokio::test]
async fn a_facilitator_before_nobody_agrees_and_counts_by_nonce() {
    let facilitator = Facilitator::alone().await;
    assert_eq!(told(&facilitator, "/verify", "0xa").await, json!({ "isValid": true, "payer": "0x01" }));
    assert_eq!(told(&facilitator, "/settle", "0xa").await["success"], true);
    assert_eq!(told(&facilitator, "/settle", "0xa").await["success"], true);
    assert_eq!(told(&facilitator, "/settle", "0xb").await["success"], true);
    assert_eq!(facilitator.count(Call::Verify, "0xa"), 1);
    assert_eq!(facilitator.count(Call::Settle, "0xa"), 2);
    assert_eq!(facilitator.count(Call::Settle, "0xb"), 1);
    assert_eq!(facilitator.count(Call::Verify, "0xb"), 0);
}

#[tokio::test]
async fn each_conduct_comes_in_its_turn_and_the_last_one_stays() {
    let facilitator = Facilitator::alone().await;
    facilitator.on_each(Call::Settle, [Conduct::failing(502), Conduct::agreeing(None), Conduct::denying()]);
    assert_eq!(ask(&facilitator, "/settle", "0xa").await.unwrap().status, 502);
    assert_eq!(told(&facilitator, "/settle", "0xa").await["transaction"], "");
    assert_eq!(told(&facilitator, "/settle", "0xa").await["success"], false);
    assert_eq!(told(&facilitator, "/settle", "0xa").await["success"], false);
    facilitator.on(Call::Settle, Conduct::down());
    assert!(ask(&facilitator, "/settle", "0xa").await.is_none());
    facilitator.on(Call::Settle, Conduct::huge());
    assert!(ask(&facilitator, "/settle", "0xa").await.unwrap().body.len() > 8_000_000);
}

#[tokio::test]
async fn what_is_done_and_not_told_is_done() {
    let facilitator = Facilitator::alone().await;
    facilitator.on(Call::Settle, Conduct::down().after_doing());
    assert!(ask(&facilitator, "/settle", "0xa").await.is_none());
    facilitator.done(Call::Settle, 1).await;
    let gate = Gate::new();
    facilitator.on(Call::Settle, Conduct::silent().after_doing().at(&gate));
    let late = async { ask(&facilitator, "/settle", "0xb").await };
    tokio::select! {
        _ = late => panic!("it has answered"),
        () = async { gate.reached().await; gate.open(); facilitator.done(Call::Settle, 2).await } => {}
    }
}

#[tokio::test]
async fn two_calls_are_given_each_others_answers() {
    let facilitator = Facilitator::alone().await;
    facilitator.on(Call::Settle, Conduct::swapped());
    let (first, second) = tokio::join!(
        ask_for(&facilitator, "/settle", "0xa", "0x01"),
        ask_for(&facilitator, "/settle", "0xb", "0x02")
    );
    let (first, second) = (first.unwrap().json(), second.unwrap().json());
    assert_eq!((&first["payer"], &second["payer"]), (&json!("0x02"), &json!("0x01")));
    facilitator.done(Call::Settle, 2).await;
}
