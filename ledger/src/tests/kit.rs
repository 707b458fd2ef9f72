//! [`Books`]: a ledger of its own, with a clock that stands until it is moved. `FAREGATE_TEST_DATABASE` names the database;
//! tests about the file itself ask for [`Books::sqlite`].

mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::price::{Tier, Tiers};
use domain::{
    Address, AgentId, Amount, B256, BasisPoints, Capture, Clock, Fingerprint, IdempotencyKey, PaymentId,
    Price, ReplayKey, Secret, UnixMillis, WalletId,
};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::followed::expect_followed;
use crate::database::Database;
use crate::{
    AuditReport, BatchReport, Collision, CommitFailure, Funding, Held, Hold, HoldError, HoldRequest, Ledger,
    Observer, Receipt, Settings, Writer, audit_database,
};

use faults::FaultyStore;
pub(super) use faults::{Fault, Faults};

/// 2026-11-22T12:00:00Z, a Sunday noon.
pub(super) const NOON: i64 = 1_795_348_800_000;
pub(super) const HOUR: i64 = 3_600_000;

pub(super) struct Books {
    /// Of SQLite.
    directory: TempDir,
    pub(super) clock: Arc<TestClock>,
    pub(super) seen: Arc<Seen>,
    pub(super) faults: Arc<Faults>,
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    writer: Option<Writer>,
}

pub(super) struct TestClock(AtomicI64);

/// What the observer was told.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) captured: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) largest: AtomicU64,
    pub(super) failures: Mutex<Vec<bool>>,
    pub(super) collisions: Mutex<Vec<Collision>>,
}

// === impl Books ===

impl Books {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// In a file, whatever the environment says.
    pub(super) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite { directory: directory.path().to_owned() };
        Self::open(directory, Settings::new(database))
    }

    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Err(_) | Ok("sqlite") => Database::Sqlite { directory: directory.path().to_owned() },
            Ok("postgres") => Database::Postgres { url: Secret::new(test_postgres::fresh_database()) },
            Ok(other) => panic!("FAREGATE_TEST_DATABASE is sqlite or postgres, not {other}"),
        };
        let mut settings = Settings::new(database);
        change(&mut settings);
        Self::open(directory, settings)
    }

    /// Wherever the settings say.
    pub(super) fn at(settings: Settings) -> Self {
        Self::open(tempfile::tempdir().unwrap(), settings)
    }

    fn open(directory: TempDir, settings: Settings) -> Self {
        let clock = Arc::new(TestClock::new());
        let (seen, faults) = (Arc::new(Seen::default()), Arc::new(Faults::none()));
        let (ledger, writer) = open(&settings, &clock, &seen, &faults);
        Self { directory, clock, seen, faults, settings, ledger, writer: Some(writer) }
    }

    /// With wallet 1 funded and provider `acme` open.
    pub(super) async fn funded(units: i64) -> Self {
        let books = Self::new();
        books.fund(1, units).await;
        books
    }

    pub(super) async fn fund(&self, wallet_number: u8, units: i64) {
        self.ledger.create_wallet(wallet(wallet_number)).await.unwrap();
        let key = format!("first funding of {wallet_number}");
        self.ledger.fund(funding(wallet_number, units, &key)).await.unwrap();
    }

    /// Of the file, where [`Books::sqlite`] made one.
    pub(super) fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// On a thread of its own: what was read here is given back by this runtime's tasks, and they are waited for.
    pub(super) async fn crash(&mut self) {
        let writer = self.writer.take();
        tokio::task::spawn_blocking(move || drop(writer)).await.unwrap();
    }

    pub(super) async fn reopen(&mut self) {
        self.crash().await;
        let (ledger, writer) = open(&self.settings, &self.clock, &self.seen, &self.faults);
        (self.ledger, self.writer) = (ledger, Some(writer));
    }

    pub(super) async fn close(&mut self) {
        let writer = self.writer.take().unwrap();
        tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
    }

    pub(super) async fn hold(&self, request: HoldRequest) -> Result<Hold, HoldError> {
        match self.ledger.hold(request).await? {
            Held::Hold(hold) => Ok(hold),
            other => panic!("a hold was expected, not {other:?}"),
        }
    }

    pub(super) async fn pay(&self, request: HoldRequest) -> Receipt {
        self.hold(request).await.unwrap().capture().await.unwrap()
    }

    /// The writer answers, then leaves the queue: until it has.
    pub(super) async fn until_idle(&self) {
        while self.ledger.queue_depth() > 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn balance(&self, number: u8) -> i64 {
        self.ledger.wallet(wallet(number)).await.unwrap().unwrap().balance.atomic()
    }

    pub(super) async fn available(&self, number: u8) -> i64 {
        self.ledger.wallet(wallet(number)).await.unwrap().unwrap().available.atomic()
    }

    /// Nothing is held, and memory and books are right, running and stopped.
    pub(super) async fn finish(mut self) {
        assert!(self.ledger.shared.memory.lock().holds.is_empty(), "something is still held");
        clean(&self.ledger.audit().await.unwrap());
        expect_followed(&self).await;
        clean(&audit_database(&self.settings.database).await.unwrap());
        self.close().await;
        clean(&audit_database(&self.settings.database).await.unwrap());
    }
}

pub(super) fn clean(report: &AuditReport) {
    let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.offending > 0).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn open(
    settings: &Settings,
    clock: &Arc<TestClock>,
    seen: &Arc<Seen>,
    faults: &Arc<Faults>,
) -> (Ledger, Writer) {
    let (clock, seen, faults) = (clock.clone(), seen.clone(), faults.clone());
    crate::writer::open(settings.clone(), clock, seen, |real| FaultyStore { real, faults }).unwrap()
}

// === requests ===

pub(super) fn wallet(number: u8) -> WalletId {
    WalletId::from_bytes([number; 16])
}

pub(super) fn agent(number: u8) -> AgentId {
    AgentId::from_bytes([number; 16])
}

pub(super) fn amount(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

pub(super) fn funding(number: u8, units: i64, key: &str) -> Funding {
    let external_reference = "wire 7".to_owned();
    Funding {
        wallet: wallet(number),
        amount: amount(units),
        idempotency_key: key.to_owned(),
        external_reference,
    }
}

/// A new payment by agent 1 from wallet 1 to `acme`, without keys or limits.
pub(super) fn request(units: i64) -> HoldRequest {
    let mut random = [0; 10];
    getrandom::fill(&mut random).unwrap();
    HoldRequest {
        payment: PaymentId::generate(UnixMillis(NOON), random),
        agent: agent(1),
        wallet: wallet(1),
        provider: "acme".into(),
        route: "quotes".into(),
        price: Price::Fixed(amount(units)),
        capture: Capture::After,
        revision: 1,
        fee: BasisPoints::new(250).unwrap(),
        per_day: None,
        per_month: None,
        limits: Vec::new(),
        free_per_day: 0,
        replay: None,
        digest: None,
        idempotency: None,
        fingerprint: Fingerprint::from_bytes([1; 16]),
        intent: None,
        unsettled_max: None,
    }
}

/// Signed: `nonce` names the payment, valid until a minute after noon.
pub(super) fn signed(units: i64, nonce: u8) -> HoldRequest {
    HoldRequest {
        replay: Some(replay(nonce, NOON / 1000 + 60)),
        digest: Some(B256::repeat_byte(nonce)),
        ..request(units)
    }
}

pub(super) fn named(units: i64, identifier: &str) -> HoldRequest {
    HoldRequest { idempotency: Some(IdempotencyKey::new(agent(1), identifier)), ..request(units) }
}

pub(super) fn replay(nonce: u8, valid_before: i64) -> ReplayKey {
    let valid_before = u64::try_from(valid_before).unwrap();
    ReplayKey::new(valid_before, "eip155:402402", Address::ZERO, Address::ZERO, B256::repeat_byte(nonce))
}

pub(super) fn tiers(steps: &[(u64, i64)]) -> Price {
    let tier = |(from_call, units): &(u64, i64)| Tier { from_call: *from_call, amount: amount(*units) };
    Price::Tiered(Tiers::new(steps.iter().map(tier).collect()).unwrap())
}

// === impl TestClock ===

impl TestClock {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(NOON))
    }

    pub(super) fn set(&self, at: i64) {
        self.0.store(at, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

// === impl Seen ===

impl Seen {
    pub(super) fn collisions(&self, kind: Collision) -> usize {
        self.collisions.lock().iter().filter(|seen| **seen == kind).count()
    }
}

impl Observer for Seen {
    fn committed(&self, batch: &BatchReport<'_>) {
        let captured = batch.captured.len() as u64;
        self.captured.fetch_add(captured, Ordering::SeqCst);
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(captured, Ordering::SeqCst);
    }

    fn commit_failed(&self, failure: &CommitFailure<'_>) {
        println!("commit failed: {}", failure.error);
        self.failures.lock().push(failure.fatal);
    }

    fn collision(&self, kind: Collision) {
        self.collisions.lock().push(kind);
    }
}
