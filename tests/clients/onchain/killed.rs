//! The gateway is killed again and again while payments settle on chain. Whoever asks again is served, and has paid once for each call that
//! was served. `FAREGATE_CRASH_ROUNDS=100` for more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tests::{Payer, PublicWorld, Request, Response, Route, Script, Wire, within};
use tokio::task::JoinSet;

/// Kills when nothing else is said.
const ROUNDS: u64 = 8;

/// Payers that call in each round.
const CALLS: u64 = 6;

/// Until a payer that was not served asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest that a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 700;

/// What a call costs.
const PRICE: u64 = 1_000;

/// What nobody had asked to be settled before the kill is free again soon.
const SHORT: &str = "max_timeout = \"12s\"\nmargin = \"2s\"\npayer_unsettled_max = \"$1\"";

/// A storm that shows nothing.
const MISSED: &str = "no kill fell between an intent and its end";

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_a_facilitator_settles_every_payer_pays_once_for_each_call_that_was_served() {
    let route = Route::new("/paid", "$0.001");
    let world = PublicWorld::facilitated_on(SHORT, "settle_timeout = \"4s\"", [route]).await;
    assert!(storm(world).await > 0, "{MISSED}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_it_settles_by_itself_every_payer_pays_once_for_each_call_that_was_served() {
    let world = PublicWorld::settling_itself(SHORT, [Route::new("/paid", "$0.001")]).await;
    assert!(storm(world).await > 0, "{MISSED}");
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
    approve(&world).await;
    assert!(storm(world).await > 0, "{MISSED}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_killed_while_it_settles_less_than_was_signed_every_payer_pays_that_once_for_each_call() {
    let lines = format!("{SHORT}\n{}", PublicWorld::moved_by("\"permit2\""));
    let route = Route::metered("/paid", "{ up_to = \"$0.002\" }");
    let world = PublicWorld::settling_itself(&lines, [route]).await;
    world.upstream.on("/paid", Script::reply(200, &["settlement-overrides: {\"amount\":\"1000\"}"], "done"));
    approve(&world).await;
    assert!(storm(world).await > 0, "{MISSED}");
}

fn rounds() -> u64 {
    std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// Lets Permit2 move what the payers of the storm have.
async fn approve(world: &PublicWorld) {
    for payer in world.network.payers(rounds() * CALLS, 0).await {
        world.network.approve_permit2(payer.address()).await;
    }
}

/// In each round some payers call and the gateway is killed. Whoever was not served asks on, through the kills of the rounds after it.
/// After so many of the kills there were intents on disk that had not ended.
async fn storm(mut world: PublicWorld) -> usize {
    let payers = world.network.payers(rounds() * CALLS, 2 * PRICE).await;
    // Time goes on, also where nobody pays.
    world.network.mine_every(1).await;
    let challenge = Arc::new(world.challenge(&Request::get("/paid")).await);
    let gateway = world.gateway.data();
    let (mut calling, mut struck) = (JoinSet::new(), 0);
    for some in payers.chunks(usize::try_from(CALLS).expect("a few")) {
        for payer in some.iter().cloned() {
            calling.spawn(serve(gateway, payer, Arc::clone(&challenge)));
        }
        // The one wait that is meant: the moment of the kill is random.
        tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
        world.gateway.kill().await;
        struck += usize::from(world.gateway.holds().await > 0);
        world.gateway.restart().await;
    }
    while let Some(served) = within("the next call to be served", calling.join_next()).await {
        served.expect("a payer that is served");
    }
    let all = rounds() * CALLS * PRICE;
    world.settled(all).await;
    for payer in &payers {
        let left = world.network.balance(payer.address()).await;
        assert_eq!(left, PRICE, "{}: one call, no more\n{}", payer.address(), world.gateway.log());
    }
    println!("{struck} kills with intents on disk");
    world.finish().await;
    struck
}

/// Asks as a client does: with the same payment for as long as nobody knows of it, with another one where it is asked to pay.
async fn serve(gateway: SocketAddr, payer: Payer, challenge: Arc<Value>) {
    let mut request = paying(&payer, &challenge);
    loop {
        if let Some(answer) = asked(gateway, &request).await {
            match answer.status {
                200 => return,
                402 => request = paying(&payer, &challenge),
                409 | 503 => {}
                status => panic!("{status}: {}", answer.text()),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// None where it is killed meanwhile.
async fn asked(gateway: SocketAddr, request: &Request) -> Option<Response> {
    Wire::try_connect(gateway).await?.try_call(request).await
}

fn paying(payer: &Payer, challenge: &Value) -> Request {
    Request::get("/paid").paying(payer.pay_challenge(challenge).header())
}

fn random_below(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("randomness");
    u64::from_ne_bytes(bytes) % limit
}
