//! [`Payers`]: how many settlements of one payer run at once. Whoever floods waits for himself only (case A4).

use std::collections::HashMap;
use std::sync::Arc;

use domain::Address;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who has settlements running or waiting; nobody else is in it.
pub(super) struct Payers {
    running_max: usize,
    present: Mutex<HashMap<Address, Arc<Semaphore>>>,
}

/// A payer's settlement, waiting or running.
struct Presence<'a> {
    payers: &'a Payers,
    payer: Address,
    places: Option<Arc<Semaphore>>,
}

/// One that may run.
pub(super) struct Turn<'a> {
    permit: Option<OwnedSemaphorePermit>,
    _presence: Presence<'a>,
}

// === impl Payers ===

impl Payers {
    pub(super) fn new(running_max: usize) -> Self {
        Self { running_max, present: Mutex::new(HashMap::new()) }
    }

    /// Waits until fewer than so many of this payer's settlements run, first come, first served.
    pub(super) async fn turn(&self, payer: Address) -> Turn<'_> {
        let places = {
            let mut present = self.present.lock();
            let entry = present.entry(payer).or_insert_with(|| Arc::new(Semaphore::new(self.running_max)));
            Arc::clone(entry)
        };
        let presence = Presence { payers: self, payer, places: Some(Arc::clone(&places)) };
        // It is never closed.
        let permit = places.acquire_owned().await.ok();
        Turn { permit, _presence: presence }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Before the presence, which counts who is left.
        drop(self.permit.take());
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        drop(self.places.take());
        let mut present = self.payers.present.lock();
        if present.get(&self.payer).is_some_and(|places| Arc::strong_count(places) == 1) {
            present.remove(&self.payer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a4_one_payer_waits_for_itself_and_leaves_nothing_behind() {
        let payers = Payers::new(2);
        let (greedy, honest) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let (first, second) = (payers.turn(greedy).await, payers.turn(greedy).await);
        let mut third = Box::pin(payers.turn(greedy));
        assert!(futures_poll(&mut third).is_none(), "both places are taken");
        drop(payers.turn(honest).await);
        // One that gives up takes nothing with it.
        let mut gone = Box::pin(payers.turn(greedy));
        assert!(futures_poll(&mut gone).is_none());
        drop(gone);
        drop(first);
        let third = third.await;
        drop((second, third));
        assert!(payers.present.lock().is_empty());
    }

    /// What it gives without waiting.
    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
