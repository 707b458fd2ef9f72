//! The dispatcher over real databases and real sockets. Time moves when a test says so; what is awaited is what arrives.

mod kit;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use registry::NewWebhook;
use registry::journal::{Filter, Tenant};
use registry::webhook::{DeliveryState, Disabled, OVERLAP_MS, Replay, WebhookChange};
use serde_json::json;
use standardwebhooks::Webhook as Reference;

use super::turn::LAG_MAX;
use crate::tests::receiver::{Receiver, Reply, Seen};
use kit::{House, OPERATOR};

/// A second attempt's longest delay, and a bit.
const SECOND_MS: i64 = 6_001;

#[tokio::test]
async fn w7_an_event_arrives_signed_with_both_secrets_while_one_is_changed() {
    let house = House::new().await;
    let receiver = Receiver::of(200).await;
    let made = house.webhook(&receiver).await;
    let rotated = house.registry.rotate_webhook_secret(&OPERATOR, made.id, OVERLAP_MS).await.unwrap();
    let id = house.events(1).await[0].clone();
    receiver.wait(1).await;
    let seen = &receiver.seen()[0];
    assert_eq!(seen.id(), id);
    assert_eq!(seen.json()["type"], "wallet.funded");
    assert_eq!(seen.json()["data"], json!({ "number": 0 }));
    assert_eq!(seen.json()["timestamp"], "2027-01-15T08:00:00.000Z");
    for secret in [&made.secret, &rotated.secret] {
        let reference = Reference::new(&super::signature::shown(secret.expose())).unwrap();
        let mut fields = http_fields(seen);
        fields.insert("webhook-id", id.parse().unwrap());
        assert!(reference.verify(&seen.body, &fields).is_ok());
    }
    house.settled(&made, DeliveryState::Delivered, 1).await;
    house.end().await;
}

#[tokio::test]
async fn w1_a_receiver_that_is_down_holds_up_nobody_and_gets_everything_when_it_is_back() {
    const COUNT: usize = 300;
    let house = House::new().await;
    let back = Arc::new(AtomicBool::new(false));
    let is_back = Arc::clone(&back);
    let well = Receiver::of(200).await;
    let down = Receiver::start(move |_| match is_back.load(Ordering::Relaxed) {
        true => Reply::Status(200),
        false => Reply::Reset,
    })
    .await;
    let hanging = Receiver::start(|_| Reply::Late(Duration::from_secs(600), 200)).await;
    house.webhook(&well).await;
    let failing = house.webhook(&down).await;
    house.webhook(&hanging).await;
    let ids = house.events(COUNT).await;
    well.wait(COUNT).await;
    // A hanging one ties up a few requests, a failing one gets single ones with pauses between.
    assert!(hanging.count() <= 4 && down.count() < 20, "{} and {}", hanging.count(), down.count());

    // A day later: single attempts failed in between, the rest waited in the log.
    for _ in 0..24 {
        house.later(&failing, 3_600_000).await;
    }
    let rows = house.registry.deliveries(failing.id, None, None, 500).await.unwrap();
    assert!(rows.len() < 100, "{} rows of a receiver that is down", rows.len());
    back.store(true, Ordering::Relaxed);
    for hours in [1, 13, 13] {
        house.later(&failing, hours * 3_600_000).await;
        house.idle_until_due(&failing).await;
    }
    assert_eq!(delivered(&house, &failing).await, COUNT);
    let mut arrived: Vec<String> = down.ids();
    arrived.sort();
    arrived.dedup();
    let mut sent = ids.clone();
    sent.sort();
    assert_eq!(arrived, sent);
    house.end().await;
}

#[tokio::test]
async fn w3_killed_between_sending_and_settling_it_is_sent_again_under_the_same_id() {
    let house = House::idle().await;
    let receiver = Receiver::start(|_| Reply::Late(Duration::from_millis(300), 200)).await;
    let webhook = house.webhook(&receiver).await;
    let killed = house.dispatcher_of_its_own().await;
    let ids = house.events(3).await;
    receiver.wait(3).await;
    // The receiver has them; whoever sent them never hears so.
    killed.kill();
    assert_eq!(delivered(&house, &webhook).await, 0);
    house.clock.advance(super::turn::TURN_MS);
    let next = house.dispatcher_of_its_own().await;
    house.settled(&webhook, DeliveryState::Delivered, 3).await;
    let mut counts: HashMap<String, usize> = HashMap::new();
    receiver.ids().into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    assert_eq!(counts.len(), 3);
    assert!(ids.iter().all(|id| counts[id] == 2), "{counts:?}");
    next.kill();
    house.end().await;
}

#[tokio::test]
async fn w2_w6_what_is_no_success_is_tried_again_by_the_schedule_and_given_up_after_eight() {
    let house = House::new().await;
    let receiver = Receiver::start(|_| Reply::Redirect("http://127.0.0.1:1/".to_owned())).await;
    let webhook = house.webhook(&receiver).await;
    let id = house.events(1).await[0].clone();
    let mut clock_of = Vec::new();
    for attempts in 1..=8 {
        receiver.wait(attempts).await;
        house.attempted(&webhook, attempts).await;
        assert_eq!(receiver.count(), attempts, "an attempt before its time");
        let row = house.registry.deliveries(webhook.id, None, None, 1).await.unwrap().remove(0);
        assert_eq!((row.attempts as usize, row.status), (attempts, Some(302)));
        clock_of.push(row.at.0 - house.clock.now_ms());
        house.later(&webhook, row.at.0 - house.clock.now_ms()).await;
    }
    let nominal = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].map(|seconds| seconds * 1_000);
    for (waited, nominal) in clock_of.iter().zip(nominal) {
        assert!((waited - nominal).abs() * 5 <= nominal, "{waited} for {nominal}");
    }
    house.settled(&webhook, DeliveryState::Dead, 1).await;
    assert!(receiver.ids().iter().all(|seen| *seen == id));
    assert_eq!(house.metrics.attempts.with_label_values(&["dead"]).get(), 1);
    assert_eq!(house.metrics.attempts.with_label_values(&["failed"]).get(), 7);
    house.end().await;
}

#[tokio::test]
async fn w8_a_receiver_that_is_gone_is_disabled_with_an_event_and_goes_on_where_it_stopped() {
    let house = House::new().await;
    let gone = Arc::new(AtomicBool::new(true));
    let is_gone = Arc::clone(&gone);
    let receiver = Receiver::start(move |_| match is_gone.load(Ordering::Relaxed) {
        true => Reply::Status(410),
        false => Reply::Status(200),
    })
    .await;
    let webhook = house.webhook(&receiver).await;
    house.events(1).await;
    receiver.wait(1).await;
    house.until(async || house.registry.enabled_webhooks().await.unwrap().is_empty()).await;
    let known = house.registry.webhook(webhook.id).await.unwrap().unwrap();
    assert_eq!(known.disabled, Some(Disabled::Gone));
    let log = house.registry.events_after(0, 100, &Filter::default()).await.unwrap();
    assert!(
        log.iter().any(|event| event.kind == "webhook.disabled" && event.subject == webhook.id.to_string())
    );

    let ids = house.events(2).await;
    gone.store(false, Ordering::Relaxed);
    let change = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
    house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    receiver.wait(3).await;
    house.later(&webhook, SECOND_MS).await;
    house.settled(&webhook, DeliveryState::Delivered, 3).await;
    assert!(ids.iter().all(|id| receiver.ids().contains(id)));
    house.end().await;
}

#[tokio::test]
async fn w9_with_five_in_a_hundred_failing_every_event_arrives_once_or_is_dead() {
    let count = std::env::var("FAREGATE_W9_EVENTS").map_or(2_000, |count| count.parse().unwrap());
    let house = House::new().await;
    let receiver = Receiver::start(|seen| {
        // A draw of its own for each attempt, by what is signed.
        let draw = blake3::hash(seen.field("webhook-signature").as_bytes());
        Reply::Status(if draw.as_bytes()[0] < 13 { 500 } else { 200 })
    })
    .await;
    let webhook = house.webhook(&receiver).await;
    house.events(count).await;
    // Each try of the loop is one of the schedule's delays, the longest.
    for hours in [0, 1, 1, 1, 3, 7, 13] {
        house.later(&webhook, SECOND_MS + hours * 3_600_000).await;
        house.idle_until_due(&webhook).await;
    }
    let mut rows = Vec::new();
    let mut before = None;
    loop {
        let page = house.registry.deliveries(webhook.id, None, before, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.position);
        rows.extend(page);
    }
    assert_eq!(rows.len(), count);
    let arrived =
        |most| rows.iter().filter(move |row| row.state == DeliveryState::Delivered && row.attempts <= most);
    assert!(arrived(4).count() * 1_000 >= count * 999, "{} by the fourth attempt", arrived(4).count());
    assert!(rows.iter().all(|row| row.state != DeliveryState::Pending), "an event without an end");
    let attempts: u32 = rows.iter().map(|row| row.attempts).sum();
    assert_eq!(receiver.count(), attempts as usize);
    house.end().await;
}

#[tokio::test]
async fn of_two_processes_on_one_database_one_sends() {
    const COUNT: usize = 400;
    let house = House::idle().await;
    let receiver = Receiver::of(200).await;
    let webhook = house.webhook(&receiver).await;
    let both = [house.dispatcher_of_its_own().await, house.dispatcher_of_its_own().await];
    for _ in 0..4 {
        house.events(COUNT / 4).await;
    }
    house.settled(&webhook, DeliveryState::Delivered, COUNT).await;
    assert_eq!(receiver.count(), COUNT);
    both.into_iter().for_each(kit::Own::kill);
    house.end().await;
}

#[tokio::test]
async fn an_event_that_takes_long_holds_up_no_other() {
    let house = House::new().await;
    let receiver = Receiver::start(|seen| match seen.json()["data"]["number"] == json!(0) {
        true => Reply::Late(Duration::from_secs(600), 200),
        false => Reply::Status(200),
    })
    .await;
    let webhook = house.webhook(&receiver).await;
    house.events(200).await;
    receiver.wait(200).await;
    let last = house.last_event();
    house.until(async || house.registry.webhook(webhook.id).await.unwrap().unwrap().position >= last).await;
    let rows = house.registry.deliveries(webhook.id, Some(DeliveryState::Pending), None, 10).await.unwrap();
    assert_eq!((rows.len(), rows[0].attempts), (1, 0), "{rows:?}");
    house.end().await;
}

#[tokio::test]
async fn an_event_of_a_type_that_was_added_while_others_were_sent_arrives() {
    let house = House::new().await;
    let receiver = Receiver::start(|seen| match seen.json()["data"]["number"] == json!(0) {
        true => Reply::Late(Duration::from_millis(500), 200),
        false => Reply::Status(200),
    })
    .await;
    let webhook = house.webhook(&receiver).await;
    house.events(1).await;
    receiver.wait(1).await;
    let types = Some(["wallet.funded", "agent.frozen"].map(str::to_owned).to_vec());
    let change = WebhookChange { types: Some(types), ..WebhookChange::default() };
    house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    house.event("agent.frozen", Tenant::default(), json!({ "number": 1 })).await;
    house.event("wallet.funded", Tenant::default(), json!({ "number": 2 })).await;
    let told = house.settled(&webhook, DeliveryState::Delivered, 3).await;
    assert!(told.iter().any(|delivery| delivery.kind == "agent.frozen"), "{told:?}");
    house.end().await;
}

#[tokio::test]
async fn a_receiver_of_what_never_happens_goes_on_with_the_log() {
    let house = House::new().await;
    let receiver = Receiver::of(200).await;
    let webhook = house.webhook(&receiver).await;
    let types = Some(Some(vec!["agent.frozen".to_owned()]));
    let change = WebhookChange { types, ..WebhookChange::default() };
    house.registry.update_webhook(&OPERATOR, webhook.id, change).await.unwrap();
    house.events(usize::try_from(LAG_MAX).unwrap()).await;
    house
        .until(async || {
            let now = house.registry.webhook(webhook.id).await.unwrap().unwrap();
            now.position >= house.last_event()
        })
        .await;
    assert_eq!(receiver.count(), 0);
    house.end().await;
}

#[tokio::test]
async fn a_replay_is_sent_at_once() {
    let house = House::new().await;
    let receiver = Receiver::of(200).await;
    let webhook = house.webhook(&receiver).await;
    let ids = house.events(3).await;
    house.settled(&webhook, DeliveryState::Delivered, 3).await;
    let first = ids[0].parse().unwrap();
    house.registry.replay(&OPERATOR, webhook.id, Replay::One(first)).await.unwrap();
    receiver.wait(4).await;
    assert_eq!(receiver.ids()[3], ids[0]);
    house.settled(&webhook, DeliveryState::Delivered, 3).await;
    house.registry.replay(&OPERATOR, webhook.id, Replay::After(webhook.position)).await.unwrap();
    receiver.wait(7).await;
    let mut again = receiver.ids().split_off(4);
    again.sort();
    let mut sent = ids.clone();
    sent.sort();
    assert_eq!(again, sent);
    house.end().await;
}

#[tokio::test]
async fn a_batch_of_payments_is_sent_with_its_payments_and_waits_where_they_cannot_be_read() {
    let house = House::new().await;
    let receiver = Receiver::of(200).await;
    let webhook = house.webhook(&receiver).await;
    house.members.unreadable.store(true, Ordering::Relaxed);
    let data = json!({ "provider": "acme", "first_seq": 3, "last_seq": 5, "count": 3 });
    house.event("payment.captured.batch", Tenant::provider("acme"), data.clone()).await;
    house.settled(&webhook, DeliveryState::Pending, 1).await;
    assert_eq!(receiver.count(), 0);
    house.members.unreadable.store(false, Ordering::Relaxed);
    house.later(&webhook, SECOND_MS).await;
    receiver.wait(1).await;
    let sent = receiver.seen()[0].json();
    assert_eq!(sent["data"]["payments"], json!([{ "seq": 3 }, { "seq": 4 }, { "seq": 5 }]));
    assert_eq!((&sent["data"]["provider"], &sent["data"]["count"]), (&data["provider"], &data["count"]));
    let rows = house.settled(&webhook, DeliveryState::Delivered, 1).await;
    assert_eq!(rows[0].attempts, 1, "our own failure is not the receiver's");
    house.end().await;
}

#[tokio::test]
async fn a_tenant_whose_receivers_hang_keeps_no_more_bodies_than_its_share() {
    let house = House::new().await;
    let hanging = Receiver::start(|_| Reply::Late(Duration::from_secs(600), 200)).await;
    let well = Receiver::of(200).await;
    let webhook = async |provider: &str, receiver: &Receiver| {
        let types = Some(vec!["payment.captured.batch".to_owned()]);
        let (url, tenant) = (receiver.url(), Tenant::provider(provider));
        let new = NewWebhook { url, types, tenant, of_operator: false };
        house.registry.create_webhook(&OPERATOR, new).await.unwrap()
    };
    for _ in 0..3 {
        webhook("acme", &hanging).await;
    }
    webhook("other", &well).await;
    let batch =
        |provider: &str| json!({ "provider": provider, "first_seq": 1, "last_seq": 2, "count": 1_000 });
    for _ in 0..5 {
        house.event("payment.captured.batch", Tenant::provider("acme"), batch("acme")).await;
    }
    // Each is taken for some two megabytes.
    hanging.wait(4).await;
    for count in 1..=9 {
        house.event("payment.captured.batch", Tenant::provider("other"), batch("other")).await;
        well.wait(count).await;
    }
    assert_eq!(hanging.count(), 4, "of twelve that three receivers may have under way");
    house.end().await;
}

async fn delivered(house: &House, webhook: &registry::Webhook) -> usize {
    let state = Some(DeliveryState::Delivered);
    house.registry.deliveries(webhook.id, state, None, 1_000).await.unwrap().len()
}

/// As the reference wants them. Its clock is the real one, so the time that is judged is signed anew.
fn http_fields(seen: &Seen) -> reqwest::header::HeaderMap {
    let mut fields = reqwest::header::HeaderMap::new();
    for name in ["webhook-timestamp", "webhook-signature"] {
        fields.insert(name, seen.field(name).parse().unwrap());
    }
    fields
}
