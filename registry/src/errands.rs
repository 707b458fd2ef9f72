//! [`Errands`]: what is asked of whoever settles by a key of ours, where several processes share the database. Whichever process has a
//! payment leaves it here, and the one that has the key's turn answers it: what they are is their business; here it is text.
//!
//! An errand outlives both of them: whoever has the turn next finds what was not answered.

use tokio::sync::watch;

use crate::duty::Duty;
use crate::registry::{Registry, RegistryError};
use crate::store::errands as store;
use crate::store::{notices, time};

/// What a notice begins with.
pub(crate) const NOTICE: &str = "errand";

/// For how long one is kept, in milliseconds: no payment that is to be moved is valid as long.
const KEPT_MS: i64 = 2 * 3600 * 1000;

/// For how long somebody's word is good that it can send, in milliseconds: as long as a turn.
const ABLE_MS: i64 = 5_000;

/// Errands that are read at once.
const OPEN_MAX: u32 = 2_048;

/// What was asked for and not answered, as one turn finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The turn in which it was read: what becomes of it is said in that one.
    pub turn: i64,
    /// Members and their documents, the oldest first.
    pub errands: Vec<(String, String)>,
}

/// The errands of one key on one network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Errands {
    registry: Registry,
    network: String,
    account: String,
    turn: Option<Duty>,
}

// === impl Registry ===

impl Registry {
    /// What is asked of whoever settles by a key, by its address, on a network (CAIP-2).
    #[must_use]
    pub fn errands(&self, network: &str, account: &str) -> Errands {
        Errands {
            registry: self.clone(),
            network: network.to_owned(),
            account: account.to_owned(),
            turn: None,
        }
    }
}

// === impl Errands ===

impl Errands {
    /// Only the process that has this turn answers.
    #[must_use]
    pub fn of_turn(mut self, turn: Duty) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Asks for these members, also for those that were answered before: each with its document.
    ///
    /// # Errors
    /// The database does not work; whether they are asked for is not known then.
    pub async fn leave(&self, members: &[(&str, String)]) -> Result<(), RegistryError> {
        let at = self.registry.now();
        let mut transaction = self.registry.shared.pool.begin_apart().await?;
        store::leave(&mut transaction.session(), self.of(), &json(members), at).await?;
        notices::send(&mut transaction.session(), NOTICE).await?;
        Ok(transaction.commit().await?)
    }

    /// Those that nobody has answered.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn open(&self) -> Result<Opened, RegistryError> {
        // Before they are read: what is read later is at most newer.
        let turn = self.turn.as_ref().map_or(0, Duty::number);
        let mut connection = self.registry.shared.pool.acquire().await?;
        let errands = store::open(&mut connection.session(), self.of(), OPEN_MAX).await?;
        Ok(Opened { turn, errands })
    }

    /// Says what became of members that were read in this turn. Where that one is over nothing is said, also where a later one is ours: another
    /// process may have begun with them, and whoever heard that nothing moved would have its payer pay once more. What was said of a member
    /// stands until it is asked for again.
    ///
    /// # Errors
    /// The database does not work; whether it was said is not known then.
    pub async fn answer(&self, turn: i64, answers: &[(&str, String)]) -> Result<(), RegistryError> {
        let before = self.registry.now().plus(-KEPT_MS);
        let mut writing = self.registry.write().await?;
        let session = &mut writing.session();
        if let Some(duty) = &self.turn
            && !duty.is_held(session, turn).await?
        {
            return Ok(());
        }
        store::answer(session, self.of(), &json(answers)).await?;
        store::forget(session, before).await?;
        notices::send(session, NOTICE).await?;
        writing.commit().await
    }

    /// What became of these members, as far as somebody has said.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn answers(&self, members: &[&str]) -> Result<Vec<(String, String)>, RegistryError> {
        let mut connection = self.registry.shared.pool.acquire().await?;
        let members = serde_json::json!(members.iter().map(|member| [member]).collect::<Vec<_>>());
        Ok(store::answers(&mut connection.session(), self.of(), &members.to_string()).await?)
    }

    /// Says, for as long as a turn lasts, whether whoever has the turn can send.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn say_able(&self, is_able: bool) -> Result<(), RegistryError> {
        let mut transaction = self.registry.shared.pool.begin_apart().await?;
        let session = &mut transaction.session();
        let now = time::shared(session, self.registry.now()).await?;
        let until = if is_able { now.plus(ABLE_MS) } else { now };
        store::say_able(session, self.of(), until).await?;
        Ok(transaction.commit().await?)
    }

    /// Whether somebody said so a moment ago.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn is_able(&self) -> Result<bool, RegistryError> {
        let mut connection = self.registry.shared.pool.acquire().await?;
        let session = &mut connection.session();
        let until = store::able_until(session, self.of()).await?;
        let now = time::shared(session, self.registry.now()).await?;
        Ok(until.is_some_and(|until| until > now))
    }

    /// Sees that something was asked for or answered, by whichever process: a hint, which may be lost.
    #[must_use]
    pub fn heard(&self) -> watch::Receiver<u64> {
        self.registry.shared.errands.subscribe()
    }

    fn of(&self) -> (&str, &str) {
        (&self.network, &self.account)
    }
}

fn json(pairs: &[(&str, String)]) -> String {
    serde_json::json!(pairs).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::Secret;

    use super::*;
    use crate::Database;
    use crate::registry::tests::{Place, TestClock, open};

    const ACCOUNT: &str = "0xabc";

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(member, text)| ((*member).to_owned(), (*text).to_owned())).collect()
    }

    async fn on_either(place: Place) {
        let clock = TestClock::new();
        let errands = async || open(&place, &clock).await.errands("eip155:84532", ACCOUNT);
        let (asker, doer) = (errands().await, errands().await);
        asker.leave(&[("one", "{\"a\":1}".to_owned()), ("two", "b".to_owned())]).await.unwrap();
        clock.advance(1);
        asker.leave(&[("three", "c".to_owned())]).await.unwrap();
        let mut left = doer.open().await.unwrap().errands;
        left[..2].sort();
        assert_eq!(left, pairs(&[("one", "{\"a\":1}"), ("two", "b"), ("three", "c")]));
        assert_eq!(asker.answers(&["one", "two"]).await.unwrap(), []);
        // Another key's are its own.
        let other = open(&place, &clock).await.errands("eip155:84532", "0xdef");
        assert_eq!(other.open().await.unwrap().errands, []);

        doer.answer(0, &[("one", "moved".to_owned()), ("three", "not".to_owned())]).await.unwrap();
        assert_eq!(doer.open().await.unwrap().errands, pairs(&[("two", "b")]));
        let mut answers = asker.answers(&["one", "two", "three", "four"]).await.unwrap();
        answers.sort();
        assert_eq!(answers, pairs(&[("one", "moved"), ("three", "not")]));
        // Asked for again it is open, whatever was answered before.
        asker.leave(&[("one", "again".to_owned())]).await.unwrap();
        assert_eq!(asker.answers(&["one"]).await.unwrap(), []);
        assert_eq!(doer.open().await.unwrap().errands, pairs(&[("two", "b"), ("one", "again")]));
    }

    #[tokio::test]
    async fn what_one_process_leaves_another_one_does_and_the_first_hears_of_it() {
        on_either(Place::new()).await;
        let url = Secret::new(test_postgres::fresh_database());
        on_either(Place::of(Database::Postgres { url })).await;
    }

    /// Two processes with the key, and what the first one reads of the two errands that it leaves, in its turn.
    async fn frozen_and_heir(
        place: &Place,
        clock: &Arc<TestClock>,
    ) -> ((Errands, Duty), (Errands, Duty), i64) {
        let one_of_two = async || {
            let registry = open(place, clock).await;
            let turn = registry.duty("settle").unwrap();
            (registry.errands("eip155:84532", ACCOUNT).of_turn(turn.clone()), turn)
        };
        let (frozen, heir) = (one_of_two().await, one_of_two().await);
        assert!(frozen.1.take().await.unwrap());
        frozen.0.leave(&[("one", "a".to_owned()), ("two", "b".to_owned())]).await.unwrap();
        let turn = frozen.0.open().await.unwrap().turn;
        (frozen, heir, turn)
    }

    #[tokio::test]
    async fn whoever_lost_its_turn_says_nothing_more_of_what_the_next_one_does() {
        let (place, clock) = (Place::new(), TestClock::new());
        let ((frozen, _), (heir, heirs), turn) = frozen_and_heir(&place, &clock).await;
        frozen.answer(turn, &[("two", "moved".to_owned())]).await.unwrap();
        place.pass(&clock, 5_000).await;
        assert!(heirs.take().await.unwrap());
        let opened = heir.open().await.unwrap();
        assert_eq!(opened.errands, pairs(&[("one", "a")]));
        frozen.answer(turn, &[("one", "not moved".to_owned())]).await.unwrap();
        assert_eq!(heir.open().await.unwrap(), opened, "it is the heir's to say");
        heir.answer(opened.turn, &[("one", "moved".to_owned())]).await.unwrap();
        assert_eq!(frozen.answers(&["one"]).await.unwrap(), pairs(&[("one", "moved")]));
    }

    /// What it had to say is of before: another process may have moved it meanwhile, and may not have said so yet.
    #[tokio::test]
    async fn whoever_has_its_turn_again_says_nothing_of_what_it_had_to_say_in_the_one_before() {
        let (place, clock) = (Place::new(), TestClock::new());
        let ((frozen, its), (heir, heirs), turn) = frozen_and_heir(&place, &clock).await;
        place.pass(&clock, 5_000).await;
        assert!(heirs.take().await.unwrap());
        let opened = heir.open().await.unwrap();
        heir.answer(opened.turn, &[("one", "moved".to_owned())]).await.unwrap();
        place.pass(&clock, 5_000).await;
        let late = [("one", "not moved".to_owned()), ("two", "not moved".to_owned())];
        for _ in 0..2 {
            its.take().await.unwrap();
            frozen.answer(turn, &late).await.unwrap();
        }
        assert_eq!(frozen.answers(&["one", "two"]).await.unwrap(), pairs(&[("one", "moved")]));
        let now = frozen.open().await.unwrap();
        assert_eq!(now.errands, pairs(&[("two", "b")]));
        frozen.answer(now.turn, &[("two", "moved".to_owned())]).await.unwrap();
        // Said is said, until it is asked for again.
        frozen.answer(now.turn, &late).await.unwrap();
        let mut answers = frozen.answers(&["one", "two"]).await.unwrap();
        answers.sort();
        assert_eq!(answers, pairs(&[("one", "moved"), ("two", "moved")]));
    }

    #[tokio::test]
    async fn that_somebody_can_send_is_believed_for_as_long_as_it_is_said() {
        let (place, clock) = (Place::file(), TestClock::new());
        let errands = open(&place, &clock).await.errands("eip155:84532", ACCOUNT);
        assert!(!errands.is_able().await.unwrap());
        errands.say_able(true).await.unwrap();
        clock.advance(ABLE_MS - 1);
        assert!(errands.is_able().await.unwrap());
        clock.advance(1);
        assert!(!errands.is_able().await.unwrap());
        errands.say_able(true).await.unwrap();
        errands.say_able(false).await.unwrap();
        assert!(!errands.is_able().await.unwrap());
    }

    #[tokio::test]
    async fn that_somebody_can_send_is_believed_by_the_servers_clock() {
        let place = Place::of(Database::Postgres { url: Secret::new(test_postgres::fresh_database()) });
        let (behind, ahead) = (TestClock::new(), TestClock::new());
        ahead.advance(3_600_000);
        let errands = async |clock| open(&place, clock).await.errands("eip155:84532", ACCOUNT);
        let (slow, fast) = (errands(&behind).await, errands(&ahead).await);
        slow.say_able(true).await.unwrap();
        // Whoever runs this may be slow.
        place.turns_last(60_000).await;
        assert!(fast.is_able().await.unwrap(), "an hour ahead");
        fast.say_able(true).await.unwrap();
        place.turns_last(-ABLE_MS).await;
        assert!(!slow.is_able().await.unwrap(), "an hour behind");
    }
}
