//! What nobody knows: listed for the operator, who says what became of what no chain tells.

use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Address, Custody, ForeignNetwork, Party, Settle};
use ledger::Intent;
use settlement::chain::Nodes;
use settlement::facilitator::{Configuration, Facilitator, Headers};
use settlement::foreign::{Foreign, ForeignLine, Witness};
use settlement::rail::{Member, Unobserved};

use super::*;

const SOLANA: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

impl House {
    /// A payment of ten cents of which nobody knows, valid until so many seconds from now.
    async fn unknown(&self, nonce: u8, network: &str, valid_for: i64) -> String {
        self.unknown_of(nonce, (network, &json!({}), &json!({})), valid_for).await
    }

    /// The same of this payment, made as this offer.
    async fn unknown_of(
        &self,
        nonce: u8,
        (network, payload, requirements): (&str, &Value, &Value),
        valid_for: i64,
    ) -> String {
        let party = |name: &str| match network {
            SOLANA => Party::Named(name.parse().unwrap()),
            _ => Address::repeat_byte(5).into(),
        };
        let valid_before = u64::try_from(self.ledger.time().seconds() + valid_for).unwrap();
        let intent = Intent {
            network: network.into(),
            token: party("mint"),
            payer: party("payer"),
            pay_to: party("payee"),
            custody: Custody::Direct,
            deposit: None,
            settle: Settle::After,
            valid_before,
            since_block: 0,
            payload: payload.to_string().into(),
            requirements: requirements.to_string().into(),
        };
        let (agent, wallet) = (intent.agent().to_string(), intent.wallet().to_string());
        let request = self.hold_request(("acme", "quotes"), (&agent, &wallet), 100_000);
        let signed = B256::repeat_byte(nonce);
        let key = domain::ReplayKey::of_transaction(network, signed);
        let (intent, payment) = (Some(Arc::new(intent)), request.payment);
        let request = HoldRequest { replay: Some(key), digest: Some(signed), intent, ..request };
        let Held::Hold(hold) = self.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        let hold = if network == SOLANA { hold.ask().await.unwrap() } else { hold };
        hold.leave_unknown();
        payment.to_string()
    }

    async fn would_say(&self, payment: &str, body: Value) -> Answer {
        self.admin("POST", &format!("/v1/payments/{payment}/resolve?dry_run=true"), Some(body)).await
    }

    async fn say(&self, payment: &str, body: Value) -> Answer {
        self.admin("POST", &format!("/v1/payments/{payment}/resolve"), Some(body)).await
    }
}

#[tokio::test]
async fn the_operator_sees_what_nobody_knows_and_says_what_became_of_what_no_chain_tells() {
    let house = House::control().await;
    house.ledger.open_provider("acme").await.unwrap();
    let read = house.unknown(1, "eip155:84532", 60).await;
    let fresh = house.unknown(2, SOLANA, 60).await;
    let old = house.unknown(3, SOLANA, -600).await;
    let again = house.unknown(4, SOLANA, -600).await;
    let listed = async || house.admin("GET", "/v1/payments/unknown", None).await.expect(200)["data"].clone();
    let ids = |rows: &Value| rows.as_array().unwrap().iter().map(|row| text(&row["id"])).collect::<Vec<_>>();
    let all = listed().await;
    let mut expected = vec![read.clone(), fresh.clone(), old.clone(), again.clone()];
    expected.sort_by_key(|id| id.parse::<PaymentId>().unwrap());
    assert_eq!(ids(&all), expected);
    let row = |id: &String| all.as_array().unwrap().iter().find(|row| row["id"] == **id).unwrap();
    assert_eq!(
        (&row(&fresh)["payer"], &row(&fresh)["amount"]["asset"]),
        (&json!("payer"), &json!(format!("{SOLANA}/token:mint")))
    );
    assert!(row(&read)["not_moved_after"].is_null() && row(&fresh)["not_moved_after"].is_string());
    let page = house.admin("GET", "/v1/payments/unknown?limit=3", None).await.expect(200);
    let next = format!("/v1/payments/unknown?limit=3&after={}", text(&page["next"]));
    assert_eq!(ids(&house.admin("GET", &next, None).await.expect(200)["data"]), &expected[3..]);

    // What its chain tells is not theirs to say, nor what may still land.
    let (moved, not_moved) =
        (json!({ "outcome": "moved", "transaction": "5h6x" }), json!({ "outcome": "not_moved" }));
    house.say(&read, moved.clone()).await.expect(409);
    house.say(&read, not_moved.clone()).await.expect(409);
    house.say(&fresh, not_moved.clone()).await.expect(409);
    house.would_say(&old, moved.clone()).await.expect(200);
    assert_eq!(listed().await, all, "it was only asked");
    house.say(&old, moved.clone()).await.expect(200);
    // One transaction pays once.
    house.would_say(&again, moved.clone()).await.expect(409);
    house.say(&again, moved).await.expect(409);
    house.say(&again, not_moved).await.expect(200);
    assert_eq!(listed().await.as_array().unwrap().len(), 2);
    house.tell().await;
    for (payment, outcome) in [(&old, "moved"), (&again, "not_moved")] {
        let path = format!("/v1/changes?subject_kind=payment&subject={payment}");
        let change = house.admin("GET", &path, None).await.expect(200)["data"][0].clone();
        let said = (&change["action"], &change["actor_kind"], &change["after"]["outcome"]);
        assert_eq!(said, (&json!("payment.resolved"), &json!("token"), &json!(outcome)));
    }

    let owner = json!({ "name": "its", "role": "owner", "owner": "lab" });
    let key = text(&house.admin("POST", "/v1/api-keys", Some(owner)).await.expect(201)["key"]);
    for (method, path) in
        [("GET", "/v1/payments/unknown".to_owned()), ("POST", format!("/v1/payments/{fresh}/resolve"))]
    {
        let call = Call::new(method, &path).with("Authorization", &format!("Bearer {key}"));
        let call = if method == "POST" { call.json(&json!({ "outcome": "not_moved" })) } else { call };
        house.call(call).await.expect(403);
    }
    house.end().await;
}

#[tokio::test]
async fn of_two_payments_a_transaction_pays_for_one_and_what_is_refused_is_nowhere_written_as_said() {
    let house = House::control().await;
    house.ledger.open_provider("acme").await.unwrap();
    let (one, other) = (house.unknown(1, SOLANA, -600).await, house.unknown(2, SOLANA, -600).await);
    let moved = json!({ "outcome": "moved", "transaction": "5h6x" });
    let (first, second) = tokio::join!(house.say(&one, moved.clone()), house.say(&other, moved));
    let (paid, refused) = if first.status == 200 { (&one, second) } else { (&other, first) };
    let problem = refused.expect(409);
    assert!(text(&problem["detail"]).contains(paid), "{problem}");
    house.tell().await;
    let changes = house.admin("GET", "/v1/changes?subject_kind=payment", None).await.expect(200);
    let [change] = &changes["data"].as_array().unwrap()[..] else { panic!("one was said: {changes}") };
    assert_eq!((&change["action"], &change["subject"]), (&json!("payment.resolved"), &json!(paid)));
    let events = house.admin("GET", "/v1/events?type=payment.resolved", None).await.expect(200);
    let [event] = &events["data"].as_array().unwrap()[..] else { panic!("one was said: {events}") };
    let data = &event["data"];
    assert_eq!(
        (&data["payment"], &data["outcome"], &data["transaction"]),
        (&json!(paid), &json!("moved"), &json!("5h6x"))
    );
    assert_eq!(data["amount"]["asset"], format!("{SOLANA}/token:mint"));
    house.end().await;
}

/// A transaction over a message with one instruction that says this, in base64.
fn transaction(text: &[u8]) -> String {
    let length = u8::try_from(text.len()).unwrap();
    let keys = [&[0x80, 2, 0, 1, 2][..], &[1; 64], &[2; 32]].concat();
    let instruction = [&[1, 1, 1, 0, length][..], text].concat();
    BASE64_STANDARD.encode([&[2][..], &[7; 128], &keys, &instruction, &[0]].concat())
}

/// Answers as a node that shows one transaction, which paid.
async fn shows(Json(question): Json<Value>) -> Json<Value> {
    let balance =
        |amount: &str| json!([{ "mint": "mint", "owner": "payee", "uiTokenAmount": { "amount": amount } }]);
    let meta =
        json!({ "err": null, "preTokenBalances": balance("0"), "postTokenBalances": balance("100000") });
    let result = match question["method"].as_str().unwrap() {
        "getGenesisHash" => json!("EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"),
        "getTransaction" => json!({ "transaction": [transaction(b"landed"), "base64"], "meta": meta }),
        _ => json!([{ "signature": "landed", "err": null, "memo": null, "blockTime": null }]),
    };
    Json(json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }))
}

/// Solana with this node.
fn solana(ledger: Ledger, node: String) -> Foreign {
    let long = Duration::from_secs(20);
    let (url, headers) = ("http://127.0.0.1:9".to_owned(), Headers::default());
    let configuration = Configuration { url, headers, verify_timeout: long, settle_timeout: long };
    let facilitator = Facilitator::new(configuration).unwrap();
    let member = Member { name: "it".into(), facilitator, weight: 1, running_max: 8 };
    let tokens = vec!["mint".parse().unwrap()];
    let network = ForeignNetwork { id: SOLANA.into(), tokens, max_timeout_seconds: 60 };
    let nodes = Nodes::new(vec![node], long).unwrap().of_genesis("EtWTRABZaYq6iMfeYKouRu166VU2xqa1");
    let line = ForeignLine::new(network, member, long).seen_by(Witness::new(nodes));
    Foreign::new(vec![line], ledger, Arc::new(Still), Arc::new(Unobserved))
}

#[tokio::test]
async fn that_a_payment_did_not_move_is_not_taken_where_nodes_show_that_it_did() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(post(shows))).await });
    let house = House::open(|ledger, registry| {
        let foreign = Some(solana(ledger.clone(), node));
        control::router(
            ControlState { foreign, ..state(ledger, registry) },
            Some(&Secret::new(TOKEN.to_owned())),
        )
    })
    .await;
    house.ledger.open_provider("acme").await.unwrap();
    let offer = json!({
        "scheme": "exact", "network": SOLANA, "amount": "100000", "asset": "mint", "payTo": "payee", "maxTimeoutSeconds": 60, "extra": {}
    });
    let signed = |text: &[u8]| json!({ "x402Version": 2, "payload": { "transaction": transaction(text) } });
    let landed = house.unknown_of(1, (SOLANA, &signed(b"landed"), &offer), -600).await;
    let other = house.unknown_of(2, (SOLANA, &signed(b"another"), &offer), -600).await;
    let not_moved = json!({ "outcome": "not_moved" });
    let problem = house.say(&landed, not_moved.clone()).await.expect(409);
    assert!(text(&problem["detail"]).contains("moved in landed"), "{problem}");
    let record = house.ledger.payment(landed.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(record.receipt.moved_by().as_deref(), Some("landed"));
    house.say(&other, not_moved).await.expect(200);
    house.end().await;
}
