//! [`Facts`]: what stands on disk, as far as it is needed in memory. Written only after a COMMIT, by the writer.
//!
//! Wallets and agents are read when first needed and forgotten when idle; the writer reads them between two
//! batches, so that no update falls between the reading and the keeping. Replay keys that can still come again are
//! all here; older ones are on disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::{
    AgentId, Amount, Custody, Fingerprint, PaymentId, ReplayKey, Scope, UnixMillis, WalletId, Window,
};

use crate::batch::{AccountId, CallKey, Delta, FoundHold, FreeKey, Marker, Owner, WindowKey};
use crate::bounded::Bounded;
use crate::change::Theirs;
use crate::hold::HoldRequest;
use crate::outgoing::Outlet;

/// For how long after its expiry a replay key stays in memory, in seconds.
pub(crate) const REPLAY_KEEP_SECONDS: u64 = 120;

#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) marker: Marker,
    pub(crate) next_account: i64,
    pub(crate) providers: HashMap<Arc<str>, ProviderFacts>,
    /// The accounts of those that are paid at their own address.
    pub(crate) direct: HashMap<Arc<str>, ProviderFacts>,
    pub(crate) wallets: Bounded<WalletId, WalletFacts>,
    pub(crate) agents: Bounded<AgentId, AgentFacts>,
    pub(crate) replays: Replays,
    /// Networks on which money can leave our treasury.
    pub(crate) outlets: HashMap<Arc<str>, Outlet>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProviderFacts {
    pub(crate) account: AccountId,
    pub(crate) fee: AccountId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalletFacts {
    pub(crate) account: AccountId,
    /// Committed; never negative where it has a floor.
    pub(crate) balance: i64,
    /// Whether it must have what is taken from it. A token's account has what its payers have, which only the chain knows.
    pub(crate) floor: bool,
}

/// An agent's sums. What is not listed is zero: everything since the hour, day and month before the reading is here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentFacts {
    pub(crate) windows: Vec<WindowFacts>,
    /// Provider, month, calls.
    pub(crate) calls: Vec<(AccountId, UnixMillis, u64)>,
    /// Route, day, free calls.
    pub(crate) free: Vec<(Arc<str>, UnixMillis, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WindowFacts {
    pub(crate) window: Window,
    pub(crate) start: UnixMillis,
    pub(crate) scope: Option<Scope>,
    pub(crate) spent: i64,
    pub(crate) limit: i64,
}

/// Captured replay keys by the digest of their nonce.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    live: HashMap<[u8; 16], Captured>,
    /// Digests by expiry, in Unix seconds.
    expiries: BTreeMap<u64, Vec<[u8; 16]>>,
    /// Every captured key that expires at this second or later is in `live`.
    horizon: u64,
}

/// A captured replay key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) key: ReplayKey,
    pub(crate) payment: PaymentId,
    pub(crate) fingerprint: Fingerprint,
}

// === impl Facts ===

impl Facts {
    pub(crate) fn new(marker: Marker, next_account: i64, limit: usize, horizon: u64) -> Self {
        Self {
            marker,
            next_account,
            providers: HashMap::new(),
            direct: HashMap::new(),
            wallets: Bounded::new(limit),
            agents: Bounded::new(limit),
            replays: Replays { horizon, ..Replays::default() },
            outlets: HashMap::new(),
        }
    }

    /// Who is credited for what is held.
    pub(crate) fn payee(&self, request: &HoldRequest) -> Option<&ProviderFacts> {
        match request.intent.as_ref().map(|intent| intent.custody) {
            Some(Custody::Direct) => self.direct.get(&request.provider),
            Some(Custody::Treasury) | None => self.providers.get(&request.provider),
        }
    }

    /// Takes over what a commit wrote.
    pub(crate) fn apply(&mut self, delta: &Delta) {
        self.marker = delta.marker;
        self.open_accounts(delta);
        for (wallet, change) in &delta.wallets {
            if let Some(facts) = self.wallets.get_mut(wallet) {
                facts.balance += change;
            }
        }
        for (key, change) in &delta.windows {
            if let Some(agent) = self.agents.get_mut(&key.agent) {
                agent.charge(key, change.spent - change.returned, change.limit);
            }
        }
        for (key, change) in &delta.calls {
            if let Some(agent) = self.agents.get_mut(&key.agent) {
                agent.count(key, change.made, change.returned);
            }
        }
        for (key, change) in &delta.free {
            if let Some(agent) = self.agents.get_mut(&key.agent) {
                agent.give(key, *change);
            }
        }
        for row in &delta.payments {
            if let Some(key) = row.replay {
                self.replays.insert(Captured { key, payment: row.id, fingerprint: row.fingerprint });
            }
        }
        self.replays.forget(delta.marker.at);
    }

    /// Takes over what a capture of another process moved.
    pub(crate) fn captured(&mut self, theirs: &Theirs, gross: Amount) {
        let FoundHold { request, held, free, .. } = &theirs.hold;
        if let Some(wallet) = self.wallets.get_mut(&request.wallet) {
            wallet.balance -= gross.atomic();
        }
        if let Some(agent) = self.agents.get_mut(&request.agent) {
            for (key, limit) in held.limits(request) {
                agent.charge(&key, gross.atomic(), limit.map_or(i64::MAX, Amount::atomic));
            }
            let calls = CallKey { agent: request.agent, provider: theirs.provider, month: held.month };
            agent.count(&calls, 1, 0);
            if *free {
                agent.give(&FreeKey::of(request, held), 1);
            }
        }
        let (payment, fingerprint) = (request.payment, request.fingerprint);
        if let Some(key) = request.replay {
            self.replays.insert(Captured { key, payment, fingerprint });
        }
    }

    /// Forgets balances and sums: what is wanted of them is read again.
    pub(crate) fn forget_sums(&mut self) {
        self.wallets.clear();
        self.agents.clear();
    }

    /// The same, with the captured replay keys that the books have now: all that expire at `horizon` or later.
    pub(crate) fn begin_anew(&mut self, replays: Vec<Captured>, horizon: u64) {
        self.forget_sums();
        self.replays = Replays { horizon, ..Replays::default() };
        replays.into_iter().for_each(|captured| self.replays.insert(captured));
    }

    fn open_accounts(&mut self, delta: &Delta) {
        for account in &delta.accounts {
            self.next_account = self.next_account.max(account.id.0 + 1);
            match &account.owner {
                Owner::Wallet(wallet) => {
                    let facts = WalletFacts { account: account.id, balance: 0, floor: true };
                    self.wallets.insert(*wallet, facts);
                }
                Owner::Chain(token) => {
                    let facts = WalletFacts { account: account.id, balance: 0, floor: false };
                    self.wallets.insert(token.wallet, facts);
                }
                // A provider's fee account follows its own.
                Owner::Provider(name) => {
                    let facts = ProviderFacts { account: account.id, fee: AccountId(account.id.0 + 1) };
                    self.providers.insert(Arc::clone(name), facts);
                }
                Owner::Direct(name) => {
                    let facts = ProviderFacts { account: account.id, fee: AccountId(account.id.0 + 1) };
                    self.direct.insert(Arc::clone(name), facts);
                }
                Owner::Fee(_) | Owner::Payable(_) | Owner::Receivable(_) => {}
            }
        }
    }
}

// === impl AgentFacts ===

impl AgentFacts {
    /// Spent and limit of a window.
    pub(crate) fn window(&self, key: &WindowKey) -> (i64, i64) {
        self.windows.iter().find(|facts| facts.is(key)).map_or((0, 0), |facts| (facts.spent, facts.limit))
    }

    pub(crate) fn calls(&self, key: &CallKey) -> u64 {
        let same = |facts: &&(AccountId, UnixMillis, u64)| facts.0 == key.provider && facts.1 == key.month;
        self.calls.iter().find(same).map_or(0, |facts| facts.2)
    }

    /// Free calls that were made.
    pub(crate) fn free(&self, key: &FreeKey) -> i64 {
        let same = |facts: &&(Arc<str>, UnixMillis, i64)| facts.1 == key.day && facts.0 == key.route;
        self.free.iter().find(same).map_or(0, |facts| facts.2)
    }

    fn give(&mut self, key: &FreeKey, change: i64) {
        let same = |facts: &&mut (Arc<str>, UnixMillis, i64)| facts.1 == key.day && facts.0 == key.route;
        if let Some(facts) = self.free.iter_mut().find(same) {
            facts.2 += change;
        } else if change > 0 {
            self.free.push((Arc::clone(&key.route), key.day, change));
            let oldest = second_newest(self.free.iter().map(|facts| facts.1));
            self.free.retain(|facts| facts.1 >= oldest);
        }
    }

    fn charge(&mut self, key: &WindowKey, change: i64, limit: i64) {
        if let Some(facts) = self.windows.iter_mut().find(|facts| facts.is(key)) {
            facts.spent += change;
            facts.limit = facts.limit.max(limit);
        } else if change > 0 || limit > 0 {
            let (window, start, scope) = (key.window, key.start, key.scope.clone());
            self.windows.push(WindowFacts { window, start, scope, spent: change, limit });
            let starts =
                self.windows.iter().filter(|facts| facts.window == key.window).map(|facts| facts.start);
            let oldest = second_newest(starts);
            self.windows.retain(|facts| facts.window != key.window || facts.start >= oldest);
        }
    }

    fn count(&mut self, key: &CallKey, made: u64, returned: u64) {
        let same =
            |facts: &&mut (AccountId, UnixMillis, u64)| facts.0 == key.provider && facts.1 == key.month;
        if let Some(facts) = self.calls.iter_mut().find(same) {
            facts.2 = (facts.2 + made).saturating_sub(returned);
        } else if made > 0 {
            self.calls.push((key.provider, key.month, made.saturating_sub(returned)));
            let oldest = second_newest(self.calls.iter().map(|facts| facts.1));
            self.calls.retain(|facts| facts.1 >= oldest);
        }
    }
}

// === impl WindowFacts ===

impl WindowFacts {
    fn is(&self, key: &WindowKey) -> bool {
        self.window == key.window && self.start == key.start && self.scope == key.scope
    }
}

/// Holds fall into the newest window or the one before it; older ones need not be kept.
fn second_newest(starts: impl Iterator<Item = UnixMillis> + Clone) -> UnixMillis {
    let newest = starts.clone().max();
    starts.filter(|start| Some(*start) != newest).max().unwrap_or_default()
}

// === impl Replays ===

impl Replays {
    pub(crate) fn get(&self, digest: &[u8; 16]) -> Option<&Captured> {
        self.live.get(digest)
    }

    /// Whether a key that is not here may still be on disk.
    pub(crate) fn may_be_on_disk(&self, key: &ReplayKey) -> bool {
        key.valid_before() < self.horizon
    }

    pub(crate) fn insert(&mut self, captured: Captured) {
        let digest = captured.key.nonce_digest();
        self.expiries.entry(captured.key.valid_before()).or_default().push(digest);
        self.live.insert(digest, captured);
    }

    /// Lets go of what expired long enough ago. Disk keeps it for ever.
    fn forget(&mut self, at: UnixMillis) {
        let seconds = u64::try_from(at.seconds()).unwrap_or(0);
        self.horizon = self.horizon.max(seconds.saturating_sub(REPLAY_KEEP_SECONDS));
        while let Some(entry) = self.expiries.first_entry() {
            if *entry.key() >= self.horizon {
                return;
            }
            let expiry = *entry.key();
            for digest in entry.remove() {
                // Signed again under a later expiry, the nonce stays.
                if self.live.get(&digest).is_some_and(|kept| kept.key.valid_before() == expiry) {
                    self.live.remove(&digest);
                }
            }
        }
    }

    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Captured> {
        self.live.values()
    }
}
