//! [`Elsewhere`]: what the other processes on the same books hold, as of the last batch that this one was told of.
//!
//! With it memory knows as much as if it were alone, from the moment at which a batch has the marker until it is committed.
//! Between two batches it is behind. Nothing here judges. Next: `writer::several`, which does.

use std::collections::{HashMap, HashSet};

use domain::{AgentId, IdempotencyKey, PaymentId, WalletId};

use crate::batch::FoundHold;
use crate::change::{Change, Theirs};
use crate::commit::{Others, Since};
use crate::hold::HoldRequest;
use crate::memory::Memory;

#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    holds: HashMap<PaymentId, Theirs>,
    /// By the digests of their nonces.
    nonces: HashMap<[u8; 16], PaymentId>,
    identifiers: HashMap<IdempotencyKey, PaymentId>,
}

// === impl Elsewhere ===

impl Elsewhere {
    fn all(holds: Vec<Theirs>) -> Self {
        let mut elsewhere = Self::default();
        holds.into_iter().for_each(|theirs| elsewhere.insert(theirs));
        elsewhere
    }

    fn insert(&mut self, theirs: Theirs) {
        let request = &theirs.hold.request;
        let payment = request.payment;
        self.nonces.extend(request.replay.map(|key| (key.nonce_digest(), payment)));
        self.identifiers.extend(request.idempotency.map(|key| (key, payment)));
        self.holds.insert(payment, theirs);
    }

    /// It ended, or is this process's from now on.
    pub(crate) fn remove(&mut self, payment: &PaymentId) -> Option<Theirs> {
        let theirs = self.holds.remove(payment)?;
        let request = &theirs.hold.request;
        if let Some(key) = request.replay {
            self.nonces.remove(&key.nonce_digest());
        }
        if let Some(key) = request.idempotency {
            self.identifiers.remove(&key);
        }
        Some(theirs)
    }

    pub(crate) fn get(&self, payment: &PaymentId) -> Option<&FoundHold> {
        self.holds.get(payment).map(|theirs| &theirs.hold)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FoundHold> {
        self.holds.values().map(|theirs| &theirs.hold)
    }

    /// What is held of these wallets, or by these agents.
    pub(crate) fn of(&self, wallets: &HashSet<WalletId>, agents: &HashSet<AgentId>) -> Vec<PaymentId> {
        let concerns =
            |request: &HoldRequest| wallets.contains(&request.wallet) || agents.contains(&request.agent);
        let holds = self.holds.iter().filter(|(_, theirs)| concerns(&theirs.hold.request));
        holds.map(|(payment, _)| *payment).collect()
    }

    /// Who has this nonce.
    pub(crate) fn nonce(&self, digest: &[u8; 16]) -> Option<&HoldRequest> {
        Some(&self.get(self.nonces.get(digest)?)?.request)
    }

    /// Who has this identifier.
    pub(crate) fn identifier(&self, key: &IdempotencyKey) -> Option<&HoldRequest> {
        Some(&self.get(self.identifiers.get(key)?)?.request)
    }
}

// === impl Memory ===

impl Memory {
    /// Takes over what the others wrote since this process's last batch.
    pub(crate) fn catch_up(&mut self, others: Others) {
        let Others { marker, accounts, since } = others;
        let facts = &mut self.facts;
        if let Some(accounts) = accounts {
            // All of them were read: of others nothing is kept that a crash took away.
            let named = |(name, facts): (String, _)| (name.into(), facts);
            facts.next_account = accounts.next;
            facts.providers = accounts.providers.into_iter().map(named).collect();
            facts.direct = accounts.direct.into_iter().map(named).collect();
        }
        match since {
            Since::Changes(changes) => changes.into_iter().for_each(|change| self.take_over(change)),
            Since::Unknown { holds, replays, horizon } => {
                facts.begin_anew(replays, horizon);
                self.elsewhere = Elsewhere::all(holds);
            }
        }
        self.facts.marker = marker;
    }

    /// Reserves these, which others hold, for the moment of judging.
    pub(crate) fn enter(&mut self, payments: &[PaymentId]) {
        self.holds.enter(payments.iter().filter_map(|payment| self.elsewhere.get(payment)));
    }

    /// Lets go of what [`Self::enter`] took.
    pub(crate) fn leave(&mut self, payments: &[PaymentId]) {
        self.holds.leave(payments.iter().filter_map(|payment| self.elsewhere.get(payment)));
    }

    fn take_over(&mut self, change: Change) {
        for theirs in change.begun {
            // One that was left by a process that is gone may be this one's by now.
            if !self.holds.recorded().contains_key(&theirs.hold.request.payment) {
                self.elsewhere.insert(theirs);
            }
        }
        for (payment, gross) in change.captured {
            match self.elsewhere.remove(&payment) {
                Some(theirs) => self.facts.captured(&theirs, gross),
                // Whose it was is not known here: the books are.
                None => self.facts.forget_sums(),
            }
        }
        for payment in change.voided {
            self.elsewhere.remove(&payment);
        }
        change.wallets.iter().for_each(|wallet| self.facts.wallets.remove(wallet));
        change.agents.iter().for_each(|agent| self.facts.agents.remove(agent));
    }
}
