//! Waiting with an end: nothing in a test may hang.

use std::future::Future;
use std::time::Duration;

/// Longest time anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at something that cannot announce itself: another process.
const LOOK: Duration = Duration::from_millis(10);

/// Awaits, or fails the test saying what did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {PATIENCE:?}: {what}"),
    }
}

/// Looks again and again at another process until `look` gives something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(value) = look().await {
                return value;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}
