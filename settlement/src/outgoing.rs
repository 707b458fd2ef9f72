//! [`Sender`]: sends what leaves our treasury on public networks, each transfer in a transaction of its own under the next nonce of the
//! treasury's key.
//!
//! The books say what is due ([`ledger::Outgoing`]), and hear of each step before the next one is made: handed over, shown by a block,
//! paid where that one counts, failed. That a transfer is sent once, whatever crashes, is the settler's outbox to see to: it stands there
//! before it is sent, under a name that nothing else ever has, and whoever asks for it again is told what became of it ([`crate::evm`]).
//! So the sender may be dropped at any point: what was handed over is asked for again. What failed waits for a person.
//! A transfer that the treasury cannot pay now stays due, and keeps none behind it from leaving. While the settler's outbox does not know
//! all that the key sent, nothing that is due is begun. Where several processes share the books, the one sends that has the settler's
//! turn. Next: [`purse`] for what the treasury has.

mod purse;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, U256};
use domain::OutgoingId;
use ledger::{Ledger, LedgerError, Outgoing, OutgoingState, Step};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::chain::{Chain, Depth};
use crate::evm::{EvmSettler, Member};
use crate::rail::{Settling, units};
use crate::ticks::Ticks;
use purse::Purse;

/// Transfers of one network that are read at once; of those that are due, so many are looked at in a round.
const PAGE_MAX: u32 = 64;

/// Those of one network that somebody waits for at once.
const RUNNING_MAX: usize = 64;

/// Until one is asked for again of which nobody knows what became of it.
const AGAIN: Duration = Duration::from_secs(15);

/// Longest reason that is kept, in characters: a node may say anything.
const REASON_MAX: usize = 300;

/// How money leaves our treasury on a network.
pub struct Outlet {
    /// CAIP-2.
    pub network: Arc<str>,
    /// Its nodes.
    pub chain: Arc<Chain>,
    /// Who sends in this process; its address is the treasury's.
    pub settler: EvmSettler,
}

/// Hears of what leaves, for metrics. Must return quickly.
pub trait OutgoingObserver: Send + Sync + 'static {
    /// So many transfers of a network are to be sent, or are on their way.
    fn open(&self, network: &str, open: usize);
    /// Whether nothing that is due is begun on a network: its outbox does not know all that the key sent.
    fn held(&self, network: &str, held: bool);
    /// One is over: paid, or failed.
    fn over(&self, network: &str, state: OutgoingState);
}

/// Sends. It may be dropped at any point.
pub struct Sender {
    shared: Arc<Shared>,
    outlets: Vec<Arc<Outlet>>,
    /// How far what is due was looked at, by network.
    places: HashMap<Arc<str>, Place>,
    running: JoinSet<()>,
}

/// How far what is due on a network was looked at. It begins again behind the last one.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    after: Option<OutgoingId>,
    seen: usize,
}

/// What each transfer on its way works with.
struct Shared {
    ledger: Ledger,
    observer: Arc<dyn OutgoingObserver>,
    /// On their way, by their names in a settler's outbox.
    moving: Mutex<HashMap<Arc<str>, Moving>>,
}

/// One that is on its way, or is left alone for a while.
struct Moving {
    network: Arc<str>,
    token: Address,
    units: U256,
    /// Asked for again from then on; none while it is asked for.
    again_at: Option<Instant>,
}

// === impl Sender ===

impl Sender {
    /// One for all networks on which money can leave.
    #[must_use]
    pub fn new(ledger: Ledger, outlets: Vec<Outlet>, observer: Arc<dyn OutgoingObserver>) -> Self {
        let outlets = outlets.into_iter().map(Arc::new).collect();
        let shared = Arc::new(Shared { ledger, observer, moving: Mutex::default() });
        Self { shared, outlets, places: HashMap::new(), running: JoinSet::new() }
    }

    /// Works until `stop` says so, a round every `interval`.
    pub async fn run(mut self, interval: Duration, stop: watch::Receiver<bool>) {
        let mut ticks = Ticks::new(interval, stop);
        while ticks.next().await {
            while self.running.try_join_next().is_some() {}
            for outlet in self.outlets.clone() {
                if let Err(error) = self.round(&outlet).await {
                    warn!(network = %outlet.network, %error, "what is due to leave the treasury is looked at again");
                }
            }
        }
    }

    /// Asks for all that was handed over, and begins what is due, page by page, as far as the treasury has it. What was handed over has its
    /// part of the balance before anything else has.
    async fn round(&mut self, outlet: &Arc<Outlet>) -> Result<(), LedgerError> {
        if !outlet.settler.is_available() {
            if !outlet.settler.has_turn() {
                // Another process counts them.
                self.shared.observer.open(&outlet.network, 0);
                self.shared.observer.held(&outlet.network, false);
            }
            return Ok(());
        }
        let is_held = !outlet.settler.knows_all();
        self.shared.observer.held(&outlet.network, is_held);
        let sent = self.ask_again(outlet).await?;
        let mut place = self.places.get(&outlet.network).copied().unwrap_or_default();
        let due = self.page(outlet, OutgoingState::Due, place.after).await?;
        place.seen += due.len();
        place.after = due.last().map(|outgoing| outgoing.id).filter(|_| due.len() == PAGE_MAX as usize);
        if place.after.is_none() {
            self.shared.observer.open(&outlet.network, sent + std::mem::take(&mut place.seen));
        }
        self.places.insert(Arc::clone(&outlet.network), place);
        if !is_held {
            self.begin_due(outlet, due).await;
        }
        Ok(())
    }

    /// Of what was handed over, whatever nobody waits for; how many there are of it.
    async fn ask_again(&mut self, outlet: &Arc<Outlet>) -> Result<usize, LedgerError> {
        let (mut after, mut names) = (None, HashSet::new());
        loop {
            let sent = self.page(outlet, OutgoingState::Sent, after).await?;
            names.extend(sent.iter().map(member));
            after = sent.last().map(|outgoing| outgoing.id).filter(|_| sent.len() == PAGE_MAX as usize);
            for outgoing in sent {
                if self.shared.has_room(&outlet.network) && !self.shared.is_moving(&member(&outgoing)) {
                    self.begin(outlet, outgoing);
                }
            }
            if after.is_none() {
                self.shared.keep(outlet, &names);
                return Ok(names.len());
            }
        }
    }

    async fn begin_due(&mut self, outlet: &Arc<Outlet>, due: Vec<Outgoing>) {
        let shared = Arc::clone(&self.shared);
        let mut purse = Purse::new(&shared, outlet);
        for outgoing in due {
            let is_free = shared.has_room(&outlet.network) && !shared.is_moving(&member(&outgoing));
            if is_free && purse.take(&outgoing).await {
                self.begin(outlet, outgoing);
            }
        }
    }

    fn begin(&mut self, outlet: &Arc<Outlet>, outgoing: Outgoing) {
        let member = member(&outgoing);
        self.shared.begin(&member, &outgoing);
        let (shared, outlet) = (Arc::clone(&self.shared), Arc::clone(outlet));
        self.running.spawn(async move { shared.send(&outlet, outgoing, &member).await });
    }

    async fn page(
        &self,
        outlet: &Outlet,
        state: OutgoingState,
        after: Option<OutgoingId>,
    ) -> Result<Vec<Outgoing>, LedgerError> {
        self.shared.ledger.outgoing_open(&outlet.network, state, after, PAGE_MAX).await
    }
}

// === impl Shared ===

impl Shared {
    /// Forgets what another process saw the end of: what is left alone, and is not among those that were handed over.
    fn keep(&self, outlet: &Outlet, sent: &HashSet<Arc<str>>) {
        self.moving.lock().retain(|member, moving| {
            moving.network != outlet.network || moving.again_at.is_none() || sent.contains(member)
        });
    }

    fn is_moving(&self, member: &str) -> bool {
        let now = Instant::now();
        self.moving.lock().get(member).is_some_and(|moving| moving.again_at.is_none_or(|again| again > now))
    }

    fn begin(&self, member: &Arc<str>, outgoing: &Outgoing) {
        let (network, token) = (Arc::clone(&outgoing.to.network), outgoing.to.token);
        let moving = Moving { network, token, units: units(outgoing.amount), again_at: None };
        self.moving.lock().insert(Arc::clone(member), moving);
    }

    /// Whether one more can be waited for.
    fn has_room(&self, network: &str) -> bool {
        let moving = self.moving.lock();
        let waited_for = |moving: &&Moving| &*moving.network == network && moving.again_at.is_none();
        moving.values().filter(waited_for).count() < RUNNING_MAX
    }

    /// What is on its way out of the treasury.
    fn on_its_way(&self, network: &str, token: Address) -> U256 {
        let moving = self.moving.lock();
        let own = moving.values().filter(|moving| &*moving.network == network && moving.token == token);
        own.fold(U256::ZERO, |sum, moving| sum.saturating_add(moving.units))
    }

    /// Sends one, or asks what became of it.
    async fn send(&self, outlet: &Outlet, outgoing: Outgoing, member: &Arc<str>) {
        let (id, network) = (outgoing.id, &outlet.network);
        let (was_due, mut is_let_go) = (outgoing.state == OutgoingState::Due, false);
        let state = match self.follow(outlet, outgoing, member).await {
            Ok(outgoing) => {
                let Outgoing { amount, transaction, reason, .. } = &outgoing;
                match outgoing.state {
                    OutgoingState::Paid => {
                        info!(outgoing.id = %id, %amount, %network, ?transaction, "left the treasury")
                    }
                    OutgoingState::Failed => {
                        warn!(outgoing.id = %id, %amount, %network, reason, "did not leave the treasury; a person has to see to it");
                    }
                    _ => {}
                }
                Some(outgoing.state)
            }
            Err(error) => {
                warn!(outgoing.id = %id, %error, %network, "it is asked for again");
                // It never began, or is not where it was read to be: the books say where it is.
                is_let_go = was_due || matches!(error, LedgerError::Step | LedgerError::UnknownOutgoing);
                None
            }
        };
        let over = state.filter(|state| [OutgoingState::Paid, OutgoingState::Failed].contains(state));
        let mut moving = self.moving.lock();
        if let Some(state) = over {
            moving.remove(member);
            self.observer.over(network, state);
        } else if is_let_go {
            moving.remove(member);
        } else if let Some(left) = moving.get_mut(member) {
            left.again_at = Some(Instant::now() + AGAIN);
        }
    }

    async fn follow(
        &self,
        outlet: &Outlet,
        mut outgoing: Outgoing,
        member: &Arc<str>,
    ) -> Result<Outgoing, LedgerError> {
        let ledger = &self.ledger;
        if outgoing.state == OutgoingState::Due {
            outgoing = ledger.outgoing_step(&outgoing, Step::Send).await?;
        }
        let (to, units) = (&outgoing.to, units(outgoing.amount));
        let transfer = Member::payout(Arc::clone(member), to.token, to.address, units);
        let mut settling = outlet.settler.settle(transfer.clone(), Depth::Last).await;
        if let Settling::Shown(transaction) = settling {
            if outgoing.transaction != Some(transaction) {
                outgoing = ledger.outgoing_step(&outgoing, Step::Show(transaction)).await?;
            }
            settling = outlet.settler.settle(transfer, Depth::Counts).await;
        }
        match settling {
            Settling::Moved(transaction) => ledger.outgoing_step(&outgoing, Step::Pay(transaction)).await,
            Settling::Refused(why) => {
                let why = why.chars().take(REASON_MAX).collect();
                ledger.outgoing_step(&outgoing, Step::Fail(why)).await
            }
            other => {
                warn!(outgoing.id = %outgoing.id, outcome = ?other, network = %outlet.network,
                    "nobody knows yet what became of it");
                Ok(outgoing)
            }
        }
    }
}

/// What a transfer is called in the settler's outbox: one that a person has tried again is another one.
#[must_use]
pub fn member(outgoing: &Outgoing) -> Arc<str> {
    format!("{}/{}", outgoing.id, outgoing.tries).into()
}
