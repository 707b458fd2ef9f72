//! The two routers over real sockets, with a real ledger and registry in a temporary directory.

mod deposits;
mod differences;
mod dry_runs;
mod http;
mod limits;
mod listeners;
mod lists;
mod money;
mod moved;
mod named;
mod networks;
mod ops;
mod parts;
mod payments;
mod payouts;
mod providers;
pub(crate) mod receiver;
mod rights;
mod tenants;
mod told;
mod wallets;

use std::path::Path;
use std::sync::Arc;

use domain::{Amount, B256, BasisPoints, Capture, Clock, Fingerprint, PaymentId, Price, Secret, UnixMillis};
use ledger::{Held, HoldRequest, Ledger, Unobserved, Writer};
use registry::catalog::RawCatalog;
use registry::{Config, Environment, Registry};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::control::{self, ControlState};
use crate::egress::{Egress, Rules};
use crate::events::Streams;
use crate::metrics::ControlMetrics;
use crate::server;
use http::{Answer, Call};

const TOKEN: &str = "token-of-the-tests";

/// A clock that stands still.
struct Still;

/// Everything under one roof, on the database that `FAREGATE_TEST_DATABASE` names; `end` audits.
struct House {
    _directory: TempDir,
    ledger: Ledger,
    registry: Registry,
    writer: Writer,
    address: std::net::SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_800_000_000_000)
    }
}

impl House {
    /// The management API, its token set.
    async fn control() -> Self {
        Self::open(|ledger, registry| {
            control::router(state(ledger, registry), Some(&Secret::new(TOKEN.to_owned())))
        })
        .await
    }

    async fn open(router: impl FnOnce(Ledger, Registry) -> axum::Router) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (books, database) = databases(directory.path());
        let settings = ledger::Settings { outlets: tenants::outlets(), ..ledger::Settings::new(books) };
        let (ledger, writer) = Ledger::open(settings, Arc::new(Still), Arc::new(Unobserved)).unwrap();
        let registry = Registry::open(&database, Arc::new(Still)).await.unwrap();
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let router = router(ledger.clone(), registry.clone());
        let serving = tokio::spawn(server::serve(socket, router, async move {
            stopped.wait_for(|stop| *stop).await.unwrap();
        }));
        Self { _directory: directory, ledger, registry, writer, address, stop, serving }
    }

    async fn call(&self, call: Call) -> Answer {
        call.send(self.address).await
    }

    /// As the administrator.
    async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut call = Call::new(method, path).with("Authorization", &format!("Bearer {TOKEN}"));
        if let Some(body) = body {
            call = call.json(&body);
        }
        self.call(call).await
    }

    async fn fund(&self, wallet: &str, key: &str, body: Value) -> Answer {
        let call = Call::new("POST", &format!("/v1/wallets/{wallet}/fund"));
        let call = call.with("Authorization", &format!("Bearer {TOKEN}")).with("Idempotency-Key", key);
        self.call(call.json(&body)).await
    }

    /// An agent without limits: its id and its wallet.
    async fn agent(&self, name: &str) -> (String, String) {
        let made = self.admin("POST", "/v1/agents", Some(json!({ "name": name }))).await.expect(201);
        (text(&made["id"]), text(&made["wallet"]))
    }

    /// A captured and delivered payment, with a fee of 2.5%.
    async fn pay(&self, agent: &str, wallet: &str, price: &str) -> PaymentId {
        self.pay_to("acme", agent, wallet, price).await
    }

    async fn pay_to(&self, provider: &str, agent: &str, wallet: &str, price: &str) -> PaymentId {
        self.ledger.open_provider(provider).await.unwrap();
        let mut random = [0; 10];
        getrandom::fill(&mut random).unwrap();
        let payment = PaymentId::generate(Still.now(), random);
        let request = HoldRequest {
            intent: None,
            payment,
            agent: agent.parse().unwrap(),
            wallet: wallet.parse().unwrap(),
            provider: provider.into(),
            route: "quotes".into(),
            price: Price::Fixed(Amount::parse_dollars(price).unwrap()),
            capture: Capture::After,
            revision: 1,
            fee: BasisPoints::new(250).unwrap(),
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: None,
            digest: Some(B256::repeat_byte(9)),
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([1; 16]),
            unsettled_max: None,
        };
        let Held::Hold(hold) = self.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        hold.capture().await.unwrap().delivered();
        payment
    }

    async fn end(self) {
        assert!(self.ledger.audit().await.unwrap().is_clean());
        self.stop.send_replace(true);
        self.serving.await.unwrap().unwrap();
        self.registry.close().await;
        drop(self.ledger);
        tokio::task::spawn_blocking(move || self.writer.close()).await.unwrap();
    }
}

fn databases(directory: &Path) -> (ledger::Database, registry::Database) {
    if std::env::var("FAREGATE_TEST_DATABASE").is_ok_and(|name| name == "postgres") {
        let url = Secret::new(test_postgres::fresh_database());
        return (ledger::Database::Postgres { url: url.clone() }, registry::Database::Postgres { url });
    }
    let directory = directory.to_owned();
    (ledger::Database::Sqlite { directory: directory.clone() }, registry::Database::Sqlite { directory })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// Webhooks may be anywhere; streams are short, so that a call that reads one ends.
fn state(ledger: Ledger, registry: Registry) -> ControlState {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let egress = Egress::new(Rules { allow_private: true, allow_http: true }).unwrap();
    let (keep, stop) = watch::channel(false);
    // Gone, it would end every stream at once.
    Box::leak(Box::new(keep));
    ControlState {
        ledger,
        registry,
        metrics: Arc::new(ControlMetrics::new(&prometheus::Registry::new()).unwrap()),
        egress,
        streams: Streams::lasting(stop, std::time::Duration::from_millis(200)),
        deposits: None,
        foreign: None,
        chains: settlement::comparison::Chains::new(),
    }
}

fn catalog() -> RawCatalog {
    let text = "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
                [[providers.routes]]\nname = \"quotes\"\npath = \"/q\"\nprice = \"$0.01\"\n";
    Config::parse(Path::new("test.toml"), text, &Environment::default()).unwrap().config.catalog
}

#[tokio::test]
async fn an_agent_is_made_with_its_wallet_and_read_back() {
    let house = House::control().await;
    house.registry.apply(&catalog(), Still.now()).await.unwrap();
    let body = json!({
        "name": "buyer",
        "policy": {
            "per_request": "$0.05", "per_day": "$1", "routes": ["quotes"], "providers": ["acme"],
            "expires_at": "2030-01-01T00:00:00Z",
        },
    });
    let made = house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    let read = house.admin("GET", &format!("/v1/agents/{}", text(&made["id"])), None).await.expect(200);
    assert_eq!(made, read);
    assert_eq!(read["policy"]["per_request"]["amount"], "50000");
    assert_eq!(read["policy"]["per_day"]["display"], "$1.00");
    assert_eq!(read["policy"]["expires_at"], "2030-01-01T00:00:00.000Z");
    assert_eq!(read["spending"]["today"]["spent"]["amount"], "0");
    let wallet =
        house.admin("GET", &format!("/v1/wallets/{}", text(&read["wallet"])), None).await.expect(200);
    assert_eq!(wallet["balance"]["amount"], "0");
    assert!(text(&wallet["balance"]["asset"]).starts_with("eip155:402402/erc20:0x"));
    house.end().await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_the_directory() {
    let house = House::control().await;
    let (id, _) = house.agent("buyer").await;
    let path = format!("/v1/agents/{id}/keys");
    let made = house.admin("POST", &path, Some(json!({ "per_request": "$0.02" }))).await.expect(201);
    let key = text(&made["key"]);
    let parsed = registry::AgentKey::parse(&key).unwrap();
    let access = house.registry.directory().by_key(&parsed).await.unwrap().unwrap();
    assert_eq!(access.agent.to_string(), id);
    let read = house.admin("GET", &format!("/v1/agents/{id}"), None).await;
    assert!(!read.body.contains(&key), "the key is shown again");
    let read = read.expect(200);
    assert_eq!(read["keys"][0]["id"], made["id"]);
    assert_eq!(read["keys"][0]["per_request"]["amount"], "20000");
    house.end().await;
}

#[tokio::test]
async fn a_signer_belongs_to_one_agent() {
    let house = House::control().await;
    let (first, _) = house.agent("first").await;
    let (second, _) = house.agent("second").await;
    let signer = json!({ "address": "0x00000000000000000000000000000000000000aa" });
    let add =
        async |id: &str| house.admin("POST", &format!("/v1/agents/{id}/signers"), Some(signer.clone())).await;
    add(&first).await.expect(201);
    add(&first).await.expect(201);
    add(&second).await.expect_problem(409, "conflict");
    house.end().await;
}

#[tokio::test]
async fn funding_twice_under_one_key_is_funding_once() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let body = json!({ "amount": "$5", "external_reference": "invoice 7" });
    let first = house.fund(&wallet, "one", body.clone()).await.expect(200);
    let again = house.fund(&wallet, "one", body).await.expect(200);
    assert_eq!(first, again);
    let other = json!({ "amount": "$6", "external_reference": "invoice 7" });
    house.fund(&wallet, "one", other.clone()).await.expect_problem(422, "idempotency_key_reused");
    house.fund(&wallet, "two", other).await.expect(200);
    let read = house.admin("GET", &format!("/v1/wallets/{wallet}"), None).await.expect(200);
    assert_eq!(read["balance"]["display"], "$11.00");
    assert_eq!(read["available"]["amount"], "11000000");
    house.end().await;
}

#[tokio::test]
async fn funding_names_its_call_and_where_the_money_is_from() {
    let house = House::control().await;
    let (_, wallet) = house.agent("buyer").await;
    let path = format!("/v1/wallets/{wallet}/fund");
    let body = json!({ "amount": "$5", "external_reference": "x" });
    house.admin("POST", &path, Some(body.clone())).await.expect_problem(400, "idempotency_key_missing");
    house.fund(&wallet, "a b", body).await.expect_problem(400, "invalid_idempotency_key");
    house.fund(&wallet, "k", json!({ "amount": "$5" })).await.expect_problem(400, "invalid_body");
    let wrong = json!({ "amount": "$0", "external_reference": " " });
    let problem = house.fund(&wallet, "k", wrong).await.expect_problem(422, "invalid_field");
    let pointers: Vec<&Value> =
        problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(pointers, ["/amount", "/external_reference"]);
    let number = json!({ "amount": 5.0, "external_reference": "x" });
    house.fund(&wallet, "k", number).await.expect_problem(400, "invalid_body");
    house.end().await;
}

#[tokio::test]
async fn o5_nobody_gets_in_without_the_token() {
    let house = House::control().await;
    for path in ["/v1/agents", "/v1/audit", "/nothing"] {
        house.call(Call::new("GET", path)).await.expect_problem(401, "unauthorized");
        let wrong = Call::new("GET", path).with("Authorization", "Bearer token-of-the-test");
        house.call(wrong).await.expect_problem(401, "unauthorized");
    }
    house.end().await;
    let closed = House::open(|ledger, registry| control::router(state(ledger, registry), None)).await;
    closed.admin("GET", "/v1/audit", None).await.expect_problem(403, "control_closed");
    closed.end().await;
}

#[tokio::test]
async fn the_document_and_its_page_are_open_and_the_page_loads_nothing_from_outside() {
    let house = House::control().await;
    let document = house.call(Call::new("GET", "/openapi.json")).await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/wallets/{id}/fund"]["post"].is_object());
    for part in ["/docs/", "/docs/swagger-initializer.js"] {
        let page = house.call(Call::new("GET", part)).await;
        assert_eq!(page.status, 200, "{part}");
        for place in ["src=\"http", "href=\"http", "src=\"//", "cdn."] {
            assert!(!page.body.contains(place), "{part} loads from outside: {place}");
        }
    }
    let start = house.call(Call::new("GET", "/docs/swagger-initializer.js")).await.body;
    assert!(start.contains("/openapi.json") && start.contains("\"validatorUrl\": \"none\""), "{start}");
    house.end().await;
}

#[tokio::test]
async fn bad_calls_are_refused_with_a_stable_code() {
    let house = House::control().await;
    let (id, _) = house.agent("buyer").await;
    let nobody = domain::AgentId::from_bytes([7; 16]);
    let wallet = domain::WalletId::from_bytes([7; 16]);
    let payment = PaymentId::from_bytes([7; 16]);
    let get = async |path: String| house.admin("GET", &path, None).await;
    get("/v1/nothing".to_owned()).await.expect_problem(404, "not_found");
    get("/v1/wallets/x/fund".to_owned()).await.expect_problem(405, "method_not_allowed");
    get(format!("/v1/agents/{nobody}")).await.expect_problem(404, "agent_not_found");
    get(format!("/v1/wallets/{nobody}")).await.expect_problem(400, "invalid_identifier");
    get(format!("/v1/agents/{id}?expand=all")).await.expect_problem(400, "invalid_parameter");
    get(format!("/v1/wallets/{wallet}")).await.expect_problem(404, "wallet_not_found");
    get(format!("/v1/payments/{payment}")).await.expect_problem(404, "payment_not_found");

    let post = async |path: &str, body: Value| house.admin("POST", path, Some(body)).await;
    post("/v1/agents", json!({ "name": "buyer" })).await.expect_problem(409, "conflict");
    post("/v1/agents", json!({ "name": "b", "policy": { "per_dy": "$1" } }))
        .await
        .expect_problem(400, "invalid_body");
    post("/v1/agents", json!({ "name": "b", "wallet": wallet.to_string() }))
        .await
        .expect_problem(404, "wallet_not_found");
    let policy = json!({ "per_day": "1e3", "routes": ["quotse"], "expires_at": "2020-01-01T00:00:00Z" });
    let typed = json!({ "name": "", "policy": policy });
    let problem = post("/v1/agents", typed).await.expect_problem(422, "invalid_field");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 4, "{problem}");
    assert_eq!(problem["errors"][1]["pointer"], "/policy/per_day");
    post(&format!("/v1/agents/{nobody}/keys"), json!({})).await.expect_problem(404, "agent_not_found");
    let long = json!({ "name": "x".repeat(70_000) });
    post("/v1/agents", long).await.expect_problem(413, "body_too_large");
    let call = Call::new("POST", "/v1/agents").with("Authorization", &format!("Bearer {TOKEN}"));
    house
        .call(call.body("text/plain", "{\"name\":\"b\"}"))
        .await
        .expect_problem(415, "unsupported_media_type");
    house.end().await;
}

#[tokio::test]
async fn a_payment_is_shown_as_it_stands_in_the_books() {
    let house = House::control().await;
    let (agent, wallet) = house.agent("buyer").await;
    house.fund(&wallet, "one", json!({ "amount": "$1", "external_reference": "x" })).await.expect(200);
    let payment = house.pay(&agent, &wallet, "$0.10").await;
    let path = format!("/v1/payments/{payment}");
    let shown = house.admin("GET", &path, None).await.expect(200);
    assert_eq!(shown["state"], "captured");
    assert_eq!(shown["amount"]["display"], "$0.10");
    assert_eq!((&shown["fee"]["amount"], &shown["net"]["amount"]), (&json!("2500"), &json!("97500")));
    assert_eq!((&shown["agent"], &shown["wallet"]), (&json!(agent), &json!(wallet)));
    assert_eq!((&shown["provider"], &shown["route"]), (&json!("acme"), &json!("quotes")));
    assert_eq!(shown["transaction"], json!(B256::repeat_byte(9).to_string()));
    assert_eq!(shown["refunds"], json!([]));

    house.ledger.refund(payment, ledger::RefundReason::Operator).await.unwrap();
    let shown = house.admin("GET", &path, None).await.expect(200);
    assert_eq!((&shown["state"], &shown["refunds"][0]["reason"]), (&json!("refunded"), &json!("operator")));
    assert_eq!(shown["refunded"]["amount"], "100000");
    house.end().await;
}

#[tokio::test]
async fn two_agents_may_share_a_wallet() {
    let house = House::control().await;
    let (_, wallet) = house.agent("first").await;
    let body = json!({ "name": "second", "wallet": wallet });
    let second = house.admin("POST", "/v1/agents", Some(body)).await.expect(201);
    assert_eq!(second["wallet"], json!(wallet));
    house.end().await;
}
