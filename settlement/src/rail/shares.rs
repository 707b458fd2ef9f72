//! [`Shares`]: how much of what all have of something one has running at once. Whoever floods waits for himself only (case A4).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who has something running or waiting; nobody else is in it.
pub(crate) struct Shares<K: Copy + Eq + Hash> {
    running_max: usize,
    present: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// Something of somebody, waiting or running.
struct Presence<'a, K: Copy + Eq + Hash> {
    shares: &'a Shares<K>,
    whose: K,
    places: Option<Arc<Semaphore>>,
}

/// It may run.
pub(crate) struct Turn<'a, K: Copy + Eq + Hash> {
    permit: Option<OwnedSemaphorePermit>,
    _presence: Presence<'a, K>,
}

// === impl Shares ===

impl<K: Copy + Eq + Hash> Shares<K> {
    pub(crate) fn new(running_max: usize) -> Self {
        Self { running_max, present: Mutex::new(HashMap::new()) }
    }

    /// Waits until fewer than so many of this one's run, first come, first served.
    pub(crate) async fn turn(&self, whose: K) -> Turn<'_, K> {
        let (places, presence) = self.present(whose);
        // It is never closed.
        let permit = places.acquire_owned().await.ok();
        Turn { permit, _presence: presence }
    }

    /// The same where fewer run now; none where it would have to wait.
    pub(crate) fn try_turn(&self, whose: K) -> Option<Turn<'_, K>> {
        let (places, presence) = self.present(whose);
        let permit = places.try_acquire_owned().ok()?;
        Some(Turn { permit: Some(permit), _presence: presence })
    }

    fn present(&self, whose: K) -> (Arc<Semaphore>, Presence<'_, K>) {
        let places = {
            let mut present = self.present.lock();
            let entry = present.entry(whose).or_insert_with(|| Arc::new(Semaphore::new(self.running_max)));
            Arc::clone(entry)
        };
        (Arc::clone(&places), Presence { shares: self, whose, places: Some(places) })
    }
}

impl<K: Copy + Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        // Before the presence, which counts who is left.
        drop(self.permit.take());
    }
}

impl<K: Copy + Eq + Hash> Drop for Presence<'_, K> {
    fn drop(&mut self) {
        drop(self.places.take());
        let mut present = self.shares.present.lock();
        if present.get(&self.whose).is_some_and(|places| Arc::strong_count(places) == 1) {
            present.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a4_one_payer_waits_for_itself_and_leaves_nothing_behind() {
        let payers = Shares::new(2);
        let (greedy, honest) = (1, 2);
        let (first, second) = (payers.turn(greedy).await, payers.turn(greedy).await);
        let mut third = Box::pin(payers.turn(greedy));
        assert!(futures_poll(&mut third).is_none(), "both places are taken");
        drop(payers.turn(honest).await);
        assert!(payers.try_turn(greedy).is_none() && payers.try_turn(honest).is_some());
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
