//! C8: the gateway under full load is killed at random moments, again and again. `FAREGATE_CRASH_ROUNDS=500` for more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::{Agent, Payer, Request, Route, Wire, World};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::journal::{Journal, Outcome};

const CLIENTS: usize = 64;

/// Kills when nothing else is said.
const ROUNDS: usize = 40;

/// The longest a round lasts before its kill, in milliseconds.
const ROUND_MS_MAX: u64 = 250;

/// Until a killed gateway must serve again.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

const PRICE: i64 = 1_000;
const FUNDS: i64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn c8_killed_under_load_again_and_again_every_acknowledged_payment_is_there_once() {
    let rounds =
        std::env::var("FAREGATE_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut world = World::new("$1000", [Route::new("/items/{id}", "$0.001")]).await;
    let challenge = Arc::new(world.gateway.challenge("/items/0").await.challenge());
    let mut charged = Journal::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let journal = one_round(&mut world, &challenge, &mut slowest).await;
        verify(&world, journal, &mut charged, round).await;
    }
    charged.expect_distinct();
    let count = charged.acknowledged.len();
    println!("{count} payments over {rounds} kills, slowest recovery {slowest:?}");
    assert!(count >= rounds, "the storm must get something through");
    assert!(slowest < RECOVERY_MAX, "a killed gateway took {slowest:?} to serve again");
    world.expect_balance(FUNDS - PRICE * i64::try_from(count).unwrap()).await;
    let audited = world.gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    assert_eq!(
        audited,
        u64::try_from(count).unwrap(),
        "the books have what the clients have, and nothing else"
    );
    world.finish().await;
}

/// Load, a kill at a random moment, a restart.
async fn one_round(world: &mut World, challenge: &Arc<Value>, slowest: &mut Duration) -> Journal {
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let load = load(
            world.gateway.data(),
            world.agent.payer.clone(),
            Arc::clone(challenge),
            client,
            stopped.clone(),
        );
        clients.spawn(load);
    }
    // The one wait that is meant: the moment of the kill is random.
    tokio::time::sleep(Duration::from_millis(random_below(ROUND_MS_MAX))).await;
    world.gateway.kill().await;
    stop.send_replace(true);
    let mut journal = Journal::default();
    for known in clients.join_all().await {
        journal.merge(known);
    }
    let started = Instant::now();
    world.gateway.restart().await;
    *slowest = (*slowest).max(started.elapsed());
    journal
}

/// One client: signs and calls until the gateway is gone.
async fn load(
    gateway: std::net::SocketAddr,
    payer: Payer,
    challenge: Arc<Value>,
    client: usize,
    stopped: watch::Receiver<bool>,
) -> Journal {
    let mut journal = Journal::default();
    let Some(mut wire) = Wire::try_connect(gateway).await else { return journal };
    let mut number = 0;
    while !*stopped.borrow() {
        number += 1;
        let target = format!("/items/{client}-{number}");
        let request = match number % 4 {
            0 => Request::post(&target, "some work"),
            _ => Request::get(&target),
        };
        let signed = request.paying(payer.pay_challenge(&challenge).header());
        match wire.try_call(&signed).await.filter(|response| response.complete) {
            Some(response) => match Outcome::of(&response) {
                Outcome::Charged(payment) => journal.acknowledged.push(payment),
                Outcome::Again => journal.unknown.push(signed),
            },
            None => {
                journal.unknown.push(signed);
                return journal;
            }
        }
    }
    journal
}

/// Every acknowledged payment is in the books; every unknown one is sent again until it is known, and charged once.
async fn verify(world: &World, journal: Journal, charged: &mut Journal, round: usize) {
    let agent = &world.agent;
    for payment in &journal.acknowledged {
        let found = world.gateway.ask("GET", &format!("/v1/payments/{payment}"), None).await;
        assert_eq!(found["state"], "captured", "round {round}: {payment} was acknowledged");
        assert_eq!(found["agent"], agent.id.as_str());
    }
    for request in journal.unknown {
        let payment = known(world, &request).await;
        charged.acknowledged.push(payment);
    }
    charged.acknowledged.extend(journal.acknowledged);
    let expected = FUNDS - PRICE * i64::try_from(charged.acknowledged.len()).unwrap();
    let Agent { wallet, .. } = agent;
    assert_eq!(agent.money(&world.gateway).await.balance, expected, "round {round}: the balance of {wallet}");
}

/// Sends a request of unknown outcome until it has one. In the end it was charged, before the kill or now.
async fn known(world: &World, request: &Request) -> String {
    tests::wait::until("an outcome", || async {
        match Outcome::of(&world.gateway.call(request).await) {
            Outcome::Charged(payment) => Some(payment),
            Outcome::Again => None,
        }
    })
    .await
}

fn random_below(end: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % end
}
