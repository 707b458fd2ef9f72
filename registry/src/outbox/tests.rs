use super::*;
use crate::registry::tests::{Place, TestClock, open};

const fn sent<'a>(
    nonce: u64,
    document: &'a str,
    instead_of: Option<&'a str>,
    members: &'a [&'a str],
    transfers: &'a [&'a str],
) -> SentTransaction<'a> {
    SentTransaction { nonce, document, instead_of, members, transfers }
}

const fn closing<'a>(
    nonce: u64,
    document: &'a str,
    landed: Option<&'a str>,
    outcomes: &'a str,
    transfers: &'a [(&'a str, String)],
) -> Closing<'a> {
    Closing { nonce, document, landed, outcomes, transfers }
}

fn open_since_now(nonce: u64, document: &str) -> Standing {
    Standing { nonce, document: document.to_owned(), age: Duration::ZERO }
}

#[tokio::test]
async fn what_was_written_down_is_there_after_a_restart_until_it_is_closed() {
    let (place, clock) = (Place::new(), TestClock::new());
    let outbox = async || open(&place, &clock).await.outbox("eip155:84532", "0xabc");
    assert_eq!(outbox().await.unclosed().await.unwrap(), Unclosed::default());
    outbox().await.record(&sent(7, "first", None, &["one", "two"], &[])).await.unwrap();
    let dearer = |members| sent(7, "first, dearer", Some("first"), members, &[]);
    outbox().await.record(&dearer(&["one", "two"])).await.unwrap();
    assert!(outbox().await.record(&dearer(&["one"])).await.is_err(), "it is not that any more");
    let open_now = Unclosed { open: vec![open_since_now(7, "first, dearer")], next_nonce: 8 };
    assert_eq!(outbox().await.unclosed().await.unwrap(), open_now);
    // Another key's nonces are its own.
    let other = open(&place, &clock).await.outbox("eip155:84532", "0xdef");
    assert_eq!(other.unclosed().await.unwrap(), Unclosed::default());

    // From its first version on, whoever asks.
    place.pass(&clock, 5_000).await;
    assert!(outbox().await.unclosed().await.unwrap().open[0].age >= Duration::from_secs(5));

    let standing = closing(7, "first, dearer", Some("{}"), "[]", &[]);
    outbox().await.close(&standing).await.unwrap();
    assert_eq!(outbox().await.recorded(7).await.unwrap(), 1);
    assert_eq!(outbox().await.unclosed().await.unwrap(), Unclosed { open: Vec::new(), next_nonce: 8 });
    assert!(
        outbox().await.record(&sent(7, "again", Some("first, dearer"), &[], &[])).await.is_err(),
        "the chain has one of this nonce"
    );
    // Whoever did not hear that it is closed closes it again.
    outbox().await.close(&standing).await.unwrap();
    assert!(outbox().await.close(&closing(8, "first", None, "[]", &[])).await.is_err());
    let known = outbox().await.known(&["one", "three"]).await.unwrap();
    assert_eq!(known, HashSet::from(["one".to_owned()]));
}

/// A transfer has no signature that the chain takes only once.
#[tokio::test]
async fn a_transfer_stands_in_one_transaction_whoever_writes_it_down_again() {
    let (place, clock) = (Place::new(), TestClock::new());
    let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
    let standing =
        |is_here, outcome: Option<&str>| Some(SentTransfer { is_here, outcome: outcome.map(str::to_owned) });
    assert_eq!(outbox.transfer("out/0").await.unwrap(), None);
    outbox.record(&sent(7, "first", None, &["out/0"], &["out/0"])).await.unwrap();
    outbox.record(&sent(7, "first, dearer", Some("first"), &["out/0"], &["out/0"])).await.unwrap();
    assert_eq!(outbox.transfer("out/0").await.unwrap(), standing(true, None));
    assert!(outbox.record(&sent(8, "second", None, &["out/0"], &["out/0"])).await.is_err());
    assert_eq!(outbox.unclosed().await.unwrap().next_nonce, 8, "all of it was refused");
    // Another key of ours knows of it too.
    let other = open(&place, &clock).await.outbox("eip155:84532", "0xdef");
    assert_eq!(other.transfer("out/0").await.unwrap(), standing(false, None));
    assert!(other.record(&sent(0, "third", None, &["out/0"], &["out/0"])).await.is_err());

    let over = [("out/0", "over".to_owned())];
    outbox.close(&closing(7, "first, dearer", None, "[]", &over)).await.unwrap();
    assert_eq!(outbox.transfer("out/0").await.unwrap(), standing(true, Some("over")));
    assert!(outbox.record(&sent(8, "second", None, &["out/0"], &["out/0"])).await.is_err());
}

#[tokio::test]
async fn a_transfer_is_given_up_once_by_whoever_has_the_turn_and_not_where_anything_stands_of_it() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let turns = [registry.duty("settle").unwrap(), registry.duty("settle").unwrap()];
    let outbox = |turn: &Duty| registry.outbox("eip155:84532", "0xabc").of_turn(turn.clone());
    let (first, second) = (outbox(&turns[0]), outbox(&turns[1]));
    assert!(turns[0].take().await.unwrap());
    assert!(second.give_up("out/0", "failed").await.is_err(), "another has the turn");
    assert_eq!(first.transfer("out/0").await.unwrap(), None);
    assert!(first.give_up("out/0", "failed").await.unwrap());
    assert!(first.give_up("out/0", "failed").await.unwrap(), "whoever did not hear it");
    assert!(first.record(&sent(7, "sent", None, &["out/0"], &["out/0"])).await.is_err());
    // A person saw it elsewhere: that is the last word.
    assert!(second.note("out/0", "moved").await.unwrap());
    assert!(!first.give_up("out/0", "failed").await.unwrap());
    first.record(&sent(7, "sent", None, &["out/1"], &["out/1"])).await.unwrap();
    assert!(!first.give_up("out/1", "failed").await.unwrap());
    assert!(!second.note("out/1", "moved").await.unwrap());
}

#[tokio::test]
async fn whoever_lost_its_turn_writes_nothing_more_down_and_closes_what_it_knows() {
    let (place, clock) = (Place::new(), TestClock::new());
    let registry = open(&place, &clock).await;
    let turns = [registry.duty("settle").unwrap(), registry.duty("settle").unwrap()];
    let outbox = |turn: &Duty| registry.outbox("eip155:84532", "0xabc").of_turn(turn.clone());
    let [first, second] = [outbox(&turns[0]), outbox(&turns[1])];
    assert!(first.record(&sent(7, "early", None, &["pay"], &[])).await.is_err(), "nobody gave it the turn");
    assert!(turns[0].take().await.unwrap());
    first.record(&sent(7, "first", None, &["pay"], &[])).await.unwrap();
    // Its time is over, and nobody has taken it.
    place.pass(&clock, 60_000).await;
    first.record(&sent(7, "first, dearer", Some("first"), &["pay"], &[])).await.unwrap();
    assert!(turns[1].take().await.unwrap());
    assert!(first.record(&sent(8, "late", None, &["other"], &[])).await.is_err());
    let dearer = sent(7, "dearest", Some("first, dearer"), &["pay"], &[]);
    assert!(first.record(&dearer).await.is_err());
    assert_eq!(second.unclosed().await.unwrap().open[0].document, "first, dearer");
    second.record(&dearer).await.unwrap();
    assert!(first.close(&closing(7, "first, dearer", None, "[]", &[])).await.is_err(), "it stands otherwise");
    first.close(&closing(7, "dearest", None, "[]", &[])).await.unwrap();
    assert_eq!(second.unclosed().await.unwrap(), Unclosed { open: Vec::new(), next_nonce: 8 });
}

#[tokio::test]
async fn a_transaction_whose_nonce_the_chain_gave_to_another_is_none_that_was_sent() {
    let (place, clock) = (Place::new(), TestClock::new());
    let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
    for nonce in 7..=9 {
        outbox.record(&sent(nonce, "first", None, &[], &[])).await.unwrap();
    }
    outbox.close(&closing(7, "first", Some("{}"), "[]", &[])).await.unwrap();
    outbox.close(&closing(8, "first", None, "[]", &[])).await.unwrap();
    assert_eq!((outbox.recorded(7).await.unwrap(), outbox.recorded(9).await.unwrap()), (2, 1));
    assert_eq!(outbox.unclosed().await.unwrap().next_nonce, 10);
}

/// Another process offered more for it, saw it in a block, and closed it; whoever lost the turn knows none of that, and sees that the
/// nonce was taken by what it does not know.
#[tokio::test]
async fn what_somebody_closed_is_closed_in_no_other_way_by_whoever_does_not_know_it() {
    let (place, clock) = (Place::new(), TestClock::new());
    let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
    let (moved, failed) = ([("out/0", "moved".to_owned())], [("out/0", "failed".to_owned())]);
    outbox.record(&sent(7, "first", None, &["out/0"], &["out/0"])).await.unwrap();
    outbox.record(&sent(7, "dearer", Some("first"), &["out/0"], &["out/0"])).await.unwrap();
    assert!(outbox.close(&closing(7, "first", None, "failed", &failed)).await.is_err());
    outbox.close(&closing(7, "dearer", Some("{}"), "moved", &moved)).await.unwrap();
    for known in ["first", "dearer"] {
        assert!(outbox.close(&closing(7, known, None, "failed", &failed)).await.is_err(), "{known}");
    }
    assert!(outbox.close(&closing(7, "dearer", None, "failed", &[])).await.is_err(), "closed otherwise");
    assert!(outbox.close(&closing(7, "dearer", Some("{}"), "moved", &failed)).await.is_err(), "it moved");
    let standing = Some(SentTransfer { is_here: true, outcome: Some("moved".to_owned()) });
    assert_eq!(outbox.transfer("out/0").await.unwrap(), standing);
}

/// An owner that was taken over and wakes knows nothing of what stands there, and it may be on its way.
#[tokio::test]
async fn what_somebody_wrote_down_makes_room_for_nobody_who_does_not_know_it() {
    let (place, clock) = (Place::new(), TestClock::new());
    let outbox = open(&place, &clock).await.outbox("eip155:84532", "0xabc");
    outbox.record(&sent(7, "first", None, &["out/0"], &["out/0"])).await.unwrap();
    assert!(outbox.record(&sent(7, "another", None, &["pay"], &[])).await.is_err());
    assert!(outbox.record(&sent(7, "another, dearer", Some("another"), &["pay"], &[])).await.is_err());
    let standing = Some(SentTransfer { is_here: true, outcome: None });
    assert_eq!(outbox.transfer("out/0").await.unwrap(), standing);
    let open_now = Unclosed { open: vec![open_since_now(7, "first")], next_nonce: 8 };
    assert_eq!(outbox.unclosed().await.unwrap(), open_now);
}
