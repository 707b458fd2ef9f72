//! [`ForeignLine`]: one network that is not read here, and its facilitator. There is one: what it was asked to settle, only it can be asked
//! again, and what clients sign is for its account.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Clock, ForeignName, ForeignNetwork, Party, PaymentId, TransactionId, UnixMillis};
use ledger::OpenIntent;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::told::{OfferTerms, Told};
use super::witness::{CONFIRMED, FINAL};
use super::{Unread, Witness};
use crate::facilitator::{Identified, Settled, Unknown, Verified};
use crate::rail::breaker::Breaker;
use crate::rail::shares::Places;
use crate::rail::{Member, RailObserver};

/// For how long what a facilitator says of itself is believed, and how soon one that said nothing is asked again.
const STANDS_MS: i64 = 60_000;
const AGAIN_MS: i64 = 5_000;

/// Payments of which nobody knows and that may land yet; with more, no others are taken on the network, and of one payer none with so many.
const UNKNOWN_MAX: usize = 10_000;
const UNKNOWN_OF_PAYER_MAX: usize = 16;

/// The longest pause after settlements that got no answer. Some facilitators answer so where a payer is at fault, who is kept out by its own unknown
/// payments soon: a longer one would let a single payer keep all others out.
const OUTAGE_PAUSE_MS_MAX: i64 = 5_000;

/// Questions at once about payments that came again: they keep no others waiting.
const ASKED_AGAIN_MAX: usize = 8;

/// Payments at once that are looked for at nodes.
const LOOKING_MAX: usize = 4;

/// How long nodes have in any case to show what a facilitator says that it settled, also where its answer took all of its time.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// Why nobody was asked.
const BUSY: &str = "the facilitator is busy, or left alone because it is silent";

/// A network, and who settles there.
pub struct ForeignLine {
    network: ForeignNetwork,
    member: Member,
    /// Verifications at once, of payments that pay for nothing yet: at most half of what the facilitator is asked at once, and of that
    /// each client its share. Who pays is not known before, and to ask costs a client nothing.
    verifying: Places,
    settling: Semaphore,
    asking_again: Semaphore,
    /// Who shows what landed, where nodes are named: a success that they do not show is none.
    witness: Option<Witness>,
    looking: Semaphore,
    /// How long each waits for a place.
    wait_max: Duration,
    /// Open while it is silent.
    silence: Mutex<Breaker>,
    /// Open while settlements get no answer, however well it verifies: what is forwarded meanwhile would be worked for and left unknown.
    outage: Mutex<Breaker>,
    told: Mutex<Told>,
    /// When it is asked again what it says of itself.
    asked_next: Mutex<Option<UnixMillis>>,
    unknown: Mutex<Unsettled>,
}

/// Payments of which nobody knows and that may land yet.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    all: usize,
    of_payers: HashMap<Party, usize>,
}

/// Who pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// This address; the payment would be settled.
    Payer(ForeignName),
    /// It would not; the facilitator's code for why.
    Invalid(String),
    /// Nobody knows of too many payments of this payer.
    Unsettled,
    /// It was asked, and gave no answer; why.
    Nobody(String),
    /// Nobody is asked now, or no payment is taken whoever pays; why.
    Closed(String),
}

/// What was heard of a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It says that value moved, in this transaction, and where nodes are named they show it.
    Moved(TransactionId),
    /// It found the payment wrong before anything was sent, and where nodes are named they show no landing.
    Invalid(String),
    /// It was asked, and may have settled it.
    Unknown(String),
    /// It was not asked.
    Nobody(String),
}

// === impl ForeignLine ===

impl ForeignLine {
    /// What the facilitator is asked waits for a place for `wait_max`. Its weight does not matter.
    #[must_use]
    pub fn new(network: ForeignNetwork, member: Member, wait_max: Duration) -> Self {
        let (verifying, settling) = (verifying(&member, NonZeroU32::MIN), Semaphore::new(member.running_max));
        Self {
            network,
            member,
            verifying,
            settling,
            asking_again: Semaphore::new(ASKED_AGAIN_MAX),
            witness: None,
            looking: Semaphore::new(LOOKING_MAX),
            wait_max,
            silence: Mutex::default(),
            outage: Mutex::new(Breaker::with_pause_max(OUTAGE_PAUSE_MS_MAX)),
            told: Mutex::default(),
            asked_next: Mutex::default(),
            unknown: Mutex::default(),
        }
    }

    /// With nodes that show what landed.
    #[must_use]
    pub fn seen_by(self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// So many clients may stand behind an address that sends payments.
    #[must_use]
    pub fn behind_each_address(self, clients: NonZeroU32) -> Self {
        Self { verifying: verifying(&self.member, clients), ..self }
    }

    /// Which.
    #[must_use]
    pub const fn network(&self) -> &ForeignNetwork {
        &self.network
    }

    pub(super) fn terms(&self) -> Option<Arc<OfferTerms>> {
        self.told.lock().terms()
    }

    /// Asks what clients must find in offers, where it is time to. Whether it has changed.
    pub(super) async fn learn(&self, now: UnixMillis) -> bool {
        if self.asked_next.lock().is_some_and(|next| now < next) {
            return false;
        }
        let supported = self.member.facilitator.supported().await;
        *self.asked_next.lock() = Some(now.plus(if supported.is_ok() { STANDS_MS } else { AGAIN_MS }));
        // Where it gives no answer, what it said before stands.
        supported.is_ok_and(|supported| self.told.lock().hear(&supported, &self.network.id))
    }

    /// Of which payments nobody knows now.
    pub(super) fn set_unknown(&self, unknown: Unsettled) {
        *self.unknown.lock() = unknown;
    }

    pub(super) async fn identify(
        &self,
        unread: &Unread,
        client: Option<IpAddr>,
        clock: &dyn Clock,
        observer: &dyn RailObserver,
    ) -> Identity {
        if self.unknown.lock().all >= UNKNOWN_MAX {
            return Identity::Closed("nobody knows of too many payments on the network".to_owned());
        }
        let Some(_place) = self.place(self.verifying.take(client), clock).await else {
            return Identity::Closed(BUSY.to_owned());
        };
        let identified = self.member.facilitator.identify(unread.shown()).await;
        self.note(&identified, clock, observer);
        match identified {
            Ok(Identified::Payer(payer)) if self.unknown.lock().is_too_many(payer) => Identity::Unsettled,
            Ok(Identified::Payer(_)) if self.outage.lock().is_open(clock.now()) => {
                Identity::Closed("the facilitator does not answer settlements".to_owned())
            }
            Ok(Identified::Payer(payer)) => Identity::Payer(payer),
            Ok(Identified::Invalid(reason)) => Identity::Invalid(reason),
            Err(unknown) => Identity::Nobody(unknown.to_string()),
        }
    }

    /// Verified first: what is found wrong then was not sent by it, whatever it says for why. It is asked in any case, also where it gave
    /// others no answer: an upstream has worked for this one, and who only sends what is to be verified must not undo that.
    pub(super) async fn settle(
        &self,
        payment: PaymentId,
        unread: &Unread,
        clock: &dyn Clock,
        observer: &dyn RailObserver,
    ) -> Heard {
        let Ok(_place) = timeout(self.wait_max, self.settling.acquire()).await else {
            return Heard::Nobody(BUSY.to_owned());
        };
        // After a pause it shows whether it answers again.
        let _ = self.silence.lock().admits(clock.now());
        let verified = self.member.facilitator.verify(unread.shown()).await;
        self.note(&verified, clock, observer);
        match verified {
            Ok(Verified::Valid) => {}
            Ok(Verified::Invalid(reason)) => {
                return self.refused(reason, payment, unread, clock.now()).await;
            }
            Err(unknown) => return Heard::Nobody(unknown.to_string()),
        }
        // After a pause the first one that comes so far shows whether it settles again; who never comes so far puts nobody off.
        let _ = self.outage.lock().admits(clock.now());
        let (heard, is_answered) = self.ask(payment, unread, clock, observer).await;
        self.note_settlement(is_answered, clock, observer);
        heard
    }

    /// What is found wrong may have landed before: its payer, or the facilitator, can have had it sent. So nodes are looked at once, where
    /// some are named, and nobody is asked to sign anew of whom they show that it paid, or do not tell.
    async fn refused(&self, reason: String, payment: PaymentId, unread: &Unread, now: UnixMillis) -> Heard {
        let Some(witness) = &self.witness else { return Heard::Invalid(reason) };
        let offered_ms = unread.requirements().max_timeout_seconds.saturating_mul(1_000);
        let held_at = now.plus(-i64::try_from(offered_ms).unwrap_or(i64::MAX));
        match timeout(SHOWN_WITHIN, witness.transaction_of(payment, unread, held_at, CONFIRMED)).await {
            Ok(Ok(None)) => Heard::Invalid(reason),
            Ok(Ok(Some(transaction))) => Heard::Moved(transaction),
            Ok(Err(error)) => Heard::Unknown(format!("{reason}; {error}")),
            Err(_) => Heard::Unknown(format!("{reason}; its nodes do not show in time whether it landed")),
        }
    }

    /// What it refuses now it may have settled before. Some settle only what they have verified a moment ago, whatever they found.
    pub(super) async fn ask_again(
        &self,
        payment: PaymentId,
        unread: &Unread,
        clock: &dyn Clock,
        observer: &dyn RailObserver,
    ) -> Heard {
        let Some(_place) = self.place(self.asking_again.acquire(), clock).await else {
            return Heard::Nobody(BUSY.to_owned());
        };
        let verified = self.member.facilitator.verify(unread.shown()).await;
        self.note(&verified, clock, observer);
        let (heard, _) = self.ask(payment, unread, clock, observer).await;
        if matches!(heard, Heard::Moved(_)) {
            self.note_settlement(true, clock, observer);
        }
        heard
    }

    /// Has it settled, and whether that was answered: where nodes are named, by them as well. Some facilitators take a transaction for a
    /// payment that landed and failed, and a payer can have it fail: what was to hold when it landed did when it was verified. All of it takes
    /// no longer than the facilitator's answer may, but that nodes have [`SHOWN_WITHIN`] in any case.
    async fn ask(
        &self,
        payment: PaymentId,
        unread: &Unread,
        clock: &dyn Clock,
        observer: &dyn RailObserver,
    ) -> (Heard, bool) {
        let (facilitator, began) = (&self.member.facilitator, Instant::now());
        let settled = facilitator.settle(unread.shown()).await;
        self.note(&settled, clock, observer);
        // Of a payment that it had found right a moment before: here any answer that is none of x402 counts against it.
        let is_answered = matches!(settled, Ok(_) | Err(Unknown::Undecided(_)));
        let heard = heard(settled);
        let (Heard::Moved(transaction), Some(witness)) = (&heard, &self.witness) else {
            return (heard, is_answered);
        };
        let left = facilitator.settle_timeout().saturating_sub(began.elapsed()).max(SHOWN_WITHIN);
        let (why, is_answered) = match timeout(left, witness.confirms(*transaction, payment, unread)).await {
            Ok(true) => return (heard, true),
            Ok(false) => ("the transaction is another one, or landed and did not pay", true),
            Err(_) => ("no node shows the transaction", false),
        };
        tracing::warn!(%payment, network = %self.network.id, %transaction, why, "the facilitator says that it settled it, and the nodes do not");
        (Heard::Unknown(why.to_owned()), is_answered)
    }

    /// In which transaction a payment moved for good, where nodes are named and show it.
    pub(super) async fn transaction_of(&self, open: &OpenIntent) -> Option<TransactionId> {
        let (witness, unread) = (self.witness.as_ref()?, Unread::of(&open.intent).ok()?);
        let _place = timeout(self.wait_max, self.looking.acquire()).await.ok()?.ok()?;
        match witness.transaction_of(open.payment, &unread, open.held_at, FINAL).await {
            Ok(transaction) => transaction,
            Err(error) => {
                tracing::warn!(payment = %open.payment, network = %self.network.id, %error, "its nodes do not show whether it landed");
                None
            }
        }
    }

    /// A place, after the others who wait for one; none where the facilitator is left alone.
    async fn place<P>(&self, taking: impl Future<Output = P>, clock: &dyn Clock) -> Option<P> {
        if self.silence.lock().is_open(clock.now()) {
            return None;
        }
        let place = timeout(self.wait_max, taking).await.ok()?;
        self.silence.lock().admits(clock.now()).then_some(place)
    }

    /// Only silence counts against it: what it answers to a payment, and with which status, its payer has in hand.
    fn note<T>(&self, heard: &Result<T, Unknown>, clock: &dyn Clock, observer: &dyn RailObserver) {
        let answered = !heard.as_ref().is_err_and(Unknown::is_silence);
        if turned(&self.silence, answered, clock) {
            let name = &*self.member.name;
            tracing::warn!(
                facilitator = name,
                answered,
                "the facilitator is left alone for a while, or answers again"
            );
            observer.facilitator(name, answered);
        }
    }

    fn note_settlement(&self, answered: bool, clock: &dyn Clock, observer: &dyn RailObserver) {
        if turned(&self.outage, answered, clock) {
            let name = &*self.member.name;
            tracing::warn!(facilitator = name, answered, "settlements get no answer, or get one again");
            observer.facilitator(name, answered);
        }
    }
}

/// Where a facilitator is asked who pays.
fn verifying(member: &Member, clients_per_address: NonZeroU32) -> Places {
    Places::new(member.running_max.div_ceil(2), clients_per_address)
}

/// Whether somebody is left alone from now on, or no more.
fn turned(breaker: &Mutex<Breaker>, answered: bool, clock: &dyn Clock) -> bool {
    let mut breaker = breaker.lock();
    if answered { breaker.succeeded() } else { breaker.failed(clock.now()) }
}

fn heard(settled: Result<Settled, Unknown>) -> Heard {
    match settled {
        Ok(Settled::Moved { transaction }) => match transaction.parse() {
            Ok(name) => Heard::Moved(TransactionId::named(name)),
            Err(_) => Heard::Unknown("its transaction has no name".to_owned()),
        },
        Ok(Settled::Refused(reason)) => Heard::Unknown(reason),
        Err(unknown) if unknown.was_not_asked() || is_sent_away(&unknown) => {
            Heard::Nobody(unknown.to_string())
        }
        Err(unknown) => Heard::Unknown(unknown.to_string()),
    }
}

/// Whether whoever guards a facilitator did not let the question in.
const fn is_sent_away(unknown: &Unknown) -> bool {
    matches!(unknown, Unknown::Malformed { status: 401 | 403 | 404 | 405 | 413 })
}

// === impl Unsettled ===

impl Unsettled {
    /// One more.
    pub(super) fn add(&mut self, payer: Party) {
        self.all = self.all.saturating_add(1);
        let count = self.of_payers.entry(payer).or_default();
        *count = count.saturating_add(1);
    }

    fn is_too_many(&self, payer: ForeignName) -> bool {
        self.of_payers.get(&Party::Named(payer)).is_some_and(|count| *count >= UNKNOWN_OF_PAYER_MAX)
    }
}
