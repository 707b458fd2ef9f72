//! Networks that are not read here, with a real ledger: what a facilitator has said is written down, and nobody is asked for a call that
//! has ended.

mod confirmed;
mod late;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::B256;
use domain::{
    BasisPoints, Capture, Clock, Custody, Fingerprint, ForeignNetwork, Party, PaymentId, Price, ReplayKey,
    Settle, TransactionId,
};
use ledger::{Close, Held, HoldRequest, Intent, PaymentState};
use parking_lot::Mutex;
use protocol::offer::Offer;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, watch};

use super::house::{House, amount, continuous};
use crate::Unread;
use crate::chain::Nodes;
use crate::comparison::Comparison;
use crate::evm::Unable;
use crate::facilitator::{Configuration, Facilitator, Headers};
use crate::foreign::witness::tests::transaction;
use crate::foreign::{Foreign, ForeignLine, Identity, Witness, resolver};
use crate::mock::{Act, Mock};
use crate::rail::{Closed, Member, RailObserver, Settling};
use crate::reconciler::Open;

const SOLANA: &str = "solana:devnet";
const LONG: Duration = Duration::from_secs(30);

struct Scene {
    house: House,
    mock: Mock,
    foreign: Foreign,
    told: Arc<Told>,
}

/// Which payments were closed, and how.
#[derive(Default)]
struct Told(Mutex<Vec<Closed>>);

impl RailObserver for Told {
    fn settled(&self, _: &str, _: &Settling, _: i64) {}
    fn open(&self, _: Open) {}

    fn closed(&self, network: &str, closed: Closed) {
        assert_eq!(network, SOLANA);
        self.0.lock().push(closed);
    }

    fn compared(&self, _: &Comparison) {}
    fn dropped(&self, _: u64) {}
    fn facilitator(&self, _: &str, _: bool) {}
    fn settler(&self, _: &str, _: bool, _: Option<Unable>) {}
    fn nodes(&self, _: &str, _: bool) {}
}

// === impl Scene ===

impl Scene {
    async fn new() -> Self {
        Self::with(|line| line).await
    }

    /// With its network as it is made.
    async fn with(made: impl FnOnce(ForeignLine) -> ForeignLine) -> Self {
        Self::within(LONG, made).await
    }

    /// Whose facilitator settles within this time.
    async fn within(settle_timeout: Duration, made: impl FnOnce(ForeignLine) -> ForeignLine) -> Self {
        // Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (house, mock) = (House::new(continuous()).await, Mock::start().await);
        let configuration = Configuration {
            url: mock.url.clone(),
            headers: Headers::default(),
            verify_timeout: LONG,
            settle_timeout,
        };
        let facilitator = Facilitator::new(configuration).unwrap();
        let member = Member { name: "it".into(), facilitator, weight: 1, running_max: 8 };
        let tokens = vec!["mint".parse().unwrap()];
        let network = ForeignNetwork { id: SOLANA.into(), tokens, max_timeout_seconds: 60 };
        let lines = vec![made(ForeignLine::new(network, member, LONG))];
        let clock = Arc::clone(&house.clock) as Arc<dyn Clock>;
        let told = Arc::new(Told::default());
        let foreign =
            Foreign::new(lines, house.ledger.clone(), clock, Arc::clone(&told) as Arc<dyn RailObserver>);
        Self { house, mock, foreign, told }
    }

    fn request(&self, nonce: u8) -> HoldRequest {
        let names = (SOLANA, "mint", "payee");
        let offer = Offer::foreign(names, amount(1_000), 60, (&Map::new(), "quote"));
        let party = |name: &str| Party::Named(name.parse().unwrap());
        let payload = json!({ "x402Version": 2, "accepted": offer, "payload": { "transaction": transaction(0, &[nonce]) } });
        let intent = Intent {
            network: SOLANA.into(),
            token: party("mint"),
            payer: party("payer"),
            pay_to: party("payee"),
            custody: Custody::Direct,
            deposit: None,
            settle: Settle::After,
            valid_before: self.house.ledger.time().seconds().unsigned_abs() + 60,
            since_block: 0,
            payload: payload.to_string().into(),
            requirements: serde_json::to_string(&offer).unwrap().into(),
        };
        let signed = B256::repeat_byte(nonce);
        HoldRequest {
            payment: PaymentId::generate(self.house.ledger.time(), [nonce; 10]),
            agent: intent.agent(),
            wallet: intent.wallet(),
            provider: "acme".into(),
            route: "quotes".into(),
            price: Price::Fixed(amount(1_000)),
            capture: Capture::After,
            revision: 1,
            fee: BasisPoints::new(1_000).unwrap(),
            per_day: None,
            per_month: None,
            limits: Vec::new(),
            free_per_day: 0,
            replay: Some(ReplayKey::of_transaction(SOLANA, signed)),
            digest: Some(signed),
            idempotency: None,
            fingerprint: Fingerprint::from_bytes([1; 16]),
            intent: Some(Arc::new(intent)),
            unsettled_max: None,
        }
    }

    /// A payment of which it is written down that its settlement is asked for, by a process that ends before it knows.
    async fn asked(&self, nonce: u8) -> (PaymentId, Unread) {
        let request = self.request(nonce);
        let (payment, unread) = (request.payment, Unread::of(request.intent.as_ref().unwrap()).unwrap());
        let Held::Hold(hold) = self.house.ledger.hold(request).await.unwrap() else { panic!("no hold") };
        hold.ask().await.unwrap().leave_unknown();
        (payment, unread)
    }

    fn after(&self, millis: i64) {
        self.house.clock.set(self.house.clock.now().0 + millis);
    }

    async fn identify(&self, nonce: u8) -> Identity {
        self.foreign.identify(&self.shown(nonce), None).await
    }

    /// A payment as it comes: nobody knows who pays.
    fn shown(&self, nonce: u8) -> Unread {
        let intent = self.request(nonce).intent.unwrap();
        Unread::new(&intent.payload, serde_json::from_str(&intent.requirements).unwrap()).unwrap()
    }

    /// The facilitator finds payments right, and settles them in this transaction, or fails.
    fn settles(&self, transaction: Option<&str>) {
        let settled =
            json!({ "success": true, "payer": "payer", "transaction": transaction, "network": SOLANA });
        let settled =
            transaction.map_or(Act::Answer(500, "{}".to_owned()), |_| Act::Answer(200, settled.to_string()));
        let valid = Act::Answer(200, json!({ "isValid": true, "payer": "payer" }).to_string());
        self.mock.does(Act::By(Arc::new(move |call| {
            if call.head.contains("/verify") { valid.clone() } else { settled.clone() }
        })));
    }
}

#[tokio::test]
async fn what_was_heard_and_not_written_down_is_written_down_without_asking_and_nobody_is_asked_for_the_others()
 {
    let scene = Scene::new().await;
    let (heard, unread) = scene.asked(1).await;
    let (unheard, _) = scene.asked(2).await;
    let moved = TransactionId::Named("one".parse().unwrap());
    scene.settles(Some("one"));
    assert_eq!(scene.foreign.settle(heard, &unread).await, Settling::Told(moved));
    let asked = scene.mock.calls().len();

    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(resolver::run(scene.foreign.clone(), Duration::from_millis(1), stopped));
    while scene.house.ledger.open_unknown(heard).is_some() {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    running.await.unwrap();
    assert_eq!(scene.mock.calls().len(), asked);
    assert!(scene.house.ledger.open_unknown(unheard).is_some());
    let record = scene.house.ledger.payment(heard).await.unwrap().unwrap();
    assert_eq!((record.state, record.receipt.moved_by().as_deref()), (PaymentState::Captured, Some("one")));
}

/// Counts what is logged as an error on this thread.
struct Errors(Arc<AtomicUsize>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let is_error = *event.metadata().level() == tracing::Level::ERROR;
        self.0.fetch_add(usize::from(is_error), Ordering::SeqCst);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn whoever_comes_second_to_write_down_what_was_heard_has_no_error_to_tell() {
    let scene = Scene::new().await;
    let (heard, unread) = scene.asked(1).await;
    scene.settles(Some("one"));
    scene.foreign.settle(heard, &unread).await;
    let errors = Arc::new(AtomicUsize::new(0));
    let logging = tracing::subscriber::set_default(Errors(Arc::clone(&errors)));
    let (first, second) = tokio::join!(scene.foreign.settle_again(heard), scene.foreign.settle_again(heard));
    assert_ne!(first, second, "one of them wrote it down");
    drop(logging);
    assert_eq!(errors.load(Ordering::SeqCst), 0);
}

/// As nodes show a transaction that has landed, and paid.
fn landed(transaction: &str) -> Value {
    let balance = |amount: &str| {
        let units = json!({ "amount": amount });
        json!([{ "mint": "mint", "owner": "payee", "uiTokenAmount": units }])
    };
    let meta = json!({ "err": null, "preTokenBalances": balance("0"), "postTokenBalances": balance("1000") });
    json!({ "transaction": [transaction, "base64"], "meta": meta })
}

/// A node that shows this transaction.
async fn node(shown: impl Fn() -> Value + Send + Sync + 'static) -> (Mock, Witness) {
    let mock = Mock::start().await;
    mock.does(Act::Reply(Arc::new(move |question| {
        let result = match question["method"].as_str().unwrap() {
            "getGenesisHash" => json!("devnet"),
            "getTransaction" => shown(),
            _ => json!([{ "signature": "landed", "err": null, "memo": null, "blockTime": null }]),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string()
    })));
    let witness = Witness::new(Nodes::new(vec![mock.url.clone()], LONG).unwrap().of_genesis("devnet"));
    (mock, witness)
}

#[tokio::test]
async fn what_a_node_shows_is_written_down_whoever_comes_and_its_facilitator_is_not_asked() {
    for comes_again in [true, false] {
        let (_node, witness) = node(|| landed(&transaction(7, &[1]))).await;
        let scene = Scene::with(|line| line.seen_by(witness)).await;
        scene.settles(None);
        let ((payment, _), (other, _)) = (scene.asked(1).await, scene.asked(2).await);
        if comes_again {
            assert!(scene.foreign.settle_again(payment).await);
        } else {
            let (stop, stopped) = watch::channel(false);
            let watching = resolver::watch(scene.foreign.clone(), Duration::from_millis(1), stopped);
            let running = tokio::spawn(watching);
            while scene.house.ledger.open_unknown(payment).is_some() {
                tokio::task::yield_now().await;
            }
            stop.send_replace(true);
            running.await.unwrap();
        }
        assert!(scene.mock.calls().is_empty(), "comes again: {comes_again}");
        assert!(scene.house.ledger.open_unknown(other).is_some());
        let record = scene.house.ledger.payment(payment).await.unwrap().unwrap();
        assert_eq!(
            (record.state, record.receipt.moved_by().as_deref()),
            (PaymentState::Captured, Some("landed"))
        );
    }
}

#[tokio::test]
async fn a_payment_that_comes_again_is_settled_and_no_transaction_settles_two() {
    let scene = Scene::new().await;
    let ((one, _), (other, _)) = (scene.asked(1).await, scene.asked(2).await);
    scene.settles(None);
    assert!(!scene.foreign.settle_again(one).await);
    scene.settles(Some("one"));
    let asked = scene.mock.calls().len();
    assert!(!scene.foreign.settle_again(one).await, "it was asked a moment ago");
    assert_eq!(scene.mock.calls().len(), asked);
    scene.after(2_000);
    assert!(scene.foreign.settle_again(one).await);
    // It is no more unknown.
    assert!(!scene.foreign.settle_again(one).await);
    assert!(!scene.foreign.settle_again(other).await, "its transaction paid for another one");
    scene.settles(Some("other"));
    scene.after(2_000);
    assert!(scene.foreign.settle_again(other).await);
    let (old, _) = scene.asked(3).await;
    scene.settles(Some("old"));
    scene.after(23 * 3600 * 1000);
    assert!(!scene.foreign.settle_again(old).await, "its delivery may be owed no more");
}

#[tokio::test]
async fn a_payer_of_whose_payments_too_many_are_unknown_pays_no_more_until_they_cannot_land() {
    let scene = Scene::new().await;
    for nonce in 0..16 {
        scene.asked(nonce).await;
    }
    scene.foreign.unknown();
    scene.settles(Some("one"));
    assert_eq!(scene.identify(20).await, Identity::Unsettled);
    let stranger = Act::Answer(200, json!({ "isValid": true, "payer": "stranger" }).to_string());
    scene.mock.does(stranger);
    assert_eq!(scene.identify(21).await, Identity::Payer("stranger".parse().unwrap()));
    scene.after(60_000 + 600_000);
    scene.foreign.unknown();
    scene.settles(Some("one"));
    assert_eq!(scene.identify(22).await, Identity::Payer("payer".parse().unwrap()));
}

#[tokio::test]
async fn after_settlements_without_an_answer_nobody_is_put_off_by_whoever_never_has_one_settled() {
    let scene = Scene::new().await;
    scene.settles(None);
    for nonce in 0..3 {
        let (payment, unread) = scene.asked(nonce).await;
        assert!(matches!(scene.foreign.settle(payment, &unread).await, Settling::Unknown(_)));
    }
    assert!(matches!(scene.identify(10).await, Identity::Closed(_)));
    scene.after(1_000);
    for nonce in 10..13 {
        assert!(matches!(scene.identify(nonce).await, Identity::Payer(_)));
    }
    // One that does shows it, and puts the others off until it is answered.
    let (payment, unread) = scene.asked(3).await;
    scene.foreign.settle(payment, &unread).await;
    assert!(matches!(scene.identify(13).await, Identity::Closed(_)));
    scene.settles(Some("again"));
    scene.after(2_000);
    assert!(scene.foreign.settle_again(payment).await);
    for nonce in 14..17 {
        assert!(matches!(scene.identify(nonce).await, Identity::Payer(_)));
    }
}

#[tokio::test]
async fn a4_what_was_forwarded_is_settled_though_what_strangers_sent_got_no_answer() {
    let scene = Scene::new().await;
    scene.mock.does(Act::Reset);
    for nonce in 10..13 {
        assert!(matches!(scene.identify(nonce).await, Identity::Nobody(_)));
    }
    scene.settles(Some("one"));
    assert!(matches!(scene.identify(13).await, Identity::Closed(_)), "it is left alone");
    let (payment, unread) = scene.asked(1).await;
    let moved = TransactionId::Named("one".parse().unwrap());
    assert_eq!(scene.foreign.settle(payment, &unread).await, Settling::Told(moved));
    assert!(matches!(scene.identify(14).await, Identity::Payer(_)), "it answers again");
}

#[tokio::test]
async fn a4_a_client_whose_verifications_hang_takes_its_share_and_others_are_verified() {
    let scene = Scene::new().await;
    let [greedy, honest] = [1, 2].map(|last| Some(IpAddr::from([192, 0, 2, last])));
    scene.mock.does(Act::Hang);
    // Four are verified at once, and of one client one.
    let hanging: Vec<_> = (0..8)
        .map(|nonce| {
            let (foreign, shown) = (scene.foreign.clone(), scene.shown(nonce));
            tokio::spawn(async move { foreign.identify(&shown, greedy).await })
        })
        .collect();
    while scene.mock.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    scene.settles(Some("one"));
    let payer = Identity::Payer("payer".parse().unwrap());
    assert_eq!(scene.foreign.identify(&scene.shown(20), honest).await, payer);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}
