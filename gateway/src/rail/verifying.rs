//! [`Verifying`]: payments on public networks that somebody else is being asked about, before there is a hold that says that they run: a node
//! about the payer's funds, or a facilitator about everything.
//!
//! The same payment may come twice at once. Its payer has funds for it once, and whoever comes second is told that it is in progress, not that
//! there is too little and another one is to be signed. Next: [`crate::stage::hold`].

use std::collections::HashSet;
use std::sync::Arc;

use domain::ReplayKey;
use parking_lot::Mutex;

/// All of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verifying {
    keys: Arc<Mutex<HashSet<ReplayKey>>>,
}

/// One of them; no more when it is dropped.
#[must_use = "whoever drops it lets the next one ask"]
pub(crate) struct Verification {
    verifying: Verifying,
    key: ReplayKey,
}

// === impl Verifying ===

impl Verifying {
    /// None while the same payment is being verified.
    pub(crate) fn begin(&self, key: ReplayKey) -> Option<Verification> {
        let is_new = self.keys.lock().insert(key);
        is_new.then(|| Verification { verifying: self.clone(), key })
    }
}

// === impl Verification ===

impl Drop for Verification {
    fn drop(&mut self) {
        self.verifying.keys.lock().remove(&self.key);
    }
}
