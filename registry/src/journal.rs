//! The journal: every change that people make leaves one entry in the audit log and one event, written in the transaction
//! that makes the change.
//!
//! Money that people move has its event from the books, and its entry with the event ([`Registry::advance`]): the books say who
//! asked.
//!
//! All writes of the registry come one after the other, so an event's position is commit order: whoever has read one has
//! read all before it. Entries are chained by their hashes ([`Registry::verify_changes`]). No secret may stand in a
//! document that is recorded here. Next: `store::journal` for the SQL, `look` for events that somebody looks for.

mod look;

use std::time::Duration;

use domain::{ChangeId, Clock, EventId, RequestId, UnixMillis};
use serde_json::Value;
use tokio::sync::watch;

pub use crate::actor::{Actor, ActorKind};
use crate::registry::{Registry, RegistryError, random};
use crate::store::{Session, journal as store};

pub use look::{Sighting, Wanted};

/// Events that are forgotten in one transaction. One that takes longer than a statement may is rolled back whole, and meanwhile
/// nobody else writes.
const FORGOTTEN_AT_ONCE: u32 = 2_000;

/// Most entries or events that are read at once.
pub const PAGE_MAX: u32 = 1_000;

/// Whose business something is: they may read of it. Neither is the operator's alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// A provider, by name.
    pub provider: Option<String>,
    /// An owner of agents, by name.
    pub owner: Option<String>,
}

/// What a change is about: its kind (`route`, `agent`...) and its name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// A word of the API: the singular of its path.
    pub kind: &'static str,
    /// What it is called there.
    pub id: String,
}

/// A change to be recorded.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What, as a type of event: `route.price_changed`.
    pub action: &'static str,
    /// Of what.
    pub subject: Subject,
    /// Whose.
    pub tenant: Tenant,
    /// What it was; none where it is new.
    pub before: Option<Value>,
    /// What it is; none where it is gone.
    pub after: Option<Value>,
    /// When.
    pub at: UnixMillis,
}

/// An event to be appended that no person's change made: money that moved.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Its type: `payment.refunded`.
    pub kind: &'static str,
    /// When what it tells of happened.
    pub at: UnixMillis,
    /// Whose.
    pub tenant: Tenant,
    /// The id or name of what it tells of.
    pub subject: String,
    /// The rest.
    pub data: Value,
}

/// An entry of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its number, without gaps from 1.
    pub seq: u64,
    /// Its identifier.
    pub id: ChangeId,
    /// When.
    pub at: UnixMillis,
    /// `token`, `key`, `file` or `system`.
    pub actor_kind: String,
    /// The key's id, where it was a key.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// The kind of what it was done to.
    pub subject_kind: String,
    /// Its name or id.
    pub subject: String,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
    /// The call that asked for it.
    pub request: Option<String>,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it stands in the log: grows in commit order.
    pub position: u64,
    /// Its identifier, also its webhooks' id.
    pub id: EventId,
    /// Its type.
    pub kind: String,
    /// When what it tells of happened.
    pub at: UnixMillis,
    /// Whose.
    pub tenant: Tenant,
    /// The id or name of what it tells of.
    pub subject: String,
    /// The rest.
    pub data: Value,
}

/// Which entries of the log are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this provider.
    pub provider: Option<String>,
    /// Only those of this owner.
    pub owner: Option<String>,
    /// Only those about this kind of thing, by its kind and, where given, its name. Changes only.
    pub subject: Option<(String, Option<String>)>,
}

/// What a look at the whole audit log found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Entries that were read.
    pub changes: u64,
    /// The first one whose hash is not that of its content and its predecessor, or that is missing.
    pub broken_at: Option<u64>,
}

/// Records a change inside its transaction; gives the event's position.
pub(crate) async fn record(session: &mut Session<'_>, entry: &Entry<'_>) -> Result<u64, RegistryError> {
    let mut data = serde_json::json!({ "subject": entry.subject.id });
    for (name, document) in [("before", &entry.before), ("after", &entry.after)] {
        if let Some(document) = document {
            data[name] = document.clone();
        }
    }
    let event = NewEvent {
        kind: entry.action,
        at: entry.at,
        tenant: entry.tenant.clone(),
        subject: entry.subject.id.clone(),
        data,
    };
    let (change, told) = (ChangeId::generate(entry.at, random()?), EventId::generate(entry.at, random()?));
    Ok(store::put_change_and_event(session, change, told, entry, &event).await?)
}

/// Adds an entry to the audit log inside a transaction.
async fn note(session: &mut Session<'_>, entry: &Entry<'_>) -> Result<(), RegistryError> {
    let id = ChangeId::generate(entry.at, random()?);
    Ok(store::put_change(session, id, entry).await?)
}

/// Adds an entry to the audit log inside a transaction: who asked for what an event tells of.
pub(crate) async fn note_event(
    session: &mut Session<'_>,
    actor: &Actor,
    event: &NewEvent,
) -> Result<(), RegistryError> {
    // A type of event begins with the word for what it is about.
    let kind = event.kind.split_once('.').map_or(event.kind, |(kind, _)| kind);
    let entry = Entry {
        actor,
        action: event.kind,
        subject: Subject::new(kind, &event.subject),
        tenant: event.tenant.clone(),
        before: None,
        after: Some(event.data.clone()),
        at: event.at,
    };
    note(session, &entry).await
}

/// Appends an event inside a transaction; gives its position.
pub(crate) async fn append(session: &mut Session<'_>, event: &NewEvent) -> Result<u64, RegistryError> {
    Ok(store::put_event(session, EventId::generate(event.at, random()?), event).await?)
}

// === impl Registry ===

impl Registry {
    /// The position of the last event that this process knows of, and of every one after it. Other processes on the same
    /// database are not heard here: who must hear them asks again after a while.
    #[must_use]
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.shared.positions.subscribe()
    }

    /// Events after a position, in order, at most `limit` or [`PAGE_MAX`].
    ///
    /// # Errors
    /// The database does not work.
    pub async fn events_after(
        &self,
        position: u64,
        limit: u32,
        filter: &Filter,
    ) -> Result<Vec<Event>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let limit = limit.min(PAGE_MAX);
        let events = store::events_after(&mut connection.session(), position, limit, filter).await?;
        if let Some(last) = events.last() {
            self.passed(last.position);
        }
        Ok(events)
    }

    /// The position of the last event.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn last_position(&self) -> Result<u64, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let position = store::last_position(&mut connection.session()).await?;
        self.passed(position);
        Ok(position)
    }

    /// Entries of the audit log, newest first, those before `before` where given, at most `limit` or [`PAGE_MAX`].
    ///
    /// # Errors
    /// The database does not work.
    pub async fn changes(
        &self,
        before: Option<u64>,
        limit: u32,
        filter: &Filter,
    ) -> Result<Vec<Change>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let before = before.unwrap_or(u64::MAX);
        Ok(store::changes_before(&mut connection.session(), before, limit.min(PAGE_MAX), filter).await?)
    }

    /// Reads the whole audit log and checks its chain.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn verify_changes(&self) -> Result<Chain, RegistryError> {
        // Of one moment: its end must be the one that its last entry was written with.
        let mut snapshot = self.shared.pool.snapshot().await?;
        Ok(store::verify(&mut snapshot.session()).await?)
    }

    /// Deletes events older than `before`, some at a time; the audit log stays.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn forget_events(&self, before: UnixMillis) -> Result<u64, RegistryError> {
        let mut gone = 0;
        loop {
            let step = self.forget_some_events(before, FORGOTTEN_AT_ONCE).await?;
            gone += step;
            if step < u64::from(FORGOTTEN_AT_ONCE) {
                return Ok(gone);
            }
        }
    }

    /// One step of it: others write between two.
    async fn forget_some_events(&self, before: UnixMillis, limit: u32) -> Result<u64, RegistryError> {
        let mut writing = self.write().await?;
        let gone = store::delete_events(&mut writing.session(), before, limit).await?;
        writing.commit().await?;
        Ok(gone)
    }

    /// Deletes events that are older than this; the audit log stays.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn forget_events_older_than(&self, age: Duration) -> Result<u64, RegistryError> {
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.forget_events(UnixMillis(self.now().0.saturating_sub(age))).await
    }

    /// A name for a call, which the journal keeps with what the call changes.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new_request(&self) -> Result<RequestId, RegistryError> {
        Ok(RequestId::generate(self.now(), random()?))
    }

    /// Tells those who wait for events that there is one at this position.
    pub(crate) fn passed(&self, position: u64) {
        self.shared.positions.send_if_modified(|last| {
            let newer = position > *last;
            *last = position.max(*last);
            newer
        });
    }

    /// Now, by this registry's clock.
    pub(crate) fn now(&self) -> UnixMillis {
        let clock: &dyn Clock = &*self.shared.clock;
        clock.now()
    }
}

// === impl Change ===

impl Change {
    /// The agent whose key was changed, in text.
    pub(crate) fn agent(&self) -> Option<&str> {
        self.after.as_ref().or(self.before.as_ref())?.get("agent")?.as_str()
    }
}

// === impl Tenant ===

impl Tenant {
    /// A provider's.
    #[must_use]
    pub fn provider(name: &str) -> Self {
        Self { provider: Some(name.to_owned()), owner: None }
    }

    /// An owner's; the operator's own where there is none.
    #[must_use]
    pub fn owner(name: Option<&str>) -> Self {
        Self { provider: None, owner: name.map(str::to_owned) }
    }
}

// === impl Subject ===

impl Subject {
    /// Of a kind, by its name or id.
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, id: id.to_string() }
    }
}

#[cfg(test)]
mod tests;
