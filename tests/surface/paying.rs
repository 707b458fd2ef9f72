//! What a payer is told: who signed, what was charged, and the same in every place that says it.

use serde_json::Value;
use tempfile::NamedTempFile;
use tests::payer::Payer;
use tests::process::run;
use tests::{Request, Route, World};

const TIERS: &str = r#"[{ from = 1, price = "$0.01" }, { from = 2, price = "$0.004" }]"#;

fn key_file(payer: &Payer) -> (NamedTempFile, String) {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), payer.private_key()).unwrap();
    let path = file.path().display().to_string();
    (file, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_registered_learns_which_address_to_register() {
    let world = World::paid().await;
    let stranger = Payer::random();
    let address = stranger.address().to_checksum(None);
    let (_file, key) = key_file(&stranger);

    let printed = run(&["address", "--key-file", &key]).await;
    assert_eq!((printed.code, printed.out.trim()), (Some(0), address.as_str()), "{}", printed.err);

    let payment = stranger.pay(&world.gateway.challenge("/paid").await);
    let refused = world.gateway.call(&Request::get("/paid").paying(payment.header())).await;
    refused.expect_refusal(402, "insufficient_funds");
    assert_eq!(refused.json()["address"], address.as_str());
    assert!(refused.json()["message"].as_str().unwrap().contains(&address), "{}", refused.text());

    let url = format!("{}/paid", world.gateway.url());
    let said = run(&["pay", &url, "--key-file", &key]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(&format!("signed by {address}")), "{}", said.err);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tier_charged_is_what_pay_and_the_log_say() {
    let world = World::new("$1", [Route::tiered("/paid", TIERS)]).await;
    let (_file, key) = key_file(&world.agent.payer);
    let url = format!("{}/paid", world.gateway.url());
    let mut paid = Vec::new();
    for _ in 0..2 {
        let said = run(&["pay", &url, "--key-file", &key, "-o", "json"]).await;
        paid.push(serde_json::from_str::<Value>(&said.out).expect("JSON"));
    }
    assert_eq!([&paid[0]["price"], &paid[0]["charged"]], ["$0.01", "$0.01"]);
    assert_eq!([&paid[1]["price"], &paid[1]["charged"]], ["$0.01", "$0.004"]);
    let line = format!("payment.id={}", paid[1]["payment"].as_str().unwrap());
    let line = world.gateway.logged(&line).await;
    assert!(line.contains("price.units=10000") && line.contains("charged.units=4000"), "{line}");
    world.expect_balance(986_000).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_has_one_transaction_wherever_it_is_told() {
    let world = World::paid().await;
    let key = world.agent.key(&world.gateway).await;
    let by_key = world.gateway.call(&Request::get("/paid").key(&key)).await;
    let by_signature = world.buy(&Request::get("/paid")).await;
    for paid in [by_key, by_signature] {
        let transaction = paid.receipt()["transaction"].clone();
        assert!(transaction.as_str().is_some_and(|digest| digest.len() == 66), "{transaction}");
        let id = paid.header("faregate-payment-id").unwrap().to_owned();
        let control = world.gateway.ask("GET", &format!("/v1/payments/{id}"), None).await;
        assert_eq!(control["transaction"], transaction);
        let view = Request::get(&format!("/.well-known/faregate/payments/{id}")).key(&key);
        assert_eq!(world.gateway.call(&view).await.json()["transaction"], transaction);
    }
    world.finish().await;
}
