//! Where payouts of a provider go, and on which terms it is settled with.
//!
//! The first destination is in force at once: there is no other one that money would be led away from. One that replaces
//! another waits, and an event tells of it, so that a provider whose key was stolen can cancel it first. What was settled
//! meanwhile goes where it went before. Next: `store::payouts` for the SQL.

use std::sync::Arc;

use domain::{PayoutDestination, SettlementTerms, UnixMillis};
use serde_json::{Value, json};

use crate::journal::{Actor, Entry, NewEvent, Subject, Tenant};
use crate::registry::{Registry, RegistryError};
use crate::store::payouts as store;
use crate::writing::Writing;

/// Longest text of a destination that a person pays, in bytes.
pub const REFERENCE_BYTES_MAX: usize = 255;

/// A destination, and from when on it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationEntry {
    /// Where.
    pub destination: PayoutDestination,
    /// When it was asked for.
    pub requested_at: UnixMillis,
    /// From then on.
    pub effective_at: UnixMillis,
}

/// Where a provider's payouts go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayoutDestinations {
    /// Now; nothing is settled where none.
    pub current: Option<DestinationEntry>,
    /// What was asked for and waits.
    pub pending: Option<DestinationEntry>,
}

// === impl Registry ===

impl Registry {
    /// Where a provider's payouts go, and will go.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn payout_destinations(&self, provider: &str) -> Result<PayoutDestinations, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::of_provider(&mut connection.session(), provider, self.now()).await?)
    }

    /// Asks for another destination, in place of what waits. What is in force already, or waits already, is no change of it:
    /// asking again delays nothing. Whether a wallet exists is the caller's to know.
    ///
    /// # Errors
    /// No such provider; the database does not work.
    pub async fn set_payout_destination(
        &self,
        actor: &Actor,
        provider: &str,
        destination: PayoutDestination,
    ) -> Result<PayoutDestinations, RegistryError> {
        if self.provider(provider).is_none() {
            return Err(RegistryError::UnknownProvider(provider.to_owned()));
        }
        let at = self.now();
        let mut writing = self.write().await?;
        let before = store::of_provider(&mut writing.session(), provider, at).await?;
        let is = |entry: &Option<DestinationEntry>| {
            entry.as_ref().is_some_and(|entry| entry.destination == destination)
        };
        if is(&before.pending) || (before.pending.is_none() && is(&before.current)) {
            return Ok(before);
        }
        store::cancel(&mut writing.session(), provider, at).await?;
        if !is(&before.current) {
            let delay = if before.current.is_some() { self.destination_delay_ms() } else { 0 };
            let entry = DestinationEntry { destination, requested_at: at, effective_at: at.plus(delay) };
            store::put(&mut writing.session(), provider, &entry, delay == 0).await?;
        }
        let after = store::of_provider(&mut writing.session(), provider, at).await?;
        writing.record(&entry(actor, provider, (&before, &after), at)).await?;
        writing.commit().await?;
        Ok(after)
    }

    /// Takes back what waits; where nothing does, this is no change.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn cancel_payout_destination(
        &self,
        actor: &Actor,
        provider: &str,
    ) -> Result<PayoutDestinations, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let before = store::of_provider(&mut writing.session(), provider, at).await?;
        if before.pending.is_none() {
            return Ok(before);
        }
        store::cancel(&mut writing.session(), provider, at).await?;
        let after = PayoutDestinations { pending: None, ..before.clone() };
        writing.record(&entry(actor, provider, (&before, &after), at)).await?;
        writing.commit().await?;
        Ok(after)
    }

    /// Tells of destinations that came into force.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn announce_payout_destinations(&self) -> Result<(), RegistryError> {
        let at = self.now();
        let waiting = {
            let mut connection = self.shared.pool.acquire().await?;
            store::unannounced(&mut connection.session(), at).await?
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let mut writing = self.write().await?;
        // Asked again: another process may have told of them, and somebody may have cancelled one.
        for (provider, entry) in store::unannounced(&mut writing.session(), at).await? {
            let event = NewEvent {
                kind: "provider.payout_destination_effective",
                at: entry.effective_at,
                tenant: Tenant::provider(&provider),
                subject: provider,
                data: entry.document(),
            };
            writing.append(&event).await?;
        }
        store::announce(&mut writing.session(), at).await?;
        writing.commit().await
    }

    /// Everybody who is to be settled with, by name, and on which terms: those that have a destination and are not suspended.
    /// A provider that is gone is settled with by the operator's rules: it earned what it earned.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn settlement_terms(&self) -> Result<Vec<(Arc<str>, SettlementTerms)>, RegistryError> {
        let destinations = {
            let mut connection = self.shared.pool.acquire().await?;
            store::in_force(&mut connection.session(), self.now()).await?
        };
        let is_suspended = |name: &str| self.provider(name).is_some_and(|entry| entry.provider.suspended);
        let terms = destinations.into_iter().filter(|(name, _)| !is_suspended(name));
        Ok(terms.map(|(name, destination)| (Arc::clone(&name), self.terms_of(&name, destination))).collect())
    }

    /// On which terms one provider is settled with, suspended or not; none where it has no destination.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn settlement_terms_of(
        &self,
        provider: &str,
    ) -> Result<Option<SettlementTerms>, RegistryError> {
        let current = self.payout_destinations(provider).await?.current;
        Ok(current.map(|entry| self.terms_of(provider, entry.destination)))
    }

    fn terms_of(&self, provider: &str, destination: PayoutDestination) -> SettlementTerms {
        let agreed = self.provider(provider).map(|entry| entry.provider.settlement);
        SettlementTerms { rules: agreed.unwrap_or(self.terms().settlement.rules), destination }
    }

    fn destination_delay_ms(&self) -> i64 {
        let delay = self.terms().settlement.payout_destination_delay;
        i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)
    }
}

/// Takes away what is in force and what waits, where anything is.
pub(crate) async fn clear(
    writing: &mut Writing<'_>,
    actor: &Actor,
    provider: &str,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    let before = store::of_provider(&mut writing.session(), provider, at).await?;
    if before == PayoutDestinations::default() {
        return Ok(());
    }
    store::clear(&mut writing.session(), provider, at).await?;
    writing.record(&entry(actor, provider, (&before, &PayoutDestinations::default()), at)).await
}

fn entry<'a>(
    actor: &'a Actor,
    provider: &str,
    (before, after): (&PayoutDestinations, &PayoutDestinations),
    at: UnixMillis,
) -> Entry<'a> {
    Entry {
        actor,
        action: "provider.payout_destination_changed",
        subject: Subject::new("provider", provider),
        tenant: Tenant::provider(provider),
        before: Some(before.document()),
        after: Some(after.document()),
        at,
    }
}

// === impl DestinationEntry ===

impl DestinationEntry {
    fn document(&self) -> Value {
        let mut document = json!({
            "rail": self.destination.rail(), "wallet": null, "reference": null,
            "requested_at": self.requested_at.to_string(), "effective_at": self.effective_at.to_string(),
        });
        match &self.destination {
            PayoutDestination::Wallet(wallet) => document["wallet"] = wallet.to_string().into(),
            PayoutDestination::Manual(reference) => document["reference"] = reference.as_str().into(),
            PayoutDestination::Chain(account) => {
                document["network"] = (&*account.network).into();
                document["asset"] = account.token.to_string().into();
                document["address"] = account.address.to_string().into();
            }
        }
        document
    }
}

// === impl PayoutDestinations ===

impl PayoutDestinations {
    fn document(&self) -> Value {
        let document = |entry: &Option<DestinationEntry>| entry.as_ref().map(DestinationEntry::document);
        json!({ "current": document(&self.current), "pending": document(&self.pending) })
    }
}

#[cfg(test)]
mod tests;
