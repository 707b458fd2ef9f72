//! [`Reconciler`]: closes what is unknown and settles what is due, by what the chain shows and by nothing else.
//!
//! An unknown payment moved, or never will once its time is over in a block that counts: until then it stays held. One that is due is
//! settled, the earliest to expire first; what can never be collected is written off, and its payer pays first from then on. Nothing is
//! kept that a crash could lose: the books say what is open, the chain what became of it.
//! Each network is looked after for itself, so that one that stands still keeps nothing waiting elsewhere, and what is due on one is gone
//! through in turn. A payment that cannot be read is told once, stays as it is for a person to see to, and keeps none behind it waiting.
//! Where several processes share the books, each closes what it left unknown itself, or took over from one that is gone; what is due
//! is everybody's, and one of them looks after it at a time ([`crate::duty`]).
//! Next: [`case`] for the decision about one payment, [`known`] for how often each is looked at, [`turn`] for whose turn it is.

mod case;
mod known;
mod turn;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use domain::PaymentId;
use ledger::{DuePlace, Ledger, LedgerError, OpenIntent};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::duty::Duty;
use crate::rail::Rail;
use crate::ticks::Ticks;
use known::Known;
use turn::Turn;

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
    /// So many of both cannot be read: they stay open until a person sees to them.
    pub unreadable: usize,
}

/// The worker. It may be dropped at any point.
pub struct Reconciler {
    shared: Arc<Shared>,
    bounds: Bounds,
    /// By network (CAIP-2). What is open on others waits until the file names them again.
    lines: HashMap<Arc<str>, Line>,
}

/// What is done on a network.
#[derive(Default)]
struct Line {
    running: JoinSet<()>,
    /// What is due and has time left is still to be settled: it waits for nothing whose time is over.
    in_time: Turn,
    over: Turn,
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
        let lines = networks.map(|network| (Arc::clone(&network.id), Line::default())).collect();
        let shared = Arc::new(Shared { ledger, rail, duty, known: Mutex::default() });
        Self { shared, bounds, lines }
    }

    /// Works until `stop` says so: begins what is open every `interval`, and waits for none of it.
    pub async fn run(mut self, interval: Duration, stop: watch::Receiver<bool>) {
        let mut ticks = Ticks::new(interval, stop);
        while ticks.next().await {
            self.begin().await;
        }
    }

    /// Begins what is open, and waits for the end of it.
    pub async fn round(&mut self) -> Open {
        let open = self.begin().await;
        for line in self.lines.values_mut() {
            while line.running.join_next().await.is_some() {}
        }
        open
    }

    async fn begin(&mut self) -> Open {
        let unknown = self.shared.ledger.unknown();
        let mut listed: HashSet<PaymentId> = unknown.iter().map(|open| open.payment).collect();
        let mut open = Open { unknown: unknown.len(), due: 0, unreadable: 0 };
        let (mut unknown, is_ours) = (by_network(unknown), self.shared.duty.is_ours().await);
        for (network, line) in &mut self.lines {
            while line.running.try_join_next().is_some() {}
            let free = self.bounds.running_max.saturating_sub(line.running.len());
            // Of networks that are not read here nothing is closed: see [`crate::foreign::resolver`].
            let unknown = unknown.remove(network).unwrap_or_default();
            let begun = line.begin_unknown(&self.shared, unknown, free.div_ceil(2));
            if !is_ours {
                (line.in_time, line.over) = Default::default();
            } else if let Err(error) =
                line.begin_due(&self.shared, network, free.saturating_sub(begun), self.bounds.due_max).await
            {
                tracing::warn!(%network, %error, "what is due on the network cannot be read; it is tried again");
            }
            open.due += line.in_time.count() + line.over.count();
            listed.extend(line.in_time.listed().chain(line.over.listed()));
        }
        open.unreadable = self.shared.known.lock().keep(&listed);
        self.shared.rail.observer().open(open);
        open
    }
}

// === impl Line ===

impl Line {
    /// Begins no more than `most` of these; how many.
    fn begin_unknown(&mut self, shared: &Arc<Shared>, unknown: Vec<OpenIntent>, most: usize) -> usize {
        let mut begun = 0;
        for open in unknown {
            if begun == most {
                break;
            }
            begun += usize::from(shared.start(&mut self.running, open, Shared::unknown));
        }
        begun
    }

    /// Begins what is due: what has time left, and at least half as much of the rest as there is room for then.
    async fn begin_due(
        &mut self,
        shared: &Arc<Shared>,
        network: &Arc<str>,
        room: usize,
        most: u32,
    ) -> Result<(), LedgerError> {
        let (now, Self { running, in_time, over }) = (shared.rail.now().seconds(), self);
        let in_time_from = (DuePlace::before(now.saturating_add(1)), i64::MAX);
        let begun = shared.take_turn(in_time, running, (network, in_time_from), (room, most)).await?;
        let room = room.saturating_sub(begun).div_ceil(2);
        shared.take_turn(over, running, (network, (DuePlace::FIRST, now)), (room, most)).await?;
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    /// Reads on where the last look ended, `most` at once, and begins as many as there is room for; how many.
    async fn take_turn(
        self: &Arc<Self>,
        turn: &mut Turn,
        running: &mut JoinSet<()>,
        (network, (first, until)): (&Arc<str>, (DuePlace, i64)),
        (room, most): (usize, u32),
    ) -> Result<usize, LedgerError> {
        let due = self.ledger.due_between(network, (turn.begin(first), until), most).await?;
        let (mut begun, mut passed) = (0, 0);
        for due in &due {
            if begun == room {
                break;
            }
            match &due.open {
                Some(open) => begun += usize::from(self.start(running, open.clone(), Self::due)),
                None => self.misread(due.payment, network, &"its row in the books"),
            }
            passed += 1;
        }
        turn.end(&due, passed, usize::try_from(most).unwrap_or(usize::MAX));
        Ok(begun)
    }

    /// Looks after a payment from now on; false where it is not time to.
    fn start<F>(
        self: &Arc<Self>,
        running: &mut JoinSet<()>,
        open: OpenIntent,
        work: fn(Arc<Self>, OpenIntent) -> F,
    ) -> bool
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let begins = self.known.lock().begin(open.payment, self.rail.now());
        if begins {
            running.spawn(work(Arc::clone(self), open));
        }
        begins
    }

    /// A payment cannot be read: nothing is known of it, and nothing is done.
    fn misread(&self, payment: PaymentId, network: &Arc<str>, error: &dyn std::fmt::Display) {
        if self.known.lock().misread(payment, self.rail.now()) {
            tracing::error!(%payment, %network, %error, "an open payment cannot be read: it stays open until a person sees to it");
        }
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
