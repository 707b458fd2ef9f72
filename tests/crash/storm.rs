//! C8: the gateway under full load is killed at random moments, again and again. `FAREGATE_CRASH_ROUNDS=500` for more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Route, World};

use crate::journal::Journal;
use crate::load::{self, DOLLARS, Load, random_below};

/// Kills when nothing else is said.
const ROUNDS: usize = 40;

/// The longest a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 250;

/// Until a killed gateway must serve again.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn c8_killed_under_load_again_and_again_every_acknowledged_payment_is_there_once() {
    storm(Route::new("/items/{id}", "$0.001"), ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_the_same_where_every_hold_is_on_disk() {
    storm(Route::new("/items/{id}", "$0.001").line("capture = \"before\""), ROUNDS / 4).await;
}

async fn storm(route: Route, rounds: usize) {
    let rounds =
        std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(rounds);
    let mut world = World::new(DOLLARS, [route]).await;
    let challenge = Arc::new(world.gateway.challenge("/items/0").await.challenge());
    let mut charged = Journal::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let journal = one_round(&mut world, &challenge, &mut slowest).await;
        load::verify(&world, journal, &mut charged, round).await;
    }
    let count = load::expect_agreement(&world, &charged).await;
    println!("{count} payments over {rounds} kills, slowest recovery {slowest:?}");
    assert!(count >= rounds, "the storm must get something through");
    assert!(slowest < RECOVERY_MAX, "a killed gateway took {slowest:?} to serve again");
    world.finish().await;
}

/// Load, a kill at a random moment, a restart.
async fn one_round(world: &mut World, challenge: &Arc<Value>, slowest: &mut Duration) -> Journal {
    let load = Load::start(world, challenge).await;
    // The one wait that is meant: the moment of the kill is random.
    tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
    world.gateway.kill().await;
    let journal = load.stop().await;
    let started = Instant::now();
    world.gateway.restart().await;
    *slowest = (*slowest).max(started.elapsed());
    journal
}
