//! [`Task`]: the one that sends, for one key on one network. It may be dropped at any point: the outbox says where the next one begins.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::Address;
use protocol::signature::SigningKey;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use super::flight::{Flight, Look};
use super::member::Member;
use super::outbox::{Outbox, OutboxError, Recorded};
use super::transaction::{Transaction, Version};
use super::{Ask, Fees, MULTICALL3, Settings, batch};
use crate::chain::{Chain, RpcError};
use crate::rail::Settling;

/// Members that wait for a transaction; whoever asks for one more waits outside.
const QUEUE_MAX: usize = 8192;

/// Personal members, each with a transaction of its own, that are on their way at once: nodes keep no more of one sender for sure.
const PERSONAL_MAX: usize = 16;

/// Why a step was not made. It is made again.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The network was not reached, or did not say what was asked.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Nothing was written down, so that nothing was sent.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

/// The sender.
pub struct Task<O> {
    pub(super) settings: Settings,
    key: SigningKey,
    pub(super) us: Address,
    pub(super) chain: Arc<Chain>,
    pub(super) outbox: O,
    asks: mpsc::Receiver<Ask>,
    /// To be sent, the first one first.
    pub(super) queue: VecDeque<Member>,
    /// Recorded and not closed, by nonce.
    flights: Vec<Flight>,
    /// Above all that were recorded.
    next_nonce: u64,
    /// Members in the queue and in flights, and who waits for each.
    pub(super) waiting: HashMap<Arc<str>, Vec<oneshot::Sender<Settling>>>,
    /// How often a member's call failed in a transaction.
    pub(super) failures: HashMap<Arc<str>, u32>,
}

// === impl Task ===

impl<O: Outbox> Task<O> {
    pub(super) fn new(
        settings: Settings,
        key: SigningKey,
        chain: Arc<Chain>,
        outbox: O,
        asks: mpsc::Receiver<Ask>,
    ) -> Self {
        Self {
            settings,
            us: key.address(),
            key,
            chain,
            outbox,
            asks,
            queue: VecDeque::new(),
            flights: Vec::new(),
            next_nonce: 0,
            waiting: HashMap::new(),
            failures: HashMap::new(),
        }
    }

    /// Sends until `stop` says so, or until nobody can ask any more and all is closed.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            // Whoever would say so may be gone.
            stopped = stop.wait_for(|stopped| *stopped) => drop(stopped),
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let mut ticks = tokio::time::interval(self.settings.poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Err(failure) = self.resume().await {
            warn!(%failure, "the settler cannot begin yet");
            ticks.tick().await;
        }
        let mut asked = Vec::new();
        let mut is_open = true;
        while is_open || self.is_busy() {
            tokio::select! {
                biased;
                _ = ticks.tick(), if self.is_busy() => {
                    if let Err(failure) = self.watch().await {
                        warn!(%failure, "the settler looks at its transactions again");
                    }
                }
                count = self.asks.recv_many(&mut asked, QUEUE_MAX), if is_open && self.queue.len() < QUEUE_MAX => {
                    is_open = count > 0;
                    if !self.is_held_up() {
                        tokio::time::sleep(self.settings.gather).await;
                        while let Ok(ask) = self.asks.try_recv() {
                            asked.push(ask);
                        }
                    }
                    asked.drain(..).for_each(|ask| self.take_in(ask));
                }
            }
            if let Err(failure) = self.dispatch().await {
                warn!(%failure, "the settler sends later");
            }
        }
    }

    fn is_busy(&self) -> bool {
        !self.flights.is_empty() || !self.queue.is_empty()
    }

    /// Whether a batch is not in a block yet: the next one fills meanwhile.
    fn is_held_up(&self) -> bool {
        self.flights.iter().any(Flight::is_waiting_batch)
    }

    async fn resume(&mut self) -> Result<(), Failure> {
        let head = self.chain.head().await?;
        let resumed = self.outbox.resume().await?;
        self.next_nonce = resumed.next_nonce;
        let members = resumed.open.iter().flat_map(|recorded| &recorded.members);
        self.waiting = members.map(|member| (Arc::clone(&member.id), Vec::new())).collect();
        self.flights = resumed.open.into_iter().map(|recorded| Flight::resumed(recorded, head)).collect();
        Ok(())
    }

    fn take_in(&mut self, Ask { member, answer }: Ask) {
        if let Some(waiting) = self.waiting.get_mut(&member.id) {
            waiting.push(answer);
            return;
        }
        self.waiting.insert(Arc::clone(&member.id), vec![answer]);
        self.queue.push_back(member);
    }

    pub(super) fn answer(&mut self, id: &Arc<str>, settling: &Settling) {
        self.failures.remove(id);
        for waiting in self.waiting.remove(id).unwrap_or_default() {
            // Whoever stopped waiting changes nothing.
            let _ = waiting.send(settling.clone());
        }
    }

    /// Sends what may be sent now.
    async fn dispatch(&mut self) -> Result<(), Failure> {
        while let Some(mut batch) = self.next_batch() {
            let sent = self.launch(&mut batch).await;
            for member in batch.into_iter().rev() {
                self.queue.push_front(member);
            }
            sent?;
        }
        Ok(())
    }

    /// What goes into the next transaction: a personal member alone, all others together.
    fn next_batch(&mut self) -> Option<Vec<Member>> {
        let personal =
            self.flights.iter().filter(|flight| !flight.is_included && flight.is_personal()).count();
        let place = self.queue.iter().position(Member::is_personal);
        if let Some(place) = place.filter(|_| personal < PERSONAL_MAX) {
            return self.queue.remove(place).map(|member| vec![member]);
        }
        if self.is_held_up() {
            return None;
        }
        let (personal, mut others): (VecDeque<_>, VecDeque<_>) =
            self.queue.drain(..).partition(Member::is_personal);
        let rest = others.split_off(batch::fitting(others.iter()));
        self.queue = rest;
        self.queue.extend(personal);
        (!others.is_empty()).then(|| others.into())
    }

    /// Sends one transaction. What is left of the batch was neither answered nor written down.
    async fn launch(&mut self, batch: &mut Vec<Member>) -> Result<(), Failure> {
        self.leave_out(batch).await?;
        if batch.is_empty() {
            return Ok(());
        }
        let chain = Arc::clone(&self.chain);
        let (count, (base, tip), head) =
            tokio::try_join!(chain.transactions_of(self.us, None), chain.fees(), chain.head())?;
        let nonce = count.max(self.next_nonce);
        let version = self.version(batch, nonce, Fees::offer(base, tip, self.settings.fee_cap));
        let recorded = Recorded { nonce, members: batch.clone(), versions: vec![version] };
        self.outbox.record(&recorded).await?;
        self.next_nonce = nonce.saturating_add(1);
        batch.clear();
        let flight = Flight::sent(recorded, head);
        self.send(&flight).await;
        self.flights.push(flight);
        Ok(())
    }

    fn version(&self, members: &[Member], nonce: u64, fees: Fees) -> Version {
        let call = batch::call(members, MULTICALL3);
        let (chain_id, gas) = (self.settings.chain_id, batch::gas(members));
        let transaction = Transaction { chain_id, nonce, fees, gas, to: call.target, data: call.data };
        transaction.sign(&self.key)
    }

    /// A node that does not take it, or cannot say so, is asked again with the next block.
    async fn send(&self, flight: &Flight) {
        let Some(version) = flight.newest() else { return };
        match self.chain.send(&version.raw).await {
            Ok(()) => debug!(transaction = %version.hash, nonce = flight.recorded.nonce, "sent"),
            Err(failure) => {
                warn!(transaction = %version.hash, nonce = flight.recorded.nonce, %failure, "not taken by the node");
            }
        }
    }

    /// Looks where each transaction is, closes what counts, and sends again what is in no block.
    async fn watch(&mut self) -> Result<(), Failure> {
        let head = self.chain.head().await?;
        let mut place = 0;
        while place < self.flights.len() {
            let look = self.flights[place].look(&self.chain, self.us, head).await?;
            let landed = match look {
                Look::Landed(receipt) => Some(receipt),
                Look::Passed => None,
                Look::Included => {
                    place += 1;
                    continue;
                }
                Look::Waiting => {
                    self.press(place, head).await?;
                    place += 1;
                    continue;
                }
            };
            self.finish(&self.flights[place].recorded.clone(), landed.as_ref()).await?;
            self.flights.remove(place);
        }
        Ok(())
    }

    /// Sends a transaction again with each block, and offers more for it after some.
    async fn press(&mut self, place: usize, head: u64) -> Result<(), Failure> {
        let Some(flight) = self.flights.get(place).filter(|flight| flight.sent_at != head) else {
            return Ok(());
        };
        let is_due =
            head >= flight.offered_at.saturating_add(self.settings.bump_after) && flight.may_have_more();
        if let Some(before) = flight.newest().filter(|_| is_due) {
            let (base, tip) = self.chain.fees().await?;
            let cap = self.settings.fee_cap;
            if let Some(fees) = Fees::offer(base, tip, cap).instead_of(before.fees, cap) {
                let mut recorded = flight.recorded.clone();
                recorded.versions.push(self.version(&recorded.members, recorded.nonce, fees));
                self.outbox.record(&recorded).await?;
                let flight = &mut self.flights[place];
                flight.recorded = recorded;
                flight.offered_at = head;
            }
        }
        self.send(&self.flights[place]).await;
        self.flights[place].sent_at = head;
        Ok(())
    }
}
