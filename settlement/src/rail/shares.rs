//! [`Shares`]: how much of what all have of something one has running at once. Whoever floods waits for himself only (case A4).
//! [`Places`]: the same where all have no more than so much.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// One client may take such a part of what all may.
pub(super) const CLIENTS_SHARE: u32 = 8;

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

/// Places for clients, each named by its address; those without one are one client.
pub(crate) struct Places {
    all: Semaphore,
    of_clients: Shares<Option<IpAddr>>,
}

/// One of them.
pub(crate) struct Place<'a> {
    _turn: Turn<'a, Option<IpAddr>>,
    _permit: Option<SemaphorePermit<'a>>,
}

// === impl Places ===

impl Places {
    /// So many, of which a client takes an eighth, and as many eighths as clients may stand behind an address.
    pub(crate) fn new(all: usize, clients_per_address: NonZeroU32) -> Self {
        // More than all there are is all.
        let clients = clients_per_address.get().min(CLIENTS_SHARE) as usize;
        let share = all.saturating_mul(clients).div_ceil(CLIENTS_SHARE as usize);
        Self { all: Semaphore::new(all), of_clients: Shares::new(share) }
    }

    /// Waits until fewer than its share are this client's, and then until fewer than all are taken.
    pub(crate) async fn take(&self, client: Option<IpAddr>) -> Place<'_> {
        let turn = self.of_clients.turn(client).await;
        // It is never closed.
        Place { _turn: turn, _permit: self.all.acquire().await.ok() }
    }
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

    #[tokio::test]
    async fn a4_one_client_takes_an_eighth_of_the_places_and_as_many_as_stand_behind_its_address() {
        let (greedy, honest) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for (clients, share) in [(1, 2), (3, 6), (100, 16)] {
            let places = Places::new(16, NonZeroU32::new(clients).unwrap());
            let mut taken = Vec::new();
            while let Some(place) = futures_poll(&mut Box::pin(places.take(greedy))) {
                taken.push(place);
            }
            assert_eq!(taken.len(), share);
            assert_eq!(futures_poll(&mut Box::pin(places.take(honest))).is_some(), share < 16);
        }
        // Where there are few, it is one.
        let few = Places::new(2, NonZeroU32::MIN);
        let _place = few.take(greedy).await;
        assert!(futures_poll(&mut Box::pin(few.take(greedy))).is_none());
        drop(few.take(None).await);
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
