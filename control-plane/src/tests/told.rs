//! Webhooks, events and alerts over the API.

use std::cell::Cell;

use super::receiver::Receiver;
use super::*;

/// The events of a stream that was read to its end: their `id`, `event` and `data`.
fn events(answer: &Answer) -> Vec<(String, String, Value)> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map(str::to_owned)
    };
    let blocks = answer.body.split("\n\n");
    blocks
        .filter_map(|block| {
            let data = serde_json::from_str(&field(block, "data")?).unwrap();
            Some((field(block, "id")?, field(block, "event")?, data))
        })
        .collect()
}

#[tokio::test]
async fn a_webhook_is_made_changed_given_a_new_secret_and_taken_away() {
    let house = House::control().await;
    let receiver = Receiver::of(200).await;
    let body = json!({ "url": receiver.url(), "types": ["wallet.funded"] });
    let made = house.admin("POST", "/v1/webhooks", Some(body)).await.expect(201);
    let path = format!("/v1/webhooks/{}", text(&made["id"]));
    assert!(text(&made["secret"]).starts_with("whsec_"));
    let read = house.admin("GET", &path, None).await;
    assert!(!read.body.contains("whsec_"));
    assert_eq!(read.expect(200)["types"], json!(["wallet.funded"]));

    let rotated = house.admin("POST", &format!("{path}/rotate-secret"), Some(json!({}))).await.expect(200);
    assert_ne!(rotated["secret"], made["secret"]);
    assert!(rotated["previous_secret_until"].is_string());
    let change = json!({ "types": null, "enabled": false });
    let changed = house.admin("PATCH", &path, Some(change)).await.expect(200);
    assert_eq!((&changed["types"], &changed["disabled_reason"]), (&Value::Null, &json!("asked")));
    let enabled = house.admin("POST", &format!("{path}/enable"), None).await.expect(200);
    assert_eq!(enabled["enabled"], json!(true));
    assert_eq!(house.admin("DELETE", &path, None).await.status, 204);
    house.admin("GET", &path, None).await.expect_problem(404, "webhook_not_found");
    house.end().await;
}

#[tokio::test]
async fn w4_a_webhook_that_may_not_be_called_is_refused_with_its_field() {
    let house = House::open(|ledger, registry| {
        let strict = Egress::new(Rules::default()).unwrap();
        let state = ControlState { egress: strict, ..state(ledger, registry) };
        control::router(state, Some(&Secret::new(TOKEN.to_owned())))
    })
    .await;
    for url in ["http://example.com/", "https://127.1/", "https://[::ffff:10.0.0.1]/", "https://localhost/"] {
        let refused = house.admin("POST", "/v1/webhooks", Some(json!({ "url": url }))).await;
        let problem = refused.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}");
    }
    house.end().await;
}

#[tokio::test]
async fn an_unknown_type_and_another_tenants_name_are_refused() {
    let house = House::control().await;
    let post = async |body: Value| house.admin("POST", "/v1/webhooks", Some(body)).await;
    let url = "http://127.0.0.1:9/";
    let typo = post(json!({ "url": url, "types": ["wallet.lowbalance"] })).await;
    assert_eq!(typo.expect_problem(422, "invalid_field")["errors"][0]["pointer"], "/types");
    let both = post(json!({ "url": url, "provider": "acme", "owner": "lab" })).await;
    assert_eq!(both.expect_problem(422, "invalid_field")["errors"][0]["pointer"], "/owner");
    house.end().await;
}

#[tokio::test]
async fn a_webhook_is_tried_and_nothing_of_it_is_kept() {
    let house = House::control().await;
    let url = "http://127.0.0.1:9/";
    let body = json!({ "url": url, "types": ["wallet.funded"], "owner": "lab", "of_tenant": true });
    let tried = house.admin("POST", "/v1/webhooks?dry_run=true", Some(body.clone())).await.expect(200);
    let expected = json!({ "url": url, "types": ["wallet.funded"], "provider": null, "owner": "lab", "of_tenant": true });
    assert_eq!(tried, expected);
    let nothing = house.admin("GET", "/v1/webhooks", None).await.expect(200);
    assert_eq!(nothing["data"], json!([]));

    let made = house.admin("POST", "/v1/webhooks", Some(body)).await.expect(201);
    let path = format!("/v1/webhooks/{}", text(&made["id"]));
    let before = house.admin("GET", &path, None).await.expect(200);
    let trial = format!("{path}?dry_run=true");
    let change = json!({ "types": null, "enabled": false });
    let tried = house.admin("PATCH", &trial, Some(change)).await.expect(200);
    assert_eq!((&tried["types"], &tried["disabled_reason"]), (&Value::Null, &json!("asked")));
    assert_eq!(house.admin("GET", &path, None).await.expect(200), before);
    for (method, path) in [("POST", "/v1/webhooks?dry_run=true"), ("PATCH", &trial)] {
        let typo =
            house.admin(method, path, Some(json!({ "url": url, "types": ["wallet.lowbalance"] }))).await;
        let error = typo.expect_problem(422, "invalid_field")["errors"][0].clone();
        assert_eq!(error["pointer"], "/types");
        assert!(text(&error["detail"]).contains("did you mean `wallet.low_balance`?"), "{error}");
    }
    let log = house.admin("GET", "/v1/events?type=webhook.created", None).await.expect(200);
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "a trial tells nobody");
    house.end().await;
}

#[tokio::test]
async fn deliveries_are_listed_and_sent_again() {
    let house = House::control().await;
    let body = json!({ "url": "http://127.0.0.1:9/" });
    let made = house.admin("POST", "/v1/webhooks", Some(body)).await.expect(201);
    let path = format!("/v1/webhooks/{}", text(&made["id"]));
    let log = house.admin("GET", "/v1/events", None).await.expect(200);
    let event = text(&log["data"][0]["id"]);
    let again = house.admin("POST", &format!("{path}/deliveries/{event}/replay"), None).await.expect(202);
    assert_eq!(again["deliveries"], 1);
    let body = Some(json!({ "dead": true }));
    assert_eq!(house.admin("POST", &format!("{path}/replay"), body).await.expect(202)["deliveries"], 0);
    let body = Some(json!({ "after": log["data"][0]["cursor"] }));
    house.admin("POST", &format!("{path}/replay"), body).await.expect(202);
    house
        .admin("POST", &format!("{path}/replay"), Some(json!({})))
        .await
        .expect_problem(422, "invalid_field");
    house
        .admin("GET", &format!("{path}/deliveries?state=lost"), None)
        .await
        .expect_problem(400, "invalid_parameter");
    house.admin("GET", &format!("{path}/deliveries?state=dead"), None).await.expect(200);
    house.end().await;
}

#[tokio::test]
async fn the_stream_goes_on_behind_the_last_event_that_was_seen() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let stream = |id: &str| {
        let call = Call::new("GET", "/v1/events/stream").with("Authorization", &format!("Bearer {TOKEN}"));
        if id.is_empty() { call } else { call.with("Last-Event-ID", id) }
    };
    let log = house.admin("GET", "/v1/events", None).await.expect(200);
    let first = text(&log["data"][0]["cursor"]);
    let answer = house.call(stream(&first)).await;
    assert!(answer.head.contains("text/event-stream"), "{}", answer.head);
    let seen = events(&answer);
    assert_eq!(seen.len(), log["data"].as_array().unwrap().len() - 1);
    assert_eq!((&seen[0].0, &seen[0].2["id"]), (&text(&log["data"][1]["cursor"]), &log["data"][1]["id"]));

    // From now on: what happens while it is read.
    let mut kinds = Vec::new();
    for _ in 0..50 {
        let is_over = Cell::new(false);
        let reading = async {
            let answer = house.call(stream("")).await;
            is_over.set(true);
            answer
        };
        let moving = async {
            while !is_over.get() {
                for verb in ["freeze", "thaw"] {
                    house.admin("POST", &format!("/v1/wallets/{wallet}/{verb}"), None).await.expect(200);
                }
            }
        };
        let (answer, ()) = tokio::join!(reading, moving);
        kinds.extend(events(&answer).into_iter().map(|(_, kind, _)| kind));
        if !kinds.is_empty() {
            break;
        }
    }
    let told = |kind: &String| ["wallet.frozen", "wallet.thawed"].contains(&kind.as_str());
    assert!(!kinds.is_empty() && kinds.iter().all(told), "{kinds:?}");
    house.call(stream("!")).await.expect_problem(400, "invalid_parameter");
    house.end().await;
}

#[tokio::test]
async fn a_stream_that_is_behind_ends_in_time_as_any_other() {
    let house = House::open(|ledger, registry| {
        let over = Streams::lasting(watch::channel(false).1, std::time::Duration::ZERO);
        let state = ControlState { streams: over, ..state(ledger, registry) };
        control::router(state, Some(&Secret::new(TOKEN.to_owned())))
    })
    .await;
    house.agent("buyer").await;
    let log = house.admin("GET", "/v1/events", None).await.expect(200);
    let first = text(&log["data"][0]["cursor"]);
    let answer = house.admin("GET", &format!("/v1/events/stream?after={first}"), None).await;
    assert_eq!((answer.status, events(&answer).len()), (200, 0));
    house.end().await;
}

#[tokio::test]
async fn of_what_two_tenants_see_each_is_told_of_itself_alone() {
    let house = House::control().await;
    let (agent, wallet) = house.rich("buyer", Some("lab")).await;
    let payment = house.buy(("acme", "quotes"), (&agent, &wallet), 1_000).await.to_string();
    let acme = house.key_of(registry::Role::Provider("acme".to_owned()), false).await;
    let lab = house.key_of(registry::Role::Owner("lab".to_owned()), false).await;
    house.refund(&acme, "back", &payment, json!({})).await.expect(200);
    house.tell().await;
    for (key, provider, owner, knows_who) in [
        (&*acme, json!("acme"), Value::Null, true),
        (&*lab, Value::Null, json!("lab"), false),
        (TOKEN, json!("acme"), json!("lab"), true),
    ] {
        let changes = format!("/v1/changes?subject_kind=payment&subject={payment}");
        for path in ["/v1/events?type=payment.refunded", &*changes] {
            let rows = house.rows(key, path).await;
            assert_eq!(rows.len(), 1, "{path}: {rows:?}");
            assert_eq!((&rows[0]["provider"], &rows[0]["owner"]), (&provider, &owner), "{path}");
            if let Some(actor) = rows[0]["actor"].as_str() {
                assert_eq!(actor.is_empty(), !knows_who);
            }
        }
        let log = house.rows(key, "/v1/events").await;
        let told = log.iter().find(|row| row["type"] == "payment.refunded").unwrap();
        assert_eq!((&told["provider"], &told["owner"]), (&provider, &owner));
    }
    // Nor by asking for what one knows already.
    for name in ["lab", "rival"] {
        assert_eq!(
            house.rows(&acme, &format!("/v1/changes?owner={name}&subject_kind=payment")).await.len(),
            1
        );
    }
    house.end().await;
}

#[tokio::test]
async fn an_alert_that_is_below_already_is_told_at_once_and_taken_away() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    house.fund(&wallet, "f", json!({ "amount": "$3", "external_reference": "b" })).await.expect(200);
    let path = format!("/v1/wallets/{wallet}/alerts");
    let made = house.admin("POST", &path, Some(json!({ "amount": "$5" }))).await.expect(201);
    let of_percent = house.admin("POST", &path, Some(json!({ "percent": 20 }))).await.expect(201);
    for bad in [json!({}), json!({ "amount": "$1", "percent": 5 }), json!({ "percent": 0 })] {
        house.admin("POST", &path, Some(bad)).await.expect_problem(422, "invalid_field");
    }
    let log = house.admin("GET", "/v1/events", None).await.expect(200);
    let told: Vec<_> =
        log["data"].as_array().unwrap().iter().filter(|e| e["type"] == "wallet.low_balance").collect();
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&told[0]["data"]["alert"], &told[0]["data"]["balance"]["display"]),
        (&made["id"], &json!("$3.00"))
    );
    let listed = house.admin("GET", &path, None).await.expect(200);
    // By name: two that were made in the same millisecond have no order.
    let armed = |id: &Value| {
        let mut alerts = listed["data"].as_array().unwrap().iter();
        alerts.find(|alert| alert["id"] == *id).unwrap()["armed"].clone()
    };
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!((armed(&made["id"]), armed(&of_percent["id"])), (json!(false), json!(true)));
    assert_eq!(house.admin("GET", "/v1/alerts", None).await.expect(200)["data"], listed["data"]);
    let one = format!("{path}/{}", text(&made["id"]));
    assert_eq!(house.admin("DELETE", &one, None).await.status, 204);
    house.admin("DELETE", &one, None).await.expect_problem(404, "alert_not_found");
    house.end().await;
}

#[tokio::test]
async fn the_operator_makes_a_webhook_for_a_tenant_and_says_whose_it_is() {
    let house = House::control().await;
    let post = async |body: Value| house.admin("POST", "/v1/webhooks", Some(body)).await;
    let url = "http://127.0.0.1:9/";
    let own = post(json!({ "url": url, "owner": "lab" })).await.expect(201);
    assert_eq!(own["of_tenant"], json!(false));
    let theirs = post(json!({ "url": url, "owner": "lab", "of_tenant": true })).await.expect(201);
    assert_eq!(theirs["of_tenant"], json!(true));
    let nobodys = post(json!({ "url": url, "of_tenant": true })).await;
    assert_eq!(nobodys.expect_problem(422, "invalid_field")["errors"][0]["pointer"], "/of_tenant");

    let key = house.key_of(registry::Role::Owner("lab".to_owned()), false).await;
    let call =
        |method: &str| Call::new(method, "/v1/webhooks").with("Authorization", &format!("Bearer {key}"));
    let seen = house.call(call("GET")).await.expect(200);
    assert_eq!((seen["data"].as_array().unwrap().len(), &seen["data"][0]["id"]), (1, &theirs["id"]));
    let made =
        house.call(call("POST").with("Idempotency-Key", "w").json(&json!({ "url": url }))).await.expect(201);
    assert_eq!((&made["owner"], &made["of_tenant"]), (&json!("lab"), &json!(true)));
    house.end().await;
}

#[tokio::test]
async fn an_owner_reads_the_alerts_of_its_own_wallets_page_by_page() {
    let house = House::control().await;
    let wallet = async |owner: &str| {
        let body = json!({ "name": "w", "owner": owner });
        text(&house.admin("POST", "/v1/wallets", Some(body)).await.expect(201)["id"])
    };
    let (own, other) = (wallet("lab").await, wallet("else").await);
    for (wallet, percent) in [(&own, 10), (&other, 20), (&own, 30)] {
        let path = format!("/v1/wallets/{wallet}/alerts");
        house.admin("POST", &path, Some(json!({ "percent": percent }))).await.expect(201);
    }
    let key = house.key_of(registry::Role::Owner("lab".to_owned()), true).await;
    let read = async |query: &str| {
        let call = Call::new("GET", &format!("/v1/alerts?limit=1{query}"));
        house.call(call.with("Authorization", &format!("Bearer {key}"))).await.expect(200)
    };
    let first = read("").await;
    let second = read(&format!("&after={}", text(&first["next"]))).await;
    let mut told: Vec<_> = [&first, &second].map(|page| page["data"][0]["percent"].as_u64().unwrap()).into();
    told.sort_unstable();
    assert_eq!((told, &second["has_more"]), (vec![10, 30], &json!(false)));
    house.end().await;
}
