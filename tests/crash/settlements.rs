//! I8: the gateway settles all the time, under load, and is killed at random moments: each payment is in one settlement, and
//! each settlement has one payout.

mod several;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tests::wait::until;
use tests::{Agent, Config, Faregate, Route, World};

use crate::journal::Journal;
use crate::load::{self, DOLLARS, Load, PRICE, random_below};

const ROUNDS: usize = 12;

/// The longest a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 250;

/// As soon as there is anything, with whoever looks a hundred times a second.
const SECTION: &str =
    "[settlement]\nschedule = \"continuous\"\namount_min = \"$0\"\ndelay = \"0s\"\ninterval = \"10ms\"";

#[tokio::test(flavor = "multi_thread")]
async fn i8_killed_while_it_settles_each_payment_is_settled_once_and_each_settlement_paid_out_once() {
    let mut world = World::with(DOLLARS, |upstream| {
        Config::new(upstream, [Route::new("/items/{id}", "$0.001")]).section(SECTION)
    })
    .await;
    let till = Agent::new(&world.gateway, "$0").await;
    let wallet = json!({ "rail": "ledger", "wallet": till.wallet });
    world.gateway.ask("PUT", "/v1/providers/acme/payout-destination", Some(&wallet)).await;
    let challenge = Arc::new(world.gateway.challenge("/items/0").await.challenge());
    let mut charged = Journal::default();
    for round in 0..ROUNDS {
        let load = Load::start(&world, &challenge).await;
        // The one wait that is meant: the moment of the kill is random.
        tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
        world.gateway.kill().await;
        let journal = load.stop().await;
        world.gateway.restart().await;
        load::verify(&world, journal, &mut charged, round).await;
    }
    let count = load::expect_agreement(&world, &charged).await;
    // All of it reaches the till: no fee is taken.
    let earned = PRICE * i64::try_from(count).unwrap();
    until("everything to be paid out", || async {
        (till.money(&world.gateway).await.balance == earned).then_some(())
    })
    .await;
    let mut settlements = all(&world.gateway, "/v1/settlements").await;
    settlements.sort_by_key(|settlement| settlement["number"].as_u64());
    let members: u64 = settlements.iter().map(|settlement| settlement["payments"].as_u64().unwrap()).sum();
    assert_eq!(members, count as u64, "each payment is in one settlement");
    let numbers: Vec<u64> = settlements.iter().map(|found| found["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=settlements.len() as u64).collect::<Vec<_>>());
    let payouts = all(&world.gateway, "/v1/payouts").await;
    assert_eq!(payouts.len(), settlements.len());
    for settlement in &settlements {
        let mut own = payouts.iter().filter(|payout| payout["settlement"] == settlement["id"]);
        let payout = own.next().unwrap_or_else(|| panic!("no payout of {settlement}"));
        assert_eq!((&payout["id"], &payout["state"]), (&settlement["payout"], &json!("paid")));
        assert!(own.next().is_none(), "two payouts of {settlement}");
    }
    println!("{count} payments in {} settlements over {ROUNDS} kills", settlements.len());
    world.finish().await;
}

/// All pages of a list.
async fn all(gateway: &Faregate, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let page = gateway.ask("GET", &format!("{path}?limit=500{after}"), None).await;
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return rows,
        }
    }
}
