//! [`House`]: a real ledger with a clock that stands, terms that a test writes, and books whose steps fail when told to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use domain::{
    AgentId, Amount, BasisPoints, Capture, Clock, Fingerprint, PaymentId, PayoutDestination, Price, Schedule,
    Secret, SettlementRules, SettlementTerms, UnixMillis, WalletId,
};
use ledger::{
    Closing, Database, Funding, Held, HoldRequest, Ledger, LedgerError, Outlet, Position, RefundReason,
    RefundRequest, Settings, Settlement, Tally, Unobserved, Writer, audit_database,
};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::rail::tests::NETWORK;
use crate::{Books, SettlementError, SettlementObserver, TermsError, TermsSource};

/// 2026-11-22T12:00:00Z, a Sunday.
pub(super) const NOON: i64 = 1_795_348_800_000;
pub(super) const HOUR: i64 = 3_600_000;

pub(super) struct House {
    _directory: TempDir,
    settings: Settings,
    pub(super) clock: Arc<Hands>,
    pub(super) terms: Arc<Terms>,
    pub(super) seen: Arc<Seen>,
    pub(super) ledger: Ledger,
    writer: Option<Writer>,
}

pub(super) struct Hands(AtomicI64);

/// With whom, on which terms.
pub(super) type Agreed = Vec<(Arc<str>, SettlementTerms)>;

pub(super) struct Terms(pub(super) Mutex<Result<Agreed, TermsError>>);

#[derive(Default)]
pub(super) struct Seen {
    pub(super) rounds: AtomicI64,
    pub(super) looked: Mutex<Vec<i64>>,
    pub(super) settled: Mutex<Vec<Settlement>>,
    pub(super) failed: Mutex<Vec<SettlementError>>,
}

/// What goes wrong at one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing is done.
    Before,
    /// It is done, and nobody hears of it.
    After,
    /// The worker ends before it is done.
    DeathBefore,
    /// The worker ends after it was done.
    DeathAfter,
}

/// Books whose step of this number goes wrong, once.
pub(super) struct Faulty {
    pub(super) real: Ledger,
    pub(super) step: AtomicI64,
    pub(super) fault: Fault,
}

// === impl House ===

impl House {
    /// With a wallet that has money, and terms with `acme`.
    pub(super) async fn new(terms: SettlementTerms) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => Database::Postgres { url: Secret::new(test_postgres::fresh_database()) },
            _ => Database::Sqlite { directory: directory.path().to_owned() },
        };
        let outlets = HashMap::from([(NETWORK.into(), Outlet::default())]);
        let settings = Settings { outlets, ..Settings::new(database) };
        let clock = Arc::new(Hands(AtomicI64::new(NOON)));
        let (ledger, writer) = Ledger::open(settings.clone(), clock.clone(), Arc::new(Unobserved)).unwrap();
        let terms = Arc::new(Terms(Mutex::new(Ok(vec![("acme".into(), terms)]))));
        let house = Self {
            _directory: directory,
            settings,
            clock,
            terms,
            seen: Arc::new(Seen::default()),
            ledger,
            writer: Some(writer),
        };
        house.ledger.create_wallet(wallet(1)).await.unwrap();
        let (idempotency_key, external_reference) = ("first".to_owned(), String::new());
        let funding =
            Funding { wallet: wallet(1), amount: amount(1_000_000), idempotency_key, external_reference };
        house.ledger.fund(funding).await.unwrap();
        house
    }

    /// The process ends as in a crash, and another begins.
    pub(super) fn crash(&mut self) {
        drop(self.writer.take());
        let (ledger, writer) =
            Ledger::open(self.settings.clone(), self.clock.clone(), Arc::new(Unobserved)).unwrap();
        (self.ledger, self.writer) = (ledger, Some(writer));
    }

    pub(super) fn change_terms(&self, change: impl FnOnce(&mut SettlementTerms)) {
        change(&mut self.terms.0.lock().as_mut().unwrap()[0].1);
    }

    pub(super) async fn pay(&self, provider: &str, units: i64) -> PaymentId {
        pay(&self.ledger, provider, units).await
    }

    pub(super) async fn give_back(&self, payment: PaymentId, units: i64) {
        let (reason, idempotency_key) = (RefundReason::Operator, format!("{payment} {units}"));
        let request = RefundRequest { payment, amount: Some(amount(units)), reason, idempotency_key };
        self.ledger.refund_part(request).await.unwrap();
    }

    /// The books are right, and closed.
    pub(super) async fn finish(mut self) {
        let clean = |report: ledger::AuditReport| {
            let wrong: Vec<_> = report.findings.into_iter().filter(|finding| finding.offending > 0).collect();
            assert!(wrong.is_empty(), "{wrong:?}");
        };
        clean(self.ledger.audit().await.unwrap());
        // Elsewhere: what this thread still has to give back is waited for.
        let writer = self.writer.take().unwrap();
        tokio::task::spawn_blocking(move || writer.close()).await.unwrap();
        clean(audit_database(&self.settings.database).await.unwrap());
    }
}

pub(super) async fn pay(ledger: &Ledger, provider: &str, units: i64) -> PaymentId {
    let mut random = [0; 10];
    getrandom::fill(&mut random).unwrap();
    let request = HoldRequest {
        intent: None,
        payment: PaymentId::generate(ledger.time(), random),
        agent: AgentId::from_bytes([1; 16]),
        wallet: wallet(1),
        provider: provider.into(),
        route: "quotes".into(),
        price: Price::Fixed(amount(units)),
        capture: Capture::After,
        revision: 1,
        fee: BasisPoints::new(1_000).unwrap(),
        per_day: None,
        per_month: None,
        limits: Vec::new(),
        free_per_day: 0,
        replay: None,
        digest: None,
        idempotency: None,
        fingerprint: Fingerprint::from_bytes([1; 16]),
        unsettled_max: None,
    };
    let Held::Hold(hold) = ledger.hold(request).await.unwrap() else { panic!("no hold") };
    let receipt = hold.capture().await.unwrap();
    let payment = receipt.record().payment;
    receipt.delivered();
    payment
}

pub(super) fn wallet(number: u8) -> WalletId {
    WalletId::from_bytes([number; 16])
}

pub(super) fn amount(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

/// As soon as 100 are there that are an hour old.
pub(super) fn continuous() -> SettlementTerms {
    let rules = SettlementRules {
        amount_min: amount(100),
        age_max_ms: None,
        schedule: Schedule::Continuous,
        delay_ms: HOUR,
    };
    SettlementTerms { rules, destination: PayoutDestination::Manual("a bank".to_owned()) }
}

// === impl Hands ===

impl Hands {
    pub(super) fn set(&self, at: i64) {
        self.0.store(at, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl TermsSource for Terms {
    async fn terms(&self) -> Result<Agreed, TermsError> {
        self.0.lock().clone()
    }

    async fn terms_of(&self, provider: &str) -> Result<Option<SettlementTerms>, TermsError> {
        let all = self.terms().await?;
        Ok(all.into_iter().find(|(name, _)| **name == *provider).map(|(_, terms)| terms))
    }
}

impl SettlementObserver for Seen {
    fn looked(&self, position: &Position, _: &SettlementRules, _: UnixMillis) {
        self.looked.lock().push(position.net);
    }

    fn finished(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
    }

    fn settled(&self, settlement: &Settlement) {
        self.settled.lock().push(settlement.clone());
    }

    fn failed(&self, _: Option<&str>, error: &SettlementError) {
        self.failed.lock().push(error.clone());
    }
}

// === impl Faulty ===

impl Faulty {
    /// One step: wrong if it is its turn.
    async fn step<T>(&self, real: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        if self.step.fetch_sub(1, Ordering::SeqCst) != 0 {
            return real.await;
        }
        match self.fault {
            Fault::Before => {}
            Fault::After => drop(real.await),
            Fault::DeathBefore => std::future::pending().await,
            Fault::DeathAfter => {
                drop(real.await);
                std::future::pending().await
            }
        }
        Err(LedgerError::Read("a test".to_owned()))
    }
}

#[async_trait]
impl Books for Faulty {
    fn time(&self) -> UnixMillis {
        self.real.time()
    }

    async fn position(&self, provider: &str) -> Result<Option<Position>, LedgerError> {
        self.step(self.real.position(provider)).await
    }

    async fn begin_tally(&self, provider: &str) -> Result<Option<Tally>, LedgerError> {
        self.step(self.real.begin_tally(provider)).await
    }

    async fn extend_tally(&self, tally: Tally, until: UnixMillis) -> Result<Tally, LedgerError> {
        self.step(self.real.extend_tally(tally, until)).await
    }

    async fn close_tally(&self, tally: &Tally) -> Result<Option<Closing>, LedgerError> {
        self.step(self.real.close_tally(tally)).await
    }

    async fn settle(&self, closing: Closing, to: PayoutDestination) -> Result<Settlement, LedgerError> {
        self.step(self.real.settle(closing, to)).await
    }
}
