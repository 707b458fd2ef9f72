//! A provider's money on its way out: where it goes, what is settled, what is paid.

use super::*;

/// Everything is old enough at once: the clock stands still.
const TEXT: &str = "[[providers]]\nname = \"acme\"\nsettlement = { delay = \"0s\" }\n[providers.upstream]\n\
    addresses = [\"http://127.0.0.1:9\"]\n[[providers.routes]]\nname = \"quotes\"\npath = \"/q\"\nprice = \"$0.01\"\n";

const DESTINATION: &str = "/v1/providers/acme/payout-destination";

async fn house() -> House {
    let house = House::control().await;
    let config = Config::parse(Path::new("test.toml"), TEXT, &Environment::default()).unwrap().config;
    house.registry.apply(&config.catalog, Still.now()).await.unwrap();
    house
}

impl House {
    async fn send_to(&self, destination: Value) -> Answer {
        self.admin("PUT", DESTINATION, Some(destination)).await
    }

    async fn run(&self, query: &str) -> Answer {
        self.admin("POST", &format!("/v1/settlements{query}"), Some(json!({ "provider": "acme" }))).await
    }

    async fn key_of_acme(&self) -> String {
        let actor = registry::Actor::new(registry::ActorKind::Token);
        let role = registry::Role::Provider("acme".to_owned());
        let new = registry::NewApiKey {
            name: "k".to_owned(),
            role,
            read_only: false,
            scopes: None,
            expires_at: None,
        };
        self.registry.create_api_key(&actor, new).await.unwrap().0.reveal()
    }

    async fn as_acme(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let call =
            Call::new(method, path).with("Authorization", &format!("Bearer {}", self.key_of_acme().await));
        let call = call.with("Idempotency-Key", "k");
        self.call(match &body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
    }

    async fn csv(&self, path: &str) -> String {
        let call = Call::new("GET", path).with("Authorization", &format!("Bearer {TOKEN}"));
        let answer = self.call(call.with("Accept", "text/csv")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    async fn pay_out(&self, payout: &str, key: &str, reference: &str) -> Answer {
        let call = Call::new("POST", &format!("/v1/payouts/{payout}/pay"));
        let call = call.with("Authorization", &format!("Bearer {TOKEN}")).with("Idempotency-Key", key);
        self.call(call.json(&json!({ "reference": reference }))).await
    }
}

#[tokio::test]
async fn a_destination_that_replaces_another_waits_and_can_be_cancelled() {
    let house = house().await;
    let nothing = house.admin("GET", DESTINATION, None).await.expect(200);
    assert_eq!(nothing, json!({ "current": null, "pending": null }));
    let bank = json!({ "rail": "manual", "reference": "DE02 1203 0000 0000 2020 51" });
    let first = house.as_acme("PUT", DESTINATION, Some(bank.clone())).await.expect(200);
    assert_eq!((&first["current"]["reference"], &first["pending"]), (&bank["reference"], &Value::Null));
    let (_, wallet) = house.agent("till").await;
    let second = house.send_to(json!({ "rail": "ledger", "wallet": wallet })).await.expect(200);
    assert_eq!((&second["current"], &second["pending"]["wallet"]), (&first["current"], &json!(wallet)));
    assert_eq!(second["pending"]["effective_at"], "2027-01-18T08:00:00.000Z", "three days later");
    assert_eq!(house.admin("GET", DESTINATION, None).await.expect(200), second);
    assert_eq!(house.as_acme("DELETE", DESTINATION, None).await.expect(200), first);
    let changes = house.admin("GET", "/v1/changes?subject_kind=provider", None).await;
    assert_eq!(
        changes.body.matches("\"provider.payout_destination_changed\"").count(),
        3,
        "{}",
        changes.body
    );
    house.end().await;
}

#[tokio::test]
async fn what_is_no_destination_says_why() {
    let house = house().await;
    let nobody = domain::WalletId::from_bytes([7; 16]).to_string();
    // The books have an account of this name, as they have of tokens and of the suspense.
    let account = domain::WalletId::from_bytes([8; 16]);
    house.ledger.create_wallet(account).await.unwrap();
    for (body, pointer) in [
        (json!({ "rail": "paypal", "reference": "x" }), "/rail"),
        (json!({ "rail": "manual" }), "/reference"),
        (json!({ "rail": "manual", "reference": " " }), "/reference"),
        (json!({ "rail": "manual", "reference": "x".repeat(256) }), "/reference"),
        (json!({ "rail": "manual", "reference": "x", "wallet": nobody }), "/reference"),
        (json!({ "rail": "ledger", "wallet": nobody }), "/wallet"),
        (json!({ "rail": "ledger", "wallet": account.to_string() }), "/wallet"),
        (json!({ "rail": "ledger", "wallet": "x" }), "/wallet"),
        (json!({ "rail": "ledger" }), "/wallet"),
    ] {
        let problem = house.send_to(body.clone()).await.expect_problem(422, "invalid_field");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
    let other = "/v1/providers/nobody/payout-destination";
    house.admin("GET", other, None).await.expect_problem(404, "provider_not_found");
    house.end().await;
}

#[tokio::test]
async fn who_asks_sees_what_would_be_settled_and_gets_it_once() {
    let house = house().await;
    let (agent, wallet) = house.agent("buyer").await;
    house.fund(&wallet, "one", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    let payment = house.pay(&agent, &wallet, "$0.10").await;
    house.pay(&agent, &wallet, "$0.20").await;
    house.run("").await.expect_problem(409, "conflict");
    house.send_to(json!({ "rail": "manual", "reference": "=IBAN" })).await.expect(200);
    let would_be = house.run("?dry_run=true").await.expect(200);
    assert_eq!((&would_be["payments"], &would_be["settlement"]), (&json!(2), &Value::Null));
    assert_eq!(
        (&would_be["gross"]["amount"], &would_be["net"]["amount"]),
        (&json!("300000"), &json!("292500"))
    );
    assert_eq!(house.admin("GET", "/v1/settlements", None).await.expect(200)["data"], json!([]));

    let made = house.run("").await.expect(200);
    assert_eq!((&made["net"], &made["payments"]), (&would_be["net"], &json!(2)));
    let again = house.run("").await.expect(200);
    assert_eq!(
        (&again["payments"], &again["net"], &again["settlement"]),
        (&json!(0), &Value::Null, &Value::Null)
    );
    assert!(
        text(&again["nothing"]).starts_with("nothing is due") && made.get("nothing").is_none(),
        "{again}"
    );
    let (id, payout) = (text(&made["settlement"]), text(&made["payout"]));
    let shown = house.as_acme("GET", &format!("/v1/settlements/{id}"), None).await.expect(200);
    assert_eq!((&shown["number"], &shown["payout"]), (&json!(1), &json!(payout)));
    let members =
        house.as_acme("GET", &format!("/v1/settlements/{id}/members?limit=1"), None).await.expect(200);
    assert_eq!(
        (&members["data"][0]["payment"], &members["has_more"]),
        (&json!(payment.to_string()), &json!(true))
    );
    let csv = house.csv(&format!("/v1/settlements/{id}/members")).await;
    assert_eq!(csv.matches("\npay_").count(), 2, "{csv}");

    // A bank run, and its end.
    let csv = house.csv("/v1/payouts?state=open").await;
    let line = csv.lines().find(|line| line.starts_with(&payout)).unwrap();
    assert!(line.starts_with(&format!("{payout},acme,manual,'=IBAN,$0.2925,292500,open,{id},")), "{csv}");
    let path = format!("/v1/payouts/{payout}/pay");
    house.as_acme("POST", &path, Some(json!({ "reference": "r" }))).await.expect_problem(403, "forbidden");
    let paid = house.pay_out(&payout, "a", "run 7").await.expect(200);
    assert_eq!((&paid["state"], &paid["reference"]), (&json!("paid"), &json!("run 7")));
    assert_eq!(house.pay_out(&payout, "a", "run 7").await.expect(200), paid);
    assert_eq!(house.pay_out(&payout, "b", "run 7").await.expect(200), paid);
    house.pay_out(&payout, "c", "run 8").await.expect_problem(409, "conflict");
    let nobody = domain::PayoutId::from_bytes([7; 16]).to_string();
    house.pay_out(&nobody, "d", "run 8").await.expect_problem(404, "payout_not_found");
    assert!(!house.csv("/v1/payouts?state=open").await.contains(&payout));
    assert_eq!(house.as_acme("GET", &format!("/v1/payouts/{payout}"), None).await.expect(200), paid);
    house.end().await;
}

#[tokio::test]
async fn who_settled_and_who_paid_is_in_the_audit_log_once_and_its_provider_reads_it() {
    let house = house().await;
    let (agent, wallet) = house.agent("buyer").await;
    house.fund(&wallet, "one", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    house.pay(&agent, &wallet, "$0.40").await;
    house.send_to(json!({ "rail": "manual", "reference": "IBAN" })).await.expect(200);
    house.run("?dry_run=true").await.expect(200);
    let made = house.run("").await.expect(200);
    house.run("").await.expect(200);
    let (settlement, payout) = (text(&made["settlement"]), text(&made["payout"]));
    for key in ["a", "a", "b"] {
        house.pay_out(&payout, key, "run 7").await.expect(200);
    }
    house.pay_out(&payout, "c", "run 8").await.expect_problem(409, "conflict");

    house.tell().await;
    for (kind, action, about, amount) in [
        ("settlement", "settlement.created", ("settlement", &settlement), "net"),
        ("payout", "payout.paid", ("payout", &payout), "amount"),
    ] {
        let path = format!("/v1/changes?subject_kind={kind}");
        let noted = house.as_acme("GET", &path, None).await.expect(200)["data"].clone();
        assert_eq!(noted.as_array().unwrap().len(), 1, "{noted}");
        let (entry, after) = (&noted[0], &noted[0]["after"]);
        assert_eq!((&entry["action"], &entry["subject"]), (&json!(action), &made[kind]));
        assert_eq!((&entry["actor_kind"], &entry["provider"]), (&json!("token"), &json!("acme")));
        assert_eq!((&after[about.0], &after[amount]["display"]), (&json!(about.1), &json!("$0.39")));
    }
    house.end().await;
}

#[tokio::test]
async fn a_payout_into_a_wallet_is_paid_as_it_is_made_and_what_refunds_took_is_carried_over() {
    let house = house().await;
    let (agent, wallet) = house.agent("buyer").await;
    let (_, till) = house.agent("till").await;
    house.fund(&wallet, "one", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    house.send_to(json!({ "rail": "ledger", "wallet": till })).await.expect(200);
    let payment = house.pay(&agent, &wallet, "$0.40").await;
    let made = house.run("").await.expect(200);
    let payout =
        house.admin("GET", &format!("/v1/payouts/{}", text(&made["payout"])), None).await.expect(200);
    assert_eq!((&payout["state"], &payout["destination"]), (&json!("paid"), &json!(till)));
    assert_eq!(payout["reference"], made["settlement"]);
    let read = house.admin("GET", &format!("/v1/wallets/{till}"), None).await.expect(200);
    assert_eq!(read["balance"]["amount"], "390000");
    house.ledger.refund(payment, ledger::RefundReason::Operator).await.unwrap();
    house.pay(&agent, &wallet, "$0.10").await;
    let carried = house.run("").await.expect(200);
    assert_eq!(
        (&carried["payments"], &carried["net"], &carried["settlement"]),
        (&json!(1), &Value::Null, &Value::Null)
    );
    assert_eq!(carried["adjustments"]["amount"], "390000");
    house.pay(&agent, &wallet, "$0.40").await;
    assert_eq!(house.run("").await.expect(200)["net"]["amount"], "97500");
    house.end().await;
}
