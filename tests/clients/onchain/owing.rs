//! Whoever was served and did not pay: the loss is told, and the payer pays first from then on, also after a restart.

use tests::facilitator::{Call, Conduct};
use tests::wait::until;
use tests::{PublicWorld, Request, Route};

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
