//! Two processes on one database: one changes prices, the other one has not heard of it and is shown the quote.

use std::path::Path;

use domain::{B256, Clock, Secret, UnixMillis};
use ledger::{Ledger, Unobserved, Writer};
use protocol::challenge::PaymentRequired;
use protocol::offer::Offer;
use protocol::sign;
use protocol::signature::SigningKey;
use registry::catalog::Terms;
use registry::{Config, Database, Environment};
use tempfile::TempDir;

use super::*;
use crate::metrics::Metrics;
use crate::offer::currency::Currencies;
use crate::snapshot;
use crate::traffic::Traffic;

const START: UnixMillis = UnixMillis(1_800_000_000_000);

struct Still;

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        START
    }
}

struct Rig {
    _files: TempDir,
    ledger: Ledger,
    _writer: Writer,
    /// The process that changes prices.
    other: Registry,
    /// This one follows nobody by itself.
    own: Registry,
    current: Arc<ArcSwap<Snapshot>>,
    newer: Newer,
}

// === impl Rig ===

impl Rig {
    async fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        let database = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => Database::Postgres { url: Secret::new(test_postgres::fresh_database()) },
            _ => Database::Sqlite { directory: files.path().to_owned() },
        };
        let settings = ledger::Settings::new(ledger::Database::Sqlite { directory: files.path().to_owned() });
        let (ledger, writer) = Ledger::open(settings, Arc::new(Still), Arc::new(Unobserved)).unwrap();
        let other = Registry::open(&database, Arc::new(Still)).await.unwrap();
        sell(&other, 1).await;
        let own = Registry::open(&database, Arc::new(Still)).await.unwrap();
        let catalog = own.load(Terms::default()).await.unwrap();
        let traffic = Arc::new(Traffic::default());
        let first =
            Snapshot::build(catalog, &ledger, &Currencies::new(ledger.asset(), &[]), &traffic, None).await;
        let current = Arc::new(ArcSwap::from_pointee(first));
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let currencies = Currencies::new(ledger.asset(), &[]);
        tokio::spawn(snapshot::follow(
            own.clone(),
            Arc::clone(&current),
            ledger.clone(),
            currencies,
            traffic,
            metrics,
        ));
        let newer = Newer::new(own.clone(), ledger.secret(), Arc::clone(&current), 16 * 1024);
        Self { _files: files, ledger, _writer: writer, other, own, current, newer }
    }

    /// What the other process asks for now.
    async fn quote(&self) -> String {
        let catalog = self.other.catalogs().borrow().clone();
        let currencies = Currencies::new(self.ledger.asset(), &[]);
        let snapshot = Snapshot::build(catalog, &self.ledger, &currencies, &Traffic::default(), None).await;
        let offer = snapshot.offer(domain::RouteId(0)).unwrap();
        offer.payable(&offer.ways[0], START).next().unwrap().text.clone()
    }

    /// A request that pays for a quote.
    fn paying(&self, quote: &str) -> HeaderMap {
        let asset = self.ledger.asset();
        let offer = Offer::wallet(asset, domain::Address::repeat_byte(2), domain::Amount::ZERO, Some(quote));
        let challenge = PaymentRequired {
            x402_version: 2,
            error: None,
            resource: None,
            accepts: vec![offer],
            extensions: None,
        };
        let key = SigningKey::from_hex(&"11".repeat(32)).unwrap();
        let header = sign::sign_offer(&key, &challenge, 0, B256::repeat_byte(3), START).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("payment-signature", header.parse().unwrap());
        headers
    }

    fn served(&self) -> u64 {
        self.current.load().catalog().version()
    }
}

async fn sell(registry: &Registry, dollars: u64) {
    let text = format!(
        "[[providers]]\nname = \"acme\"\n[providers.upstream]\naddresses = [\"http://127.0.0.1:9\"]\n\
         [[providers.routes]]\nname = \"a\"\npath = \"/a\"\nprice = \"${dollars}\"\n"
    );
    let loaded = Config::parse(Path::new("f.toml"), &text, &Environment::default()).unwrap();
    registry.apply(&loaded.config.catalog, START).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_every_quote_of_a_newer_version_is_loaded_however_fast_versions_follow() {
    let rig = Rig::new().await;
    for dollars in 2..=6 {
        let judged = rig.served();
        sell(&rig.other, dollars).await;
        let headers = rig.paying(&rig.quote().await);
        assert!(rig.newer.serves(&headers, judged).await, "${dollars}");
        assert!(rig.served() > judged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_quote_only_claims_is_not_looked_for() {
    let rig = Rig::new().await;
    let judged = rig.served();
    sell(&rig.other, 2).await;
    let quote = rig.quote().await;
    let (rest, tag) = quote.rsplit_once('.').unwrap();
    let (mark, version) = rest.rsplit_once('.').unwrap();
    let version: u64 = version.parse().unwrap();
    let forged = format!("{mark}.{}.{tag}", version + 1);
    assert!(!rig.newer.serves(&rig.paying(&forged), judged).await);
    assert_eq!((rig.served(), rig.own.catalogs().borrow().version()), (judged, judged));
    assert!(rig.newer.serves(&rig.paying(&quote), judged).await);
}
