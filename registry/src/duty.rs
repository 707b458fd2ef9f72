//! [`Duty`]: work of which one process at a time has the turn, where several share the database. It keeps the turn by asking for it
//! again, and loses it when it did not for as long as it was given, by the database's clock. Turns are counted: one that was lost and is
//! had again is another one, whether or not its loss was noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::registry::{Registry, RegistryError};
use crate::store::{Session, StoreError, duty as store, time};

/// How long a turn lasts, in milliseconds.
const LASTS_MS: i64 = 5_000;

/// One kind of work, as one process does it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Duty {
    registry: Registry,
    name: Arc<str>,
    holder: [u8; 16],
    /// The number of the turn that this process has, as far as it knows; 0: none.
    number: Arc<AtomicI64>,
}

// === impl Registry ===

impl Registry {
    /// A kind of work.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn duty(&self, name: impl Into<Arc<str>>) -> Result<Duty, getrandom::Error> {
        let mut holder = [0; 16];
        getrandom::fill(&mut holder)?;
        Ok(Duty { registry: self.clone(), name: name.into(), holder, number: Arc::default() })
    }
}

// === impl Duty ===

impl Duty {
    /// Takes the turn, or goes on with it. Whether it is ours, for five seconds. Whoever lost it without noticing hears once that it is not,
    /// though it has it again: others had it meanwhile, and what it knew is of before.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn take(&self) -> Result<bool, RegistryError> {
        let mut writing = self.registry.write().await?;
        let session = &mut writing.session();
        let at = time::shared(session, self.registry.now()).await?;
        let taken = store::take(session, &self.name, &self.holder, at, at.plus(LASTS_MS)).await?;
        writing.commit().await?;
        let (known, taken) = (self.number(), taken.unwrap_or(0));
        let is_ours = taken != 0 && (known == 0 || known == taken);
        self.number.store(if is_ours { taken } else { 0 }, Ordering::SeqCst);
        Ok(is_ours)
    }

    /// The number of the turn that is ours, as far as is known here; 0 where none is.
    pub(crate) fn number(&self) -> i64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Whether nobody has taken the turn of this number from us: asked within a transaction, it is ours until that one ends.
    pub(crate) async fn is_held(&self, session: &mut Session<'_>, number: i64) -> Result<bool, StoreError> {
        store::is_held(session, &self.name, &self.holder, number).await
    }
}

#[cfg(test)]
mod tests {
    use domain::Secret;

    use super::*;
    use crate::Database;
    use crate::registry::tests::{Place, TestClock, open};

    #[tokio::test]
    async fn one_has_the_turn_until_it_asks_no_more() {
        let (place, clock) = (Place::file(), TestClock::new());
        let registry = open(&place, &clock).await;
        let (one, other) = (registry.duty("collect").unwrap(), registry.duty("collect").unwrap());
        assert!(one.take().await.unwrap());
        assert!(!other.take().await.unwrap(), "it is the first one's");
        assert!(registry.duty("compare").unwrap().take().await.unwrap(), "another kind of work");
        clock.advance(LASTS_MS - 1);
        assert!(one.take().await.unwrap(), "it goes on");
        clock.advance(LASTS_MS - 1);
        assert!(!other.take().await.unwrap());
        clock.advance(1);
        assert!(other.take().await.unwrap(), "the first one asked no more");
        assert!(!one.take().await.unwrap());
    }

    #[tokio::test]
    async fn whoever_has_a_turn_again_hears_that_it_was_lost() {
        let (place, clock) = (Place::new(), TestClock::new());
        let registry = open(&place, &clock).await;
        let (frozen, heir) = (registry.duty("settle").unwrap(), registry.duty("settle").unwrap());
        assert!(frozen.take().await.unwrap());
        place.pass(&clock, LASTS_MS).await;
        assert!(frozen.take().await.unwrap(), "nobody had it meanwhile");
        place.pass(&clock, LASTS_MS).await;
        assert!(heir.take().await.unwrap());
        place.pass(&clock, LASTS_MS).await;
        // It slept through all of that.
        assert!(!frozen.take().await.unwrap());
        assert!(frozen.take().await.unwrap(), "and begins anew");
        assert!(!heir.take().await.unwrap());
    }

    #[tokio::test]
    async fn a_process_whose_clock_is_wrong_takes_no_turn_early_and_keeps_none_for_longer() {
        let place = Place::of(Database::Postgres { url: Secret::new(test_postgres::fresh_database()) });
        let (behind, ahead) = (TestClock::new(), TestClock::new());
        ahead.advance(3_600_000);
        let duty = async |clock| open(&place, clock).await.duty("settle").unwrap();
        let (slow, fast) = (duty(&behind).await, duty(&ahead).await);
        assert!(slow.take().await.unwrap());
        // Whoever runs this may be slow.
        place.turns_last(60_000).await;
        assert!(!fast.take().await.unwrap(), "an hour ahead");
        place.turns_last(-60_000 - LASTS_MS).await;
        assert!(fast.take().await.unwrap());
        place.turns_last(60_000).await;
        assert!(!slow.take().await.unwrap());
        place.turns_last(-60_000 - LASTS_MS).await;
        assert!(slow.take().await.unwrap(), "an hour behind");
    }
}
