//! Who moved money: the process is killed between the ledger's commit and the audit log's, and the log names them all the same.
//!
//! SQLite only, as is the disk that kills at an exact sync; `control-plane/src/tests/moved.rs` shows the same on both.

use serde_json::{Value, json};
use tests::wait::until;
use tests::{Config, Database, Disk, Request, Route, Wire, World};

/// The disk may see another sync first: what is known of deliveries is written now and then.
const TRIES: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn c6_killed_after_the_commit_of_a_refund_the_audit_log_names_whoever_gave_it_back() {
    let disk = Disk::new();
    let mut world = World::with("$1", |upstream| {
        let config = Config::new(upstream, [Route::new("/paid", "$0.001")]).disk(&disk);
        Config { database: Some(Database::Sqlite), ..config }
    })
    .await;
    let bought = world.buy(&Request::get("/paid")).await;
    let receipt = bought.expect_status(200).receipt();
    let payment = receipt["extra"]["paymentId"].as_str().unwrap();
    let desk = json!({ "name": "desk", "role": "provider", "provider": "acme" });
    let desk = world.gateway.ask("POST", "/v1/api-keys", Some(&desk)).await;
    let refund = Request::post(&format!("/v1/payments/{payment}/refund"), "{}")
        .with("Content-Type", "application/json")
        .with("Authorization", format!("Bearer {}", desk["key"].as_str().unwrap()));

    let mut tries = 0;
    while world.gateway.ask("GET", &format!("/v1/payments/{payment}"), None).await["state"] != "refunded" {
        tries += 1;
        assert!(tries <= TRIES, "the refund never stood");
        disk.kill_after_sync(1);
        let named = refund.clone().with("Idempotency-Key", format!("try-{tries}"));
        let [_, control, _] = world.gateway.addresses();
        assert!(Wire::connect(control).await.try_call(&named).await.is_none(), "nobody heard of the commit");
        world.gateway.end().await;
        world.gateway.restart().await;
    }

    let path = format!("/v1/changes?subject_kind=payment&subject={payment}");
    let noted = until("the audit log to name somebody", || async {
        let changes = world.gateway.ask("GET", &path, None).await["data"].clone();
        (!changes.as_array().unwrap().is_empty()).then_some(changes)
    })
    .await;
    let [noted] = &noted.as_array().unwrap()[..] else { panic!("noted twice: {noted}") };
    assert_eq!((&noted["actor_kind"], &noted["actor"]), (&json!("key"), &desk["id"]));
    assert_eq!((&noted["action"], &noted["provider"]), (&json!("payment.refunded"), &json!("acme")));
    assert!(noted["request"].as_str().is_some_and(|call| call.starts_with("req_")), "{noted}");
    assert_eq!(noted["after"]["amount"]["amount"], "1000");
    let events = world.gateway.ask("GET", "/v1/events?limit=500", None).await;
    let told = |event: &&Value| event["type"] == "payment.refunded";
    assert_eq!(events["data"].as_array().unwrap().iter().filter(told).count(), 1);
    assert_eq!(world.gateway.ask("GET", "/v1/changes/verify", None).await["whole"], true);
    world.expect_balance(1_000_000).await;
    world.finish().await;
}
