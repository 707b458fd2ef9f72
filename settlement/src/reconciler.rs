//! [`Reconciler`]: closes what is unknown and settles what is due, by what the chain shows and by nothing else.
//!
//! An unknown payment moved, or never will once its time is over in a block that counts: until then it stays held. One that is due is
//! settled, the earliest to expire first; what can never be collected is written off, and its payer pays first from then on. Nothing is
//! kept that a crash could lose: the books say what is open, the chain what became of it.
//! Each network is looked after for itself, so that one that stands still keeps nothing waiting elsewhere.
//! Where several processes share the books, each closes what it left unknown itself, or took over from one that is gone; what is due
//! is everybody's, and one of them looks after it at a time ([`crate::duty`]).
//! Next: [`case`] for the decision about one payment, [`known`] for how often each is looked at.

mod case;
mod known;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::PaymentId;
use ledger::{Ledger, LedgerError, OpenIntent};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::duty::Duty;
use crate::rail::Rail;
use crate::ticks::Ticks;
use known::Known;

/// How much is done at once on each network.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Payments that are looked after at once; at most half of them unknown ones.
    pub running_max: usize,
    /// Due payments that are read of the books at once.
    pub due_max: u32,
}

/// What is open in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Nobody knows what became of so many.
    pub unknown: usize,
    /// So many are captured and not settled, as far as they were read; none where another process looks after them.
    pub due: usize,
}

/// The worker. It may be dropped at any point.
pub struct Reconciler {
    shared: Arc<Shared>,
    bounds: Bounds,
    /// By network (CAIP-2). What is open on others waits until the file names them again.
    running: HashMap<Arc<str>, JoinSet<()>>,
}

struct Shared {
    ledger: Ledger,
    rail: Rail,
    duty: Arc<dyn Duty>,
    known: Mutex<Known>,
}

// === impl Reconciler ===

impl Reconciler {
    /// One that knows nothing yet. `duty` is to settle what is due.
    #[must_use]
    pub fn new(ledger: Ledger, rail: Rail, bounds: Bounds, duty: Arc<dyn Duty>) -> Self {
        let networks = rail.networks().iter();
        let running = networks.map(|network| (Arc::clone(&network.id), JoinSet::new())).collect();
        let shared = Arc::new(Shared { ledger, rail, duty, known: Mutex::default() });
        Self { shared, bounds, running }
    }

    /// Works until `stop` says so: begins what is open every `interval`, and waits for none of it.
    pub async fn run(mut self, interval: Duration, stop: watch::Receiver<bool>) {
        let mut ticks = Ticks::new(interval, stop);
        while ticks.next().await {
            if let Err(error) = self.begin().await {
                tracing::warn!(%error, "what is due on public networks cannot be read; it is tried again");
            }
        }
    }

    /// Begins what is open, and waits for the end of it.
    ///
    /// # Errors
    /// The books cannot be read.
    pub async fn round(&mut self) -> Result<Open, LedgerError> {
        let open = self.begin().await?;
        for running in self.running.values_mut() {
            while running.join_next().await.is_some() {}
        }
        Ok(open)
    }

    async fn begin(&mut self) -> Result<Open, LedgerError> {
        let (unknown, due) = (self.shared.ledger.unknown(), self.due().await?);
        let open = Open { unknown: unknown.len(), due: due.len() };
        self.shared.rail.observer().open(open);
        let listed: HashSet<PaymentId> = unknown.iter().chain(&due).map(|open| open.payment).collect();
        self.shared.known.lock().keep(&listed);
        let (mut unknown, mut due) = (by_network(unknown), by_network(due));
        for (network, running) in &mut self.running {
            while running.try_join_next().is_some() {}
            let free = self.bounds.running_max.saturating_sub(running.len());
            // Of networks that are not read here nothing is closed: see [`crate::foreign::resolver`].
            let unknown = unknown.remove(network).unwrap_or_default();
            let begun = self.shared.start(running, unknown, free.div_ceil(2), Shared::unknown);
            let due = due.remove(network).unwrap_or_default();
            self.shared.start(running, due, free.saturating_sub(begun), Shared::due);
        }
        Ok(open)
    }

    /// What is due, as much of each network as is read at once; nothing where another process looks after it.
    async fn due(&self) -> Result<Vec<OpenIntent>, LedgerError> {
        let mut due = Vec::new();
        if self.shared.duty.is_ours().await {
            for network in self.running.keys() {
                due.extend(self.shared.ledger.due(network, self.bounds.due_max).await?);
            }
        }
        Ok(due)
    }
}

// === impl Shared ===

impl Shared {
    /// Starts those whose turn it is; how many.
    fn start<F>(
        self: &Arc<Self>,
        running: &mut JoinSet<()>,
        open: Vec<OpenIntent>,
        most: usize,
        work: fn(Arc<Self>, OpenIntent) -> F,
    ) -> usize
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let now = self.rail.now();
        let mut begun = 0;
        for open in open {
            if begun == most {
                break;
            }
            if self.known.lock().begin(open.payment, now) {
                running.spawn(work(Arc::clone(self), open));
                begun += 1;
            }
        }
        begun
    }
}

/// In the same order.
fn by_network(all: Vec<OpenIntent>) -> HashMap<Arc<str>, Vec<OpenIntent>> {
    let mut networks: HashMap<_, Vec<_>> = HashMap::new();
    for open in all {
        networks.entry(Arc::clone(&open.intent.network)).or_default().push(open);
    }
    networks
}
