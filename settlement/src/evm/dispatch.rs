//! What goes into a transaction, and its way to the network.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::U256;
use tracing::{debug, warn};

use super::flight::Flight;
use super::member::Member;
use super::outbox::{Outbox, Recorded};
use super::task::{Failure, Task};
use super::transaction::{Transaction, Version};
use super::{Fees, batch};

/// Transactions with one member each that are on their way at once: nodes keep no more of one sender for sure.
const ALONE_MAX: usize = 16;

/// Those that are looked at in one step: each takes several questions one after another, and whatever is asked meanwhile waits.
const ALONE_LOOKS: usize = 4;

// === impl Task ===

impl<O: Outbox> Task<O> {
    /// Sends what may be sent now; of what goes alone no more than a part.
    pub(super) async fn dispatch(&mut self) -> Result<(), Failure> {
        if self.is_unsure {
            self.adopt().await?;
        }
        self.goes_on().await?;
        if !self.is_able() {
            self.probe().await?;
        }
        let mut looks = ALONE_LOOKS;
        while let Some(mut batch) = self.next_batch(looks > 0) {
            if batch.first().is_some_and(|member| self.goes_alone(member)) {
                looks -= 1;
            }
            let sent = self.launch(&mut batch).await;
            for member in batch.into_iter().rev() {
                self.queue.push_front(member);
            }
            sent?;
        }
        Ok(())
    }

    /// Whether a member goes alone, by what it is, or since it may have been another's call that made its own fail.
    fn goes_alone(&self, member: &Member) -> bool {
        member.goes_alone() || self.failures.get(&member.id).is_some_and(|failures| *failures > 0)
    }

    /// What goes into the next transaction. A batch comes first: those that go alone cost each other time, and nobody else.
    fn next_batch(&mut self, may_be_alone: bool) -> Option<Vec<Member>> {
        let batch = if self.is_held_up() { Vec::new() } else { self.take_batch() };
        if !batch.is_empty() {
            return Some(batch);
        }
        let alone = self.flights.iter().filter(|flight| flight.is_alone && flight.seen.is_none()).count();
        let place = self.queue.iter().position(|member| self.goes_alone(member));
        let place = place.filter(|_| may_be_alone && alone < ALONE_MAX)?;
        self.queue.remove(place).map(|member| vec![member])
    }

    /// Those that go together, as many as fit.
    fn take_batch(&mut self) -> Vec<Member> {
        let queue = std::mem::take(&mut self.queue);
        let (alone, mut others): (VecDeque<_>, VecDeque<_>) =
            queue.into_iter().partition(|member| self.goes_alone(member));
        self.queue = others.split_off(batch::fitting(others.iter()));
        self.queue.extend(alone);
        others.into()
    }

    /// Sends one transaction. What is left of the batch was neither answered nor sent.
    async fn launch(&mut self, batch: &mut Vec<Member>) -> Result<(), Failure> {
        self.leave_out(batch).await?;
        let Some(first) = batch.first() else { return Ok(()) };
        let is_alone = self.goes_alone(first);
        let (chain, us) = (Arc::clone(&self.chain), self.us);
        let (count, (base, tip), head, coins) =
            tokio::try_join!(chain.transactions_of(us, None), chain.fees(), chain.head(), chain.coins(us))?;
        let fees = self.offer(base, tip)?;
        self.leave_out_forgotten(batch, count).await?;
        self.leave_out_dear(batch, fees, coins).await?;
        let rest = batch.split_off(batch::affordable(batch, fees, coins));
        if batch.is_empty() {
            *batch = rest;
            return if batch.is_empty() { Ok(()) } else { Err(Failure::Coins(self.us)) };
        }
        let nonce = count.max(self.next_nonce);
        let versions = vec![self.version(batch, nonce, fees)];
        let recorded = Recorded { nonce, members: batch.clone(), versions };
        if let Err(failure) = self.outbox.record(&recorded).await {
            for member in &*batch {
                self.failures.entry(Arc::clone(&member.id)).or_default();
            }
            batch.extend(rest);
            self.is_unsure = true;
            return Err(failure.into());
        }
        self.next_nonce = nonce.saturating_add(1);
        *batch = rest;
        let flight = Flight::sent(recorded, is_alone, head);
        self.send(&flight).await;
        self.flights.push(flight);
        Ok(())
    }

    /// Whether one payment could be sent.
    async fn probe(&self) -> Result<(), Failure> {
        let chain = &self.chain;
        let ((base, tip), coins) = tokio::try_join!(chain.fees(), chain.coins(self.us))?;
        let fees = self.offer(base, tip)?;
        let is_paid = batch::covers(coins, fees, batch::gas_of_one());
        if is_paid { Ok(()) } else { Err(Failure::Coins(self.us)) }
    }

    /// What a new transaction offers. Where a block's fee alone is above the cap it would wait for cheaper ones, and all after it too; of
    /// the tip that a node suggests, what fits is offered.
    fn offer(&self, base: u64, tip: u64) -> Result<Fees, Failure> {
        let cap = self.settings.fee_cap;
        if base > cap { Err(Failure::Price { price: base, cap }) } else { Ok(Fees::offer(base, tip, cap)) }
    }

    /// That no transaction has been in no block for too long.
    async fn goes_on(&self) -> Result<(), Failure> {
        if !self.flights.iter().any(Flight::is_late) {
            return Ok(());
        }
        let (head, bump_after) = (self.chain.head().await?, self.settings.bump_after);
        let Some(stuck) = self.flights.iter().find(|flight| flight.is_stuck(head, bump_after)) else {
            return Ok(());
        };
        let nonce = stuck.recorded.nonce;
        // Whether the network does not take it, or this node stands still and another process has a better one.
        Err(if head > stuck.begun_at { Failure::Stuck(nonce) } else { Failure::Still(nonce) })
    }

    /// Declines those that are too dear for the coins that are there, where a payment is not: nobody waits behind them.
    async fn leave_out_dear(
        &mut self,
        batch: &mut Vec<Member>,
        fees: Fees,
        coins: U256,
    ) -> Result<(), Failure> {
        let is_dear =
            |member: &&Member| !batch::covers(coins, fees, batch::gas(std::slice::from_ref(*member)));
        let dear: Vec<Arc<str>> = batch.iter().filter(is_dear).map(|member| Arc::clone(&member.id)).collect();
        if dear.is_empty() || !batch::covers(coins, fees, batch::gas_of_one()) {
            return Ok(());
        }
        let failure = Failure::Coins(self.us);
        warn!(%failure, declined = dear.len(), "what takes more than a payment does is not sent");
        self.decline(&dear, &failure.to_string()).await?;
        batch.retain(|member| !dear.contains(&member.id));
        Ok(())
    }

    pub(super) fn version(&self, members: &[Member], nonce: u64, fees: Fees) -> Version {
        let call = batch::call(members);
        let (chain_id, gas) = (self.settings.chain_id, batch::gas(members));
        let transaction = Transaction { chain_id, nonce, fees, gas, to: call.target, data: call.data };
        transaction.sign(&self.key)
    }

    /// A node that does not take it, or cannot say so, is asked again with the next block.
    pub(super) async fn send(&self, flight: &Flight) {
        let Some(version) = flight.newest() else { return };
        match self.chain.send(&version.raw).await {
            Ok(()) => debug!(transaction = %version.hash, nonce = flight.recorded.nonce, "sent"),
            Err(failure) => {
                warn!(transaction = %version.hash, nonce = flight.recorded.nonce, %failure, "not taken by the node");
            }
        }
    }
}
