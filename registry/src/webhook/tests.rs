//! Receivers and their queues over the real databases.

use std::sync::Arc;

use serde_json::json;

use super::queue::{DeliveryOutcomes, FAILING_MS_MAX, Sender, Standing};
use super::*;
use crate::journal::{Actor, ActorKind, Filter, NewEvent};
use crate::registry::Registry;
use crate::registry::tests::{Place, TestClock, open};

const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };
const ME: Sender = [1; 16];
const OTHER: Sender = [2; 16];
const TURN_MS: i64 = 60_000;

struct House {
    _place: Place,
    clock: Arc<TestClock>,
    registry: Registry,
}

impl House {
    async fn new() -> Self {
        let (place, clock) = (Place::new(), TestClock::new());
        let registry = open(&place, &clock).await;
        Self { _place: place, clock, registry }
    }

    async fn webhook(&self, types: Option<&[&str]>, tenant: Tenant) -> Webhook {
        let types = types.map(|types| types.iter().map(ToString::to_string).collect());
        let new =
            NewWebhook { url: "https://example.com/hooks".to_owned(), types, tenant, of_operator: false };
        self.registry.create_webhook(&OPERATOR, new).await.unwrap()
    }

    /// Appends an event; its position.
    async fn event(&self, kind: &'static str, tenant: Tenant) -> u64 {
        let mut transaction = self.registry.begin().await.unwrap();
        let event = NewEvent {
            kind,
            at: self.registry.now(),
            tenant,
            subject: String::new(),
            data: json!({ "a": 1 }),
        };
        let position = crate::journal::append(&mut transaction.session(), &event).await.unwrap();
        transaction.commit().await.unwrap();
        position
    }

    /// Positions that a receiver is to be told of, from where it stands.
    async fn untold(&self, webhook: &Webhook) -> Vec<u64> {
        let now = self.registry.webhook(webhook.id).await.unwrap().unwrap();
        let stretch = self.registry.stretch(&now, now.position, 100).await.unwrap();
        stretch.events.iter().map(|event| event.position).collect()
    }

    async fn due(&self, webhook: &Webhook) -> Vec<u64> {
        let due = self.registry.due(webhook.id, self.registry.now(), 100).await.unwrap();
        due.iter().map(|due| due.delivery.position).collect()
    }

    /// Has a receiver's next event end in a state.
    async fn record_next(&self, webhook: &Webhook, state: DeliveryState) -> (u64, Standing) {
        let now = self.registry.take_turn(webhook.id, &ME, TURN_MS).await.unwrap().unwrap();
        let stretch = self.registry.stretch(&now, now.position, 1).await.unwrap();
        let event = &stretch.events[0];
        let delivery = Delivery {
            position: event.position,
            event: event.id,
            kind: event.kind.clone(),
            state,
            attempts: 1,
            at: self.registry.now(),
            status: Some(500),
            error: None,
        };
        let outcomes = DeliveryOutcomes {
            from: now.position,
            to: event.position,
            types: now.types.as_deref(),
            deliveries: &[delivery],
            delivered: state == DeliveryState::Delivered,
            failed: state != DeliveryState::Delivered,
            gone: false,
            turn_ms: TURN_MS,
        };
        (event.position, self.registry.record_deliveries(webhook.id, &ME, &outcomes).await.unwrap())
    }
}

impl House {
    async fn keeps(&self, webhook: &Webhook, state: DeliveryState) -> bool {
        matches!(self.record_next(webhook, state).await.1, Standing::Kept(_))
    }
}

#[tokio::test]
async fn a_webhook_hears_of_what_happens_from_now_on_to_its_tenant_and_of_its_types() {
    let house = House::new().await;
    house.event("route.created", Tenant::provider("acme")).await;
    let all = house.webhook(None, Tenant::default()).await;
    let acme = house.webhook(None, Tenant::provider("acme")).await;
    let low = house.webhook(Some(&["wallet.low_balance", "agent.frozen"]), Tenant::owner(Some("lab"))).await;
    let a = house.event("route.updated", Tenant::provider("acme")).await;
    let b = house.event("wallet.low_balance", Tenant::owner(Some("lab"))).await;
    let c = house.event("wallet.funded", Tenant::owner(Some("lab"))).await;
    let d = house.event("wallet.low_balance", Tenant::owner(Some("other"))).await;
    assert!(house.untold(&all).await.ends_with(&[a, b, c, d]));
    // Of itself too: it was made in the provider's name.
    assert_eq!(house.untold(&acme).await, [acme.position + 1, a]);
    assert_eq!(house.untold(&low).await, [b]);
    assert!(low.hears("agent.frozen", &Tenant::owner(Some("lab"))));
    assert!(!low.hears("agent.frozen", &Tenant::provider("lab")) && !low.hears("agent.thawed", &low.tenant));
}

#[tokio::test]
async fn a_stretch_ends_where_nothing_else_is_to_be_told_and_is_read_in_pieces() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    let first = house.event("agent.frozen", Tenant::default()).await;
    house.event("agent.thawed", Tenant::default()).await;
    let second = house.event("agent.frozen", Tenant::default()).await;
    let last = house.event("agent.thawed", Tenant::default()).await;
    let one = house.registry.stretch(&webhook, webhook.position, 1).await.unwrap();
    assert_eq!((one.events.len(), one.end), (1, first));
    let rest = house.registry.stretch(&webhook, one.end, 2).await.unwrap();
    assert_eq!((rest.events[0].position, rest.events.len(), rest.end), (second, 1, last));
}

#[tokio::test]
async fn a_look_ends_after_so_much_of_the_log_and_the_next_one_goes_on_there() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::provider("acme")).await;
    let mut last = webhook.position;
    for _ in 0..5 {
        last = house.event("agent.thawed", Tenant::owner(Some("lab"))).await;
    }
    let (mut end, mut looks) = (webhook.position, 0);
    loop {
        let stretch = house.registry.stretch_of(&webhook, end, 9, 2).await.unwrap();
        assert!(stretch.events.is_empty() && stretch.end > end && stretch.end - end <= 3);
        (end, looks) = (stretch.end, looks + 1);
        if !stretch.more {
            break;
        }
    }
    assert_eq!((end, looks), (last, 2));
}

#[tokio::test]
async fn an_unknown_type_and_one_too_many_are_refused() {
    let house = House::new().await;
    let new = |types: Option<Vec<String>>| NewWebhook {
        url: "https://example.com/".to_owned(),
        types,
        tenant: Tenant::provider("acme"),
        of_operator: false,
    };
    let typo = house.registry.create_webhook(&OPERATOR, new(Some(vec!["wallet.low".to_owned()]))).await;
    assert!(matches!(typo, Err(RegistryError::UnknownEventType(_))));
    for _ in 0..WEBHOOKS_MAX {
        house.registry.create_webhook(&OPERATOR, new(None)).await.unwrap();
    }
    let more = house.registry.create_webhook(&OPERATOR, new(None)).await;
    assert!(matches!(more, Err(RegistryError::TooMany("webhooks", WEBHOOKS_MAX))));
    house.webhook(None, Tenant::provider("globex")).await;
}

#[tokio::test]
async fn w7_a_changed_secret_is_signed_with_beside_the_new_one_until_its_time_is_over() {
    let house = House::new().await;
    let made = house.webhook(None, Tenant::default()).await;
    assert_eq!(made.secret.expose().len(), 32);
    let rotated = house.registry.rotate_webhook_secret(&OPERATOR, made.id, OVERLAP_MS).await.unwrap();
    let now = house.registry.now();
    let secrets: Vec<_> = rotated.secrets(now).cloned().collect();
    assert_eq!(secrets, [rotated.secret.clone(), made.secret.clone()]);
    assert_ne!(rotated.secret, made.secret);
    let read = house.registry.webhook(made.id).await.unwrap().unwrap();
    assert_eq!(read, rotated);
    assert_eq!(read.secrets(now.plus(OVERLAP_MS)).count(), 1);
    let changes = house.registry.changes(None, 10, &Filter::default()).await.unwrap();
    assert_eq!(changes[0].action, "webhook.updated");
    assert!(!format!("{changes:?} {made:?}").contains("secret\":["), "a secret stands in the journal");
}

#[tokio::test]
async fn only_one_process_sends_for_a_webhook_until_its_turn_is_over() {
    let house = House::new().await;
    let webhook = house.webhook(None, Tenant::default()).await;
    let take = async |who| house.registry.take_turn(webhook.id, who, TURN_MS).await.unwrap().is_some();
    assert!(take(&ME).await && !take(&OTHER).await && take(&ME).await);
    house.clock.advance(TURN_MS);
    assert!(take(&OTHER).await && !take(&ME).await);
    // What the first one sent meanwhile does not count.
    let outcomes =
        DeliveryOutcomes { from: webhook.position, to: webhook.position + 1, ..DeliveryOutcomes::default() };
    assert_eq!(house.registry.record_deliveries(webhook.id, &ME, &outcomes).await.unwrap(), Standing::Lost);
    house.registry.end_turn(webhook.id, &OTHER).await.unwrap();
    assert!(take(&ME).await);
    let kept = house.registry.record_deliveries(webhook.id, &ME, &outcomes).await.unwrap();
    assert!(matches!(kept, Standing::Kept(now) if now.position == outcomes.to));
    assert_eq!(house.registry.record_deliveries(webhook.id, &ME, &outcomes).await.unwrap(), Standing::Lost);
}

#[tokio::test]
async fn what_was_read_for_other_types_moves_no_position_and_what_was_added_is_told() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["wallet.funded"]), Tenant::default()).await;
    let read = house.registry.take_turn(webhook.id, &ME, TURN_MS).await.unwrap().unwrap();
    let types = Some(vec!["wallet.funded".to_owned(), "agent.frozen".to_owned()]);
    let change = WebhookChange { types: Some(types), ..WebhookChange::default() };
    house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    let added = house.event("agent.frozen", Tenant::default()).await;
    let outcomes =
        DeliveryOutcomes { from: read.position, to: added, turn_ms: TURN_MS, ..DeliveryOutcomes::default() };
    for types in [read.types.as_deref(), None] {
        let outcomes = DeliveryOutcomes { types, ..outcomes.clone() };
        let standing = house.registry.record_deliveries(webhook.id, &ME, &outcomes).await.unwrap();
        assert_eq!(standing, Standing::Lost);
    }
    assert_eq!(house.untold(&webhook).await, [added]);
    assert!(house.keeps(&webhook, DeliveryState::Delivered).await);
}

#[tokio::test]
async fn what_failed_is_due_at_its_time_and_is_not_told_twice() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    let first = house.event("agent.frozen", Tenant::default()).await;
    let second = house.event("agent.frozen", Tenant::default()).await;
    house.record_next(&webhook, DeliveryState::Pending).await;
    assert_eq!(house.due(&webhook).await, [first]);
    assert_eq!(house.untold(&webhook).await, [second]);
    let (next, count) = house.registry.pending(webhook.id, 10).await.unwrap();
    assert_eq!((next, count), (Some(house.registry.now()), 1));
    let backlog = house.registry.webhook_backlog().await.unwrap();
    assert_eq!((backlog.pending, backlog.dead, backlog.due), (1, 0, Some(house.registry.now())));
}

#[tokio::test]
async fn w8_days_of_nothing_but_failure_end_it_with_an_event_and_it_goes_on_where_it_stopped() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    for _ in 0..5 {
        house.event("agent.frozen", Tenant::default()).await;
    }
    assert!(house.keeps(&webhook, DeliveryState::Dead).await);
    house.clock.advance(FAILING_MS_MAX - 1);
    assert!(house.keeps(&webhook, DeliveryState::Delivered).await);
    // One success in between, and the days begin again.
    assert!(house.keeps(&webhook, DeliveryState::Dead).await);
    house.clock.advance(FAILING_MS_MAX);
    let (_, standing) = house.record_next(&webhook, DeliveryState::Dead).await;
    assert_eq!(standing, Standing::Disabled(Disabled::Failing));

    assert!(house.registry.take_turn(webhook.id, &ME, TURN_MS).await.unwrap().is_none());
    assert!(house.registry.enabled_webhooks().await.unwrap().is_empty());
    let last = house.registry.last_position().await.unwrap();
    let told = house.registry.events_after(last - 1, 1, &Filter::default()).await.unwrap();
    assert_eq!(told[0].kind, "webhook.disabled");
    assert_eq!(told[0].data["after"]["disabled"], "failing");
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    let again = house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    assert_eq!((again.disabled, again.failing_since), (None, None));
    assert_eq!(house.untold(&webhook).await.len(), 1);
}

#[tokio::test]
async fn one_that_is_switched_off_is_sent_nothing_and_keeps_its_queue() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    let before = house.event("agent.frozen", Tenant::default()).await;
    let switch = async |enabled| {
        let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
        house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap().disabled
    };
    assert_eq!(switch(false).await, Some(Disabled::Asked));
    assert!(house.registry.take_turn(webhook.id, &ME, TURN_MS).await.unwrap().is_none());
    assert!(house.registry.enabled_webhooks().await.unwrap().is_empty());
    let meanwhile = house.event("agent.frozen", Tenant::default()).await;
    assert_eq!(switch(true).await, None);
    assert_eq!(house.untold(&webhook).await, [before, meanwhile]);
    let noted = house.registry.changes(None, 2, &Filter::default()).await.unwrap();
    let disabled = |change: &crate::journal::Change| change.after.as_ref().unwrap()["disabled"].clone();
    assert_eq!(noted.iter().map(disabled).collect::<Vec<_>>(), [serde_json::Value::Null, json!("asked")]);
}

#[tokio::test]
async fn one_all_dead_or_everything_after_a_position_is_sent_again() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::owner(Some("lab"))).await;
    let lab = Tenant::owner(Some("lab"));
    let mut positions = Vec::new();
    for state in [DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Dead] {
        house.event("agent.frozen", lab.clone()).await;
        positions.push(house.record_next(&webhook, state).await.0);
    }
    let foreign = house.event("agent.frozen", Tenant::owner(Some("other"))).await;
    let events = house.registry.events_after(0, 100, &Filter::default()).await.unwrap();
    let id = |position: u64| events.iter().find(|event| event.position == position).unwrap().id;
    let replay = async |what| house.registry.replay(&OPERATOR, webhook.id, what).await;

    assert_eq!(replay(Replay::One(id(positions[0]))).await.unwrap(), 1);
    assert_eq!(house.due(&webhook).await, [positions[0]]);
    assert_eq!(replay(Replay::Dead).await.unwrap(), 2);
    assert_eq!(house.due(&webhook).await, positions);
    let other = replay(Replay::One(id(foreign))).await;
    assert!(matches!(other, Err(RegistryError::UnknownEvent(_))), "another tenant's event");

    replay(Replay::After(positions[0])).await.unwrap();
    assert_eq!(house.untold(&webhook).await, positions[1..]);
    assert_eq!(house.due(&webhook).await, positions[..1]);
    // What was read before it was set back does not count.
    let stale = DeliveryOutcomes { from: positions[2], to: positions[2] + 1, ..DeliveryOutcomes::default() };
    assert_eq!(house.registry.record_deliveries(webhook.id, &ME, &stale).await.unwrap(), Standing::Lost);
}

#[tokio::test]
async fn what_is_over_is_forgotten_after_its_time_and_its_number() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    for state in [DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Pending] {
        house.event("agent.frozen", Tenant::default()).await;
        house.record_next(&webhook, state).await;
    }
    let states = async || {
        house.registry.trim_deliveries(webhook.id).await.unwrap();
        let listed = house.registry.deliveries(webhook.id, None, None, 10).await.unwrap();
        listed.iter().map(|delivery| delivery.state).collect::<Vec<_>>()
    };
    assert_eq!(states().await.len(), 3);
    house.clock.advance(8 * 24 * 60 * 60 * 1000);
    assert_eq!(states().await, [DeliveryState::Pending, DeliveryState::Dead]);
    house.clock.advance(30 * 24 * 60 * 60 * 1000);
    assert_eq!(states().await, [DeliveryState::Pending]);

    let mut transaction = house.registry.begin().await.unwrap();
    let session = &mut transaction.session();
    let row = |position| Delivery {
        position,
        event: EventId::from_bytes([7; 16]),
        kind: "agent.frozen".to_owned(),
        state: DeliveryState::Dead,
        attempts: 8,
        at: house.registry.now(),
        status: None,
        error: Some("no answer".to_owned()),
    };
    let rows: Vec<_> = (100..110).map(row).collect();
    crate::store::deliveries::put(session, webhook.id, &rows).await.unwrap();
    let (id, long_ago) = (webhook.id, UnixMillis(0));
    let dead = Some(DeliveryState::Dead);
    for (more, count) in [(true, 5), (false, 3)] {
        let trimmed =
            crate::store::deliveries::trim(session, id, DeliveryState::Dead, long_ago, 3, 5).await.unwrap();
        let left = crate::store::deliveries::list(session, id, dead, u64::MAX, 100).await.unwrap();
        assert_eq!((trimmed, left.len()), (more, count), "all at once would be cut, and nothing forgotten");
    }
    let left = crate::store::deliveries::list(session, id, dead, u64::MAX, 100).await.unwrap();
    assert_eq!(left.iter().map(|delivery| delivery.position).collect::<Vec<_>>(), [109, 108, 107]);
    assert_eq!(left[0], row(109));
}

#[tokio::test]
async fn a_webhook_that_is_taken_away_takes_its_deliveries_along() {
    let house = House::new().await;
    let webhook = house.webhook(None, Tenant::default()).await;
    house.event("agent.frozen", Tenant::default()).await;
    house.record_next(&webhook, DeliveryState::Pending).await;
    house.registry.remove_webhook(&OPERATOR, webhook.id).await.unwrap();
    assert!(house.registry.webhook(webhook.id).await.unwrap().is_none());
    assert!(house.registry.deliveries(webhook.id, None, None, 10).await.unwrap().is_empty());
    let again = house.registry.remove_webhook(&OPERATOR, webhook.id).await;
    assert!(matches!(again, Err(RegistryError::UnknownWebhook(_))));
}

#[tokio::test]
async fn types_that_are_added_are_heard_of_from_then_on_where_nothing_waits() {
    let house = House::new().await;
    let webhook = house.webhook(Some(&["agent.frozen"]), Tenant::default()).await;
    let add = async |types: &[&str]| {
        let types = Some(types.iter().map(ToString::to_string).collect());
        let change = WebhookChange { types: Some(types), ..WebhookChange::default() };
        house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    };
    house.event("wallet.funded", Tenant::default()).await;
    add(&["agent.frozen", "wallet.funded"]).await;
    assert_eq!(house.untold(&webhook).await, [0; 0], "it happened before anybody asked");
    let funded = house.event("wallet.funded", Tenant::default()).await;
    assert_eq!(house.untold(&webhook).await, [funded]);
    // What waits keeps the place, and nothing of it is lost.
    let route = house.event("route.created", Tenant::default()).await;
    add(&["wallet.funded", "route.created"]).await;
    assert_eq!(house.untold(&webhook).await, [funded, route]);
}
