//! [`Sender`]: sends what leaves our treasury on public networks, each transfer in a transaction of its own under the next nonce of the
//! treasury's key.
//!
//! The books say what is due ([`ledger::Outgoing`]), and hear of each step before the next one is made: handed over, shown by a block,
//! paid where that one counts, failed. That a transfer is sent once, whatever crashes, is the settler's outbox to see to: it stands there
//! before it is sent, under a name that nothing else ever has, and whoever asks for it again is told what became of it ([`crate::evm`]).
//! So the sender may be dropped at any point: what was handed over is asked for again. What failed waits for a person.
//! A transfer that the treasury cannot pay now stays due. Where several processes share the books, the one sends that has the settler's
//! turn.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, U256};
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

/// Transfers of one network that are looked at in a round.
const DUE_MAX: u32 = 64;

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
    /// One is over: paid, or failed.
    fn over(&self, network: &str, state: OutgoingState);
}

/// Sends. It may be dropped at any point.
pub struct Sender {
    shared: Arc<Shared>,
    outlets: Vec<Arc<Outlet>>,
    running: JoinSet<()>,
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
        Self { shared, outlets, running: JoinSet::new() }
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

    /// Begins with all that is due, as far as the treasury has it.
    async fn round(&mut self, outlet: &Arc<Outlet>) -> Result<(), LedgerError> {
        if !outlet.settler.is_available() {
            if !outlet.settler.has_turn() {
                // Another process counts them.
                self.shared.observer.open(&outlet.network, 0);
            }
            return Ok(());
        }
        let mut due = self.shared.ledger.outgoing_due(&outlet.network, DUE_MAX).await?;
        self.shared.observer.open(&outlet.network, due.len());
        self.shared.keep(outlet, &due);
        // What was handed over has its part of the treasury's balance before anything else has.
        due.sort_by_key(|outgoing| outgoing.state != OutgoingState::Sent);
        for outgoing in due {
            let member = name(&outgoing);
            let is_sent = outgoing.state == OutgoingState::Sent;
            if self.shared.is_moving(&member)
                || (!is_sent && !self.shared.is_covered(outlet, &outgoing).await)
            {
                continue;
            }
            self.shared.begin(&member, &outgoing);
            let (shared, outlet) = (Arc::clone(&self.shared), Arc::clone(outlet));
            self.running.spawn(async move { shared.send(&outlet, outgoing, &member).await });
        }
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    /// Forgets what another process saw the end of: what is left alone, and is not among those that are read, the oldest first.
    fn keep(&self, outlet: &Outlet, due: &[Outgoing]) {
        if due.len() >= DUE_MAX as usize {
            return;
        }
        let names: HashSet<Arc<str>> = due.iter().map(name).collect();
        self.moving.lock().retain(|member, moving| {
            moving.network != outlet.network || moving.again_at.is_none() || names.contains(member)
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

    /// Whether the treasury has what is to be sent, beside what is on its way.
    async fn is_covered(&self, outlet: &Outlet, outgoing: &Outgoing) -> bool {
        let token = outgoing.to.token;
        let balance = match outlet.chain.balance(token, outlet.settler.address()).await {
            Ok(balance) => balance,
            Err(error) => {
                warn!(network = %outlet.network, %error, "the treasury's balance cannot be read");
                return false;
            }
        };
        let of_token = |moving: &&Moving| moving.token == token;
        let sum = |sum: U256, moving: &Moving| sum.saturating_add(moving.units);
        let taken = self.moving.lock().values().filter(of_token).fold(U256::ZERO, sum);
        let is_covered = balance >= taken.saturating_add(units(outgoing.amount));
        if !is_covered {
            warn!(outgoing.id = %outgoing.id, amount = %outgoing.amount, %balance, on_its_way = %taken,
                network = %outlet.network, "the treasury does not have what is to leave it; it waits");
        }
        is_covered
    }

    /// Sends one, or asks what became of it.
    async fn send(&self, outlet: &Outlet, outgoing: Outgoing, member: &Arc<str>) {
        let (id, network) = (outgoing.id, &outlet.network);
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
                None
            }
        };
        let over = state.filter(|state| [OutgoingState::Paid, OutgoingState::Failed].contains(state));
        let mut moving = self.moving.lock();
        if let Some(state) = over {
            moving.remove(member);
            self.observer.over(network, state);
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
fn name(outgoing: &Outgoing) -> Arc<str> {
    format!("{}/{}", outgoing.id, outgoing.tries).into()
}
