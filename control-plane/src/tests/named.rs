//! Calls with a name (`Idempotency-Key`): made once, answered the same again, and their secrets kept nowhere.

use serde_json::{Value, json};

use super::http::{Answer, Call};
use super::{House, TOKEN, text};

/// As the administrator, under a name for the call.
async fn named(house: &House, name: &str, path: &str, body: Option<Value>) -> Answer {
    named_by(house, TOKEN, (name, path), body).await
}

async fn named_by(house: &House, key: &str, (name, path): (&str, &str), body: Option<Value>) -> Answer {
    let call = Call::new("POST", path).with("Authorization", &format!("Bearer {key}"));
    let call = call.with("Idempotency-Key", name);
    house
        .call(match body {
            Some(body) => call.json(&body),
            None => call,
        })
        .await
}

#[tokio::test]
async fn a_named_call_is_made_once_and_answered_the_same_again() {
    let house = House::control().await;
    let body = json!({ "name": "buyer" });
    let first = named(&house, "n", "/v1/agents", Some(body.clone())).await.expect(201);
    let again = named(&house, "n", "/v1/agents", Some(body)).await;
    assert!(again.head.contains("idempotency-replayed: true"), "{}", again.head);
    assert_eq!(again.expect(201), first);
    let other = named(&house, "n", "/v1/agents", Some(json!({ "name": "other" }))).await;
    other.expect_problem(422, "idempotency_key_reused");
    assert_eq!(house.admin("GET", "/v1/agents", None).await.expect(200)["data"].as_array().unwrap().len(), 1);
    house.end().await;
}

#[tokio::test]
async fn a_named_call_that_showed_a_secret_is_not_made_again_and_shows_it_no_more() {
    let house = House::control().await;
    let (agent, _) = house.agent("buyer").await;
    let path = format!("/v1/agents/{agent}/keys");
    let shown = named(&house, "k", &path, Some(json!({}))).await.expect(201);
    named(&house, "k", &path, Some(json!({}))).await.expect_problem(409, "shown_before");
    let revoke = format!("{path}/{}/revoke", text(&shown["id"]));
    for _ in 0..2 {
        let answer = named(&house, "r", &revoke, None).await;
        assert_eq!(answer.status, 204, "a repeated call without a body showed no secret: {}", answer.body);
    }
    house.end().await;
}

#[tokio::test]
async fn a_long_answer_to_a_tenant_is_not_kept_and_the_call_is_made_once_all_the_same() {
    let house = House::control().await;
    let body = json!({ "name": "buyer", "owner": "lab" });
    let id = text(&house.admin("POST", "/v1/agents", Some(body)).await.expect(201)["id"]);
    let key = house.key_of(registry::Role::Owner("lab".to_owned()), false).await;
    let (actor, agent) = (registry::Actor::new(registry::ActorKind::Token), id.parse().unwrap());
    let path = format!("/v1/agents/{id}/freeze");
    named_by(&house, &key, ("short", &path), None).await.expect(200);
    for _ in 0..registry::agent::KEYS_MAX {
        house.registry.add_key(&actor, agent, registry::NewKey::default()).await.unwrap();
    }
    let told = named_by(&house, &key, ("long", &path), None).await;
    assert!(told.status == 200 && told.body.len() > 16 * 1024, "{} bytes", told.body.len());
    let again = named_by(&house, &key, ("long", &path), None).await;
    again.expect_problem(409, "shown_before");
    for _ in 0..2 {
        named_by(&house, &key, ("short", &path), None).await.expect(200);
        named(&house, "operator", &path, None).await.expect(200);
    }
    house.end().await;
}

#[tokio::test]
async fn a_dry_run_is_not_the_call_that_it_tries_and_leaves_its_name_to_it() {
    let house = House::control().await;
    let body = json!({ "name": "acme", "upstream": { "addresses": ["http://127.0.0.1:9"] } });
    named(&house, "p", "/v1/providers?dry_run=true", Some(body.clone())).await.expect(200);
    assert!(house.registry.provider("acme").is_none(), "nobody was told that it was made");
    named(&house, "p", "/v1/providers", Some(body)).await.expect(201);
    assert!(house.registry.provider("acme").is_some());
    house.end().await;
}
