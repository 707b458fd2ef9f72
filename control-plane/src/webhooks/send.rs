//! One attempt: an event becomes a body, is signed, sent, and judged.

use std::sync::Arc;

use domain::Clock;
use registry::journal::{Event, Tenant};
use registry::webhook::{Delivery, DeliveryState, SigningSecret};
use registry::{Registry, Webhook};

use super::message::{self, Members};
use super::metrics::WebhookMetrics;
use super::{schedule, signature};
use crate::egress::{Egress, Target, TargetError};
use crate::places::{Place, Places, Shares};

/// How long an event waits that could not be read here, in milliseconds: no fault of the receiver's.
const UNREAD_MS: i64 = 5_000;

/// KiB that bodies under way take, of all receivers and of those of one tenant: receivers that hang keep them, and the process serves
/// payments.
const BODIES: Shares = Shares { all: 64 * 1024, operator: 16 * 1024, tenant: 8 * 1024 };

/// The status that says that a receiver is not there any more.
const GONE: u16 = 410;

/// What sending needs, for all receivers.
pub(super) struct Sending {
    pub(super) registry: Registry,
    pub(super) egress: Egress,
    pub(super) members: Arc<dyn Members>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: WebhookMetrics,
    /// This process, among those that share the database.
    pub(super) sender: registry::webhook::queue::Sender,
    /// What bodies take.
    pub(super) bodies: Places,
}

/// Where one receiver is, and what it knows us by.
pub(super) struct Address {
    target: Result<Target, TargetError>,
    secrets: Vec<SigningSecret>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Delivered,
    Failed,
    /// Failed, and nothing else will ever arrive.
    Gone,
    /// Nothing was sent.
    Unsent,
}

// === impl Address ===

impl Address {
    /// Judged by the rules of now, whatever they were when it was made.
    pub(super) fn new(webhook: &Webhook, sending: &Sending) -> Self {
        let secrets = webhook.secrets(sending.clock.now()).cloned().collect();
        Self { target: sending.egress.target(&webhook.url), secrets }
    }
}

// === impl Sending ===

impl Sending {
    /// Room for all bodies.
    pub(super) fn bodies() -> Places {
        Places::new(BODIES)
    }

    /// Room for the body of an event that this receiver gets, as long as it is held; none where its keeper has no more.
    pub(super) fn room(&self, webhook: &Webhook, event: &Event) -> Option<Place> {
        let Tenant { provider, owner } = webhook.keeper();
        let provider = provider.map(|name| format!("provider {name}"));
        let who = provider.or_else(|| owner.map(|name| format!("owner {name}")));
        self.bodies.take_many(who, message::size(event).div_ceil(1024))
    }

    /// Tries once, after `attempts` others. The row is what is to be kept of it.
    pub(super) async fn attempt(&self, address: &Address, event: &Event, attempts: u32) -> (Delivery, End) {
        let delivery = |state, attempts, at| Delivery {
            position: event.position,
            event: event.id,
            kind: event.kind.clone(),
            state,
            attempts,
            at,
            status: None,
            error: None,
        };
        let body = match message::body(event, &*self.members).await {
            Ok(body) => body,
            Err(error) => {
                tracing::warn!(event.id = %event.id, %error, "an event cannot be sent now");
                let again = self.clock.now().plus(UNREAD_MS);
                let error = Some("could not be read".to_owned());
                return (
                    Delivery { error, ..delivery(DeliveryState::Pending, attempts, again) },
                    End::Unsent,
                );
            }
        };
        let answer = self.post(address, event, body).await;
        let (at, attempts) = (self.clock.now(), attempts.saturating_add(1));
        let (status, error) = match answer {
            Ok(status @ 200..=299) => {
                self.count("delivered");
                let delivered = delivery(DeliveryState::Delivered, attempts, at);
                return (Delivery { status: Some(status), ..delivered }, End::Delivered);
            }
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error)),
        };
        // Without random bytes everything comes back at the same time, which is no reason to fail.
        let roll = getrandom::u32().unwrap_or_default();
        let (state, at) = match schedule::delay_ms(attempts, roll) {
            Some(delay) => (DeliveryState::Pending, at.plus(delay)),
            None => (DeliveryState::Dead, at),
        };
        self.count(if state == DeliveryState::Dead { "dead" } else { "failed" });
        let end = if status == Some(GONE) { End::Gone } else { End::Failed };
        (Delivery { status, error, ..delivery(state, attempts, at) }, end)
    }

    async fn post(&self, address: &Address, event: &Event, body: Vec<u8>) -> Result<u16, String> {
        let target = address.target.as_ref().map_err(ToString::to_string)?;
        let secrets = address.secrets.iter().map(SigningSecret::expose);
        let (id, seconds) = (event.id.to_string(), self.clock.now().seconds());
        let fields = signature::fields(secrets, &id, seconds, &body).map_err(|error| error.to_string())?;
        self.egress.post(target, fields, body).await.map_err(|error| error.to_string())
    }

    fn count(&self, outcome: &str) {
        self.metrics.attempts.with_label_values(&[outcome]).inc();
    }
}
