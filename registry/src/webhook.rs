//! [`Webhook`]: whoever wants to be called when something happens.
//!
//! Its queue is the log of events: everything after its position, and rows for what must be sent again. Nothing is sent
//! here. Next: `edit` for what people change, [`queue`] for the one that sends.

pub(crate) mod edit;
pub mod queue;

use std::fmt;

use domain::{EventId, UnixMillis, WebhookId};
use serde_json::{Value, json};

use crate::journal::Tenant;
use crate::registry::{RegistryError, random};

/// Every type an event can have. A webhook that wants another one would wait for ever.
pub const EVENT_TYPES: [&str; 51] = [
    "agent.created",
    "agent.frozen",
    "agent.thawed",
    "agent.updated",
    "agent_key.created",
    "agent_key.revoked",
    "agent_key.rotated",
    "agent_key.updated",
    "alert.created",
    "alert.removed",
    "api_key.created",
    "api_key.revoked",
    "outgoing.due",
    "outgoing.failed",
    "outgoing.paid",
    "outgoing.sent",
    "outgoing.void",
    "payment.captured.batch",
    "payment.refunded",
    "payment.resolved",
    "payment.written_off",
    "payout.created",
    "payout.paid",
    "policy.updated",
    "provider.created",
    "provider.payout_destination_changed",
    "provider.payout_destination_effective",
    "provider.removed",
    "provider.resumed",
    "provider.suspended",
    "provider.updated",
    "reconciliation.difference",
    "reconciliation.resolved",
    "route.created",
    "route.price_changed",
    "route.removed",
    "route.updated",
    "settlement.created",
    "signer.added",
    "signer.removed",
    "wallet.created",
    "wallet.frozen",
    "wallet.funded",
    "wallet.low_balance",
    "wallet.thawed",
    "wallet.withdrawn",
    "webhook.created",
    "webhook.disabled",
    "webhook.removed",
    "webhook.replayed",
    "webhook.updated",
];

/// What is said of a type that no event has: the nearest one, and all there are.
#[must_use]
pub fn unknown_type(given: &str) -> String {
    // The distance is quadratic.
    let given: String = given.chars().filter(|character| !character.is_control()).take(64).collect();
    let near = EVENT_TYPES.iter().map(|known| (strsim::damerau_levenshtein(&given, known), known)).min();
    let near = near.filter(|(distance, known)| *distance <= known.len() / 3);
    let near = near.map_or_else(|| ".".to_owned(), |(_, known)| format!(", did you mean `{known}`?"));
    format!("no event is of the type `{given}`{near} There are {}", EVENT_TYPES.join(", "))
}

/// Webhooks of one tenant, and of the operator.
pub const WEBHOOKS_MAX: u32 = 50;

/// How long a secret that was changed is still signed with, in milliseconds, where nobody says otherwise: a day.
pub const OVERLAP_MS: i64 = 24 * 60 * 60 * 1000;

/// The longest such time: a week.
pub const OVERLAP_MS_MAX: i64 = 7 * OVERLAP_MS;

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// What deliveries are signed with. Both sides know it; it is shown when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its identifier.
    pub id: WebhookId,
    /// Where it is called.
    pub url: String,
    /// What it wants to hear of; none is everything.
    pub types: Option<Vec<String>>,
    /// Whose events it gets; everybody's where nobody's.
    pub tenant: Tenant,
    /// It is the operator's own, whosever events it gets.
    pub of_operator: bool,
    /// What is signed with.
    pub secret: SigningSecret,
    /// What is signed with as well, until then.
    pub previous: Option<(SigningSecret, UnixMillis)>,
    /// Events at or before it were delivered, are dead, or have a row of their own.
    pub position: u64,
    /// Why nothing is sent; none where it is.
    pub disabled: Option<Disabled>,
    /// Since when nothing succeeded.
    pub failing_since: Option<UnixMillis>,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// Why nothing is sent to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Somebody asked for it.
    Asked,
    /// It answered 410: it is not there any more.
    Gone,
    /// Nothing but failures for days.
    Failing,
}

/// A receiver to be made. It hears of what happens from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where it is called; checked by the caller.
    pub url: String,
    /// What it wants to hear of; none is everything.
    pub types: Option<Vec<String>>,
    /// Whose events it gets.
    pub tenant: Tenant,
    /// Whether it is the operator's own; else it is the tenant's.
    pub of_operator: bool,
}

/// What is changed of a receiver; none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// Where it is called.
    pub url: Option<String>,
    /// What it wants to hear of.
    pub types: Option<Option<Vec<String>>>,
    /// Whether anything is sent.
    pub enabled: Option<bool>,
}

/// What is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// One event, whatever became of it.
    One(EventId),
    /// Everything that is dead.
    Dead,
    /// Everything after a position of the log, as far as the log still has it.
    After(u64),
}

/// What became of one event at one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The event's position.
    pub position: u64,
    /// The event, also the delivery's id.
    pub event: EventId,
    /// The event's type.
    pub kind: String,
    /// Delivered, dead, or to be sent again.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Of the next attempt where pending, else of the last one.
    pub at: UnixMillis,
    /// The status of the last answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
}

/// The states of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// To be sent, again or still.
    Pending,
    /// Arrived.
    Delivered,
    /// Given up; sent again when somebody asks for it.
    Dead,
}

// === impl SigningSecret ===

impl SigningSecret {
    pub(crate) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The key of the HMAC.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    fn generate() -> Result<Self, RegistryError> {
        Ok(Self(random::<SECRET_BYTES>()?.to_vec()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

// === impl Webhook ===

impl Webhook {
    /// Whose it is: who sees it and may change it beside the operator. Not whose events it gets.
    #[must_use]
    pub fn keeper(&self) -> Tenant {
        if self.of_operator { Tenant::default() } else { self.tenant.clone() }
    }

    /// What deliveries of this time are signed with: the new secret first.
    pub fn secrets(&self, at: UnixMillis) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.as_ref().filter(|(_, until)| at < *until);
        std::iter::once(&self.secret).chain(previous.map(|(secret, _)| secret))
    }

    /// Whether it hears of events of this type and tenant.
    #[must_use]
    pub fn hears(&self, kind: &str, tenant: &Tenant) -> bool {
        self.is_of(tenant)
            && self.types.as_ref().is_none_or(|types| types.iter().any(|wanted| wanted == kind))
    }

    /// Whether events of this tenant are its tenant's to know.
    #[must_use]
    pub fn is_of(&self, tenant: &Tenant) -> bool {
        let has = |wanted: &Option<String>, given: &Option<String>| wanted.is_none() || wanted == given;
        has(&self.tenant.provider, &tenant.provider) && has(&self.tenant.owner, &tenant.owner)
    }

    /// As the journal keeps it.
    pub(crate) fn document(&self) -> Value {
        json!({
            "url": self.url,
            "types": self.types,
            "disabled": self.disabled.map(Disabled::name),
            "previous_secret_until": self.previous.as_ref().map(|(_, until)| until.to_string()),
        })
    }
}

// === impl Disabled ===

impl Disabled {
    /// A word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Asked, Self::Gone, Self::Failing].into_iter().find(|reason| reason.name() == word)
    }
}

// === impl DeliveryState ===

impl DeliveryState {
    /// A word of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.name() == word)
    }
}

#[cfg(test)]
mod tests;
