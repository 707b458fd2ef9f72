use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use alloy_primitives::hex;
use alloy_sol_types::{SolCall, SolEvent, sol};
use domain::{Address, Asset, Token, UnixMillis};
use parking_lot::Mutex;
use protocol::signature::SigningKey;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::chain::{Chain, Nodes};
use crate::comparison::{Comparison, Difference};
use crate::evm::Unable;
use crate::facilitator::{Configuration, Facilitator, Headers};
use crate::mock::{Act, Call, Mock};
use crate::reconciler::Open;

mod failing;
mod funds;
mod share;

sol! {
    interface Usdc {
        function balanceOf(address owner) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

        event Transfer(address indexed from, address indexed to, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    }
}

pub(crate) const NETWORK: &str = "eip155:84532";
pub(crate) const TOKEN: Address = Address::repeat_byte(1);
pub(crate) const PAY_TO: Address = Address::repeat_byte(2);

/// Where the clock and the chain's time start, in Unix seconds: 2026-11-22T12:00:00Z.
const BEGAN: u64 = 1_795_348_800;

/// Every payment's `validBefore`.
pub(crate) const VALID_BEFORE: u64 = BEGAN + 60;

/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A network with a node, as many facilitators as a test wants, and a rail over it.
pub(crate) struct World {
    pub(crate) chain: Arc<Mutex<State>>,
    pub(crate) node: Mock,
    pub(crate) facilitators: Vec<Mock>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) rail: Rail,
}

/// What stands on the chain.
pub(crate) struct State {
    /// The last block, and its time.
    pub(crate) block: u64,
    pub(crate) time: u64,
    pub(crate) balance: u64,
    pub(crate) used: HashMap<B256, Use>,
}

/// How a nonce was used.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    /// Whether value moved by it.
    moved: bool,
    block: u64,
}

pub(crate) struct Hands(AtomicI64);

#[derive(Default)]
pub(crate) struct Seen {
    settled: Mutex<Vec<Settling>>,
    pub(crate) closed: Mutex<Vec<Closed>>,
    differences: Mutex<Vec<Difference>>,
    facilitators: Mutex<Vec<(String, bool)>>,
    nodes: Mutex<Vec<bool>>,
}

// === impl World ===

impl World {
    pub(crate) async fn new(facilitators: usize) -> Self {
        Self::with(facilitators, 8, Duration::from_millis(200)).await
    }

    /// Facilitators take so many settlements at once, and so long for each call at most.
    async fn with(facilitators: usize, running_max: usize, timeout: Duration) -> Self {
        Self::deep(facilitators, running_max, timeout, 0).await
    }

    /// Blocks count with so many on top.
    pub(crate) async fn deep(
        facilitators: usize,
        running_max: usize,
        timeout: Duration,
        confirmations: u64,
    ) -> Self {
        // Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain =
            Arc::new(Mutex::new(State { block: 20, time: BEGAN, balance: 1_000_000, used: HashMap::new() }));
        let (clock, seen) = (
            Arc::new(Hands(AtomicI64::new(i64::try_from(BEGAN).unwrap() * 1_000))),
            Arc::new(Seen::default()),
        );
        let (node, shown) = (Mock::start().await, Arc::clone(&chain));
        node.does(Act::Reply(Arc::new(move |question| shown.lock().answer(question).to_string())));
        let (mut mocks, mut members) = (Vec::new(), Vec::new());
        for index in 0..facilitators {
            let mock = Mock::start().await;
            mock.does(honest(&chain));
            let configuration = Configuration {
                url: mock.url.clone(),
                headers: Headers::default(),
                verify_timeout: timeout,
                settle_timeout: timeout,
            };
            let facilitator = Facilitator::new(configuration).unwrap();
            members.push(Member { name: index.to_string().into(), facilitator, weight: 1, running_max });
            mocks.push(mock);
        }
        let nodes = Chain::new(Nodes::new(vec![node.url.clone()], LONG).unwrap(), confirmations);
        let settler = Settler::Facilitators(Pool::new(members, LONG));
        let looks = (Duration::from_millis(10), Duration::from_millis(5));
        let line = Line::new(network(), Arc::new(nodes), settler, looks);
        let share = Share { running_max: 8, wait_max: LONG };
        let rail = Rail::new(vec![line], share, Arc::clone(&clock) as _, Arc::clone(&seen) as _);
        Self { chain, node, facilitators: mocks, clock, seen, rail }
    }

    async fn settle(&self, nonce: u8) -> Settling {
        self.rail.settle(PaymentId::generate(self.clock.now(), [nonce; 10]), &signed(nonce), price()).await
    }

    pub(crate) fn later(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// How often a facilitator was asked this.
    pub(crate) fn asked(&self, facilitator: usize, call: &str) -> usize {
        let calls = self.facilitators[facilitator].calls();
        calls.iter().filter(|asked| asked.head.starts_with(&format!("post /{call} "))).count()
    }
}

pub(crate) fn network() -> Network {
    Network {
        id: NETWORK.into(),
        tokens: vec![Token::new(Asset {
            network: NETWORK.into(),
            chain_id: 84_532,
            address: TOKEN,
            name: "USDC".into(),
            version: "2".into(),
        })],
        max_timeout_seconds: 60,
        margin_seconds: 6,
        treasury: Some(PAY_TO),
    }
}

/// Who pays everything here.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_hex(&"11".repeat(32)).unwrap()
}

pub(crate) fn price() -> Amount {
    Amount::from_atomic(1_000).unwrap()
}

pub(crate) fn payer() -> Address {
    key().address()
}

/// A payment with this nonce, and what it was asked for. Nobody here looks at signatures.
pub(crate) fn texts(nonce: u8) -> (String, String) {
    let requirements = json!({
        "scheme": "exact", "network": NETWORK, "amount": "1000", "asset": TOKEN, "payTo": PAY_TO,
        "maxTimeoutSeconds": 60, "extra": { "name": "USDC", "version": "2" }
    });
    let payment = json!({
        "x402Version": 2, "accepted": requirements, "payload": { "signature": "0x", "authorization": {
            "from": payer(), "to": PAY_TO, "value": "1000", "validAfter": "0",
            "validBefore": VALID_BEFORE.to_string(), "nonce": B256::repeat_byte(nonce)
        } }
    });
    (payment.to_string(), requirements.to_string())
}

fn signed(nonce: u8) -> Signed {
    let (payment, requirements) = texts(nonce);
    Signed::read(NETWORK.into(), TOKEN, 1, &payment, &requirements).unwrap()
}

/// The transaction that uses a nonce here.
pub(crate) fn transaction(nonce: B256) -> B256 {
    B256::from(U256::from_be_bytes(nonce.0) + U256::from(1))
}

pub(crate) fn moved(nonce: u8) -> Settling {
    Settling::Moved(transaction(B256::repeat_byte(nonce)))
}

// === impl State ===

impl State {
    pub(crate) fn answer(&self, question: &Value) -> Value {
        let parameters = &question["params"];
        let result = match question["method"].as_str().unwrap() {
            "eth_blockNumber" => json!(format!("{:#x}", self.block)),
            "eth_getBlockByNumber" => json!({ "timestamp": format!("{:#x}", self.time) }),
            "eth_call" => json!(hex::encode_prefixed(B256::from(self.call(parameters)))),
            "eth_getLogs" => {
                let nonce: B256 = serde_json::from_value(parameters[0]["topics"][2].clone()).unwrap();
                json!(self.used.contains_key(&nonce).then(|| use_of(nonce)).into_iter().collect::<Vec<_>>())
            }
            "eth_getTransactionReceipt" => {
                let hash: B256 = serde_json::from_value(parameters[0].clone()).unwrap();
                let found = self.used.iter().find(|(nonce, _)| transaction(**nonce) == hash);
                let Some((nonce, used)) = found else {
                    return json!({ "jsonrpc": "2.0", "id": question["id"], "result": null });
                };
                let logs = [Some(use_of(*nonce)), used.moved.then(|| transfer_of(*nonce))];
                let (logs, block): (Vec<Value>, _) = (logs.into_iter().flatten().collect(), used.block);
                json!({
                    "transactionHash": hash, "blockNumber": format!("{block:#x}"), "status": "0x1", "gasUsed": "0x1",
                    "logs": logs
                })
            }
            other => panic!("{other}"),
        };
        json!({ "jsonrpc": "2.0", "id": question["id"], "result": result })
    }

    /// Uses a nonce in the last block.
    pub(crate) fn use_up(&mut self, nonce: B256, moved: bool) {
        self.used.insert(nonce, Use { moved, block: self.block });
    }

    fn call(&self, parameters: &Value) -> U256 {
        let data = hex::decode(parameters[0]["data"].as_str().unwrap()).unwrap();
        let block = parameters[1].as_str().unwrap().strip_prefix("0x");
        let block = block.map_or(self.block, |digits| u64::from_str_radix(digits, 16).unwrap());
        if let Ok(call) = Usdc::authorizationStateCall::abi_decode(&data) {
            let is_used = self.used.get(&call.nonce).is_some_and(|used| used.block <= block);
            return U256::from(u8::from(is_used));
        }
        assert!(Usdc::balanceOfCall::abi_decode(&data).is_ok());
        U256::from(self.balance)
    }
}

fn use_of(nonce: B256) -> Value {
    log(nonce, &Usdc::AuthorizationUsed { authorizer: payer(), nonce })
}

fn transfer_of(nonce: B256) -> Value {
    log(nonce, &Usdc::Transfer { from: payer(), to: PAY_TO, value: U256::from(1_000) })
}

fn log(nonce: B256, event: &impl SolEvent) -> Value {
    let data = event.encode_log_data();
    json!({ "address": TOKEN, "topics": data.topics(), "data": data.data, "transactionHash": transaction(nonce) })
}

/// Settles whatever it is asked to.
pub(crate) fn honest(chain: &Arc<Mutex<State>>) -> Act {
    let chain = Arc::clone(chain);
    settling(move |nonce| {
        chain.lock().use_up(nonce, true);
        success(transaction(nonce))
    })
}

/// Verifies everything; settles like this.
pub(crate) fn settling(settle: impl Fn(B256) -> Act + Send + Sync + 'static) -> Act {
    Act::By(Arc::new(move |call: &Call| {
        if call.head.starts_with("post /verify ") {
            return Act::Answer(200, json!({ "isValid": true, "payer": payer() }).to_string());
        }
        let signed = &call.body.as_ref().unwrap()["paymentPayload"]["payload"]["authorization"];
        settle(serde_json::from_value::<B256>(signed["nonce"].clone()).unwrap())
    }))
}

pub(crate) fn success(transaction: B256) -> Act {
    let answer = json!({ "success": true, "transaction": transaction, "network": NETWORK, "payer": payer() });
    Act::Answer(200, answer.to_string())
}

pub(crate) fn refusal(reason: &str) -> Act {
    let answer = json!({ "success": false, "errorReason": reason, "transaction": "", "network": NETWORK });
    Act::Answer(200, answer.to_string())
}

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

impl RailObserver for Seen {
    fn settled(&self, network: &str, settling: &Settling, took_ms: i64) {
        assert_eq!((network, took_ms), (NETWORK, 0));
        self.settled.lock().push(settling.clone());
    }

    fn open(&self, _: Open) {}

    fn closed(&self, network: &str, closed: Closed) {
        assert_eq!(network, NETWORK);
        self.closed.lock().push(closed);
    }

    fn compared(&self, comparison: &Comparison) {
        self.differences.lock().extend(comparison.differences.iter().cloned());
    }

    fn dropped(&self, _: u64) {}

    fn facilitator(&self, name: &str, answers: bool) {
        self.facilitators.lock().push((name.to_owned(), answers));
    }

    fn settler(&self, _: &str, _: bool, _: Option<Unable>) {}

    fn nodes(&self, network: &str, answer: bool) {
        assert_eq!(network, NETWORK);
        self.nodes.lock().push(answer);
    }
}

#[tokio::test]
async fn a_payment_is_verified_then_settled_and_the_chain_shows_it() {
    let world = World::new(2).await;
    assert_eq!(world.settle(1).await, moved(1));
    assert_eq!(world.settle(2).await, moved(2));
    for facilitator in 0..2 {
        let asked = (world.asked(facilitator, "verify"), world.asked(facilitator, "settle"));
        assert_eq!(asked, (1, 1), "each in its turn");
    }
    assert_eq!(*world.seen.settled.lock(), [moved(1), moved(2)]);
    let unknown = world.rail.ready("eip155:1", payer()).unwrap_err();
    assert_eq!(unknown, RailError::NoNetwork("eip155:1".into()));
}

#[tokio::test]
async fn a_payment_of_v1_is_shown_in_v2_with_our_own_terms() {
    let world = World::new(1).await;
    let ours = signed(1);
    let came = json!({
        "x402Version": 1, "scheme": "exact", "network": "base-sepolia", "payload": ours.payment()["payload"]
    });
    let requirements = ours.payment()["accepted"].to_string();
    let v1 = Signed::read(NETWORK.into(), TOKEN, 1, &came.to_string(), &requirements).unwrap();
    assert_eq!(v1.payment(), ours.payment());
    let id = PaymentId::generate(world.clock.now(), [1; 10]);
    assert_eq!(world.rail.settle(id, &v1, price()).await, moved(1));
}

#[tokio::test]
async fn what_a_payment_cannot_move_is_refused_without_asking() {
    let world = World::new(1).await;
    let id = PaymentId::generate(world.clock.now(), [1; 10]);
    for units in [0, 999, 1_001] {
        let amount = Amount::from_atomic(units).unwrap();
        let settling = world.rail.settle(id, &signed(1), amount).await;
        assert_eq!(settling, Settling::Refused("amount".to_owned()), "{units}");
    }
    assert!(world.facilitators[0].calls().is_empty());
}

#[tokio::test]
async fn the_last_block_is_known_once_it_was_read() {
    let world = World::new(1).await;
    assert_eq!(world.rail.last_block(NETWORK), None);
    world.rail.refresh().await;
    assert_eq!(world.rail.last_block(NETWORK), Some(20));
    assert_eq!(world.rail.last_block("eip155:1"), None);
}

#[tokio::test]
async fn a_success_in_a_block_that_does_not_count_yet_is_shown_and_not_moved() {
    let world = World::deep(1, 8, LONG, 2).await;
    let Settling::Moved(transaction) = moved(1) else { panic!() };
    assert_eq!(world.settle(1).await, Settling::Shown(transaction));
    world.rail.refresh().await;
    assert_eq!(world.rail.last_block(NETWORK), Some(18));
}
