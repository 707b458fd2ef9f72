//! The sequencer over real registries, beside a ledger of the test's own: batches in order, each committed whole.

mod balances;
mod begun;
mod onchain;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use domain::{Address, Amount, Clock, PaymentId, Secret, TransferId, UnixMillis, WalletId as Wallet};
use registry::Database;
use registry::alert::{Balance, Threshold};
use registry::journal::{Actor, ActorKind, Event, Filter};
use tempfile::TempDir;

use super::movements::{Captured, Changes, What};
use super::*;

const OPERATOR: Actor = Actor { kind: ActorKind::Token, request: None };
const START: UnixMillis = UnixMillis(1_800_000_000_000);

struct Still;

impl Clock for Still {
    fn now(&self) -> UnixMillis {
        START
    }
}

/// What a batch did: payments (provider, wallet, units) and movements.
#[derive(Clone, Default)]
struct Batch {
    payments: Vec<(&'static str, Wallet, i64)>,
    movements: Vec<Movement>,
}

/// A ledger's history. A batch is there whole or not at all.
#[derive(Default)]
struct Books {
    batches: Mutex<Vec<Batch>>,
    committed: Notify,
}

fn units(units: i64) -> Amount {
    Amount::from_atomic(units).unwrap()
}

impl Books {
    fn commit(&self, batch: Batch) {
        self.batches.lock().unwrap().push(batch);
        self.committed.notify_one();
    }

    fn fund(&self, wallet: Wallet, amount: i64) {
        let id = TransferId::from_bytes([9; 16]);
        let reference = "bank".to_owned();
        let what = What::Transferred { id, wallet, amount: units(amount), incoming: true, reference };
        self.commit(Batch { movements: vec![Movement { at: START, who: None, what }], ..Batch::default() });
    }

    fn pay(&self, provider: &'static str, wallet: Wallet, amount: i64) {
        self.commit(Batch { payments: vec![(provider, wallet, amount)], ..Batch::default() });
    }

    /// All payments, numbered from 1 on.
    fn payments(&self) -> Vec<(u64, (&'static str, Wallet, i64))> {
        let batches = self.batches.lock().unwrap();
        (1..).zip(batches.iter().flat_map(|batch| batch.payments.iter().copied())).collect()
    }
}

#[async_trait]
impl Movements for Books {
    async fn head(&self) -> Result<Head, ReadError> {
        let batches = self.batches.lock().unwrap();
        let seq = batches.iter().map(|batch| batch.payments.len() as u64).sum();
        Ok(Head { batch: batches.len() as u64, seq })
    }

    async fn captured(&self, after: u64, upto: u64) -> Result<Vec<Captured>, ReadError> {
        let mut found: BTreeMap<&str, Captured> = BTreeMap::new();
        for (seq, (provider, _, amount)) in self.payments() {
            if seq > after && seq <= upto {
                let entry = found.entry(provider).or_insert_with(|| Captured {
                    provider: provider.to_owned(),
                    first_seq: seq,
                    last_seq: seq,
                    count: 0,
                    gross: Amount::ZERO,
                    fee: Amount::ZERO,
                    at: START,
                });
                entry.last_seq = seq;
                entry.count += 1;
                entry.gross = entry.gross.checked_add(units(amount)).unwrap();
            }
        }
        Ok(found.into_values().collect())
    }

    async fn changes(&self, after: u64, upto: u64, limit: u32) -> Result<Changes, ReadError> {
        let batches = self.batches.lock().unwrap();
        let mut changes = Changes { items: Vec::new(), upto: after };
        for batch in &batches[after as usize..upto as usize] {
            if changes.items.len() >= limit as usize {
                break;
            }
            changes.items.extend(batch.movements.iter().cloned());
            changes.upto += 1;
        }
        Ok(changes)
    }

    async fn touched(&self, after: Head, upto: Head) -> Result<Vec<Wallet>, ReadError> {
        let within = self.payments().into_iter().filter(|(seq, _)| *seq > after.seq && *seq <= upto.seq);
        let mut wallets: Vec<Wallet> = within.map(|(_, (_, wallet, _))| wallet).collect();
        let batches = self.batches.lock().unwrap();
        let moved = &batches[after.batch as usize..upto.batch as usize];
        wallets.extend(moved.iter().flat_map(|batch| &batch.movements).filter_map(Movement::wallet));
        Ok(wallets)
    }

    async fn balances(&self, wallets: &[Wallet]) -> Result<Vec<Balance>, ReadError> {
        let batches = self.batches.lock().unwrap();
        let balance = |wallet: Wallet| {
            let paid =
                batches.iter().flat_map(|batch| &batch.payments).filter(|(_, payer, _)| *payer == wallet);
            let paid: i64 = paid.map(|(_, _, amount)| amount).sum();
            let moved = batches.iter().flat_map(|batch| &batch.movements);
            let funded = moved.filter_map(Movement::funded).filter(|funded| funded.wallet == wallet);
            let funded: i64 = funded.map(|funded| funded.amount.atomic()).sum();
            units(funded - paid)
        };
        let batch = batches.len() as u64;
        Ok(wallets
            .iter()
            .map(|id| Balance { wallet: *id, balance: balance(*id), batch, at: START })
            .collect())
    }
}

struct House {
    _files: Option<TempDir>,
    database: Database,
    registry: Registry,
    books: Arc<Books>,
    stop: watch::Sender<bool>,
}

impl House {
    async fn new() -> Self {
        let (database, files) = match std::env::var("FAREGATE_TEST_DATABASE").as_deref() {
            Ok("postgres") => {
                (Database::Postgres { url: Secret::new(test_postgres::fresh_database()) }, None)
            }
            _ => {
                let files = tempfile::tempdir().unwrap();
                (Database::Sqlite { directory: files.path().to_owned() }, Some(files))
            }
        };
        let registry = Registry::open(&database, Arc::new(Still)).await.unwrap();
        Self { _files: files, database, registry, books: Arc::default(), stop: watch::Sender::new(false) }
    }

    fn sequencer(&self, registry: &Registry) -> Sequencer {
        let asset = Asset {
            network: "eip155:402402".into(),
            chain_id: 402_402,
            address: Address::repeat_byte(1),
            name: "USD".into(),
            version: "1".into(),
        };
        Sequencer::new(registry.clone(), Arc::clone(&self.books) as Arc<dyn Movements>, asset)
    }

    /// Runs one as a process of its own would, with its own way to the database.
    async fn run_another(&self) -> (Registry, tokio::task::JoinHandle<()>) {
        let registry = Registry::open(&self.database, Arc::new(Still)).await.unwrap();
        let sequencer = self.sequencer(&registry);
        let running = sequencer.run(Arc::new(Notify::new()), self.stop.subscribe());
        (registry, tokio::spawn(running))
    }

    async fn wallet(&self, owner: Option<&str>) -> Wallet {
        let id = self.registry.new_wallet().unwrap();
        let owner = owner.map(str::to_owned);
        self.registry.create_wallet(&OPERATOR, id, "w".to_owned(), owner).await.unwrap();
        id
    }

    async fn of_kind(&self, kind: &str) -> Vec<Event> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = self.registry.events_after(after, 1_000, &Filter::default()).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.position;
            found.extend(page.into_iter().filter(|event| event.kind == kind));
        }
        found
    }

    /// Waits for so many events of a type.
    async fn wait(&self, kind: &str, count: usize) -> Vec<Event> {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let found = self.of_kind(kind).await;
                if found.len() >= count {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("not {count} of {kind}"))
    }
}

fn number(event: &Event, name: &str) -> u64 {
    event.data[name].as_u64().unwrap()
}

#[tokio::test]
async fn movements_become_events_of_their_tenants() {
    let house = House::new().await;
    let wallet = house.wallet(Some("lab")).await;
    let mut sequencer = house.sequencer(&house.registry);
    house.books.fund(wallet, 10_000_000);
    let refund = What::Refunded {
        id: TransferId::from_bytes([1; 16]),
        payment: PaymentId::from_bytes([2; 16]),
        provider: "acme".to_owned(),
        wallet,
        token: None,
        amount: units(500),
        fee: units(5),
        reason: "requested",
    };
    let movements = vec![Movement { at: START, who: Some(OPERATOR), what: refund }];
    house.books.commit(Batch { payments: vec![("acme", wallet, 2_500), ("globex", wallet, 1)], movements });
    assert!(!sequencer.look().await.unwrap());

    let funded = &house.of_kind("wallet.funded").await[0];
    assert_eq!((funded.tenant.owner.as_deref(), funded.at), (Some("lab"), START));
    assert_eq!(funded.data["amount"]["display"], "$10.00");
    let refunded = &house.of_kind("payment.refunded").await[0];
    let tenant = (refunded.tenant.provider.as_deref(), refunded.tenant.owner.as_deref());
    assert_eq!(tenant, (Some("acme"), Some("lab")));
    let noted = &house.registry.changes(None, 1, &Filter::default()).await.unwrap()[0];
    assert_eq!((noted.action.as_str(), noted.subject_kind.as_str()), ("payment.refunded", "payment"));
    assert_eq!((&noted.after, &noted.tenant), (&Some(refunded.data.clone()), &refunded.tenant));
    let batches = house.of_kind("payment.captured.batch").await;
    assert_eq!(batches.len(), 2);
    assert_eq!((number(&batches[0], "first_seq"), number(&batches[0], "count")), (1, 1));
    assert_eq!(batches[0].data["gross"]["amount"], "2500");
    assert_eq!(batches[1].subject, "globex");
}

#[tokio::test]
async fn payments_are_gathered_for_a_second_or_to_a_thousand_and_anything_else_is_not() {
    let house = House::new().await;
    let wallet = house.wallet(None).await;
    let mut sequencer = house.sequencer(&house.registry);
    house.books.pay("acme", wallet, 1);
    sequencer.look().await.unwrap();
    house.books.pay("acme", wallet, 1);
    house.books.fund(wallet, 1);
    sequencer.look().await.unwrap();
    assert_eq!(house.of_kind("wallet.funded").await.len(), 1);
    assert_eq!(house.of_kind("payment.captured.batch").await.len(), 1, "within the second");
    let place = house.registry.reached().await.unwrap();
    house.books.pay("acme", wallet, 1);
    sequencer.look().await.unwrap();
    assert_eq!(house.registry.reached().await.unwrap(), place, "a commit for a commit");

    let many = Batch { payments: vec![("acme", wallet, 1); 1_500], ..Batch::default() };
    house.books.commit(many);
    assert!(!sequencer.look().await.unwrap());
    let batches = house.of_kind("payment.captured.batch").await;
    assert_eq!((batches.len(), number(&batches[1], "count")), (2, 1_000));
    sequencer.ticked_at = Instant::now().checked_sub(TICK).unwrap();
    sequencer.look().await.unwrap();
    let counts: u64 = house.of_kind("payment.captured.batch").await.iter().map(|e| number(e, "count")).sum();
    assert_eq!(counts, 1_503);
}

#[tokio::test]
async fn of_two_sequencers_and_one_that_is_killed_each_movement_becomes_one_event() {
    const FUNDINGS: usize = 200;
    let house = House::new().await;
    let wallet = house.wallet(None).await;
    let (first, one) = house.run_another().await;
    let (second, two) = house.run_another().await;
    for count in 0..FUNDINGS {
        house.books.fund(wallet, 1 + count as i64);
        house.books.pay("acme", wallet, 1);
        if count == FUNDINGS / 2 {
            // Wherever it is at this moment.
            one.abort();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let funded = house.wait("wallet.funded", FUNDINGS).await;
    let amounts: Vec<String> =
        funded.iter().map(|event| event.data["amount"]["amount"].to_string()).collect();
    let expected: Vec<String> = (1..=FUNDINGS).map(|amount| format!("\"{amount}\"")).collect();
    assert_eq!(amounts, expected, "skipped, twice or out of order");
    house.stop.send_replace(true);
    two.await.unwrap();
    let mut next = 1;
    for batch in house.of_kind("payment.captured.batch").await {
        assert_eq!(number(&batch, "first_seq"), next);
        next = number(&batch, "last_seq") + 1;
    }
    first.close().await;
    second.close().await;
}

#[tokio::test]
async fn with_four_writers_a_reader_skips_nothing_and_sees_nothing_twice() {
    const EACH: usize = 60;
    let house = Arc::new(House::new().await);
    let wallet = house.wallet(None).await;
    let (_one, _) = house.run_another().await;
    let (_two, _) = house.run_another().await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let registry = Registry::open(&house.database, Arc::new(Still)).await.unwrap();
                for _ in 0..EACH {
                    match writer {
                        0 => house.books.fund(wallet, 1),
                        _ => {
                            let id = registry.new_wallet().unwrap();
                            registry.create_wallet(&OPERATOR, id, format!("w{writer}"), None).await.unwrap();
                        }
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // Each page as soon as it is there: what was committed later must not lie before what was read.
    let (mut after, mut positions, mut funded) = (0, Vec::new(), 0);
    let reading = async {
        while positions.len() < 1 + 4 * EACH {
            let page = house.registry.events_after(after, 7, &Filter::default()).await.unwrap();
            funded += page.iter().filter(|event| event.kind == "wallet.funded").count();
            positions.extend(page.iter().map(|event| event.position));
            after = positions.last().copied().unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("an event was skipped");
    for writer in writers {
        writer.await.unwrap();
    }
    let all: Vec<u64> = (1..=positions.len() as u64).collect();
    assert_eq!((positions, funded), (all, EACH));
    assert_eq!(house.registry.last_position().await.unwrap(), 1 + 4 * EACH as u64);
    house.stop.send_replace(true);
}
