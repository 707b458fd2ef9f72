//! [`Load`]: many clients that sign and call without pause, and what has to be true of what they know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tests::{Payer, Request, Wire, World};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::journal::{Journal, Outcome};

const CLIENTS: usize = 64;

/// Who ask at once for what became of requests.
const ASKERS: usize = 16;

/// What one call costs, in atomic units: every route of a world under load.
pub(crate) const PRICE: i64 = 1_000;

/// The agent's money in the beginning.
pub(crate) const FUNDS: i64 = 1_000_000_000;

/// As [`FUNDS`], for whoever funds it.
pub(crate) const DOLLARS: &str = "$1000";

/// Clients at work.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    clients: JoinSet<Journal>,
}

// === impl Load ===

impl Load {
    /// Begins to call `/items/{id}`.
    pub(crate) async fn start(world: &World, challenge: &Arc<Value>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (gateway, payer) = (world.gateway.data(), world.agent.payer.clone());
            clients.spawn(client_loop(gateway, payer, Arc::clone(challenge), client, stopped.clone()));
        }
        Self { stop, clients }
    }

    /// Lets every client finish its call.
    pub(crate) async fn stop(self) -> Journal {
        self.stop.send_replace(true);
        let mut journal = Journal::default();
        for known in self.clients.join_all().await {
            journal.merge(known);
        }
        journal
    }
}

/// One client: until it is stopped or the gateway is gone.
async fn client_loop(
    gateway: SocketAddr,
    payer: Payer,
    challenge: Arc<Value>,
    client: usize,
    stopped: watch::Receiver<bool>,
) -> Journal {
    let mut journal = Journal::default();
    let mut number = 0;
    while let Some(mut wire) = Wire::try_connect(gateway).await {
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
                    break;
                }
            }
        }
        if *stopped.borrow() {
            break;
        }
    }
    journal
}

/// Every acknowledged payment is in the books; every unknown one is sent again until it is known, and charged once.
pub(crate) async fn verify(world: &World, journal: Journal, charged: &mut Journal, round: usize) {
    // First what expires: a signature lives for a minute.
    charged.acknowledged.extend(all_known(world, journal.unknown).await);
    let agent = &world.agent;
    for payment in &journal.acknowledged {
        let found = world.gateway.ask("GET", &format!("/v1/payments/{payment}"), None).await;
        assert_eq!(found["state"], "captured", "round {round}: {payment} was acknowledged");
        assert_eq!(found["agent"], agent.id.as_str());
    }
    charged.acknowledged.extend(journal.acknowledged);
    let expected = FUNDS - PRICE * i64::try_from(charged.acknowledged.len()).unwrap();
    let balance = agent.money(&world.gateway).await.balance;
    assert_eq!(balance, expected, "round {round}: the balance of {}", agent.wallet);
}

/// The books have what the clients have, and nothing else. Gives the number of payments.
pub(crate) async fn expect_agreement(world: &World, charged: &Journal) -> usize {
    charged.expect_distinct();
    let count = charged.acknowledged.len();
    world.expect_balance(FUNDS - PRICE * i64::try_from(count).unwrap()).await;
    let audited = world.gateway.ask("GET", "/v1/audit", None).await["payments"].as_u64().unwrap();
    assert_eq!(audited, u64::try_from(count).unwrap());
    count
}

/// Sends a request of unknown outcome until it has one. In the end it was charged, before the fault or now.
pub(crate) async fn known(world: &World, request: &Request) -> String {
    known_at(world.gateway.data(), request).await
}

async fn known_at(gateway: SocketAddr, request: &Request) -> String {
    tests::wait::until("an outcome", || async {
        match Outcome::of(&Wire::connect(gateway).await.call(request).await) {
            Outcome::Charged(payment) => Some(payment),
            Outcome::Again => None,
        }
    })
    .await
}

/// The same of many, several at once.
async fn all_known(world: &World, requests: Vec<Request>) -> Vec<String> {
    let gateway = world.gateway.data();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let mut askers = JoinSet::new();
    for _ in 0..ASKERS {
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        askers.spawn(async move {
            let mut payments = Vec::new();
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                payments.push(known_at(gateway, request).await);
            }
            payments
        });
    }
    askers.join_all().await.into_iter().flatten().collect()
}

/// A random number below `end`.
pub(crate) fn random_below(end: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % end
}
