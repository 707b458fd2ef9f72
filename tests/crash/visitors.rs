//! [`Visitors`]: clients that connect anew for every request they pay for, one after the other, until they are called off.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tests::wait::until;
use tests::{Payer, Request, Wire, World};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::journal::{Journal, Outcome};

/// Running clients.
pub(crate) struct Visitors {
    stop: watch::Sender<bool>,
    served: watch::Sender<usize>,
    clients: JoinSet<Journal>,
}

/// One client.
struct Visitor {
    gateway: SocketAddr,
    payer: Payer,
    challenge: Arc<Value>,
    served: watch::Sender<usize>,
    stopped: watch::Receiver<bool>,
}

// === impl Visitors ===

impl Visitors {
    /// So many, on `GET /items/{id}`.
    pub(crate) async fn come(world: &World, count: usize) -> Self {
        let challenge = Arc::new(world.gateway.challenge("/items/0").await.challenge());
        let (stop, stopped) = watch::channel(false);
        let served = watch::Sender::new(0);
        let mut clients = JoinSet::new();
        for number in 0..count {
            let visitor = Visitor {
                gateway: world.gateway.data(),
                payer: world.agent.payer.clone(),
                challenge: Arc::clone(&challenge),
                served: served.clone(),
                stopped: stopped.clone(),
            };
            clients.spawn(visitor.visit_until_stopped(number));
        }
        Self { stop, served, clients }
    }

    /// Waits until so many more were served.
    pub(crate) async fn served(&self, more: usize) {
        let goal = *self.served.borrow() + more;
        until("visitors to be served", || async { (*self.served.borrow() >= goal).then_some(()) }).await;
    }

    /// Lets them finish; what they know.
    pub(crate) async fn leave(self) -> Journal {
        self.stop.send_replace(true);
        let mut journal = Journal::default();
        for known in self.clients.join_all().await {
            journal.merge(known);
        }
        journal
    }
}

// === impl Visitor ===

impl Visitor {
    /// Fails the test where one connection is refused or breaks.
    async fn visit_until_stopped(self, client: usize) -> Journal {
        let mut journal = Journal::default();
        let mut number = 0;
        while !*self.stopped.borrow() {
            number += 1;
            let signed = Request::get(&format!("/items/{client}-{number}"))
                .paying(self.payer.pay_challenge(&self.challenge).header())
                .with("Connection", "close");
            let mut wire = Wire::try_connect(self.gateway).await.expect("a connection is never refused");
            let response = wire.try_call(&signed).await.expect("a connection is never reset");
            assert!(response.complete, "an answer broke off");
            match Outcome::of(&response) {
                Outcome::Charged(payment) => journal.acknowledged.push(payment),
                Outcome::Again => panic!("turned away: {} {}", response.status, response.text()),
            }
            self.served.send_modify(|count| *count += 1);
        }
        journal
    }
}
