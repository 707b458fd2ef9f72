//! [`Foreign`]: payments on non-EVM networks. A facilitator verifies and settles there, and its word is all that is
//! known: nothing of such a network is read here, but on Solana what became of a payment, where nodes are named.
//!
//! So a payment is forwarded only after its facilitator would settle it, and served only after it says that it did, in a transaction that
//! paid for nothing else, and that its nodes show. Where it was asked to settle one and did not say so, the payment stays unknown. To ask again may move it then, so
//! that this is done only while its payer waits, who sent the same payment again. Nodes of Solana show what has landed, where some are named; else a
//! person says it. Next: [`line`] for one network, [`witness`] for such nodes, [`resolver`] for what was heard or shown, and not written down.

mod claims;
pub mod line;
pub mod resolver;
mod told;
mod unread;
pub mod witness;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, PaymentId, TransactionId, UnixMillis};
use ledger::{Close, Ledger, LedgerError, OpenIntent};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::rail::{Closed, RailObserver, Settling};
use crate::ticks::Ticks;
use claims::Claims;
use line::{Heard, Unsettled};

pub use line::{ForeignLine, Identity};
pub use told::OfferTerms;
pub use unread::Unread;
pub use witness::Witness;

/// How soon a payment that comes again and again is asked for again.
const ASKED_AGAIN_EVERY_MS: i64 = 2_000;

/// For how long after a payment its delivery is certainly owed: what is older may be settled, and not be delivered any more.
const DELIVERABLE_MS: i64 = 23 * 3600 * 1000;

/// For how long nodes are looked at for a payment that cannot land any more, and after a start for any: they may be behind, or not answer.
const SHOWN_MS: i64 = 10 * 60 * 1000;

/// How long a person waits for that.
const LOOK_MAX: Duration = Duration::from_secs(20);

/// How often, and for how long each time, is waited for what somebody else is writing down of a payment.
const CLOSING_LOOKS_MAX: u32 = 100;
const CLOSING: Duration = Duration::from_millis(50);

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
    began: UnixMillis,
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
        let (asked_again, began) = (Mutex::default(), clock.now());
        let inner = Inner { lines, ledger, claims, asked_again, clock, began, observer, changes };
        Self { inner: Arc::new(inner) }
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

    /// Who pays with this, where its facilitator would settle it. Nothing moves. `client` is the address that counts for whoever sent it;
    /// those without one are one client.
    pub async fn identify(&self, unread: &Unread, client: Option<IpAddr>) -> Identity {
        let Some(line) = self.line(unread.network()) else {
            return Identity::Closed("no payments are taken on the network".to_owned());
        };
        line.identify(unread, client, &*self.inner.clock, &*self.inner.observer).await
    }

    /// Has a payment settled, of which stands on disk that this is asked for. Whoever gives up waiting knows nothing.
    pub async fn settle(&self, payment: PaymentId, unread: &Unread) -> Settling {
        let began = self.now();
        let settling = match self.line(unread.network()) {
            Some(line) => {
                let heard = line.settle(payment, unread, &*self.inner.clock, &*self.inner.observer).await;
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

    /// Captures a payment of which nobody knows, where its nodes show or its facilitator says that it was settled.
    async fn close(self, open: OpenIntent) -> bool {
        let Some(unread) = read(&open) else { return false };
        match self.ask_again(&open, &unread).await {
            Some(transaction) => self.book(&open, transaction).await,
            None => false,
        }
    }

    /// The same by what was heard or is shown, and nobody is asked to settle it. In which transaction it moved, where it did.
    async fn look_for(&self, open: OpenIntent) -> Option<TransactionId> {
        let (unread, transaction) = (read(&open)?, self.seen(&open).await?);
        let judged = self.judge(open.payment, &unread, Heard::Moved(transaction)).await;
        let Settling::Told(transaction) = judged else { return None };
        self.book(&open, transaction).await;
        Some(transaction)
    }

    /// Looks once more for a payment of which nobody knows, before a person says that it did not move: in which transaction it did, as its
    /// facilitator has said or its nodes show. It is captured then. Without nodes, or where they do not answer in time, nothing is found.
    pub async fn look_once_more(&self, payment: PaymentId) -> Option<TransactionId> {
        let open = self.inner.ledger.open_unknown(payment).filter(|open| !open.intent.is_read())?;
        let foreign = self.clone();
        // Whoever gives up waiting, what is shown is written down.
        let looking = tokio::spawn(async move { foreign.look_for(open).await });
        tokio::time::timeout(LOOK_MAX, looking).await.ok()?.ok().flatten()
    }

    async fn book(&self, open: &OpenIntent, transaction: TransactionId) -> bool {
        let (payment, network) = (open.payment, &open.intent.network);
        match self.inner.ledger.close(payment, Close::Moved(transaction.into())).await {
            Ok(()) => {}
            // It came again while what was heard of it was being written down, or a person was faster.
            Err(LedgerError::UnknownPayment) => {
                self.compare(open, transaction).await;
                return false;
            }
            Err(error) => {
                tracing::error!(%payment, %transaction, %error, "that it was settled is not written down");
                return false;
            }
        }
        tracing::info!(%payment, %network, %transaction, "settled, as its facilitator says or its nodes show");
        self.inner.observer.closed(network, Closed::Moved);
        true
    }

    /// Somebody else has closed a payment that moved in this transaction: where they said otherwise its payer has paid, and the books do not
    /// say so.
    async fn compare(&self, open: &OpenIntent, transaction: TransactionId) {
        let (payment, network) = (open.payment, &open.intent.network);
        for _ in 0..CLOSING_LOOKS_MAX {
            match self.inner.ledger.still_open(&[payment]).await {
                Ok(open) if open.is_empty() => break,
                // It is being written down.
                Ok(_) => tokio::time::sleep(CLOSING).await,
                Err(error) => {
                    tracing::error!(%payment, %transaction, %error, "it moved, and what the books say of it cannot be read");
                    return;
                }
            }
        }
        match self.inner.ledger.settled_by(network, transaction).await {
            Ok(Some(settled)) if settled == payment => {
                tracing::debug!(%payment, %transaction, "somebody else closed it first");
            }
            Ok(_) => {
                tracing::error!(%payment, %network, %transaction, "it moved, and the books have closed it otherwise: its payer has paid, and only its provider can give it back");
                self.inner.observer.closed(network, Closed::Late);
            }
            Err(error) => {
                tracing::error!(%payment, %transaction, %error, "it moved, and what the books say of it cannot be read");
            }
        }
    }

    /// Whether nodes may still come to show it: a while longer than it can land, or than this process runs.
    fn is_watched(&self, open: &OpenIntent) -> bool {
        self.now() < open.intent.over_at().max(self.inner.began).plus(SHOWN_MS)
    }

    /// In which transaction it was settled, as its facilitator has said or its nodes show.
    async fn seen(&self, open: &OpenIntent) -> Option<TransactionId> {
        match self.heard_of(open.payment) {
            Some(transaction) => Some(transaction),
            None => self.line(&open.intent.network)?.transaction_of(open).await,
        }
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

    /// In which transaction a payment of which nobody knows was settled, if its nodes show it, or its facilitator says so, or has said it. What
    /// it refuses may have been settled before.
    async fn ask_again(&self, open: &OpenIntent, unread: &Unread) -> Option<TransactionId> {
        let payment = open.payment;
        let heard = match self.heard_of(payment) {
            Some(transaction) => Heard::Moved(transaction),
            None if self.line(unread.network()).is_none() || !self.may_ask_again(payment) => return None,
            None => {
                let line = self.line(unread.network())?;
                let heard = match line.transaction_of(open).await {
                    Some(transaction) => Heard::Moved(transaction),
                    None => line.ask_again(payment, unread, &*self.inner.clock, &*self.inner.observer).await,
                };
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

/// A payment of the books, as a facilitator is shown it.
fn read(open: &OpenIntent) -> Option<Unread> {
    let read = Unread::of(&open.intent);
    read.inspect_err(
        |error| tracing::error!(payment = %open.payment, %error, "an open payment cannot be read"),
    )
    .ok()
}
