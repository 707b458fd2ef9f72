//! [`Gate`]: a place in a script that the test opens. Takes the place of every sleep.

use std::sync::Arc;

use tokio::sync::watch;

use crate::wait::within;

/// Closed until opened; stays open. Copies are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    arrived: usize,
    opened: bool,
}

// === impl Gate ===

impl Gate {
    /// A closed gate.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default gate says nothing to a reader")]
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())) }
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        self.state.send_modify(|state| state.opened = true);
    }

    /// Stands at the gate until it is open.
    pub async fn pass(&self) {
        let mut changes = self.state.subscribe();
        self.state.send_modify(|state| state.arrived += 1);
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|state| state.opened).await;
    }

    /// How many have come to the gate until now.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.state.borrow().arrived
    }

    /// Returns when somebody has come to the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Returns when that many have come to the gate.
    pub async fn reached_by(&self, count: usize) {
        let mut changes = self.state.subscribe();
        let arrived = changes.wait_for(|state| state.arrived >= count);
        let _ = within(&format!("{count} at the gate"), arrived).await;
    }
}
