//! Several ledgers on the same books, and how much one payer on a public network may have open with all of them together.

use std::sync::Arc;

use domain::{Address, Settle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::kit::{Books, amount};
use super::onchain::{DIRECT, TRANSACTION, onchain};
use super::several::settings;
use crate::command::Command;
use crate::{Close, Held, HoldError, HoldRequest, Intent};

/// What each call costs, and the most that is open.
const PRICE: i64 = 100_000;
const MOST: i64 = 5 * PRICE;

fn limited(nonce: u8, settle: Settle) -> HoldRequest {
    HoldRequest { unsettled_max: Some(amount(MOST)), ..onchain(nonce, DIRECT, settle) }
}

fn with(request: &HoldRequest, change: impl FnOnce(&mut Intent)) -> HoldRequest {
    let mut intent = Intent::clone(request.intent.as_ref().unwrap());
    change(&mut intent);
    let (agent, wallet) = (intent.agent(), intent.wallet());
    HoldRequest { agent, wallet, intent: Some(Arc::new(intent)), ..request.clone() }
}

fn several(gateways: usize) -> (Vec<Books>, String) {
    let url = test_postgres::fresh_database();
    ((0..gateways).map(|_| Books::at(settings(&url))).collect(), url)
}

fn open(url: &str) -> i64 {
    let sum = "select coalesce(sum(amount), 0) from ledger.intent where closed is null and hash is null";
    test_postgres::query(url, sum).parse().unwrap()
}

/// Asks all of them at once, for `calls` each.
async fn rush(gateways: &[Books], calls: u8, settle: Settle) -> (Vec<Held>, usize) {
    let mut asked = JoinSet::new();
    for (gateway, books) in (0..).zip(gateways) {
        for call in 0..calls {
            let ledger = books.ledger.clone();
            asked.spawn(async move { ledger.hold(limited(gateway * calls + call, settle)).await });
        }
    }
    let (mut held, mut refused) = (Vec::new(), 0);
    for answer in asked.join_all().await {
        match answer {
            Ok(hold) => held.push(hold),
            Err(HoldError::UnsettledPayments { most }) => {
                assert_eq!(most, amount(MOST));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    (held, refused)
}

async fn refused(books: &Books, nonce: u8) {
    let error = books.hold(limited(nonce, Settle::After)).await.unwrap_err();
    assert_eq!(error, HoldError::UnsettledPayments { most: amount(MOST) });
}

#[tokio::test]
async fn however_many_gateways_a_payer_calls_it_has_as_much_open_as_one_would_let_it_have() {
    for gateways in [2, 4] {
        let (gateways, url) = several(gateways);
        let (held, refused) = rush(&gateways, 12, Settle::Deferred).await;
        assert_eq!((held.len(), refused), (5, gateways.len() * 12 - 5));
        assert_eq!(open(&url), MOST);
        // What is captured and not settled is as open as what is held.
        for held in held {
            let Held::Hold(hold) = held else { panic!("a hold was expected") };
            hold.capture().await.unwrap().delivered();
        }
        for (nonce, books) in (100..).zip(&gateways) {
            self::refused(books, nonce).await;
        }
        let due = gateways[0].ledger.due("eip155:84532", 10).await.unwrap();
        assert_eq!(due.len(), 5);
        for (settled, books) in due.iter().zip(gateways.iter().cycle()) {
            books.ledger.settled(settled.payment, TRANSACTION).await.unwrap();
        }
        assert_eq!(open(&url), 0);
        let last = gateways.last().unwrap();
        for nonce in 110..115 {
            last.hold(limited(nonce, Settle::After)).await.unwrap().void().await.unwrap();
        }
        for books in gateways {
            books.finish().await;
        }
    }
}

#[tokio::test]
async fn whatever_ends_a_payment_at_one_gateway_makes_room_for_one_at_another() {
    let (gateways, url) = several(2);
    let [one, other] = &gateways[..] else { panic!("there are two") };
    let mut held = Vec::new();
    for nonce in 0..5 {
        held.push(one.hold(limited(nonce, Settle::After)).await.unwrap());
    }
    let mut next = 10;
    let mut room_for_one = async |how: &str| {
        let hold = other.hold(limited(next, Settle::After)).await;
        let hold = hold.unwrap_or_else(|error| panic!("{how}: {error}"));
        refused(one, next + 1).await;
        refused(other, next + 2).await;
        next += 3;
        hold.void().await.unwrap();
        let again = one.hold(limited(next, Settle::After)).await.unwrap();
        next += 1;
        again
    };
    refused(other, 200).await;
    held.pop().unwrap().void().await.unwrap();
    let voided = room_for_one("voided").await;
    held.pop().unwrap().capture_settled(TRANSACTION).await.unwrap().delivered();
    let settled = room_for_one("settled").await;
    held.pop().unwrap().capture_seen(TRANSACTION).await.unwrap().delivered();
    let seen = room_for_one("seen to move").await;
    let hold = held.pop().unwrap();
    let payment = hold.payment();
    hold.leave_unknown();
    refused(other, 201).await;
    one.ledger.close(payment, Close::Void).await.unwrap();
    let closed = room_for_one("closed by evidence").await;
    let due = held.pop().unwrap();
    let payment = due.payment();
    due.capture().await.unwrap().delivered();
    refused(other, 202).await;
    other.ledger.write_off(payment).await.unwrap();
    let last = room_for_one("written off").await;
    assert_eq!(open(&url), MOST);
    for hold in [voided, settled, seen, closed, last] {
        hold.void().await.unwrap();
    }
    for due in one.ledger.due("eip155:84532", 10).await.unwrap() {
        one.ledger.settled(due.payment, TRANSACTION).await.unwrap();
    }
    for books in gateways {
        books.finish().await;
    }
}

#[tokio::test]
async fn what_one_batch_ends_and_begins_is_judged_as_it_will_stand() {
    let (gateways, url) = several(2);
    let [one, other] = &gateways[..] else { panic!("there are two") };
    let mut held = Vec::new();
    for nonce in 0..5 {
        held.push(one.hold(limited(nonce, Settle::After)).await.unwrap());
    }
    // While it stands still both wait in its queue, and go into one batch.
    let (pause, paused) = oneshot::channel();
    one.ledger.shared.send(Command::Pause(pause)).unwrap();
    let resume = paused.await.unwrap();
    let voiding = held.pop().unwrap().void();
    let ledger = one.ledger.clone();
    let held_again = tokio::spawn(async move { ledger.hold(limited(10, Settle::After)).await });
    while one.ledger.queue_depth() < 6 {
        tokio::task::yield_now().await;
    }
    drop(resume);
    voiding.await.unwrap();
    let Held::Hold(again) = held_again.await.unwrap().unwrap() else { panic!("a hold was expected") };
    assert_eq!(open(&url), MOST);
    refused(other, 20).await;
    again.void().await.unwrap();
    for hold in held {
        hold.void().await.unwrap();
    }
    for books in gateways {
        books.finish().await;
    }
}

#[tokio::test]
async fn another_payer_and_another_network_have_their_own_and_no_limit_is_none() {
    let (gateways, _) = several(2);
    let [one, other] = &gateways[..] else { panic!("there are two") };
    let mut held = Vec::new();
    for nonce in 0..5 {
        held.push(one.hold(limited(nonce, Settle::After)).await.unwrap());
    }
    let sixth = limited(6, Settle::After);
    refused(other, 6).await;
    let stranger = with(&sixth, |intent| intent.payer = Address::repeat_byte(2).into());
    let abroad = with(&limited(7, Settle::After), |intent| intent.network = "eip155:8453".into());
    let unlimited = HoldRequest { unsettled_max: None, ..limited(8, Settle::After) };
    for request in [stranger, abroad, unlimited] {
        held.push(other.hold(request).await.unwrap());
    }
    for hold in held {
        hold.void().await.unwrap();
    }
    for books in gateways {
        books.finish().await;
    }
}

#[tokio::test]
async fn the_sum_of_what_a_payer_has_open_follows_each_way_in_which_a_payment_ends() {
    let (mut gateways, url) = several(1);
    let books = gateways.pop().unwrap();
    let kept = || test_postgres::query(&url, "select units from ledger.unsettled").parse::<i64>().unwrap();
    let expect = |payments: i64| assert_eq!((kept(), open(&url)), (payments * PRICE, payments * PRICE));
    let hold = async |nonce, settle| books.hold(limited(nonce, settle)).await.unwrap();
    let (void, unknown) = (hold(1, Settle::After).await, hold(2, Settle::After).await);
    let (seen, settled) = (hold(3, Settle::After).await, hold(4, Settle::After).await);
    expect(4);
    void.void().await.unwrap();
    expect(3);
    seen.capture_seen(TRANSACTION).await.unwrap().delivered();
    settled.capture_settled(TRANSACTION).await.unwrap().delivered();
    expect(1);
    let payment = unknown.payment();
    unknown.leave_unknown();
    expect(1);
    books.ledger.close(payment, Close::Moved(TRANSACTION.into())).await.unwrap();
    expect(0);
    let (due, lost) = (limited(5, Settle::Deferred), limited(6, Settle::Deferred));
    books.pay(due.clone()).await.delivered();
    books.pay(lost.clone()).await.delivered();
    expect(2);
    books.ledger.settled(due.payment, TRANSACTION).await.unwrap();
    books.ledger.write_off(lost.payment).await.unwrap();
    expect(0);

    let tamper = |units: i64| {
        let text = format!("update ledger.unsettled set units = {units} returning units");
        assert_eq!(test_postgres::query(&url, &text).lines().next(), Some(&*units.to_string()));
    };
    tamper(1);
    let report = books.ledger.audit().await.unwrap();
    let red: Vec<_> = report.findings.iter().filter(|finding| finding.offending > 0).collect();
    assert!(matches!(red[..], [found] if found.invariant == "unsettled_matches_intents"), "{red:?}");
    tamper(0);
    books.finish().await;
}
