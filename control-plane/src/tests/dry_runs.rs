//! `?dry_run=true`: each call that changes something, first as a dry run, after which everything reads as before, then in earnest, after which
//! it does not. Which calls there are the document says, so that a new one cannot be forgotten.

use std::collections::BTreeSet;

use ledger::Step;

use super::tenants::Victims;
use super::*;

/// What changes nothing anyway, or is paid for as it is made.
const CHANGE_NOTHING: [&str; 3] = ["policy.simulate", "signer.challenge", "wallet.deposit"];

/// Dry runs of providers, routes and whole setups are the catalog's (`registry`'s tests), one of a settlement stands in `payouts`, one of an
/// unknown payment in `payments::unknown`; what left already a chain must show (`tests/clients/onchain/treasury/restored.rs`).
const ELSEWHERE: [&str; 12] = [
    "catalog.apply",
    "outgoing.mark-paid",
    "payment.resolve",
    "provider.create",
    "provider.resume",
    "provider.suspend",
    "provider.update",
    "route.create",
    "route.remove",
    "route.rollback",
    "route.update",
    "settlement.run",
];

/// A call: its name in the document, its method, its path and its body.
type Made = (&'static str, &'static str, String, Value);

impl House {
    async fn named(&self, (method, path): (&str, &str), name: &str, body: &Value) -> Answer {
        let call = Call::new(method, path).with("Authorization", &format!("Bearer {TOKEN}"));
        let call = if method == "POST" { call.with("Idempotency-Key", name) } else { call };
        self.call(if body.is_null() { call } else { call.json(body) }).await
    }

    /// All that can be read of what the victims have, and of everybody.
    async fn everything(&self, victims: &Victims) -> Vec<(String, String)> {
        let document = serde_json::to_value(control::openapi()).unwrap();
        let mut read = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let is_read = item.get("get").is_some() && item["get"]["security"] != json!([{}]);
            if !is_read || path.ends_with("/stream") {
                continue;
            }
            let path = victims.path(path);
            let answer = self.admin("GET", &path, None).await;
            read.push((path, answer.body));
        }
        read
    }

    /// One after the other, as each needs what those before it have made.
    async fn calls(&self, victims: &Victims) -> Vec<Made> {
        let path = |template: &str| victims.path(template);
        let (agent, wallet) = (path("/v1/agents/{id}"), path("/v1/wallets/{id}"));
        let (key, webhook) = (path("/v1/agents/{id}/keys/{key}"), path("/v1/webhooks/{id}"));
        let (destination, alert) =
            (path("/v1/providers/{name}/payout-destination"), path("/v1/wallets/{id}/alerts/{alert}"));
        let events = self.admin("GET", "/v1/events?limit=100", None).await.expect(200);
        let is_theirs = |event: &&Value| event["owner"] == "victim";
        let event = text(&events["data"].as_array().unwrap().iter().find(is_theirs).unwrap()["id"]);
        let transfer = json!({ "amount": "$0.20", "external_reference": "x" });
        let bank = |account: &str| json!({ "rail": "manual", "reference": account });
        let address = json!({ "address": format!("0x{}", "11".repeat(20)) });
        vec![
            ("wallet.create", "POST", "/v1/wallets".to_owned(), json!({ "name": "w" })),
            ("wallet.alert", "POST", format!("{wallet}/alerts"), json!({ "amount": "$9" })),
            ("wallet.fund", "POST", format!("{wallet}/fund"), transfer.clone()),
            ("wallet.withdraw", "POST", format!("{wallet}/withdraw"), transfer),
            ("wallet.freeze", "POST", format!("{wallet}/freeze"), Value::Null),
            ("wallet.thaw", "POST", format!("{wallet}/thaw"), Value::Null),
            ("wallet.unalert", "DELETE", alert, Value::Null),
            ("agent.create", "POST", "/v1/agents".to_owned(), json!({ "name": "a" })),
            ("policy.set", "PUT", format!("{agent}/policy"), json!({ "per_day": "$1" })),
            ("policy.update", "PATCH", format!("{agent}/policy"), json!({ "per_hour": "$1" })),
            ("agent.freeze", "POST", format!("{agent}/freeze?as_owner=true"), Value::Null),
            ("agent.thaw", "POST", format!("{agent}/thaw"), Value::Null),
            ("key.create", "POST", format!("{agent}/keys"), json!({})),
            ("key.rotate", "POST", format!("{key}/rotate"), json!({})),
            ("key.revoke", "POST", format!("{key}/revoke"), Value::Null),
            ("signer.add", "POST", format!("{agent}/signers"), address),
            ("signer.remove", "DELETE", path("/v1/agents/{id}/signers/{address}"), Value::Null),
            ("provider.set-payout-destination", "PUT", destination.clone(), bank("one")),
            ("provider.set-payout-destination", "PUT", destination.clone(), bank("two")),
            ("provider.cancel-payout-destination", "DELETE", destination, Value::Null),
            ("payment.refund", "POST", path("/v1/payments/{id}/refund"), json!({ "amount": "$0.01" })),
            ("payout.pay", "POST", path("/v1/payouts/{id}/pay"), json!({ "reference": "run 7" })),
            ("outgoing.retry", "POST", path("/v1/outgoing/{id}/retry"), Value::Null),
            (
                "difference.resolve",
                "POST",
                path("/v1/differences/{id}/resolve"),
                json!({ "to": "payer", "reason": "never served" }),
            ),
            ("webhook.create", "POST", "/v1/webhooks".to_owned(), json!({ "url": "http://127.0.0.1:9/" })),
            ("webhook.update", "PATCH", webhook.clone(), json!({ "enabled": false })),
            ("webhook.enable", "POST", format!("{webhook}/enable"), Value::Null),
            ("webhook.rotate-secret", "POST", format!("{webhook}/rotate-secret"), json!({})),
            ("webhook.replay", "POST", format!("{webhook}/replay"), json!({ "dead": true })),
            ("webhook.resend", "POST", format!("{webhook}/deliveries/{event}/replay"), Value::Null),
            ("webhook.remove", "DELETE", webhook, Value::Null),
            (
                "api-key.create",
                "POST",
                "/v1/api-keys".to_owned(),
                json!({ "name": "k", "role": "owner", "owner": "victim" }),
            ),
            ("api-key.revoke", "POST", path("/v1/api-keys/{id}/revoke"), Value::Null),
        ]
    }
}

/// All that change something, and those among them whose document has the parameter.
fn changes() -> (BTreeSet<String>, BTreeSet<String>) {
    let document = serde_json::to_value(control::openapi()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap());
    let changes: Vec<&Value> = operations.filter(|(method, _)| *method != "get").map(|(_, it)| it).collect();
    let tries = |it: &&&Value| {
        it["parameters"].as_array().into_iter().flatten().any(|known| known["name"] == "dry_run")
    };
    let name = |it: &&Value| text(&it["operationId"]);
    (changes.iter().map(name).collect(), changes.iter().filter(tries).map(name).collect())
}

#[tokio::test]
async fn a_dry_run_of_each_call_answers_as_the_call_does_and_changes_nothing() {
    let house = House::control().await;
    let victims = house.victims().await;
    let sent = victims.path("/v1/outgoing/{id}");
    let sent = sent.rsplit('/').next().unwrap().parse().unwrap();
    let mut outgoing = house.ledger.outgoing(sent).await.unwrap().unwrap();
    for step in [Step::Send, Step::Fail("no".to_owned())] {
        outgoing = house.ledger.outgoing_step(&outgoing, step).await.unwrap();
    }
    house.tell().await;

    let calls = house.calls(&victims).await;
    let mut before = house.everything(&victims).await;
    for (name, method, path, body) in &calls {
        let mark = if path.contains('?') { '&' } else { '?' };
        let tried = house.named((method, &format!("{path}{mark}dry_run=true")), name, body).await;
        assert!(matches!(tried.status, 200 | 202 | 204), "{name}: {} {}", tried.status, tried.body);
        assert!(
            !tried.body.contains("\"key\":\"") && !tried.body.contains("\"secret\""),
            "{name}: {}",
            tried.body
        );
        house.tell().await;
        for (was, is) in before.iter().zip(house.everything(&victims).await) {
            assert_eq!(*was, is, "after the dry run of {name}");
        }
        let key = format!("{name} {body}");
        let made = house.named((method, path), &blake3::hash(key.as_bytes()).to_hex(), body).await;
        assert!(matches!(made.status, 200 | 201 | 202 | 204), "{name}: {} {}", made.status, made.body);
        house.tell().await;
        let after = house.everything(&victims).await;
        assert_ne!(before, after, "{name} in earnest");
        before = after;
    }

    let (all, tries) = changes();
    let cannot: Vec<&String> = all.difference(&tries).collect();
    assert_eq!(cannot, CHANGE_NOTHING);
    let seen = calls.iter().map(|(name, ..)| *name).chain(ELSEWHERE);
    assert_eq!(seen.map(str::to_owned).collect::<BTreeSet<_>>(), tries);
    house.end().await;
}

#[tokio::test]
async fn a_dry_run_leaves_its_name_to_the_call_and_is_refused_as_the_call_is() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let (fund, withdraw) = (format!("/v1/wallets/{wallet}/fund"), format!("/v1/wallets/{wallet}/withdraw"));
    let dollar = json!({ "amount": "$1", "external_reference": "x" });
    let tried = house.named(("POST", &format!("{fund}?dry_run=true")), "one", &dollar).await.expect(200);
    house
        .named(("POST", &format!("{withdraw}?dry_run=true")), "two", &dollar)
        .await
        .expect_problem(409, "conflict");
    let made = house.named(("POST", &fund), "one", &dollar).await.expect(200);
    assert_eq!((&made["amount"], made["id"] == tried["id"]), (&tried["amount"], false));
    // As often as asked: nothing is held in between.
    for _ in 0..2 {
        house.named(("POST", &format!("{withdraw}?dry_run=true")), "two", &dollar).await.expect(200);
    }
    house.named(("POST", &withdraw), "two", &dollar).await.expect(200);
    house
        .named(("POST", &format!("{withdraw}?dry_run=yes")), "three", &dollar)
        .await
        .expect_problem(400, "invalid_parameter");
    house.end().await;
}
