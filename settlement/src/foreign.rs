//! [`Foreign`]: payments on public networks that are no EVM ones. A facilitator verifies and settles there, and its word is all that is
//! known: nothing of such a network is read here.
//!
//! So a payment is forwarded only after its facilitator would settle it, and served only after it says that it did, in a transaction that
//! paid for nothing else. Where it was asked to settle one and did not say so, the payment stays unknown: the same question is asked
//! again, which cannot move anything twice, and a person may say what the network shows. Next: [`line`] for one network, [`resolver`].

pub mod line;
pub mod resolver;
mod unread;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, PaymentId, TransactionId, UnixMillis};
use ledger::Ledger;
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::rail::{RailObserver, Settling};
use crate::ticks::Ticks;
use line::Heard;

pub use line::{ForeignLine, Identity};
pub use unread::Unread;

/// Transactions whose payments may not be on disk yet.
const CLAIMS_MAX: usize = 65_536;

/// Such networks. Cheap to clone.
#[derive(Clone)]
pub struct Foreign {
    inner: Arc<Inner>,
}

struct Inner {
    lines: Vec<ForeignLine>,
    ledger: Ledger,
    claims: Mutex<Claims>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn RailObserver>,
    /// How often what offers carry has changed.
    changes: watch::Sender<u64>,
}

/// Which payment a transaction was last named for, in this process.
#[derive(Default)]
struct Claims {
    owners: HashMap<(Arc<str>, TransactionId), PaymentId>,
    /// The oldest first.
    order: VecDeque<(Arc<str>, TransactionId)>,
}

// === impl Foreign ===

impl Foreign {
    /// Over these networks. `ledger` knows which transactions have paid.
    #[must_use]
    pub fn new(
        lines: Vec<ForeignLine>,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn RailObserver>,
    ) -> Self {
        let (claims, changes) = (Mutex::default(), watch::Sender::default());
        Self { inner: Arc::new(Inner { lines, ledger, claims, clock, observer, changes }) }
    }

    /// The networks, as the operator ordered them.
    pub fn lines(&self) -> impl Iterator<Item = &ForeignLine> {
        self.inner.lines.iter()
    }

    /// What offers on a network carry for its facilitator; none before it has said so.
    #[must_use]
    pub fn extra(&self, network: &str) -> Option<Arc<Map<String, Value>>> {
        self.line(network)?.extra()
    }

    /// Sees each change of that.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Asks the facilitators what they settle, an interval after the other, until `stop` says so.
    pub async fn follow(self, interval: Duration, stop: watch::Receiver<bool>) {
        let mut ticks = Ticks::new(interval, stop);
        while ticks.next().await {
            for line in &self.inner.lines {
                if line.learn(self.now()).await {
                    tracing::info!(network = %line.network().id, "offers on the network carry what its facilitator wants");
                    self.inner.changes.send_modify(|changes| *changes += 1);
                }
            }
        }
    }

    /// Who pays with this, where its facilitator would settle it. Nothing moves.
    pub async fn identify(&self, unread: &Unread) -> Identity {
        let Some(line) = self.line(unread.network()) else {
            return Identity::Nobody("no payments are taken on the network".to_owned());
        };
        line.identify(unread, self.now(), &*self.inner.observer).await
    }

    /// Has a payment settled, of which stands on disk that this is asked for. Whoever gives up waiting knows nothing.
    pub async fn settle(&self, payment: PaymentId, unread: &Unread) -> Settling {
        let began = self.now();
        let settling = match self.line(unread.network()) {
            Some(line) => {
                let heard = line.settle(unread, began, &*self.inner.observer).await;
                self.judge(payment, unread, heard).await
            }
            None => Settling::Unavailable("no payments are taken on the network".to_owned()),
        };
        match &settling {
            Settling::Told(transaction) => {
                tracing::debug!(%payment, network = unread.network(), %transaction, "value moved, its facilitator says");
            }
            other => tracing::info!(%payment, network = unread.network(), outcome = ?other, "not settled"),
        }
        let took_ms = self.now().0.saturating_sub(began.0);
        self.inner.observer.settled(unread.network(), &settling, took_ms);
        settling
    }

    /// Asks once more for a payment of which nobody knows: in which transaction it was settled, if its facilitator says so now. What it
    /// refuses may have been settled before.
    async fn ask_again(&self, payment: PaymentId, unread: &Unread) -> Option<TransactionId> {
        let line = self.line(unread.network())?;
        let heard = line.ask_again(unread, self.now(), &*self.inner.observer).await;
        match self.judge(payment, unread, heard).await {
            Settling::Told(transaction) => Some(transaction),
            other => {
                tracing::debug!(%payment, outcome = ?other, "asked again, and nobody knows");
                None
            }
        }
    }

    /// One transaction pays once: one that paid for another payment pays for nothing.
    async fn judge(&self, payment: PaymentId, unread: &Unread, heard: Heard) -> Settling {
        let transaction = match heard {
            Heard::Moved(transaction) => transaction,
            Heard::Invalid(reason) => return Settling::Refused(reason),
            Heard::Unknown(why) => return Settling::Unknown(why),
            Heard::Nobody(why) => return Settling::Unavailable(why),
        };
        let network: Arc<str> = unread.network().into();
        let claimed = self.inner.claims.lock().claim((Arc::clone(&network), transaction), payment);
        let settled = self.inner.ledger.settled_by(&network, transaction).await;
        match (claimed, settled) {
            (owner, Ok(settled)) if owner == payment && settled.is_none_or(|settled| settled == payment) => {
                Settling::Told(transaction)
            }
            (_, Err(error)) => Settling::Unknown(error.to_string()),
            (owner, Ok(settled)) => {
                let other = settled.unwrap_or(owner);
                tracing::error!(%payment, %network, %transaction, %other, "the facilitator names a transaction that paid for another payment");
                Settling::Unknown("the transaction has paid for another payment".to_owned())
            }
        }
    }

    fn line(&self, network: &str) -> Option<&ForeignLine> {
        self.inner.lines.iter().find(|line| *line.network().id == *network)
    }

    fn now(&self) -> UnixMillis {
        self.inner.clock.now()
    }
}

// === impl Claims ===

impl Claims {
    /// Whose the transaction is: this payment's where nobody else named it before.
    fn claim(&mut self, named: (Arc<str>, TransactionId), payment: PaymentId) -> PaymentId {
        if let Some(owner) = self.owners.get(&named) {
            return *owner;
        }
        if self.order.len() >= CLAIMS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.owners.remove(&oldest);
        }
        self.order.push_back(named.clone());
        self.owners.insert(named, payment);
        payment
    }
}
