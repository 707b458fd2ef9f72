use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use tokio::task::JoinSet;

use super::*;
use crate::chain::RpcError;

struct World {
    signatures: ContractSignatures,
    now: Arc<AtomicI64>,
    asked: AtomicU32,
}

struct Hands(Arc<AtomicI64>);

impl Clock for Hands {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
}

impl World {
    fn new() -> Self {
        Self::behind_each_address(1)
    }

    /// So many clients have one address.
    fn behind_each_address(clients: u32) -> Self {
        let now = Arc::new(AtomicI64::new(1_795_348_800_000));
        let signatures = ContractSignatures::new(NonZeroU32::new(clients).unwrap());
        Self { signatures, now, asked: AtomicU32::new(0) }
    }

    /// A payment of this payer, signed in this way, from an address of its own; a contract would answer so.
    async fn ask(&self, payer: u64, seal: u64, answer: Answer) -> Answer {
        let address = Ipv4Addr::from_bits(u32::try_from(payer).unwrap());
        self.ask_from(address, (payer, seal), async { answer }).await
    }

    /// The same from this address; a contract answers when this is ready.
    async fn ask_from(
        &self,
        address: Ipv4Addr,
        (payer, seal): (u64, u64),
        answer: impl Future<Output = Answer>,
    ) -> Answer {
        let seal = Seal::parse(&format!("0x{seal:016x}")).unwrap();
        let payer = Address::left_padding_from(&payer.to_be_bytes());
        let signature = ContractSignature {
            network: "eip155:1",
            payer,
            digest: B256::ZERO,
            seal: &seal,
            client: Some(address.into()),
        };
        let read = async {
            self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            answer.await
        };
        self.signatures.get(&signature, &Hands(Arc::clone(&self.now)), read).await
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn later(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_same_question_is_asked_once_for_all_who_ask_and_again_when_its_answer_is_old() {
    let world = World::new();
    for _ in 0..2 {
        let before = world.asked();
        let all = tokio::join!(
            world.ask(1, 1, Ok(Validity::Signed)),
            world.ask(1, 1, Ok(Validity::NotSigned)),
            world.ask(1, 1, Ok(Validity::NotSigned)),
        );
        assert_eq!(all, (Ok(Validity::Signed), Ok(Validity::Signed), Ok(Validity::Signed)));
        world.later(9_999);
        assert_eq!(world.ask(1, 1, Ok(Validity::NotSigned)).await, Ok(Validity::Signed));
        assert_eq!(world.asked(), before + 1);
        world.later(1);
    }
    // What failed is tried again soon.
    let failure = || Err(RailError::Nodes(RpcError::Unreachable));
    assert_eq!(world.ask(1, 2, failure()).await, failure());
    assert_eq!(world.ask(1, 2, Ok(Validity::Signed)).await, failure());
    world.later(1_000);
    assert_eq!(world.ask(1, 2, Ok(Validity::Signed)).await, Ok(Validity::Signed));
}

#[tokio::test]
async fn who_floods_in_one_wallets_name_holds_up_that_wallet_alone() {
    let world = World::new();
    for seal in 0..1_000 {
        let _ = world.ask(1, seal, Ok(Validity::NotSigned)).await;
    }
    assert_eq!(world.asked(), 16);
    assert_eq!(world.ask(1, 1_000, Ok(Validity::Signed)).await, Err(RailError::AskedTooOften));
    assert_eq!(world.ask(2, 0, Ok(Validity::Signed)).await, Ok(Validity::Signed));
    world.later(1_000);
    assert_eq!(world.ask(1, 1_001, Ok(Validity::NotSigned)).await, Ok(Validity::NotSigned));
    assert_eq!(world.ask(1, 1_002, Ok(Validity::Signed)).await, Err(RailError::AskedTooOften));
    // A clock that was set back locks nobody out for as long.
    world.later(-3_600_000);
    assert_eq!(world.ask(1, 1_003, Ok(Validity::Signed)).await, Ok(Validity::Signed));
}

#[tokio::test]
async fn who_floods_in_many_names_holds_up_nobody_who_has_signed_right() {
    let world = World::new();
    assert_eq!(world.ask(1, 0, Ok(Validity::Signed)).await, Ok(Validity::Signed));
    for payer in 2..50_000 {
        let _ = world.ask(payer, 0, Ok(Validity::NoContract)).await;
    }
    assert_eq!(world.asked(), 1 + 128);
    assert_eq!(world.ask(50_000, 0, Ok(Validity::Signed)).await, Err(RailError::AskedTooOften));
    assert_eq!(world.ask(1, 1, Ok(Validity::Signed)).await, Ok(Validity::Signed));
    world.later(100);
    assert_eq!(world.ask(50_001, 0, Ok(Validity::Signed)).await, Ok(Validity::Signed));
}

#[tokio::test]
async fn a_contract_that_says_yes_to_everything_is_asked_no_more_than_so_often_and_holds_up_itself_alone() {
    let world = World::new();
    for seal in 0..1_000 {
        let _ = world.ask(1, seal, Ok(Validity::Signed)).await;
    }
    assert_eq!(world.asked(), 64);
    assert_eq!(world.ask(1, 1_000, Ok(Validity::Signed)).await, Err(RailError::AskedTooOften));
    assert_eq!(
        world.ask(1, 0, Ok(Validity::NotSigned)).await,
        Ok(Validity::Signed),
        "what is remembered is no question"
    );
    for seal in 0..64 {
        assert_eq!(world.ask(2, seal, Ok(Validity::Signed)).await, Ok(Validity::Signed));
    }
    world.later(1_000);
    for seal in 2_000..2_008 {
        assert_eq!(world.ask(1, seal, Ok(Validity::Signed)).await, Ok(Validity::Signed));
    }
    assert_eq!(world.ask(1, 2_008, Ok(Validity::Signed)).await, Err(RailError::AskedTooOften));
}

/// One client that asks about sixteen payers at once; nobody answers.
async fn ask_sixteen(world: &Arc<World>, address: Ipv4Addr) -> JoinSet<Answer> {
    let mut asking = JoinSet::new();
    for payer in 1..=16 {
        let world = Arc::clone(world);
        asking.spawn(async move { world.ask_from(address, (payer, 0), std::future::pending()).await });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    asking
}

#[tokio::test(start_paused = true)]
async fn one_client_keeps_no_other_waiting_however_much_it_asks() {
    let (stranger, honest) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let world = Arc::new(World::new());
    let _asking = ask_sixteen(&world, stranger).await;
    assert_eq!(world.asked(), 2);
    let answer = world.ask_from(honest, (100, 0), async { Ok(Validity::Signed) }).await;
    assert_eq!(answer, Ok(Validity::Signed));
    let answer = world.ask_from(stranger, (101, 0), async { Ok(Validity::Signed) }).await;
    assert_eq!(answer, Err(RailError::AskedTooOften), "it waits for its own");
    // Where an address is known to stand for many, they have what they would have alone, and never more than all.
    for (clients, places) in [(3, 6), (1_000, 16)] {
        let world = Arc::new(World::behind_each_address(clients));
        let _asking = ask_sixteen(&world, stranger).await;
        assert_eq!(world.asked(), places);
    }
}

#[tokio::test]
async fn who_floods_in_many_names_from_one_address_holds_up_nobody_elsewhere() {
    let (stranger, honest) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let world = World::new();
    for payer in 1..1_000 {
        let _ = world.ask_from(stranger, (payer, 0), async { Ok(Validity::NotSigned) }).await;
    }
    assert_eq!(world.asked(), 16);
    let ask = async |address| world.ask_from(address, (1_000, 0), async { Ok(Validity::Signed) }).await;
    assert_eq!(ask(stranger).await, Err(RailError::AskedTooOften));
    assert_eq!(ask(honest).await, Ok(Validity::Signed));
    world.later(800);
    let again = world.ask_from(stranger, (1_001, 0), async { Ok(Validity::Signed) }).await;
    assert_eq!(again, Ok(Validity::Signed));
}
