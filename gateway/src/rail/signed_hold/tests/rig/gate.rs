//! [`Gate`]: holds back whoever comes, until it is opened.

use tokio::sync::Semaphore;

pub(in crate::rail::signed_hold::tests) struct Gate {
    asked: Semaphore,
    open: Semaphore,
}

// === impl Gate ===

impl Gate {
    pub(super) fn new() -> Self {
        Self { asked: Semaphore::new(0), open: Semaphore::new(0) }
    }

    /// Waits until it is open.
    pub(super) async fn pass(&self) {
        self.asked.add_permits(1);
        drop(self.open.acquire().await.unwrap());
    }

    /// Returns once somebody waits.
    pub(in crate::rail::signed_hold::tests) async fn asked(&self) {
        self.asked.acquire().await.unwrap().forget();
    }

    pub(in crate::rail::signed_hold::tests) fn open(&self) {
        self.open.add_permits(1_000);
    }
}
