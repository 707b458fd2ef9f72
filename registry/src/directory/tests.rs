use domain::{Amount, SpendingPolicy};

use super::*;
use crate::agent::{NewAgent, NewKey};
use crate::registry::Registry;
use crate::registry::tests::{OPERATOR, Place, TestClock, open};
use crate::store::pool::{CONNECTIONS_APART_MAX, CONNECTIONS_MAX};

const SIGNER: Address = Address::repeat_byte(0x11);

struct Rig {
    registry: Registry,
    directory: Directory,
    clock: Arc<TestClock>,
    agent: AgentId,
    _place: Place,
}

impl Rig {
    async fn at(place: Place, clock: Arc<TestClock>) -> Self {
        let registry = open(&place, &clock).await;
        let wallet = registry.new_wallet().unwrap();
        let new = NewAgent { name: "x".to_owned(), wallet, owner: None, policy: SpendingPolicy::default() };
        let agent = registry.create_agent(&OPERATOR, new).await.unwrap().id;
        registry.add_signer(&OPERATOR, agent, SIGNER).await.unwrap();
        Self { directory: registry.directory(), registry, clock, agent, _place: place }
    }
}

async fn rig() -> Rig {
    Rig::at(Place::new(), TestClock::new()).await
}

#[tokio::test]
async fn many_who_ask_at_once_read_once() {
    let rig = rig().await;
    let asked = (0..200).map(|_| {
        let directory = rig.directory.clone();
        tokio::spawn(async move { directory.by_signer(SIGNER).await.unwrap().unwrap().agent })
    });
    for task in asked.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), rig.agent);
    }
    assert_eq!((rig.directory.misses(), rig.directory.hits()), (1, 199));
}

#[tokio::test]
async fn the_keys_of_an_agent_share_its_policy_and_another_one_is_told_to_all() {
    let rig = rig().await;
    let key = async || rig.registry.add_key(&OPERATOR, rig.agent, NewKey::default()).await.unwrap().key;
    let (one, other) = (key().await, key().await);
    let policy = async |key: &AgentKey| Arc::clone(&rig.directory.by_key(key).await.unwrap().unwrap().policy);
    let first = policy(&one).await;
    let signed = rig.directory.by_signer(SIGNER).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &policy(&other).await) && Arc::ptr_eq(&first, &signed.policy));
    let next = SpendingPolicy { per_day: Amount::from_atomic(1), ..SpendingPolicy::default() };
    rig.registry.set_policy(&OPERATOR, rig.agent, |_| true, &next).await.unwrap();
    assert_eq!((&*policy(&one).await, &*policy(&other).await), (&next, &next));
}

#[tokio::test]
async fn who_reads_much_over_the_api_holds_up_no_look_up() {
    let rig = rig().await;
    let mut busy = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        busy.push(rig.registry.shared.pool.acquire().await.unwrap());
    }
    assert!(rig.directory.by_signer(SIGNER).await.unwrap().is_some());
}

#[tokio::test]
async fn who_gives_up_waiting_does_not_leave_the_others_without_an_answer() {
    let rig = rig().await;
    let mut busy = Vec::new();
    for _ in 0..CONNECTIONS_APART_MAX {
        busy.push(rig.directory.shared.pool.acquire().await.unwrap());
    }
    // Polled once, then dropped in the middle of its read.
    let gave_up = tokio::time::timeout(std::time::Duration::ZERO, rig.directory.by_signer(SIGNER)).await;
    assert!(gave_up.is_err());
    drop(busy);
    assert!(rig.directory.by_signer(SIGNER).await.unwrap().is_some());
}

#[tokio::test]
async fn answers_are_remembered_for_half_a_minute_and_ignorance_for_five_seconds() {
    let rig = rig().await;
    let unknown = Address::repeat_byte(0x99);
    let misses = async |advance: i64, address: Address| {
        rig.clock.advance(advance);
        let before = rig.directory.misses();
        let _ = rig.directory.by_signer(address).await.unwrap();
        rig.directory.misses() - before
    };
    assert_eq!(misses(0, SIGNER).await, 1);
    assert_eq!(misses(19_999, SIGNER).await, 0);
    assert_eq!(misses(10_001, SIGNER).await, 1);
    assert_eq!(misses(0, unknown).await, 1);
    assert_eq!(misses(4_999, unknown).await, 0);
    assert_eq!(misses(1, unknown).await, 1);
    // A clock that was set back makes nothing live longer.
    assert_eq!(misses(-3_600_000, SIGNER).await, 1);
}

#[tokio::test]
async fn whoever_is_still_asked_for_is_read_anew_meanwhile_and_nobody_waits_for_that() {
    let rig = rig().await;
    assert!(rig.directory.by_signer(SIGNER).await.unwrap().is_some());
    rig.clock.advance(RENEW_MS);
    assert!(rig.directory.by_signer_if(SIGNER, || false).await.is_some());
    assert_eq!(rig.directory.misses(), 2);
    let is_renewed = || rig.directory.shared.entries.iter().all(|entry| entry.since == rig.clock.now());
    while !is_renewed() {
        tokio::task::yield_now().await;
    }
    rig.clock.advance(TTL_MS - 1);
    assert!(rig.directory.by_signer_if(SIGNER, || false).await.is_some());
}

#[tokio::test]
async fn r13_whoever_cannot_be_read_anew_is_known_for_half_a_minute_and_no_longer() {
    let rig = rig().await;
    assert!(rig.directory.by_signer(SIGNER).await.unwrap().is_some());
    let mut busy = Vec::new();
    for _ in 0..CONNECTIONS_APART_MAX {
        busy.push(rig.directory.shared.pool.acquire().await.unwrap());
    }
    rig.clock.advance(TTL_MS - 1);
    assert!(rig.directory.by_signer(SIGNER).await.unwrap().is_some(), "at once");
    rig.clock.advance(1);
    assert!(rig.directory.by_signer_if(SIGNER, || false).await.is_none());
    assert!(rig.directory.by_signer(SIGNER).await.is_err());
}

#[tokio::test]
async fn r13_what_was_read_before_something_was_forgotten_is_not_remembered() {
    let rig = rig().await;
    let access = rig.directory.by_signer(SIGNER).await.unwrap().unwrap();
    let lookup = Lookup::Signer(SIGNER);
    let known = Arc::clone(&rig.directory.shared.entries.get(&lookup).unwrap());
    let read = || {
        let answer = Answer::Known { access: Arc::clone(&access), hash: None };
        Entry::new(rig.clock.now(), OnceCell::new_with(Some(answer)))
    };
    rig.directory.replace(lookup, &known, read());
    assert_eq!(rig.directory.shared.entries.len(), 1);
    rig.directory.replace(lookup, &known, read());
    let renewed = Arc::clone(&rig.directory.shared.entries.get(&lookup).unwrap());
    rig.directory.forget(rig.agent);
    rig.directory.replace(lookup, &renewed, read());
    assert!(rig.directory.by_signer_if(SIGNER, || false).await.is_none());
}

#[tokio::test]
async fn r8_r13_what_is_written_holds_for_the_next_request() {
    let rig = rig().await;
    let shown = rig.registry.add_key(&OPERATOR, rig.agent, NewKey::default()).await.unwrap();
    let by_key = async || rig.directory.by_key(&shown.key).await.unwrap();
    assert_eq!(by_key().await.unwrap().key.as_ref().unwrap().per_request.to_string(), "$0.10");

    let policy = SpendingPolicy { per_request: Amount::from_atomic(7), ..SpendingPolicy::default() };
    rig.registry.set_policy(&OPERATOR, rig.agent, |_| true, &policy).await.unwrap();
    assert_eq!(*by_key().await.unwrap().policy, policy);
    rig.registry.set_frozen(&OPERATOR, crate::Freezer::Operator, rig.agent, true).await.unwrap();
    assert!(by_key().await.unwrap().frozen);
    rig.registry.revoke_key(&OPERATOR, rig.agent, shown.grant.id).await.unwrap();
    assert!(by_key().await.is_none());
    assert!(rig.registry.revoke_key(&OPERATOR, rig.agent, shown.grant.id).await.is_err());
}

#[tokio::test]
async fn a_signer_that_was_unknown_a_moment_ago_pays_as_soon_as_it_is_added() {
    let rig = rig().await;
    let late = Address::repeat_byte(0x22);
    assert!(rig.directory.by_signer(late).await.unwrap().is_none());
    rig.registry.add_signer(&OPERATOR, rig.agent, late).await.unwrap();
    assert!(rig.directory.by_signer(late).await.unwrap().is_some());
}

#[tokio::test]
async fn a_right_id_with_a_wrong_secret_is_nobody() {
    let rig = rig().await;
    let shown = rig.registry.add_key(&OPERATOR, rig.agent, NewKey::default()).await.unwrap();
    assert!(rig.directory.by_key(&shown.key).await.unwrap().is_some());
    // The checksum is public: whoever knows an id can make a key that is well formed.
    let text = shown.key.reveal();
    let covered = format!("{}{}", &text[..30], data_encoding::BASE64URL_NOPAD.encode(&[0; 32]));
    let forged = format!("{covered}_{:08x}", crc32fast::hash(covered.as_bytes()));
    let forged = AgentKey::parse(&forged).unwrap();
    assert_eq!(forged.id(), shown.grant.id);
    assert!(rig.directory.by_key(&forged).await.unwrap().is_none());
}

#[tokio::test]
async fn a_flood_of_unknown_signers_stays_within_the_limit_and_pushes_nobody_out_for_good() {
    let place = Place::new();
    let clock = TestClock::new();
    let registry = Registry::open_with(&place.database, clock, 64).await.unwrap();
    let directory = registry.directory();
    for index in 0..1_000_u32 {
        let mut bytes = [7; 20];
        bytes[..4].copy_from_slice(&index.to_be_bytes());
        assert!(directory.by_signer(Address::from(bytes)).await.unwrap().is_none());
        assert!(directory.shared.entries.len() <= 64);
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_an_error_and_not_a_stranger() {
    let rig = rig().await;
    rig.registry.close().await;
    assert!(rig.directory.by_signer(SIGNER).await.is_err());
}

#[tokio::test]
async fn d1_postgresql_frozen_or_gone_is_an_error_at_once_and_agents_are_found_when_it_is_back() {
    let cluster = test_postgres::Cluster::start();
    let url = domain::Secret::new(cluster.fresh_database());
    let (place, clock) = (Place::of(crate::Database::Postgres { url }), TestClock::new());
    let rig = Rig::at(place, clock).await;
    // The promise is a second; the rest is the busy machine's.
    let lookup = async || {
        rig.clock.advance(TTL_MS);
        tokio::time::timeout(Duration::from_secs(3), rig.directory.by_signer(SIGNER)).await.unwrap()
    };
    let found_again = async || {
        while lookup().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(lookup().await.unwrap().unwrap().agent, rig.agent);
    };
    cluster.freeze();
    assert!(lookup().await.is_err());
    cluster.thaw();
    found_again().await;
    cluster.stop_fast();
    assert!(lookup().await.is_err());
    cluster.start_again();
    found_again().await;
}
