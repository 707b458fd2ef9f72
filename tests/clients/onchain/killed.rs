//! The gateway is killed again and again while payments settle on chain. Whoever asks again is served, and has paid once for each call that
//! was served. `FAREGATE_CRASH_ROUNDS=100` for more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tests::wait::until;
use tests::{Payer, PublicWorld, Request, Route, Script, Wire};
use tokio::task::JoinSet;

/// Kills when nothing else is said.
const ROUNDS: u64 = 4;

/// Calls that are under way when it is killed.
const CALLS: u64 = 12;

/// The longest that a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 700;

/// What a call costs.
const PRICE: u64 = 1_000;

/// What nobody had asked to be settled before the kill is free again soon.
const SHORT: &str = "max_timeout = \"12s\"\nmargin = \"2s\"\npayer_unsettled_max = \"$1\"";

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_a_facilitator_settles_every_payer_pays_once_for_each_call_that_was_served() {
    let route = Route::new("/paid", "$0.001");
    storm(PublicWorld::facilitated_on(SHORT, "settle_timeout = \"4s\"", [route]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_it_settles_by_itself_every_payer_pays_once_for_each_call_that_was_served() {
    storm(PublicWorld::settling_itself(SHORT, [Route::new("/paid", "$0.001")]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_payments_are_due_each_of_them_is_settled_once() {
    let route = Route::new("/paid", "$0.001").line("settle = \"deferred\"");
    storm(PublicWorld::settling_itself("max_timeout = \"60s\"\nmargin = \"5s\"", [route]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_it_settles_permits_every_payer_pays_once_for_each_call_that_was_served() {
    let lines = format!("{SHORT}\n{}", PublicWorld::moved_by("\"permit2\""));
    let world = PublicWorld::settling_itself(&lines, [Route::new("/paid", "$0.001")]).await;
    for payer in world.network.payers(CALLS, 0).await {
        world.network.approve_permit2(payer.address()).await;
    }
    storm(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_it_settles_less_than_was_signed_every_payer_pays_that_once_for_each_call() {
    let lines = format!("{SHORT}\n{}", PublicWorld::moved_by("\"permit2\""));
    let route = Route::metered("/paid", "{ up_to = \"$0.002\" }");
    let world = PublicWorld::settling_itself(&lines, [route]).await;
    world.upstream.on("/paid", Script::reply(200, &["settlement-overrides: {\"amount\":\"1000\"}"], "done"));
    for payer in world.network.payers(CALLS, 0).await {
        world.network.approve_permit2(payer.address()).await;
    }
    storm(world).await;
}

async fn storm(mut world: PublicWorld) {
    let rounds = std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(ROUNDS);
    // Time goes on, also where nobody pays.
    world.network.mine_every(1).await;
    let payers = world.network.payers(CALLS, (rounds + 1) * PRICE).await;
    for _ in 0..rounds {
        one_round(&mut world, &payers).await;
    }
    let all = rounds * CALLS * PRICE;
    until("everything to be settled", || async {
        let received = world.network.balance(PublicWorld::provider()).await;
        let metrics = world.gateway.metrics().await;
        let open = |what: &str| metrics.sum(&format!("faregate_chain_payments_{what}"), &[]);
        (received >= all && open("unknown") + open("due") < 1.0).then_some(())
    })
    .await;
    for payer in &payers {
        let left = world.network.balance(payer.address()).await;
        assert_eq!(
            left,
            PRICE,
            "{}: one call of each round, no more\n{}",
            payer.address(),
            world.gateway.log()
        );
    }
    world.expect_received(all).await;
    world.finish().await;
}

/// Each payer calls, the gateway is killed at a random moment, and whoever was not served asks again.
async fn one_round(world: &mut PublicWorld, payers: &[Payer]) {
    let challenge = Arc::new(world.challenge(&Request::get("/paid")).await);
    let gateway = world.gateway.data();
    let mut calls = JoinSet::new();
    for payer in payers.iter().cloned() {
        let paying = paying(&payer, &challenge);
        calls.spawn(async move {
            let answer = Wire::connect(gateway).await.try_call(&paying).await;
            let is_served = answer.is_some_and(|answer| answer.status == 200);
            (payer, Some(paying).filter(|_| !is_served))
        });
    }
    // The one wait that is meant: the moment of the kill is random.
    tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
    world.gateway.kill().await;
    let calls = calls.join_all().await;
    world.gateway.restart().await;
    let gateway = world.gateway.data();
    let mut again = JoinSet::new();
    for (payer, paying) in calls {
        if let Some(paying) = paying {
            again.spawn(serve(gateway, payer, paying, Arc::clone(&challenge)));
        }
    }
    again.join_all().await;
}

fn paying(payer: &Payer, challenge: &Value) -> Request {
    Request::get("/paid").paying(payer.pay_challenge(challenge).header())
}

/// Asks as a client does: with the same payment for as long as nobody knows of it, with another one where it is asked to pay.
async fn serve(gateway: SocketAddr, payer: Payer, first: Request, challenge: Arc<Value>) {
    let current = tokio::sync::Mutex::new(first);
    until("the call to be served", || async {
        let mut current = current.lock().await;
        let answer = Wire::connect(gateway).await.call(&current).await;
        match answer.status {
            200 => Some(()),
            402 => {
                *current = paying(&payer, &challenge);
                None
            }
            409 | 503 => None,
            status => panic!("{status}: {}", answer.text()),
        }
    })
    .await;
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("randomness");
    u64::from_ne_bytes(bytes) % limit
}
