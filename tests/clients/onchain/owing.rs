//! Whoever was served and did not pay: the loss is told, and the payer pays first from then on, also after a restart.

use tests::chain::NETWORK;
use tests::facilitator::{Call, Conduct};
use tests::process::run;
use tests::wait::until;
use tests::{Gate, PublicWorld, Request, Route};

/// What a call costs.
const PRICE: u64 = 1_000;

/// A payment that nobody settles is lost soon.
const SHORT: &str = "max_timeout = \"12s\"\nmargin = \"2s\"";

#[tokio::test(flavor = "multi_thread")]
async fn a5_what_is_never_collected_is_an_event_and_its_payer_pays_first_also_after_a_restart() {
    let deferred = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let mut world = PublicWorld::facilitated_on(SHORT, "settle_timeout = \"4s\"", [deferred]).await;
    world.network.mine_every(1).await;
    let payer = world.payer(3 * PRICE).await;
    world.facilitator.on(Call::Settle, Conduct::down());
    let request = Request::get("/paid");
    let served = world.buy(&payer, &request).await;
    let lost = served.expect_status(200).fields.get("faregate-payment-id").expect("its name").to_owned();

    let told = until("the loss to be told", || async {
        let page = world.gateway.ask("GET", "/v1/events?type=payment.written_off", None).await;
        page["data"].as_array().expect("events").first().cloned()
    })
    .await;
    assert_eq!((&told["subject"], &told["provider"]), (&lost.into(), &"acme".into()), "{told}");
    let data = &told["data"];
    assert_eq!(data["payer"], payer.address().to_checksum(None), "{told}");
    assert_eq!((&data["amount"]["amount"], &data["custody"]), (&"1000".into(), &"direct".into()), "{told}");

    world.gateway.kill().await;
    world.gateway.restart().await;
    world.facilitator.on(Call::Settle, Conduct::honest());
    let paid = world.buy(&payer, &request).await;
    // What is deferred has no transaction yet when it is answered.
    let received = world.network.received(PublicWorld::provider()).await;
    assert_eq!(received.len(), 1);
    assert_eq!(paid.expect_status(200).receipt()["transaction"], received[0].transaction.to_string());
    world.expect_received(PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_due_of_one_payer_keeps_nobody_else_from_paying() {
    let deferred = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let lines = "max_timeout = \"5m\"\npayer_unsettled_max = \"$0.001\"";
    let world = PublicWorld::facilitated_on(lines, "settle_timeout = \"2m\"", [deferred]).await;
    world.network.mine_every(1).await;
    let payers = world.network.payers(2, 3 * PRICE).await;
    let gate = Gate::new();
    world.facilitator.on_each(Call::Settle, [Conduct::honest().at(&gate), Conduct::honest()]);
    let request = Request::get("/paid");
    world.buy(&payers[0], &request).await.expect_status(200);
    gate.reached().await;
    world.buy(&payers[0], &request).await.expect_refusal(429, "unsettled_payments");
    // What the other one owes expires later, is settled before, and is owed no more then.
    for _ in 0..2 {
        until("a payment to be taken", || async {
            let answer = world.buy(&payers[1], &request).await;
            if answer.status != 200 {
                answer.expect_refusal(429, "unsettled_payments");
            }
            (answer.status == 200).then_some(())
        })
        .await;
    }
    world.buy(&payers[0], &request).await.expect_refusal(429, "unsettled_payments");
    gate.open();
    world.settled(3 * PRICE).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_on_a_network_that_the_file_names_no_more_is_said_and_is_settled_once_it_does_again() {
    let deferred = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    let mut world = PublicWorld::facilitated_on("max_timeout = \"5m\"", "", [deferred]).await;
    world.network.mine_every(1).await;
    let payer = world.payer(PRICE).await;
    world.facilitator.on(Call::Settle, Conduct::down());
    world.buy(&payer, &Request::get("/paid")).await.expect_status(200);
    let text = world.gateway.config_text();
    world.gateway.terminate().await;
    world.gateway.overwrite(&text.replace(NETWORK, "eip155:8453"));
    world.gateway.restart().await;
    let said = world.gateway.logged("payments are open on a network that the file does not name").await;
    assert!(said.contains(NETWORK), "{said}");
    world.gateway.counted("faregate_chain_payments_elsewhere", &[], 1).await;
    let file = world.gateway.config_path().display().to_string();
    let checked = run(&["check", "-c", &file]).await;
    assert!(checked.out.contains(&format!("warning: networks: {NETWORK}: ")), "{}", checked.out);
    world.gateway.terminate().await;
    world.gateway.overwrite(&text);
    world.facilitator.on(Call::Settle, Conduct::honest());
    world.gateway.restart().await;
    world.settled(PRICE).await;
    world.finish().await;
}
