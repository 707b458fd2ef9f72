use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use domain::{
    AgentId, Amount, CanonicalPath, Capture, Catalog, Clock, Fingerprint, PaymentId, RouteId, UnixMillis,
    WalletId,
};
use ledger::{Funding, Held, Hold, HoldRequest, Ledger, Settings, Unobserved};
use tempfile::TempDir;

use super::*;
use crate::offer::currency::Currencies;
use crate::samples::{self, PRICE};
use crate::snapshot::Snapshot;
use crate::stage::admit::Admitted;
use crate::stage::hold::Payer;
use crate::stage::route::{Routed, route};
use crate::traffic::Traffic;

const FUNDS: i64 = 1_000_000;

struct Standing;

impl Clock for Standing {
    fn now(&self) -> UnixMillis {
        UnixMillis(1_795_348_800_000)
    }
}

/// A funded ledger and one priced route.
struct Books {
    ledger: Ledger,
    writer: ledger::Writer,
    snapshot: Arc<Snapshot>,
    _directory: TempDir,
}

impl Books {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings::new(ledger::Database::Sqlite { directory: directory.path().to_owned() });
        let open = move || Ledger::open(settings, Arc::new(Standing), Arc::new(Unobserved)).unwrap();
        let (ledger, writer) = tokio::task::spawn_blocking(open).await.unwrap();
        ledger.create_wallet(wallet()).await.unwrap();
        let funding = Funding {
            wallet: wallet(),
            amount: Amount::from_atomic(FUNDS).unwrap(),
            idempotency_key: "first".to_owned(),
            external_reference: "test".to_owned(),
        };
        ledger.fund(funding).await.unwrap();
        let currencies = Currencies::new(ledger.asset(), &[]);
        let snapshot =
            Arc::new(Snapshot::build(catalog(), &ledger, &currencies, &Traffic::default(), None).await);
        Self { ledger, writer, snapshot, _directory: directory }
    }

    fn routed(&self) -> (Routed, Admitted) {
        let request = Admitted {
            method: "GET".to_owned(),
            authority: "localhost".to_owned(),
            path: CanonicalPath::parse(b"/paid").unwrap(),
            query: None,
            content_length: None,
        };
        (route(&self.snapshot, &request).unwrap(), request)
    }

    async fn hold(&self, number: u8) -> Hold {
        let (routed, _) = self.routed();
        let request = HoldRequest {
            intent: None,
            payment: PaymentId::generate(Standing.now(), [number; 10]),
            agent: AgentId::from_bytes([1; 16]),
            wallet: wallet(),
            provider: Arc::clone(&routed.provider.name),
            route: Arc::clone(&routed.route.name),
            price: routed.route.price.clone(),
            capture: Capture::After,
            revision: 1,
            fee: routed.provider.fee,
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: None,
            digest: None,
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([number; 16]),
            unsettled_max: None,
        };
        match self.ledger.hold(request).await {
            Ok(Held::Hold(hold)) => hold,
            other => panic!("no hold: {other:?}"),
        }
    }

    async fn exchange(&self, number: u8) -> Exchange {
        let (routed, request) = self.routed();
        let payer = Payer {
            agent: AgentId::from_bytes([1; 16]),
            address: None,
            network: Arc::clone(&self.ledger.asset().network),
            version: 2,
            on_chain: false,
        };
        Exchange::paid(routed, request, self.hold(number).await, payer)
    }

    async fn balance(&self) -> i64 {
        self.ledger.wallet(wallet()).await.unwrap().unwrap().balance.atomic()
    }

    /// Ends with the audit, of the SQL and of the memory.
    async fn finish(self) {
        assert_eq!(self.ledger.wallet(wallet()).await.unwrap().unwrap().held, Amount::ZERO);
        let report = self.ledger.audit().await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        let writer = self.writer;
        tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
    }
}

fn wallet() -> WalletId {
    WalletId::from_bytes([2; 16])
}

fn catalog() -> Arc<Catalog> {
    let (provider, route) = (samples::provider(), samples::route());
    let catalog = Catalog::new(1, vec![Arc::new(provider)], vec![Arc::new(route)]).unwrap();
    assert!(catalog.route(RouteId(0)).is_some());
    Arc::new(catalog)
}

fn metrics() -> Metrics {
    Metrics::new(&prometheus::Registry::new()).unwrap()
}

/// Polls the capture `polls` times, then drops it with its request. Returns whether it was ready before.
async fn dropped_after(books: &Books, number: u8, polls: u32) -> bool {
    let mut exchange = books.exchange(number).await;
    let mut response = ResponseHeader::build(200, None).unwrap();
    let (metrics, leniency, mut times) = (metrics(), Leniency::default(), Times::default());
    let mut capturing = pin!(capture(&mut exchange, &mut response, &metrics, &leniency, &mut times));
    for _ in 0..polls {
        if capturing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn a_request_dropped_at_every_await_is_charged_once_or_not_at_all() {
    let books = Books::open().await;
    let mut charged = 0;
    for polls in 0..4 {
        let number = u8::try_from(polls).unwrap();
        dropped_after(&books, number, polls).await;
        // A capture that was begun is the writer's; whoever waits for the next commit waits for it too.
        charged += i64::from(polls > 0);
        books.ledger.open_provider(&format!("other {polls}")).await.unwrap();
        assert_eq!(books.balance().await, FUNDS - charged * PRICE, "dropped after {polls} polls");
    }
    books.finish().await;
}

#[tokio::test]
async fn u1_what_is_not_charged_is_voided_before_the_header_leaves() {
    let books = Books::open().await;
    for (number, status) in (0..).zip([301, 400, 404, 429, 500, 503]) {
        let mut exchange = books.exchange(number).await;
        let mut response = ResponseHeader::build(status, None).unwrap();
        let outcome =
            capture(&mut exchange, &mut response, &metrics(), &Leniency::default(), &mut Times::default())
                .await;
        assert_eq!(outcome.unwrap(), Outcome::Voided, "{status}");
        assert_eq!(response.headers["faregate-payment-status"], "voided");
        assert_eq!(books.ledger.wallet(wallet()).await.unwrap().unwrap().held, Amount::ZERO);
    }
    assert_eq!(books.balance().await, FUNDS);
    books.finish().await;
}

#[tokio::test]
async fn u9_a_101_that_nobody_asked_for_is_not_charged() {
    let books = Books::open().await;
    let mut exchange = books.exchange(0).await;
    let mut response = ResponseHeader::build(101, None).unwrap();
    let answer =
        capture(&mut exchange, &mut response, &metrics(), &Leniency::default(), &mut Times::default()).await;
    assert_eq!(answer.unwrap_err().code(), "upstream_failed");
    drop(exchange);
    assert_eq!(books.balance().await, FUNDS);
    books.finish().await;
}

#[tokio::test]
async fn an_upstreams_own_402_is_never_taken_for_ours() {
    let books = Books::open().await;
    let mut exchange = books.exchange(0).await;
    let mut response = ResponseHeader::build(402, None).unwrap();
    let answer =
        capture(&mut exchange, &mut response, &metrics(), &Leniency::default(), &mut Times::default()).await;
    assert_eq!(answer.unwrap_err().code(), "upstream_payment_required");
    drop(exchange);
    assert_eq!(books.balance().await, FUNDS);
    books.finish().await;
}

fn cached_as(fields: &[(&'static str, &'static str)]) -> String {
    let mut response = ResponseHeader::build(200, None).unwrap();
    for (name, value) in fields {
        response.append_header(*name, *value).unwrap();
    }
    keep_private(&mut response).unwrap();
    assert_eq!(response.headers.len(), 1, "{:?}", response.headers);
    response.headers[CACHE_CONTROL].to_str().unwrap().to_owned()
}

#[test]
fn a10_paid_answers_are_never_for_shared_caches() {
    assert_eq!(cached_as(&[]), "private");
    assert_eq!(cached_as(&[("cache-control", "public, s-maxage=60, max-age=10")]), "private, max-age=10");
    assert_eq!(
        cached_as(&[("cache-control", "Public"), ("cache-control", "max-age=5")]),
        "private, max-age=5"
    );
    assert_eq!(cached_as(&[("cache-control", "private=\"set-cookie\"")]), "private");
    assert_eq!(cached_as(&[("cache-control", "no-store"), ("expires", "never")]), "no-store");
    assert_eq!(cached_as(&[("cloudflare-cdn-cache-control", "max-age=9")]), "private");
}

#[test]
fn u10_an_upstream_cannot_forge_receipts_or_demands() {
    let mut response = ResponseHeader::build(200, None).unwrap();
    let others = ["faregate-payment-id", "faregate-payer", "x_payment_response", "Faregate_Payment_Status"];
    for name in FORGEABLE.into_iter().chain(others) {
        response.append_header(name, "forged").unwrap();
    }
    response.append_header("content-type", "text/plain").unwrap();
    scrub(&mut response);
    assert_eq!(response.headers.len(), 1);
}

#[test]
fn stored_answers_keep_no_field_of_one_connection() {
    let mut response = ResponseHeader::build(200, None).unwrap();
    for name in ["connection", "transfer-encoding", "content-length", "set-cookie", "content-type"] {
        response.append_header(name, "x").unwrap();
    }
    let kept: Vec<_> = stored_fields(&response).into_iter().map(|(name, _)| name).collect();
    assert_eq!(kept, ["content-type"]);
}
