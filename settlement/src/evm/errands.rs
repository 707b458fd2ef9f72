//! [`Errands`]: how payments come to the process that has a key's turn, where several processes have the key.
//!
//! Whoever has a payment leaves it in the database that all of them share, and waits there for what became of it ([`Asking`]); the one
//! that has the turn takes what is left, moves it, and answers ([`Doing`]). A process that ends takes nothing with it: an errand that
//! nobody answered is done by whoever has the turn next, and the settler's outbox knows what of it was sent.

mod asking;
mod doing;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};

use super::member::Member;
use super::outbox::OutboxError;
use super::{ASKS_MAX, EvmSettler, Readiness};
use crate::rail::Settling;
use asking::Asking;
use doing::Doing;

/// How often is looked, whatever is heard.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where they are left, of one network and one key.
#[async_trait]
pub trait Errands: Send + Sync + 'static {
    /// Asks for these to be moved, also where they were answered before.
    async fn leave(&self, members: &[Member]) -> Result<(), OutboxError>;

    /// What became of these, as far as somebody has answered.
    async fn answers(&self, members: &[Arc<str>]) -> Result<Vec<(Arc<str>, Settling)>, OutboxError>;

    /// What nobody has answered, and the number of the turn in which it is read.
    async fn open(&self) -> Result<(i64, Vec<Member>), OutboxError>;

    /// Says what became of these, which were read in that turn; nothing where it is over.
    async fn answer(&self, turn: i64, answers: &[(Arc<str>, Settling)]) -> Result<(), OutboxError>;

    /// Says for a few seconds whether we can send.
    async fn say_able(&self, is_able: bool) -> Result<(), OutboxError>;

    /// Whether somebody said so.
    async fn is_able(&self) -> Result<bool, OutboxError>;

    /// Sees that something was left or answered: a hint, which may be lost.
    fn heard(&self) -> watch::Receiver<u64>;
}

/// Leaves errands, and does those of everybody while the turn is ours.
pub struct Messenger<E> {
    asking: Asking<E>,
    doing: Doing<E>,
}

// === impl EvmSettler ===

impl EvmSettler {
    /// A handle that works for all processes with this key together: what is asked of this handle is done by whichever of them has the turn. `self` is this
    /// process's own part. The caller runs the messenger. Who asks is answered once a block shows the payment.
    #[must_use]
    pub fn among_several<E: Errands>(&self, errands: E) -> (Self, Messenger<E>) {
        let errands = Arc::new(errands);
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let readiness = Readiness { able: Arc::default(), ..self.readiness.clone() };
        let asking = Asking::new(Arc::clone(&errands), asked, Arc::clone(&readiness.able));
        let doing = Doing::new(errands, self.clone());
        let all = Self { asks, readiness, ..self.clone() };
        (all, Messenger { asking, doing })
    }
}

// === impl Messenger ===

impl<E: Errands> Messenger<E> {
    /// Works until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Self { mut asking, mut doing } = self;
        tokio::select! {
            biased;
            // Whoever would say so may be gone.
            stopped = stop.wait_for(|stopped| *stopped) => drop(stopped),
            _ = async { tokio::join!(asking.work(), doing.work()) } => {}
        }
    }
}

/// Waits until something is heard, or until it is time to look.
async fn heard(heard: &mut watch::Receiver<u64>) {
    // Whoever would tell may be gone: then only the time says so.
    let told = async {
        if heard.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(LOOK_EVERY, told).await;
}
