//! [`Outbox`]: transactions of our own key on a public network, written down before they are sent. What they hold is their
//! sender's business; here it is text.

use std::collections::HashSet;
use std::time::Duration;

use crate::duty::Duty;
use crate::registry::{Registry, RegistryError};
use crate::store::{Session, StoreError, outbox as store, transfers};

/// For how long is remembered whose signatures stood in a transaction, in milliseconds: no signature is valid as long.
const MEMBERS_KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

/// The transactions of one key on one network. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    registry: Registry,
    network: String,
    account: String,
    turn: Option<Duty>,
}

/// What stands in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unclosed {
    /// Transactions that were not closed, by nonce.
    pub open: Vec<Standing>,
    /// The first nonce above all that were ever written down; 0 where none was.
    pub next_nonce: u64,
}

/// A transaction that was not closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its number among those of its key.
    pub nonce: u64,
    /// As it was written down last.
    pub document: String,
    /// For how long it has stood there.
    pub age: Duration,
}

/// A transfer of our own in a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTransfer {
    /// Whether it is one of this outbox's own transactions.
    pub is_here: bool,
    /// What became of it; none while that is open.
    pub outcome: Option<String>,
}

// === impl Registry ===

impl Registry {
    /// The outbox of a key, by its address, on a network (CAIP-2).
    #[must_use]
    pub fn outbox(&self, network: &str, account: &str) -> Outbox {
        Outbox {
            registry: self.clone(),
            network: network.to_owned(),
            account: account.to_owned(),
            turn: None,
        }
    }
}

// === impl Outbox ===

impl Outbox {
    /// Where several processes have the key: only the one that has this turn writes anything down.
    #[must_use]
    pub fn of_turn(mut self, turn: Duty) -> Self {
        self.turn = Some(turn);
        self
    }

    /// What was left open.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn unclosed(&self) -> Result<Unclosed, RegistryError> {
        let (mut writing, now) = (self.registry.write().await?, self.registry.now());
        Ok(store::unclosed(&mut writing.session(), (&self.network, &self.account), now).await?)
    }

    /// How many transactions stand there from a nonce on, closed or not; without those whose nonce the chain gave to another one.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn recorded(&self, first: u64) -> Result<u64, RegistryError> {
        let mut writing = self.registry.write().await?;
        Ok(store::recorded(&mut writing.session(), (&self.network, &self.account), first).await?)
    }

    /// Writes a transaction down: where nothing ever stood under its nonce, or in place of the text `instead_of` that stands open
    /// there. Whatever else stands there was written by somebody who may have sent it, and refuses this. `transfers` are those of its
    /// members that nothing but this keeps from being sent twice: one that stands in another transaction, or stood, refuses all of it.
    /// So does a turn that another process has: from before its first step on nothing of ours is added.
    ///
    /// # Errors
    /// The database does not work; whether it was written is not known then.
    pub async fn record(
        &self,
        nonce: u64,
        (document, instead_of): (&str, Option<&str>),
        (members, transfers): (&[&str], &[&str]),
    ) -> Result<(), RegistryError> {
        let at = self.registry.now();
        let of = (&*self.network, &*self.account);
        let mut writing = self.registry.write().await?;
        let session = &mut writing.session();
        self.expect_turn(session).await?;
        store::record(session, of, nonce, (document, instead_of), at).await?;
        store::remember(session, of, members, at).await?;
        transfers::put(session, of, nonce, (transfers, at)).await?;
        store::forget(session, at.plus(-MEMBERS_KEPT_MS)).await?;
        writing.commit().await
    }

    /// Closes the one that stands under its nonce as this text: what the chain has of the nonce, and what became of its members; of
    /// transfers each by itself. Where another text stands there, or it was closed in another way, somebody knows more of it, and this is
    /// refused.
    ///
    /// # Errors
    /// The database does not work; whether it was closed is not known then.
    pub async fn close(
        &self,
        (nonce, document): (u64, &str),
        landed: Option<&str>,
        (outcomes, transfers): (&str, &[(&str, String)]),
    ) -> Result<(), RegistryError> {
        let mut writing = self.registry.write().await?;
        let of = (&*self.network, &*self.account);
        store::close(&mut writing.session(), of, (nonce, document), (landed, outcomes)).await?;
        for (transfer, outcome) in transfers {
            transfers::end(&mut writing.session(), of, nonce, (transfer, outcome)).await?;
        }
        writing.commit().await
    }

    /// Where a transfer stands, in whosever outbox; none where it is in no transaction.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn transfer(&self, member: &str) -> Result<Option<SentTransfer>, RegistryError> {
        let mut writing = self.registry.write().await?;
        let found = transfers::find(&mut writing.session(), member).await?;
        Ok(found.map(|(network, account, outcome)| SentTransfer {
            is_here: (network, account) == (self.network.clone(), self.account.clone()),
            outcome,
        }))
    }

    /// Notes of a transfer that is in no transaction what became of it, as somebody saw it elsewhere: whoever asks for it is told so, and
    /// sends nothing. False where another word stands of it, or it is in a transaction.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn note(&self, member: &str, outcome: &str) -> Result<bool, RegistryError> {
        let at = self.registry.now();
        let mut writing = self.registry.write().await?;
        let of = (&*self.network, &*self.account);
        let is_noted = transfers::note(&mut writing.session(), of, member, (outcome, at)).await?;
        writing.commit().await?;
        Ok(is_noted)
    }

    /// Notes of a transfer of which nothing stands yet what becomes of it: it is never sent. False where anything else stands of it. A turn
    /// that another process has refuses this: that one may be about to send it.
    ///
    /// # Errors
    /// The database does not work; whether it was noted is not known then.
    pub async fn give_up(&self, member: &str, outcome: &str) -> Result<bool, RegistryError> {
        let at = self.registry.now();
        let mut writing = self.registry.write().await?;
        let session = &mut writing.session();
        self.expect_turn(session).await?;
        let of = (&*self.network, &*self.account);
        let is_noted = transfers::give_up(session, of, member, (outcome, at)).await?;
        writing.commit().await?;
        Ok(is_noted)
    }

    /// Which of these members ever stood in a transaction.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn known(&self, members: &[&str]) -> Result<HashSet<String>, RegistryError> {
        let mut writing = self.registry.write().await?;
        Ok(store::known(&mut writing.session(), (&self.network, &self.account), members).await?)
    }

    /// That no other process has the turn, until the transaction ends.
    async fn expect_turn(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let Some(turn) = &self.turn else { return Ok(()) };
        if turn.is_held(session, turn.number()).await? { Ok(()) } else { Err(StoreError::Turn) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::tests::{Place, TestClock, open};

    fn open_since_now(nonce: u64, document: &str) -> Standing {
        Standing { nonce, document: document.to_owned(), age: Duration::ZERO }
    }

    #[tokio::test]
    async fn what_was_written_down_is_there_after_a_restart_until_it_is_closed() {
        let (place, clock) = (Place::new(), TestClock::new());
        let outbox = async || open(&place, &clock).await.outbox("eip155:84532", "0xabc");
        assert_eq!(outbox().await.unclosed().await.unwrap(), Unclosed::default());
        outbox().await.record(7, ("first", None), (&["one", "two"], &[])).await.unwrap();
        let dearer = ("first, dearer", Some("first"));
        outbox().await.record(7, dearer, (&["one", "two"], &[])).await.unwrap();
        assert!(outbox().await.record(7, dearer, (&["one"], &[])).await.is_err(), "it is not that any more");
        let open_now = Unclosed { open: vec![open_since_now(7, "first, dearer")], next_nonce: 8 };
        assert_eq!(outbox().await.unclosed().await.unwrap(), open_now);
        // Another key's nonces are its own.
        let other = open(&place, &clock).await.outbox("eip155:84532", "0xdef");
        assert_eq!(other.unclosed().await.unwrap(), Unclosed::default());

        // From its first version on, whoever asks.
        place.pass(&clock, 5_000).await;
        assert!(outbox().await.unclosed().await.unwrap().open[0].age >= Duration::from_secs(5));

        let standing = (7, "first, dearer");
        outbox().await.close(standing, Some("{}"), ("[]", &[])).await.unwrap();
        assert_eq!(outbox().await.recorded(7).await.unwrap(), 1);
        assert_eq!(outbox().await.unclosed().await.unwrap(), Unclosed { open: Vec::new(), next_nonce: 8 });
        assert!(
            outbox().await.record(7, ("again", Some("first, dearer")), (&[], &[])).await.is_err(),
            "the chain has one of this nonce"
        );
        // Whoever did not hear that it is closed closes it again.
        outbox().await.close(standing, Some("{}"), ("[]", &[])).await.unwrap();
        assert!(outbox().await.close((8, "first"), None, ("[]", &[])).await.is_err());
        let known = outbox().await.known(&["one", "three"]).await.unwrap();
        assert_eq!(known, HashSet::from(["one".to_owned()]));
    }

    /// A transfer has no signature that the chain takes only once.
    #[tokio::test]
    async fn a_transfer_stands_in_one_transaction_whoever_writes_it_down_again() {
        let (place, clock) = (Place::new(), TestClock::new());
        let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
        let standing = |is_here, outcome: Option<&str>| {
            Some(SentTransfer { is_here, outcome: outcome.map(str::to_owned) })
        };
        assert_eq!(outbox.transfer("out/0").await.unwrap(), None);
        outbox.record(7, ("first", None), (&["out/0"], &["out/0"])).await.unwrap();
        outbox.record(7, ("first, dearer", Some("first")), (&["out/0"], &["out/0"])).await.unwrap();
        assert_eq!(outbox.transfer("out/0").await.unwrap(), standing(true, None));
        assert!(outbox.record(8, ("second", None), (&["out/0"], &["out/0"])).await.is_err());
        assert_eq!(outbox.unclosed().await.unwrap().next_nonce, 8, "all of it was refused");
        // Another key of ours knows of it too.
        let other = open(&place, &clock).await.outbox("eip155:84532", "0xdef");
        assert_eq!(other.transfer("out/0").await.unwrap(), standing(false, None));
        assert!(other.record(0, ("third", None), (&["out/0"], &["out/0"])).await.is_err());

        let over = [("out/0", "over".to_owned())];
        outbox.close((7, "first, dearer"), None, ("[]", &over)).await.unwrap();
        assert_eq!(outbox.transfer("out/0").await.unwrap(), standing(true, Some("over")));
        assert!(outbox.record(8, ("second", None), (&["out/0"], &["out/0"])).await.is_err());
    }

    #[tokio::test]
    async fn a_transfer_is_given_up_once_by_whoever_has_the_turn_and_not_where_anything_stands_of_it() {
        let (place, clock) = (Place::new(), TestClock::new());
        let registry = open(&place, &clock).await;
        let turns = [registry.duty("settle").unwrap(), registry.duty("settle").unwrap()];
        let outbox = |turn: &Duty| registry.outbox("eip155:84532", "0xabc").of_turn(turn.clone());
        let (first, second) = (outbox(&turns[0]), outbox(&turns[1]));
        assert!(turns[0].take().await.unwrap());
        assert!(second.give_up("out/0", "failed").await.is_err(), "another has the turn");
        assert_eq!(first.transfer("out/0").await.unwrap(), None);
        assert!(first.give_up("out/0", "failed").await.unwrap());
        assert!(first.give_up("out/0", "failed").await.unwrap(), "whoever did not hear it");
        assert!(first.record(7, ("sent", None), (&["out/0"], &["out/0"])).await.is_err());
        // A person saw it elsewhere: that is the last word.
        assert!(second.note("out/0", "moved").await.unwrap());
        assert!(!first.give_up("out/0", "failed").await.unwrap());
        first.record(7, ("sent", None), (&["out/1"], &["out/1"])).await.unwrap();
        assert!(!first.give_up("out/1", "failed").await.unwrap());
        assert!(!second.note("out/1", "moved").await.unwrap());
    }

    #[tokio::test]
    async fn whoever_lost_its_turn_writes_nothing_more_down_and_closes_what_it_knows() {
        let (place, clock) = (Place::new(), TestClock::new());
        let registry = open(&place, &clock).await;
        let turns = [registry.duty("settle").unwrap(), registry.duty("settle").unwrap()];
        let outbox = |turn: &Duty| registry.outbox("eip155:84532", "0xabc").of_turn(turn.clone());
        let [first, second] = [outbox(&turns[0]), outbox(&turns[1])];
        assert!(first.record(7, ("early", None), (&["pay"], &[])).await.is_err(), "nobody gave it the turn");
        assert!(turns[0].take().await.unwrap());
        first.record(7, ("first", None), (&["pay"], &[])).await.unwrap();
        // Its time is over, and nobody has taken it.
        place.pass(&clock, 60_000).await;
        first.record(7, ("first, dearer", Some("first")), (&["pay"], &[])).await.unwrap();
        assert!(turns[1].take().await.unwrap());
        assert!(first.record(8, ("late", None), (&["other"], &[])).await.is_err());
        let dearer = ("dearest", Some("first, dearer"));
        assert!(first.record(7, dearer, (&["pay"], &[])).await.is_err());
        assert_eq!(second.unclosed().await.unwrap().open[0].document, "first, dearer");
        second.record(7, dearer, (&["pay"], &[])).await.unwrap();
        assert!(first.close((7, "first, dearer"), None, ("[]", &[])).await.is_err(), "it stands otherwise");
        first.close((7, "dearest"), None, ("[]", &[])).await.unwrap();
        assert_eq!(second.unclosed().await.unwrap(), Unclosed { open: Vec::new(), next_nonce: 8 });
    }

    #[tokio::test]
    async fn a_transaction_whose_nonce_the_chain_gave_to_another_is_none_that_was_sent() {
        let (place, clock) = (Place::new(), TestClock::new());
        let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
        for nonce in 7..=9 {
            outbox.record(nonce, ("first", None), (&[], &[])).await.unwrap();
        }
        outbox.close((7, "first"), Some("{}"), ("[]", &[])).await.unwrap();
        outbox.close((8, "first"), None, ("[]", &[])).await.unwrap();
        assert_eq!((outbox.recorded(7).await.unwrap(), outbox.recorded(9).await.unwrap()), (2, 1));
        assert_eq!(outbox.unclosed().await.unwrap().next_nonce, 10);
    }

    /// Another process offered more for it, saw it in a block, and closed it; whoever lost the turn knows none of that, and sees that the
    /// nonce was taken by what it does not know.
    #[tokio::test]
    async fn what_somebody_closed_is_closed_in_no_other_way_by_whoever_does_not_know_it() {
        let (place, clock) = (Place::new(), TestClock::new());
        let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
        let (moved, failed) = ([("out/0", "moved".to_owned())], [("out/0", "failed".to_owned())]);
        outbox.record(7, ("first", None), (&["out/0"], &["out/0"])).await.unwrap();
        outbox.record(7, ("dearer", Some("first")), (&["out/0"], &["out/0"])).await.unwrap();
        assert!(outbox.close((7, "first"), None, ("failed", &failed)).await.is_err());
        outbox.close((7, "dearer"), Some("{}"), ("moved", &moved)).await.unwrap();
        for known in ["first", "dearer"] {
            assert!(outbox.close((7, known), None, ("failed", &failed)).await.is_err(), "{known}");
        }
        assert!(outbox.close((7, "dearer"), None, ("failed", &[])).await.is_err(), "closed otherwise");
        assert!(outbox.close((7, "dearer"), Some("{}"), ("moved", &failed)).await.is_err(), "it moved");
        let standing = Some(SentTransfer { is_here: true, outcome: Some("moved".to_owned()) });
        assert_eq!(outbox.transfer("out/0").await.unwrap(), standing);
    }

    /// An owner that was taken over and wakes knows nothing of what stands there, and it may be on its way.
    #[tokio::test]
    async fn what_somebody_wrote_down_makes_room_for_nobody_who_does_not_know_it() {
        let (place, clock) = (Place::new(), TestClock::new());
        let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
        outbox.record(7, ("first", None), (&["out/0"], &["out/0"])).await.unwrap();
        assert!(outbox.record(7, ("another", None), (&["pay"], &[])).await.is_err());
        assert!(outbox.record(7, ("another, dearer", Some("another")), (&["pay"], &[])).await.is_err());
        let standing = Some(SentTransfer { is_here: true, outcome: None });
        assert_eq!(outbox.transfer("out/0").await.unwrap(), standing);
        let open_now = Unclosed { open: vec![open_since_now(7, "first")], next_nonce: 8 };
        assert_eq!(outbox.unclosed().await.unwrap(), open_now);
    }
}
