//! O3, O4: every call of the API with every kind of key on what belongs to somebody else. The calls come from the OpenAPI
//! document, so that a new one cannot be forgotten.

use std::collections::HashMap;

use domain::{Address, ChainAccount, PayoutDestination, SettlementRules, SettlementTerms};
use registry::Role;
use registry::journal::{Actor, ActorKind};
use serde_json::Map;

use super::*;

/// Stands in the names of all that the victim has: nobody else may ever read it.
const MARK: &str = "victim";

/// A call of the document.
struct Operation {
    method: String,
    path: String,
    /// The parameters that must be there, as a query.
    query: String,
    body: Option<Value>,
    /// None where it needs no key.
    scope: Option<String>,
}

/// What the victims have.
pub(super) struct Victims {
    agent: String,
    wallet: String,
    key: String,
    payment: PaymentId,
    api_key: String,
    webhook: String,
    alert: String,
    settlement: ledger::Settlement,
    /// A payout on a public network.
    sent: ledger::Settlement,
    difference: PaymentId,
}

/// The network that it goes to.
const NETWORK: &str = "eip155:31337";

/// Where money may leave the treasury in these tests.
pub(super) fn outlets() -> HashMap<Arc<str>, ledger::Outlet> {
    HashMap::from([(NETWORK.into(), ledger::Outlet::default())])
}

impl House {
    pub(super) async fn key_of(&self, role: Role, read_only: bool) -> String {
        let actor = Actor::new(ActorKind::Token);
        let new =
            registry::NewApiKey { name: "k".to_owned(), role, read_only, scopes: None, expires_at: None };
        self.registry.create_api_key(&actor, new).await.unwrap().0.reveal()
    }

    async fn with_key(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let call = Call::new(method, path).with("Authorization", &format!("Bearer {key}"));
        let call = if method == "POST" { call.with("Idempotency-Key", "matrix") } else { call };
        self.call(match body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
    }

    /// All that a provider earned so far.
    async fn settle(&self, provider: &str, destination: PayoutDestination) -> ledger::Settlement {
        let rules = SettlementRules { delay_ms: 0, ..SettlementRules::default() };
        let terms = SettlementTerms { rules, destination };
        settlement::asked::settle(&self.ledger, provider, &terms).await.unwrap().unwrap()
    }

    pub(super) async fn victims(&self) -> Victims {
        self.registry.apply(&two_providers(), Still.now()).await.unwrap();
        let body = json!({ "name": format!("{MARK}-agent"), "owner": MARK });
        let made = self.admin("POST", "/v1/agents", Some(body)).await.expect(201);
        let (agent, wallet) = (text(&made["id"]), text(&made["wallet"]));
        let key = self.admin("POST", &format!("/v1/agents/{agent}/keys"), Some(json!({}))).await.expect(201);
        self.fund(&wallet, "f", json!({ "amount": "$1", "external_reference": MARK })).await.expect(200);
        let payment = self.pay_to(MARK, &agent, &wallet, "$0.10").await;
        let settlement = self.settle(MARK, PayoutDestination::Manual(MARK.to_owned())).await;
        self.pay_to(MARK, &agent, &wallet, "$0.10").await;
        let (token, address) = (Address::repeat_byte(5), Address::repeat_byte(6));
        let account = ChainAccount { network: NETWORK.into(), token, address };
        let sent = self.settle(MARK, PayoutDestination::Chain(account)).await;
        let difference = self.differing(MARK, 1).await;
        let body = json!({ "name": format!("{MARK}-key"), "role": "owner", "owner": MARK });
        let api_key = self.admin("POST", "/v1/api-keys", Some(body)).await.expect(201);
        let body = json!({ "url": format!("http://127.0.0.1:9/{MARK}"), "owner": MARK });
        let webhook = self.admin("POST", "/v1/webhooks", Some(body)).await.expect(201);
        let path = format!("/v1/wallets/{wallet}/alerts");
        let alert = self.admin("POST", &path, Some(json!({ "amount": "$5" }))).await.expect(201);
        let (webhook, alert) = (text(&webhook["id"]), text(&alert["id"]));
        let (key, api_key) = (text(&key["id"]), text(&api_key["id"]));
        Victims { agent, wallet, key, payment, api_key, webhook, alert, settlement, sent, difference }
    }
}

impl Victims {
    /// The path with the victim's ids in it.
    pub(super) fn path(&self, template: &str) -> String {
        let mut path = String::new();
        let mut kind = "";
        for segment in template.split('/').skip(1) {
            let value = if segment.starts_with('{') { self.id(kind, template) } else { segment.to_owned() };
            path.push_str(&format!("/{value}"));
            kind = segment;
        }
        path
    }

    fn id(&self, kind: &str, template: &str) -> String {
        match kind {
            "agents" => self.agent.clone(),
            "wallets" => self.wallet.clone(),
            "keys" => self.key.clone(),
            "signers" => format!("0x{}", "11".repeat(20)),
            "payments" => self.payment.to_string(),
            "api-keys" => self.api_key.clone(),
            "webhooks" => self.webhook.clone(),
            "deliveries" => domain::EventId::from_bytes([7; 16]).to_string(),
            "alerts" => self.alert.clone(),
            "settlements" => self.settlement.id.to_string(),
            "payouts" => self.settlement.payout.to_string(),
            "outgoing" => ledger::Outgoing::of_payout(self.sent.payout).to_string(),
            "differences" => self.difference.to_string(),
            "providers" | "routes" => MARK.to_owned(),
            other => panic!("{template}: say what a victim's `{other}` is called"),
        }
    }
}

fn two_providers() -> RawCatalog {
    let provider = |name: &str| {
        format!(
            "[[providers]]\nname = \"{name}\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
             [[providers.routes]]\nname = \"{name}\"\npath = \"/{name}\"\nprice = \"$0.01\"\n"
        )
    };
    let text = provider(MARK) + &provider("rival");
    Config::parse(Path::new("test.toml"), &text, &Environment::default()).unwrap().config.catalog
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(control::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            let scope = operation.pointer("/security/0/management/0").and_then(Value::as_str);
            assert!(scope.is_some() || is_open(operation), "{name} names no scope");
            let schema = operation.pointer("/requestBody/content/application~1json/schema");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let needed = parameters.filter(|known| known["in"] == "query" && known["required"] == true);
            let needed: Vec<_> = needed.map(|known| text(&known["name"]) + "=1").collect();
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                query: if needed.is_empty() { String::new() } else { format!("?{}", needed.join("&")) },
                body: schema.map(|schema| example(&document, schema, "")),
                scope: scope.map(str::to_owned),
            });
        }
    }
    operations
}

/// Whether it says that it needs no key.
fn is_open(operation: &Value) -> bool {
    operation["security"] == json!([{}])
}

/// A value that a schema allows, with what it requires.
fn example(document: &Value, schema: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(document, document.pointer(&reference[1..]).unwrap(), name);
    }
    let required = schema["required"].as_array();
    let is = |kind: &str| schema["type"] == kind;
    match name {
        "amount" => json!("$1"),
        "address" => json!(format!("0x{}", "11".repeat(20))),
        "role" => json!("admin"),
        "price" => json!("$0.01"),
        "path" => json!("/x"),
        "url" => json!("https://example.com/hook"),
        _ if is("object") => {
            let members = required.into_iter().flatten().map(text);
            let member = |name: String| {
                let value = example(document, &schema["properties"][&name], &name);
                (name, value)
            };
            Value::Object(members.map(member).collect::<Map<_, _>>())
        }
        _ if is("integer") => json!(1),
        _ if is("boolean") => json!(true),
        _ if is("array") => json!([]),
        _ => json!("x"),
    }
}

#[tokio::test]
async fn o3_no_key_reaches_what_belongs_to_another_tenant() {
    let house = House::control().await;
    let victims = house.victims().await;
    let roles =
        [Role::Provider("rival".to_owned()), Role::Owner("rival".to_owned()), Role::Owner("none".to_owned())];
    for role in roles {
        for read_only in [false, true] {
            let key = house.key_of(role.clone(), read_only).await;
            for operation in operations() {
                let path = victims.path(&operation.path) + &operation.query;
                let answer = house.with_key(&key, &operation.method, &path, operation.body.as_ref()).await;
                let what = format!("{role:?} {} {path}: {} {}", operation.method, answer.status, answer.body);
                if operation.path.contains('{') {
                    assert!(matches!(answer.status, 403 | 404), "{what}");
                }
                let changes = operation.scope.as_ref().is_some_and(|scope| !scope.ends_with(":read"));
                if read_only && changes {
                    assert_eq!(answer.status, 403, "{what}");
                }
                // What was asked for may be named again; what it is may not.
                let told = answer.body.replace(&format!("`{MARK}`"), "");
                assert!(!told.contains(MARK), "{what}");
            }
        }
    }
    house.end().await;
}

#[tokio::test]
async fn o3_a_read_only_admin_changes_nothing_and_reads_all() {
    let house = House::control().await;
    let victims = house.victims().await;
    let key = house.key_of(Role::Admin, true).await;
    for operation in operations() {
        let Some(scope) = &operation.scope else { continue };
        let path = victims.path(&operation.path) + &operation.query;
        let answer = house.with_key(&key, &operation.method, &path, operation.body.as_ref()).await;
        let reads = scope.ends_with(":read");
        let what = format!("{} {path}: {} {}", operation.method, answer.status, answer.body);
        assert_eq!(answer.status == 403, !reads, "{what}");
        // What only asks in a body changes nothing either.
        let asks = operation.method == "GET" || operation.path.ends_with("/simulate");
        assert!(!reads || asks, "{what}: reads with another method");
    }
    house.end().await;
}

#[tokio::test]
async fn o4_a_member_that_no_body_has_is_refused_by_every_call() {
    let house = House::control().await;
    let victims = house.victims().await;
    for operation in operations() {
        let Some(Value::Object(mut body)) = operation.body else { continue };
        for member in ["balance", "fee_bps", "is_admin"] {
            body.insert(member.to_owned(), json!(1));
        }
        let path = victims.path(&operation.path) + &operation.query;
        let call = Call::new(&operation.method, &path).with("Authorization", &format!("Bearer {TOKEN}"));
        let call = call.with("Idempotency-Key", &format!("o4 {path}").replace([' ', '/'], "-"));
        let answer = house.call(call.json(&Value::Object(body))).await;
        // Documents of the catalog are read by the readers of the file, which say where the member stands.
        let what = format!("{} {path}: {}", operation.method, answer.body);
        let named = answer.status == 422 && answer.body.contains("/balance");
        let of_the_file = answer.status == 409 && answer.body.contains("managed_by_file");
        assert!(answer.status == 400 || named || of_the_file, "{what}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_tenant_reads_its_own() {
    let house = House::control().await;
    let victims = house.victims().await;
    let owner = house.key_of(Role::Owner(MARK.to_owned()), true).await;
    let provider = house.key_of(Role::Provider(MARK.to_owned()), true).await;
    let read = async |key: &str, path: String| house.with_key(key, "GET", &path, None).await.expect(200);
    assert_eq!(read(&owner, "/v1/agents".to_owned()).await["data"][0]["id"], json!(victims.agent));
    assert_eq!(read(&owner, "/v1/wallets".to_owned()).await["data"][0]["id"], json!(victims.wallet));
    for key in [&owner, &provider] {
        let payment = read(key, format!("/v1/payments/{}", victims.payment)).await;
        assert_eq!(payment["provider"], json!(MARK));
    }
    for path in ["/v1/settlements", "/v1/payouts"] {
        let listed = read(&provider, path.to_owned()).await;
        assert_eq!(listed["data"][0]["provider"], json!(MARK), "{path}");
    }
    assert!(!read(&owner, "/v1/changes".to_owned()).await["data"].as_array().unwrap().is_empty());
    house.end().await;
}
