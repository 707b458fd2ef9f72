//! Puts catalogs in force: at once where none was for a moment, else several of them as one.

use std::sync::Arc;
use std::time::Duration;

use domain::Catalog;
use tokio::sync::watch;
use tokio::time::Instant;

use super::setup::Setup;
use crate::registry::Registry;

/// Versions that come within this time are put in force as one.
const GATHER: Duration = Duration::from_millis(50);

/// How long the answer to a change waits until it is served. It stands whatever happens.
const SERVED_MAX: Duration = Duration::from_secs(5);

/// What is known here: one version, and its catalog.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) setup: Setup,
    pub(crate) catalog: Arc<Catalog>,
}

/// When a catalog was last put in force, and whether one is going to be.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    last: Option<Instant>,
    is_due: bool,
}

// === impl Registry ===

impl Registry {
    /// The catalog in force, and every one after it.
    #[must_use]
    pub fn catalogs(&self) -> watch::Receiver<Arc<Catalog>> {
        self.shared.catalog.subscribe()
    }

    /// A gateway of this process serves this version from now on. Answers to changes wait for it.
    pub fn serves(&self, version: u64) {
        self.shared.served.send_replace(Some(version));
    }

    /// The gateway of this process has ended: nobody waits for it.
    pub fn serves_no_more(&self) {
        self.shared.served.send_replace(None);
    }

    /// Keeps what is known, and puts its catalog in force in its turn.
    pub(crate) fn put_in_force(&self, state: State) {
        self.shared.state.store(Arc::new(state));
        let wait = {
            let Ok(mut turn) = self.shared.turn.lock() else { return self.swap() };
            if turn.is_due {
                return;
            }
            let wait = turn.last.map_or(Duration::ZERO, |last| GATHER.saturating_sub(last.elapsed()));
            turn.is_due = !wait.is_zero();
            if !turn.is_due {
                turn.last = Some(Instant::now());
            }
            wait
        };
        if wait.is_zero() {
            return self.swap();
        }
        let registry = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Ok(mut turn) = registry.shared.turn.lock() {
                *turn = Turn { last: Some(Instant::now()), is_due: false };
            }
            registry.swap();
        });
    }

    /// Puts the newest catalog in force now.
    pub(crate) fn swap(&self) {
        let newest = Arc::clone(&self.shared.state.load().catalog);
        self.shared.catalog.send_if_modified(|catalog| {
            let is_newer = newest.version() > catalog.version();
            if is_newer {
                *catalog = newest;
            }
            is_newer
        });
    }

    /// Waits until a version is in force, and served where a gateway serves; some seconds at most.
    pub async fn served(&self, version: u64) {
        let (mut catalogs, mut served) = (self.catalogs(), self.shared.served.subscribe());
        let both = async {
            // The senders live as long as this registry.
            let _ = catalogs.wait_for(|catalog| catalog.version() >= version).await;
            let _ = served.wait_for(|served| served.is_none_or(|served| served >= version)).await;
        };
        let _ = tokio::time::timeout(SERVED_MAX, both).await;
    }
}
