//! [`Foreign`]: payments on public networks that are no EVM ones. A facilitator verifies and settles there, and its word is all that is
//! known: nothing of such a network is read here.
//!
//! So a payment is forwarded only after its facilitator would settle it, and served only after it says that it did, in a transaction that
//! paid for nothing else. Where it was asked to settle one and did not say so, the payment stays unknown. To ask again may move it then, so
//! that this is done only while its payer waits, who sent the same payment again; else a person says what the network shows. Next: [`line`]
//! for one network, [`resolver`] for what was heard and not written down.

mod claims;
pub mod line;
pub mod resolver;
mod told;
mod unread;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, PaymentId, TransactionId, UnixMillis};
use ledger::{Close, Ledger, OpenIntent};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::rail::{Closed, RailObserver, Settling};
use crate::ticks::Ticks;
use claims::Claims;
use line::{Heard, Unsettled};

pub use line::{ForeignLine, Identity};
pub use told::OfferTerms;
pub use unread::Unread;

/// How soon a payment that comes again and again is asked for again.
const ASKED_AGAIN_EVERY_MS: i64 = 2_000;

/// For how long after a payment its delivery is certainly owed: what is older may be settled, and not be delivered any more.
const DELIVERABLE_MS: i64 = 23 * 3600 * 1000;

/// Such networks. Cheap to clone.
#[derive(Clone)]
pub struct Foreign {
    inner: Arc<Inner>,
}

struct Inner {
    lines: Vec<ForeignLine>,
    ledger: Ledger,
    claims: Mutex<Claims>,
    /// When payments that came again were asked for last; none while they are.
    asked_again: Mutex<HashMap<PaymentId, Option<UnixMillis>>>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn RailObserver>,
    /// How often what offers carry has changed.
    changes: watch::Sender<u64>,
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
        let asked_again = Mutex::default();
        Self { inner: Arc::new(Inner { lines, ledger, claims, asked_again, clock, observer, changes }) }
    }

    /// The networks, as the operator ordered them.
    pub fn lines(&self) -> impl Iterator<Item = &ForeignLine> {
        self.inner.lines.iter()
    }

    /// What offers on a network carry for its facilitator; none before it has said so.
    #[must_use]
    pub fn terms(&self, network: &str) -> Option<Arc<OfferTerms>> {
        self.line(network)?.terms()
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
        line.identify(unread, &*self.inner.clock, &*self.inner.observer).await
    }

    /// Has a payment settled, of which stands on disk that this is asked for. Whoever gives up waiting knows nothing.
    pub async fn settle(&self, payment: PaymentId, unread: &Unread) -> Settling {
        let began = self.now();
        let settling = match self.line(unread.network()) {
            Some(line) => {
                let heard = line.settle(unread, &*self.inner.clock, &*self.inner.observer).await;
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

    /// Has a payment settled of which nobody knows, and whose payer sent it again: it wants it now, if it did not get it before. Whether it
    /// is captured now; its delivery is owed then.
    pub async fn settle_again(&self, payment: PaymentId) -> bool {
        let Some(open) = self.inner.ledger.open_unknown(payment) else { return false };
        if self.now() >= open.held_at.plus(DELIVERABLE_MS) {
            return false;
        }
        // Whoever gives up waiting, what is said is written down.
        tokio::spawn(self.clone().close(open)).await.unwrap_or(false)
    }

    /// Captures a payment of which nobody knows, where its facilitator says that it was settled.
    async fn close(self, open: OpenIntent) -> bool {
        let (payment, network) = (open.payment, &open.intent.network);
        let unread = match Unread::of(&open.intent) {
            Ok(unread) => unread,
            Err(error) => {
                tracing::error!(%payment, %error, "an open payment cannot be read");
                return false;
            }
        };
        let Some(transaction) = self.ask_again(payment, &unread).await else { return false };
        if let Err(error) = self.inner.ledger.close(payment, Close::Moved(transaction)).await {
            tracing::error!(%payment, %transaction, %error, "what its facilitator says is not written down");
            return false;
        }
        tracing::info!(%payment, %network, %transaction, "settled, its facilitator says");
        self.inner.observer.closed(network, Closed::Moved);
        true
    }

    /// In which transaction it was settled, where its facilitator has said so and it could not be written down.
    fn heard_of(&self, payment: PaymentId) -> Option<TransactionId> {
        self.inner.claims.lock().of(payment)
    }

    /// Payments of which nobody knows, on networks that are not read here. They are counted by it.
    pub(crate) fn unknown(&self) -> Vec<OpenIntent> {
        let mut unknown = self.inner.ledger.unknown();
        unknown.retain(|open| !open.intent.is_read());
        let now = self.now();
        for line in &self.inner.lines {
            let mut unsettled = Unsettled::default();
            // What cannot land any more counts here no more: it moved, or moves never, and was not delivered.
            let may_land = |open: &&OpenIntent| {
                *open.intent.network == *line.network().id && now < open.intent.over_at()
            };
            unknown.iter().filter(may_land).for_each(|open| unsettled.add(open.intent.payer));
            line.set_unknown(unsettled);
        }
        unknown
    }

    /// Whether a payment that came again may be asked for: not while it is, and not again at once, since each time costs the facilitator two
    /// answers.
    fn may_ask_again(&self, payment: PaymentId) -> bool {
        let now = self.now();
        let mut asked = self.inner.asked_again.lock();
        asked.retain(|_, at| at.is_none_or(|at| now < at.plus(ASKED_AGAIN_EVERY_MS)));
        let is_first = !asked.contains_key(&payment);
        asked.entry(payment).or_default();
        is_first
    }

    /// In which transaction a payment of which nobody knows was settled, if its facilitator says so, or has said it. What it refuses may
    /// have been settled before.
    async fn ask_again(&self, payment: PaymentId, unread: &Unread) -> Option<TransactionId> {
        let heard = match self.heard_of(payment) {
            Some(transaction) => Heard::Moved(transaction),
            None if self.line(unread.network()).is_none() || !self.may_ask_again(payment) => return None,
            None => {
                let line = self.line(unread.network())?;
                let heard = line.ask_again(unread, &*self.inner.clock, &*self.inner.observer).await;
                self.inner.asked_again.lock().insert(payment, Some(self.now()));
                heard
            }
        };
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
        let named = (Arc::clone(&network), transaction);
        let claimed = self.inner.claims.lock().claim(named.clone(), payment);
        let settled = self.inner.ledger.settled_by(&network, transaction).await;
        match (claimed, settled) {
            (owner, Ok(settled)) if owner == payment && settled.is_none_or(|settled| settled == payment) => {
                Settling::Told(transaction)
            }
            (_, Err(error)) => {
                tracing::warn!(%payment, %network, %transaction, %error, "its facilitator says that it was settled, and the books cannot be asked");
                Settling::Unknown(error.to_string())
            }
            (owner, Ok(settled)) => {
                let other = settled.unwrap_or(owner);
                self.inner.claims.lock().correct(&named, payment, other);
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
