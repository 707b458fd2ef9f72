//! What people do with receivers: make, change, take away, look, send again. All of it is in the journal.

use domain::{UnixMillis, WebhookId};
use serde_json::json;

use super::queue::STRETCH_MAX;
use super::{
    Delivery, DeliveryState, Disabled, EVENT_TYPES, NewWebhook, OVERLAP_MS_MAX, Replay, SigningSecret,
    WEBHOOKS_MAX, Webhook, WebhookChange,
};
use crate::journal::{Actor, Entry, PAGE_MAX, Subject, Tenant};
use crate::registry::{Registry, RegistryError, random};
use crate::store::{Session, deliveries, journal, webhooks as store};
use crate::writing::Writing;

// === impl Registry ===

impl Registry {
    /// Makes a receiver of what happens from now on.
    ///
    /// # Errors
    /// An unknown type, too many of one tenant; the database does not work.
    pub async fn create_webhook(&self, actor: &Actor, new: NewWebhook) -> Result<Webhook, RegistryError> {
        check_types(new.types.as_deref())?;
        let at = self.now();
        let (id, secret) = (WebhookId::generate(at, random()?), SigningSecret::generate()?);
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        if store::count(session, &new.tenant, new.of_operator).await? >= u64::from(WEBHOOKS_MAX) {
            return Err(RegistryError::TooMany("webhooks", WEBHOOKS_MAX));
        }
        let position = crate::store::journal::last_position(session).await?;
        let made = Webhook {
            id,
            url: new.url,
            types: new.types,
            tenant: new.tenant,
            of_operator: new.of_operator,
            secret,
            previous: None,
            position,
            disabled: None,
            failing_since: None,
            created_at: at,
        };
        store::put(session, &made).await?;
        let entry = entry(actor, "webhook.created", (None, Some(&made)), at);
        writing.record(&entry).await?;
        writing.commit().await?;
        Ok(made)
    }

    /// Changes a receiver. Enabled again, it goes on where it stopped. Of other types it hears from now on, unless it has not been
    /// told yet of everything of its types: then also of what happened behind the first of that.
    ///
    /// # Errors
    /// [`RegistryError::UnknownWebhook`], an unknown type; the database does not work.
    pub async fn update_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Webhook, RegistryError> {
        check_types(change.types.as_ref().and_then(Option::as_deref))?;
        self.change_webhook(actor, id, |webhook| webhook.take(change)).await
    }

    /// Gives a receiver a new secret; deliveries are signed with both for `overlap_ms`, at most [`OVERLAP_MS_MAX`].
    ///
    /// # Errors
    /// [`RegistryError::UnknownWebhook`]; the database does not work.
    pub async fn rotate_webhook_secret(
        &self,
        actor: &Actor,
        id: WebhookId,
        overlap_ms: i64,
    ) -> Result<Webhook, RegistryError> {
        let secret = SigningSecret::generate()?;
        let until = self.now().plus(overlap_ms.clamp(0, OVERLAP_MS_MAX));
        self.change_webhook(actor, id, |webhook| {
            webhook.previous = Some((std::mem::replace(&mut webhook.secret, secret), until));
        })
        .await
    }

    /// Takes a receiver away, and its deliveries.
    ///
    /// # Errors
    /// [`RegistryError::UnknownWebhook`]; the database does not work.
    pub async fn remove_webhook(&self, actor: &Actor, id: WebhookId) -> Result<(), RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let known = known(session, id).await?;
        // Its deliveries may be many, and others would wait.
        if !self.is_dry_run() {
            store::remove(session, id).await?;
        }
        let entry = entry(actor, "webhook.removed", (Some(&known), None), at);
        writing.record(&entry).await?;
        writing.commit().await?;
        Ok(())
    }

    /// One receiver.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::get(&mut connection.session(), id).await?)
    }

    /// Receivers of a tenant, everybody's where it is nobody, newest first, those before `before`.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn webhooks(
        &self,
        tenant: &Tenant,
        before: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<Webhook>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        Ok(store::list(&mut connection.session(), tenant, before, limit.min(PAGE_MAX)).await?)
    }

    /// Deliveries of a receiver, newest event first, those before the position `before`, of one state where given.
    ///
    /// # Errors
    /// The database does not work.
    pub async fn deliveries(
        &self,
        id: WebhookId,
        state: Option<DeliveryState>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, RegistryError> {
        let mut connection = self.shared.pool.acquire().await?;
        let (before, limit) = (before.unwrap_or(u64::MAX), limit.min(PAGE_MAX));
        Ok(deliveries::list(&mut connection.session(), id, state, before, limit).await?)
    }

    /// Sends again, from the first attempt on; how many deliveries that concerns, 0 where it is a stretch of the log.
    ///
    /// # Errors
    /// [`RegistryError::UnknownWebhook`], [`RegistryError::UnknownEvent`] where the log has no such event of the
    /// receiver's tenant (any more); the database does not work.
    pub async fn replay(&self, actor: &Actor, id: WebhookId, replay: Replay) -> Result<u64, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let known = known(session, id).await?;
        let (count, what) = match replay {
            Replay::One(event) => {
                let found = deliveries::event(session, event).await?;
                let found = found.filter(|event| known.is_of(&event.tenant));
                let found = found.ok_or(RegistryError::UnknownEvent(event))?;
                // What lies behind its position is sent anyway.
                if found.position <= known.position {
                    deliveries::begin_again(session, id, &found, at).await?;
                }
                (1, json!({ "event": event.to_string() }))
            }
            // What waits may be much, and everybody would wait for it to be undone.
            Replay::Dead if self.is_dry_run() => {
                (deliveries::dead(session, id).await?, json!({ "state": "dead" }))
            }
            Replay::Dead => (deliveries::revive(session, id, at).await?, json!({ "state": "dead" })),
            Replay::After(position) => {
                let position = position.min(known.position);
                if !self.is_dry_run() {
                    deliveries::rewind(session, id, position).await?;
                }
                (0, json!({ "after": position }))
            }
        };
        let mut entry = entry(actor, "webhook.replayed", (None, Some(&known)), at);
        entry.after = Some(what);
        writing.record(&entry).await?;
        writing.commit().await?;
        Ok(count)
    }

    async fn change_webhook(
        &self,
        actor: &Actor,
        id: WebhookId,
        change: impl FnOnce(&mut Webhook),
    ) -> Result<Webhook, RegistryError> {
        let at = self.now();
        let mut writing = self.write().await?;
        let session = &mut writing.session();
        let before = known(session, id).await?;
        let mut after = before.clone();
        change(&mut after);
        store::update(session, &after).await?;
        if before.types != after.types {
            pass_over(session, &before).await?;
        }
        let entry = entry(actor, "webhook.updated", (Some(&before), Some(&after)), at);
        writing.record(&entry).await?;
        writing.commit().await?;
        Ok(after)
    }
}

// === impl Webhook ===

impl Webhook {
    fn take(&mut self, change: WebhookChange) {
        if let Some(url) = change.url {
            self.url = url;
        }
        if let Some(types) = change.types {
            self.types = types;
        }
        match change.enabled {
            Some(true) => (self.disabled, self.failing_since) = (None, None),
            Some(false) => self.disabled = self.disabled.or(Some(Disabled::Asked)),
            None => (),
        }
    }
}

/// Disables what a provider that goes made for itself. What the operator made for it is the operator's.
pub(crate) async fn disable_of_provider(
    writing: &mut Writing<'_>,
    actor: &Actor,
    provider: &str,
    at: UnixMillis,
) -> Result<(), RegistryError> {
    // One has at most WEBHOOKS_MAX.
    for before in store::list(&mut writing.session(), &Tenant::provider(provider), None, PAGE_MAX).await? {
        if before.disabled.is_none() {
            let after = Webhook { disabled: Some(Disabled::Asked), ..before.clone() };
            store::update(&mut writing.session(), &after).await?;
            writing.record(&entry(actor, "webhook.disabled", (Some(&before), Some(&after)), at)).await?;
        }
    }
    Ok(())
}

async fn known(session: &mut Session<'_>, id: WebhookId) -> Result<Webhook, RegistryError> {
    store::get(session, id).await?.ok_or(RegistryError::UnknownWebhook(id))
}

/// Moves a receiver behind what happened so far, where it was told of all that it wanted to hear of before. One that is further behind than a
/// look goes is not looked at: everybody who writes would wait for that.
async fn pass_over(session: &mut Session<'_>, before: &Webhook) -> Result<(), RegistryError> {
    let last = journal::last_position(session).await?;
    if last.saturating_sub(before.position) > STRETCH_MAX {
        return Ok(());
    }
    let waiting = deliveries::untold(session, before, (before.position, last), 1).await?;
    if waiting.is_empty() && last > before.position {
        deliveries::rewind(session, before.id, last).await?;
    }
    Ok(())
}

fn check_types(types: Option<&[String]>) -> Result<(), RegistryError> {
    let unknown = types.unwrap_or_default().iter().find(|kind| !EVENT_TYPES.contains(&kind.as_str()));
    unknown.map_or(Ok(()), |kind| Err(RegistryError::UnknownEventType(kind.clone())))
}

/// An entry of the journal about a receiver.
pub(super) fn entry<'a>(
    actor: &'a Actor,
    action: &'static str,
    (before, after): (Option<&Webhook>, Option<&Webhook>),
    at: UnixMillis,
) -> Entry<'a> {
    let known = before.or(after);
    Entry {
        actor,
        action,
        subject: Subject {
            kind: "webhook",
            id: known.map(|webhook| webhook.id.to_string()).unwrap_or_default(),
        },
        tenant: known.map(Webhook::keeper).unwrap_or_default(),
        before: before.map(Webhook::document),
        after: after.map(Webhook::document),
        at,
    }
}
