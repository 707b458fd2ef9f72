//! Some events among all: those of a type, or about one thing. The log has no index for them, so a look goes through a stretch
//! of it and says where the next one begins.

use super::{Event, Filter, PAGE_MAX};
use crate::registry::{Registry, RegistryError};
use crate::store::journal as store;

/// Positions of the log that one look for some events goes through.
const LOOK_MAX: u64 = 20_000;

/// Which events are looked for among those that may be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only those of this type.
    pub kind: Option<String>,
    /// Only those that tell of this thing, by its id or name.
    pub subject: Option<String>,
}

/// What a look at a stretch of the log found.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// In order.
    pub events: Vec<Event>,
    /// Where the next look begins; none where nothing lies behind this one.
    pub next: Option<u64>,
}

// === impl Registry ===

impl Registry {
    /// Events of some kind after a position, in order, at most `limit` or [`PAGE_MAX`]. A look ends after a stretch of the log,
    /// whatever it found.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn find_events(
        &self,
        position: u64,
        limit: u32,
        filter: &Filter,
        wanted: &Wanted,
    ) -> Result<Sighting, RegistryError> {
        self.look_through(position, limit, LOOK_MAX, filter, wanted).await
    }

    /// Goes through at most `look_max` positions.
    pub(super) async fn look_through(
        &self,
        position: u64,
        limit: u32,
        look_max: u64,
        filter: &Filter,
        wanted: &Wanted,
    ) -> Result<Sighting, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let (session, limit) = (&mut connection.session(), limit.min(PAGE_MAX));
        // First: what is committed later lies behind it, what lies before it is committed.
        let last = store::last_position(session).await?;
        // The log loses its beginning, and nobody looks for what is gone.
        let first = store::position_after(session, position).await?.unwrap_or(last);
        let end = first.saturating_add(look_max).min(last);
        let events = store::find_events(session, (position, end), limit, filter, wanted).await?;
        let full = u32::try_from(events.len()).is_ok_and(|count| count == limit);
        let end = events.last().filter(|_| full).map_or(end, |event| event.position);
        Ok(Sighting { events, next: (end < last).then_some(end) })
    }
}
