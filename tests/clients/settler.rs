//! Our own settler on a real chain: many payments in one transaction, each of them once, whatever fails or crashes.

mod contracts;
mod crashes;
mod gas;
mod load;
mod members;
mod transfers;
mod trouble;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use domain::{Address, Amount, B256};
use futures_util::future::join_all;
use protocol::offer::Offer;
use protocol::payload::PaymentPayload;
use protocol::signature::SigningKey;
use serde_json::{Value, json};
use settlement::chain::{Chain, Depth, Nodes};
use settlement::duty::{Alone, Duty};
use settlement::evm::{EvmSettler, Member, Order, Settings, Signer};
use settlement::rail::Settling;
use tests::chain::{CHAIN_ID, Network, SETTLER_KEY, usdc};
use tests::{Payer, within};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::outbox::Memory;

/// More than any block of a local chain takes for a unit of gas, in wei.
const CAP: u64 = 1_000_000_000_000;

/// A settler that works, until it is dropped: as if it were killed.
pub(crate) struct Settler {
    pub(crate) handle: EvmSettler,
    task: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

// === impl Settler ===

impl Settler {
    pub(crate) fn start(network: &Network, outbox: &Memory, confirmations: u64) -> Self {
        Self::start_with(network, outbox, confirmations, settings())
    }

    pub(crate) fn start_with(
        network: &Network,
        outbox: &Memory,
        confirmations: u64,
        settings: Settings,
    ) -> Self {
        Self::start_on(network, outbox, confirmations, (settings, Arc::new(Alone)))
    }

    /// One that sends while the turn is its own.
    pub(crate) fn on_duty(network: &Network, outbox: &Memory, duty: impl Duty) -> Self {
        Self::start_on(network, outbox, 0, (settings(), Arc::new(duty)))
    }

    fn start_on(
        network: &Network,
        outbox: &Memory,
        confirmations: u64,
        (settings, duty): (Settings, Arc<dyn Duty>),
    ) -> Self {
        // Fails where another test was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let nodes = Nodes::new(vec![network.url()], Duration::from_secs(20)).expect("a client");
        let chain = Arc::new(Chain::new(nodes, confirmations));
        let key = SigningKey::from_hex(SETTLER_KEY).expect("a key");
        let (handle, task) = EvmSettler::new(settings, key, chain, outbox.clone());
        let (stop, stopped) = watch::channel(false);
        Self { handle, task: tokio::spawn(task.on_duty(duty).run(stopped)), _stop: stop }
    }

    /// Asks, and leaves the answer to be waited for.
    pub(crate) fn ask(&self, member: Member) -> JoinHandle<Settling> {
        let handle = self.handle.clone();
        tokio::spawn(async move { handle.settle(member, Depth::Counts).await })
    }

    pub(crate) async fn settle(&self, member: Member) -> Settling {
        within("a settlement", self.handle.settle(member, Depth::Counts)).await
    }

    /// Of all, asked for and answered in order: whoever goes first in a transaction decides what gas those after it find.
    pub(crate) async fn settle_all(&self, members: impl IntoIterator<Item = Member>) -> Vec<Settling> {
        let asked = members.into_iter().map(|member| self.handle.settle(member, Depth::Counts));
        within("all settlements", join_all(asked)).await
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        chain_id: CHAIN_ID,
        fee_cap: CAP,
        bump_after: 1_000,
        poll: Duration::from_millis(10),
        gather: Duration::from_millis(20),
        factories: [].into(),
        first_nonce: 0,
    }
}

/// Waits until all that a test asks for has come.
pub(crate) fn gathering() -> Settings {
    Settings { gather: Duration::from_secs(1), ..settings() }
}

pub(crate) async fn answered(answer: JoinHandle<Settling>) -> Settling {
    within("a settlement", answer).await.expect("an answer")
}

pub(crate) fn recipient() -> Address {
    Address::repeat_byte(9)
}

pub(crate) fn settler_address() -> String {
    SigningKey::from_hex(SETTLER_KEY).expect("a key").address().to_string()
}

/// What everybody pays here.
pub(crate) fn offer() -> Value {
    json!(Offer::wallet(&usdc(), recipient(), Amount::from_atomic(1_000).expect("an amount"), None))
}

/// A payment by what an offer wants, all that was signed.
pub(crate) fn member(payer: &Payer, offer: &Value) -> Member {
    let payment = payer.pay_challenge(&json!({ "accepts": [offer] }));
    let read = PaymentPayload::parse(payment.header().as_bytes()).expect("a payment");
    let id = format!("pay_{}", tests::payer::random_hex());
    let (transfer, value) = (*read.transfer(), read.transfer().value());
    Member::payment(id.into(), usdc().address, transfer, value, read.seal().key().expect("a key's").into(), 0)
}

pub(crate) fn transaction(settling: &Settling) -> B256 {
    match settling {
        Settling::Moved(transaction) => *transaction,
        other => panic!("not moved: {other:?}"),
    }
}

/// Waits until a transaction is recorded.
pub(crate) async fn on_its_way(outbox: &Memory) {
    let waiting = async || (outbox.open().len() == 1).then_some(());
    tests::wait::until("a transaction on its way", waiting).await;
}
