//! Deposits: the one call that needs no key, and what it tells of a wallet. What becomes of a payment is seen in `settlement`.

use std::time::Duration;

use domain::{Address, Asset, Network, Token};
use protocol::challenge::PaymentRequired;
use protocol::sign::sign_offer;
use protocol::signature::SigningKey;
use settlement::Deposits;
use settlement::chain::{Chain, Nodes};
use settlement::deposits::Bounds;
use settlement::rail::{Line, Pool, Rail, Settler, Share, Unobserved};

use super::*;

/// On a network that nobody answers for.
fn deposits(ledger: &Ledger) -> Deposits {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network {
        id: "eip155:84532".into(),
        tokens: vec![Token::new(Asset {
            network: "eip155:84532".into(),
            chain_id: 84_532,
            address: Address::repeat_byte(1),
            name: "USDC".into(),
            version: "2".into(),
        })],
        max_timeout_seconds: 60,
        margin_seconds: 10,
        treasury: Some(Address::repeat_byte(2)),
    };
    let second = Duration::from_secs(1);
    let nodes = Nodes::new(vec!["http://127.0.0.1:9".to_owned()], second).unwrap();
    let settler = Settler::Facilitators(Pool::new(Vec::new(), second));
    let line = Line::new(network, Arc::new(Chain::new(nodes, 0)), settler, (second, second));
    let share = Share { running_max: 1, wait_max: second };
    let rail = Rail::new(vec![line], share, Arc::new(Still), Arc::new(Unobserved));
    let dollars = |text| Amount::parse_dollars(text).unwrap();
    let bounds = Bounds { least: dollars("$0.10"), most: dollars("$100") };
    Deposits::new(ledger.clone(), rail, bounds).unwrap()
}

async fn house() -> House {
    House::open(|ledger, registry| {
        let state = ControlState { deposits: Some(deposits(&ledger)), ..state(ledger, registry) };
        control::router(state, Some(&Secret::new(TOKEN.to_owned())))
    })
    .await
}

fn call(wallet: &str, amount: &str) -> Call {
    Call::new("POST", &format!("/v1/wallets/{wallet}/deposit?amount={amount}"))
}

#[tokio::test]
async fn a_deposit_asks_for_no_key_and_tells_nothing_of_the_wallet_but_that_it_is_there() {
    let house = house().await;
    let made = house.admin("POST", "/v1/wallets", Some(json!({ "name": "secret", "owner": "owned" }))).await;
    let wallet = text(&made.expect(201)["id"]);
    house.fund(&wallet, "f", json!({ "amount": "$77.77", "external_reference": "x" })).await.expect(200);
    let answer = house.call(call(&wallet, "5.00")).await;
    let asked = answer.expect_problem(402, "payment_required");
    assert!(answer.head.contains("no-store"), "{}", answer.head);
    assert_eq!((&asked["price"]["display"], &asked["x402Version"]), (&json!("$5.00"), &json!(1)));
    // Random names may have two sevens.
    for secret in ["secret", "owned", "77.77", "77770000"] {
        assert!(!answer.body.contains(secret) && !answer.head.contains(secret), "{secret}: {}", answer.body);
    }
    let nobody = domain::WalletId::from_bytes([7; 16]).to_string();
    house.call(call(&nobody, "5")).await.expect_problem(404, "wallet_not_found");
    house.call(call("x", "5")).await.expect_problem(400, "invalid_identifier");
    for (amount, status, code) in [
        ("five", 400, "invalid_parameter"),
        ("1e3", 400, "invalid_parameter"),
        ("5&note=x", 400, "invalid_parameter"),
        ("0.09", 422, "invalid_amount"),
        ("100.01", 422, "invalid_amount"),
    ] {
        house.call(call(&wallet, amount)).await.expect_problem(status, code);
    }
    let path = format!("/v1/wallets/{wallet}/deposit");
    house.call(Call::new("POST", &path)).await.expect_problem(400, "invalid_parameter");
    house.call(Call::new("GET", &path)).await.expect_problem(405, "method_not_allowed");
    house.end().await;
}

#[tokio::test]
async fn a_payment_that_cannot_be_settled_now_moves_nothing_and_may_come_again() {
    let house = house().await;
    let (_, wallet) = house.agent("buyer").await;
    let asked = house.call(call(&wallet, "5")).await;
    let header = asked.head.lines().find_map(|line| line.strip_prefix("payment-required: ")).unwrap();
    let challenge = PaymentRequired::parse(header.as_bytes()).unwrap().unwrap();
    let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
    let payment = sign_offer(&key, &challenge, 0, B256::repeat_byte(1), Still.now()).unwrap();
    let paying = || call(&wallet, "5").with("PAYMENT-SIGNATURE", &payment);
    let unavailable = house.call(paying()).await;
    unavailable.expect_problem(503, "settlement_unavailable");
    assert!(unavailable.head.to_lowercase().contains("retry-after"), "{}", unavailable.head);
    house.call(paying().with("X-PAYMENT", "e30=")).await.expect_problem(400, "two_payments");
    house.call(call(&wallet, "5").with("X-PAYMENT", "e30=")).await.expect_problem(400, "invalid_payload");
    let read = house.admin("GET", &format!("/v1/wallets/{wallet}"), None).await.expect(200);
    assert_eq!(read["balance"]["amount"], "0");
    house.end().await;
}

#[tokio::test]
async fn without_a_treasury_no_deposits_are_taken() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    house.call(call(&wallet, "5")).await.expect_problem(404, "deposits_not_taken");
    house.end().await;
}

#[test]
fn it_is_the_only_call_that_needs_no_key_and_the_document_says_so() {
    let document = serde_json::to_value(control::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations =
        paths.flat_map(|(path, item)| item.as_object().unwrap().values().map(move |of| (path, of)));
    let open: Vec<_> = operations.filter(|(_, of)| of["security"] == json!([{}])).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].0, "/v1/wallets/{id}/deposit");
    let statuses: Vec<_> = open[0].1["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["200", "202", "402", "503", "default"]);
}
