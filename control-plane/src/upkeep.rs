//! What must be done now and then: old events are forgotten, and wallets whose making broke off are opened.

use std::time::Duration;

use ledger::Ledger;
use registry::Registry;
use tokio::sync::watch;

use crate::wallets::opening;

/// Forgets events that are older than `kept`, at once and every so often, until `stop` is true.
pub async fn forget_events(
    registry: Registry,
    kept: Duration,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match registry.forget_events_older_than(kept).await {
            Ok(0) => (),
            Ok(gone) => tracing::info!(events = gone, "old events were forgotten"),
            Err(error) => tracing::warn!(%error, "old events could not be forgotten"),
        }
        if is_over(every, &mut stop).await {
            return;
        }
    }
}

/// Has the ledger open the wallets that it may not have opened, at once and every so often, until `stop` is true.
pub async fn open_wallets(
    ledger: Ledger,
    registry: Registry,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        match opening::open_all(&ledger, &registry).await {
            Ok(0) => (),
            Ok(opened) => tracing::info!(wallets = opened, "wallets were opened"),
            Err(error) => tracing::warn!(%error, "wallets could not be opened"),
        }
        if is_over(every, &mut stop).await {
            return;
        }
    }
}

/// Waits for the next time; true: there is none.
async fn is_over(every: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(every) => false,
        // An error is the end of the process as well.
        _ = stop.wait_for(|stop| *stop) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use domain::{Clock, Secret, UnixMillis};
    use registry::journal::Filter;
    use registry::{Actor, ActorKind, Database};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A clock that the test moves.
    #[derive(Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> UnixMillis {
            UnixMillis(1_800_000_000_000 + self.0.load(Ordering::Relaxed))
        }
    }

    /// Waits until the log has so many events.
    async fn wait(registry: &Registry, count: usize) {
        let found = async {
            while registry.events_after(0, 10, &Filter::default()).await.unwrap().len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("events are forgotten in time");
    }

    #[tokio::test]
    async fn events_are_forgotten_at_once_and_again_and_again_and_the_audit_log_stays() {
        let files = tempfile::tempdir().unwrap();
        let database = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => Database::Postgres { url: Secret::new(test_postgres::fresh_database()) },
            _ => Database::Sqlite { directory: files.path().to_owned() },
        };
        let hand = Arc::new(Hand::default());
        let registry = Registry::open(&database, Arc::<Hand>::clone(&hand)).await.unwrap();
        let make = async |name: &str| {
            let (actor, id) = (Actor::new(ActorKind::Token), registry.new_wallet().unwrap());
            registry.create_wallet(&actor, id, name.to_owned(), None).await.unwrap();
        };
        let pass = |time: Duration| hand.0.fetch_add(time.as_millis() as i64, Ordering::Relaxed);
        make("old").await;
        pass(2 * DAY);
        make("new").await;

        let (stop, stopped) = watch::channel(false);
        let every = Duration::from_millis(5);
        let running = tokio::spawn(forget_events(registry.clone(), DAY, every, stopped));
        wait(&registry, 1).await;
        assert_eq!(registry.events_after(0, 10, &Filter::default()).await.unwrap()[0].position, 2);
        pass(2 * DAY);
        wait(&registry, 0).await;
        // Numbers are not given again, and who changed what is not forgotten.
        make("newest").await;
        assert_eq!(registry.last_position().await.unwrap(), 3);
        assert_eq!(registry.changes(None, 10, &Filter::default()).await.unwrap().len(), 3);
        stop.send_replace(true);
        running.await.unwrap();
        registry.close().await;
    }
}
