//! [`Task`]: the one that sends, for one key on one network. It may be dropped at any point: the outbox says where the next one begins.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::Address;
use protocol::signature::SigningKey;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::burning::Burning;
use super::flight::{Flight, UNSEEN_MIN};
use super::member::Member;
use super::outbox::{Outbox, OutboxError, Unclosed};
use super::{Ask, MULTICALL3, Readiness, Settings, Waiter};
use crate::chain::{Chain, RpcError};
use crate::duty::{Alone, Duty};
use crate::rail::Settling;

/// Members that wait for a transaction; whoever asks for one more waits outside.
const QUEUE_MAX: usize = 8192;

/// Until a transaction is looked for first: some networks are fast. From look to look it takes twice as long.
const LOOK_FIRST: Duration = Duration::from_millis(10);

/// Why a step was not made. It is made again.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The network was not reached, or did not say what was asked.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Nothing was written down, so that nothing was sent.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The network has no Multicall3.
    #[error("there is no Multicall3 at {MULTICALL3} on the network")]
    Multicall,
    /// Our account cannot pay for the gas of a transaction.
    #[error("{0} has too few coins for gas")]
    Coins(Address),
    /// More than may be offered.
    #[error("a unit of gas costs {price} wei, and {cap} may be offered")]
    Price {
        /// Without a tip.
        price: u64,
        /// See [`Settings::fee_cap`].
        cap: u64,
    },
    /// The network does not take what was sent.
    #[error("the transaction with nonce {0} has been in no block for more than {seconds} s", seconds = UNSEEN_MIN.as_secs())]
    Stuck(u64),
    /// Its nodes show no new blocks.
    #[error("no new block in the {seconds} s since the transaction with nonce {0} was sent", seconds = UNSEEN_MIN.as_secs())]
    Still(u64),
}

/// The sender.
pub struct Task<O> {
    pub(super) settings: Settings,
    pub(super) key: SigningKey,
    pub(super) us: Address,
    pub(super) chain: Arc<Chain>,
    pub(super) outbox: O,
    pub(super) asks: mpsc::Receiver<Ask>,
    /// To be sent, the first one first.
    pub(super) queue: VecDeque<Member>,
    /// Recorded and not closed, by nonce.
    pub(super) flights: Vec<Flight>,
    /// Above all that were recorded.
    pub(super) next_nonce: u64,
    /// Members in the queue and in flights, and who waits for each.
    pub(super) waiting: HashMap<Arc<str>, Vec<Waiter>>,
    /// How often a member's call failed in a transaction; 0 for one that may stand in a transaction that was never sent.
    pub(super) failures: HashMap<Arc<str>, u32>,
    /// Payers that are left alone.
    pub(super) burning: Burning,
    /// Until the network is looked at again.
    pause: Duration,
    pub(super) readiness: Readiness,
    /// Who says so.
    pub(super) duty: Arc<dyn Duty>,
    /// Steps in a row that were not made.
    pub(super) failed: u32,
    /// Whether something may be written down, or was sent, that is not known here: a record or a close was refused, or its answer was lost,
    /// or another transaction took the place of ours.
    pub(super) is_unsure: bool,
}

// === impl Failure ===

impl Failure {
    /// Whether another process with the key would meet the same.
    pub(super) const fn is_everybodys(&self) -> bool {
        matches!(self, Self::Price { .. } | Self::Stuck(_))
    }
}

// === impl Task ===

impl<O: Outbox> Task<O> {
    pub(super) fn new(
        settings: Settings,
        key: SigningKey,
        chain: Arc<Chain>,
        outbox: O,
        asks: mpsc::Receiver<Ask>,
        readiness: Readiness,
    ) -> Self {
        Self {
            pause: settings.poll,
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
            burning: Burning::default(),
            readiness,
            duty: Arc::new(Alone),
            failed: 0,
            is_unsure: false,
        }
    }

    /// Sends until `stop` says so, or until nobody can ask any more and all is closed.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            // Whoever would say so may be gone.
            stopped = stop.wait_for(|stopped| *stopped) => drop(stopped),
            () = self.take_turns() => {}
        }
    }

    /// Until nobody can ask any more and all is closed. It may be dropped at any point.
    pub(super) async fn work(&mut self) {
        let mut ticks = tokio::time::interval(self.settings.poll);
        while let Err(failure) = self.resume().await {
            warn!(%failure, "the settler cannot begin yet");
            self.readiness.failing.store(true, Ordering::Relaxed);
            *self.readiness.unable.lock() = Some((&failure).into());
            ticks.tick().await;
        }
        let mut asked = Vec::new();
        let mut is_open = true;
        while is_open || self.is_busy() {
            tokio::select! {
                biased;
                _ = ticks.tick(), if self.is_busy() || !self.is_able() => {
                    if let Err(failure) = self.watch().await {
                        warn!(%failure, "the settler looks at its transactions again");
                    }
                    self.pause = self.settings.poll.min(self.pause.saturating_mul(2));
                    ticks.reset_after(self.pause);
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
            let before = (self.next_nonce, self.queue.len());
            let sent = self.dispatch().await;
            self.note(sent).await;
            if (self.next_nonce, self.queue.len()) != before {
                self.pause = self.settings.poll.min(LOOK_FIRST);
                ticks.reset_after(self.pause);
            }
        }
    }

    fn is_busy(&self) -> bool {
        !self.flights.is_empty() || !self.queue.is_empty()
    }

    /// Whether a batch is not in a block yet: the next one fills meanwhile.
    pub(super) fn is_held_up(&self) -> bool {
        self.flights.iter().any(Flight::is_waiting_batch)
    }

    async fn resume(&mut self) -> Result<(), Failure> {
        if !self.chain.has_code(MULTICALL3).await? {
            return Err(Failure::Multicall);
        }
        let (head, sent) = (self.chain.head().await?, self.sent_before().await?);
        let resumed = self.outbox.resume().await?;
        self.look_back(sent, resumed.next_nonce).await?;
        self.next_nonce = resumed.next_nonce;
        let members = resumed.open.iter().flat_map(|unclosed| &unclosed.recorded.members);
        self.waiting = members.map(|member| (Arc::clone(&member.id), Vec::new())).collect();
        self.flights = resumed.open.into_iter().map(|unclosed| Flight::resumed(unclosed, head)).collect();
        Ok(())
    }

    /// Takes over what is written down and not known here.
    pub(super) async fn adopt(&mut self) -> Result<(), Failure> {
        let (head, sent) = (self.chain.head().await?, self.sent_before().await?);
        let resumed = self.outbox.resume().await?;
        self.look_back(sent, resumed.next_nonce).await?;
        self.next_nonce = self.next_nonce.max(resumed.next_nonce);
        self.leave_closed(&resumed.open);
        for unclosed in resumed.open {
            let recorded = &unclosed.recorded;
            self.queue.retain(|member| recorded.members.iter().all(|other| other.id != member.id));
            let known = self.flights.iter_mut().find(|flight| flight.recorded.nonce == recorded.nonce);
            if let Some(flight) = known {
                // Whoever wrote a version down may have sent it.
                flight.recorded = unclosed.recorded;
                continue;
            }
            for member in &recorded.members {
                self.waiting.entry(Arc::clone(&member.id)).or_default();
            }
            self.flights.push(Flight::resumed(unclosed, head));
        }
        self.is_unsure = false;
        Ok(())
    }

    /// What another sender has closed is nothing to look after any more. Its members are looked at as if they were asked for again: the
    /// chain or the outbox has what became of them.
    fn leave_closed(&mut self, open: &[Unclosed]) {
        let is_closed =
            |flight: &mut Flight| open.iter().all(|other| other.recorded.nonce != flight.recorded.nonce);
        let closed: Vec<Flight> = self.flights.extract_if(.., is_closed).collect();
        self.queue.extend(closed.into_iter().flat_map(|flight| flight.recorded.members));
    }

    fn take_in(&mut self, Ask { member, waiter }: Ask) {
        if let Some(waiting) = self.waiting.get_mut(&member.id) {
            waiting.push(waiter);
            return;
        }
        self.waiting.insert(Arc::clone(&member.id), vec![waiter]);
        self.queue.push_back(member);
    }

    pub(super) fn answer(&mut self, id: &Arc<str>, settling: &Settling) {
        self.failures.remove(id);
        for waiting in self.waiting.remove(id).unwrap_or_default() {
            // Whoever stopped waiting changes nothing.
            let _ = waiting.answer.send(settling.clone());
        }
    }
}
