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

/// A transaction that is written down.
#[derive(Clone, Copy, Debug)]
pub struct SentTransaction<'a> {
    /// Its number among those of its key.
    pub nonce: u64,
    /// What it is.
    pub document: &'a str,
    /// The text in whose place it stands; none where nothing ever stood under its nonce.
    pub instead_of: Option<&'a str>,
    /// Whose signatures it shows.
    pub members: &'a [&'a str],
    /// Those of its members that nothing but this keeps from being sent twice.
    pub transfers: &'a [&'a str],
}

/// A transaction that is closed, and how.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// Its number among those of its key.
    pub nonce: u64,
    /// As it stands there.
    pub document: &'a str,
    /// What the chain has of its nonce; none where that is not ours.
    pub landed: Option<&'a str>,
    /// What became of its members.
    pub outcomes: &'a str,
    /// What became of each of its transfers.
    pub transfers: &'a [(&'a str, String)],
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

    /// Writes a transaction down: where nothing ever stood under its nonce, or in place of the text that stands open there. Whatever else
    /// stands there was written by somebody who may have sent it, and refuses this. One of its transfers that stands in another
    /// transaction, or stood, refuses all of it. So does a turn that another process has: from before its first step on nothing of ours
    /// is added.
    ///
    /// # Errors
    /// The database does not work; whether it was written is not known then.
    pub async fn record(&self, sent: &SentTransaction<'_>) -> Result<(), RegistryError> {
        let SentTransaction { nonce, document, instead_of, members, transfers } = *sent;
        let at = self.registry.now();
        let of = (&*self.network, &*self.account);
        let mut writing = self.registry.write().await?;
        let session = &mut writing.session();
        self.expect_turn(session).await?;
        store::record(session, of, nonce, document, instead_of, at).await?;
        store::remember(session, of, members, at).await?;
        transfers::put(session, of, nonce, transfers, at).await?;
        store::forget(session, at.plus(-MEMBERS_KEPT_MS)).await?;
        writing.commit().await
    }

    /// Closes the one that stands under its nonce as this text. Where another text stands there, or it was closed in another way, somebody
    /// knows more of it, and this is refused.
    ///
    /// # Errors
    /// The database does not work; whether it was closed is not known then.
    pub async fn close(&self, closing: &Closing<'_>) -> Result<(), RegistryError> {
        let Closing { nonce, document, landed, outcomes, transfers } = *closing;
        let mut writing = self.registry.write().await?;
        let of = (&*self.network, &*self.account);
        store::close(&mut writing.session(), of, nonce, document, landed, outcomes).await?;
        for (transfer, outcome) in transfers {
            transfers::end(&mut writing.session(), of, nonce, transfer, outcome).await?;
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
        let is_noted = transfers::note(&mut writing.session(), of, member, outcome, at).await?;
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
        let is_noted = transfers::give_up(session, of, member, outcome, at).await?;
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
mod tests;
