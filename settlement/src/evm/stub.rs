//! A settler without a network: each transfer that is asked for moves at once, in a transaction that its name makes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::{Address, B256, keccak256};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{ASKS_MAX, Ask, EvmSettler, Readiness};
use crate::rail::Settling;

pub(crate) struct Stub {
    pub(crate) settler: EvmSettler,
    asked: Arc<Mutex<Vec<Arc<str>>>>,
}

// === impl Stub ===

impl Stub {
    pub(crate) fn start(address: Address) -> Self {
        let (asks, mut coming) = mpsc::channel(ASKS_MAX);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(Ask { member, waiter }) = coming.recv().await {
                let settling = Settling::Moved(Self::transaction(&member.id));
                kept.lock().push(member.id);
                let _ = waiter.answer.send(settling);
            }
        });
        Self { settler: handle(asks, address), asked }
    }

    /// One that answers nobody, for as long as what it is asked is kept.
    pub(crate) fn silent(address: Address) -> (EvmSettler, impl Send) {
        let (asks, coming) = mpsc::channel(ASKS_MAX);
        (handle(asks, address), coming)
    }

    pub(crate) fn forgets(&self) {
        self.settler.readiness.knows_all.store(false, Ordering::Relaxed);
    }

    pub(crate) fn transaction(member: &str) -> B256 {
        keccak256(member)
    }

    /// The names that it was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<Arc<str>> {
        self.asked.lock().clone()
    }
}

fn handle(asks: mpsc::Sender<Ask>, address: Address) -> EvmSettler {
    let readiness = Readiness::default();
    for flag in [&readiness.able, &readiness.has_turn, &readiness.knows_all] {
        flag.store(true, Ordering::Relaxed);
    }
    EvmSettler { asks, readiness, address, factories: [].into() }
}
