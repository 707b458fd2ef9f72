//! Two ledgers on the same books, and what each of them may do.

use std::time::Duration;

use domain::{Secret, Window, WindowLimit};

use super::kit::{Books, agent, amount, clean, funding, named, request, signed, tiers, wallet};
use super::postgres::until;
use crate::database::{Coordination, Database};
use crate::{
    CaptureError, Held, HoldError, HoldRequest, Ledger, RefundReason, Settings, Unobserved, Withdrawal,
    audit_database,
};

pub(super) fn settings(url: &str) -> Settings {
    let database = Database::Postgres { url: Secret::new(url.to_owned()) };
    Settings { coordination: Coordination::Several, ..Settings::new(database) }
}

pub(super) fn two() -> (Books, Books, String) {
    let url = test_postgres::fresh_database();
    (Books::at(settings(&url)), Books::at(settings(&url)), url)
}

#[tokio::test]
async fn what_one_writes_the_other_knows() {
    let (one, other, _) = two();
    one.fund(1, 100).await;
    other.pay(signed(10, 7)).await.delivered();
    one.pay(request(20)).await.delivered();
    assert_eq!((one.balance(1).await, other.balance(1).await), (70, 70));
    let spent = one.ledger.spending(agent(1)).await.unwrap();
    assert_eq!(spent.today.spent, amount(30));
    let held = other.hold(request(50)).await.unwrap();
    assert_eq!(one.available(1).await, 20);
    let refused = one.hold(request(30)).await.unwrap_err();
    assert!(matches!(refused, HoldError::InsufficientFunds { available, .. } if available == amount(20)));
    let withdrawal = |units, key: &str| Withdrawal {
        wallet: wallet(1),
        amount: amount(units),
        idempotency_key: key.to_owned(),
        external_reference: "bank".to_owned(),
    };
    assert!(one.ledger.withdraw(withdrawal(21, "a")).await.is_err(), "the other holds it");
    one.ledger.withdraw(withdrawal(20, "b")).await.unwrap();
    held.void().await.unwrap();
    assert_eq!((one.available(1).await, other.available(1).await), (50, 50));
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn a_trial_counts_what_all_of_them_hold_and_each_hold_once() {
    let (one, other, _) = two();
    one.fund(1, 100).await;
    let limited = |units| HoldRequest { per_day: Some(amount(90)), free_per_day: 2, ..request(units) };
    let free = one.hold(limited(10)).await.unwrap();
    let again = other.hold(limited(10)).await.unwrap();
    let held = one.hold(limited(50)).await.unwrap();
    assert_eq!(held.maximum(), amount(50));
    for books in [&one, &other] {
        let passes = books.ledger.trial(&limited(40)).await.unwrap();
        assert_eq!((passes.free, passes.free_left, passes.objections), (false, 0, Vec::new()));
        let refused = books.ledger.trial(&limited(51)).await.unwrap().objections;
        let [HoldError::InsufficientFunds { available, .. }, HoldError::SpendingLimit(limit)] = &refused[..]
        else {
            panic!("{refused:?}")
        };
        assert_eq!(*available, amount(50));
        assert!(limit.to_string().contains("$0.00004 left"), "{limit}");
    }
    // Nothing of it stays in the memory that holds are judged by.
    free.void().await.unwrap();
    again.void().await.unwrap();
    held.void().await.unwrap();
    for books in [&one, &other] {
        let trial = books.ledger.trial(&limited(51)).await.unwrap();
        assert_eq!((trial.free, trial.free_left, trial.objections), (true, 2, Vec::new()));
    }
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn r1_a_payment_that_one_has_is_not_the_others_while_it_runs_or_afterwards() {
    let (one, other, _) = two();
    one.fund(1, 100).await;
    let held = one.hold(signed(10, 7)).await.unwrap();
    assert_eq!(other.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress);
    let receipt = held.capture().await.unwrap();
    assert_eq!(other.hold(signed(10, 7)).await.unwrap_err(), HoldError::InProgress, "on its way");
    receipt.delivered();
    let outcome = async || other.ledger.hold(signed(10, 7)).await;
    for _ in 0..500 {
        match outcome().await {
            Ok(Held::Prior(prior)) => {
                assert_eq!(prior.receipt.amount, amount(10));
                assert_eq!(other.balance(1).await, 90);
                one.finish().await;
                return other.finish().await;
            }
            other => assert!(matches!(other, Err(HoldError::InProgress)), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the other never heard that it was delivered");
}

/// Pays here and there, with all that a payment can bring, refunds and leaves: afterwards each has to know what the other did.
async fn trade(one: &Books, other: &Books, round: u8) {
    let limits = vec![WindowLimit { scope: None, window: Window::Hour, limit: amount(1_000) }];
    let priced = |request| HoldRequest { price: tiers(&[(1, 9), (3, 7)]), limits: limits.clone(), ..request };
    for (number, books) in [one, other, one].into_iter().enumerate() {
        let nonce = 3 * round + u8::try_from(number).unwrap();
        books.pay(priced(signed(9, nonce))).await.delivered();
        books.pay(HoldRequest { free_per_day: 2, ..request(4) }).await.delivered();
    }
    let held = one.hold(named(5, &format!("word {round}"))).await.unwrap();
    let refunded = request(6);
    let payment = refunded.payment;
    one.pay(refunded).await.delivered();
    other.ledger.refund(payment, RefundReason::Operator).await.unwrap();
    other.hold(request(8)).await.unwrap().void().await.unwrap();
    held.capture().await.unwrap().delivered();
}

async fn compared(books: &[&Books]) {
    for books in books {
        let report = books.ledger.audit().await.unwrap();
        assert!(report.findings.iter().any(|finding| finding.invariant == "memory_balances"));
        clean(&report);
    }
}

#[tokio::test]
async fn what_one_was_told_is_what_the_books_say() {
    let (one, other, url) = two();
    one.fund(1, 10_000).await;
    for round in 0..4 {
        trade(&one, &other, round).await;
        compared(&[&one, &other]).await;
    }
    let running = other.hold(signed(11, 200)).await.unwrap();
    compared(&[&one]).await;
    running.capture().await.unwrap().delivered();
    let told = test_postgres::query(&url, "select count(*) > 20 from ledger.change");
    assert_eq!(told, "t", "every batch tells");
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn whoever_was_told_too_little_reads_the_books() {
    let (one, other, url) = two();
    one.fund(1, 100_000).await;
    let held = other.hold(signed(11, 200)).await.unwrap();
    // A batch that is missing in between, all of them, one that nobody understands, and a connection that broke.
    let gaps = [
        "delete from ledger.change where batch = (select batch - 3 from ledger.marker)",
        "truncate ledger.change",
        "update ledger.change set body = '\\xff'",
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid()",
    ];
    for (round, gap) in (0..).zip(gaps) {
        trade(&one, &other, round).await;
        one.pay(request(1)).await.delivered();
        other.pay(request(1)).await.delivered();
        one.pay(request(1)).await.delivered();
        one.pay(request(1)).await.delivered();
        let _ = test_postgres::query(&url, gap);
        for books in [&one, &other] {
            while books.ledger.audit().await.is_err() {}
            until("it to be open", || books.ledger.shared.gate.is_open()).await;
        }
        compared(&[&one, &other]).await;
    }
    // More than anybody takes over batch by batch.
    for _ in 0..40 {
        one.pay(request(1)).await.delivered();
    }
    compared(&[&other]).await;
    held.capture().await.unwrap().delivered();
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn t3_whoever_the_others_think_dead_commits_nothing() {
    let (one, other, url) = two();
    one.fund(1, 100).await;
    let held = one.hold(request(10)).await.unwrap();
    // As a frozen process is seen: it does not renew.
    let buried = "delete from ledger.instance where id = (select min(id) from ledger.instance where id > 0)";
    assert_eq!(test_postgres::query(&url, buried), "");
    let lost = held.capture().await.unwrap_err();
    assert!(matches!(lost, CaptureError::Unknown | CaptureError::Failed), "{lost:?}");
    until("its ledger to be closed", || one.seen.failures.lock().iter().any(|fatal| *fatal)).await;
    assert_eq!(one.hold(request(1)).await.unwrap_err(), HoldError::Unavailable);
    other.pay(request(5)).await.delivered();
    assert_eq!(test_postgres::query(&url, "select count(*) from ledger.payment"), "1");
    clean(&audit_database(&other.settings.database).await.unwrap());
}

/// Batches whose ends wait for a standby.
fn waiting(url: &str) -> usize {
    let ends =
        "select count(*) from pg_stat_activity where wait_event = 'SyncRep' and datname = current_database()
        and (query like 'commit; %' or query like 'rollback; %')";
    test_postgres::query(url, ends).parse().unwrap()
}

#[tokio::test]
async fn d3_whoever_waits_for_the_disk_has_given_the_marker_on_and_nobody_is_answered_before() {
    let cluster = test_postgres::Cluster::start();
    let url = cluster.fresh_database();
    let (one, other) = (Books::at(settings(&url)), Books::at(settings(&url)));
    one.fund(1, 100).await;
    other.pay(request(10)).await.delivered();
    let standby = |names: &str| {
        let _ =
            test_postgres::query(&url, &format!("alter system set synchronous_standby_names = '{names}'"));
        let _ = test_postgres::query(&url, "select pg_reload_conf()");
    };
    // It is away: what goes to disk there comes back when it is not asked any more.
    standby("elsewhere");
    until("the server knows", || test_postgres::query(&url, "show synchronous_standby_names") == "elsewhere")
        .await;
    let fund = |books: &Books| {
        let ledger = books.ledger.clone();
        tokio::spawn(async move { ledger.fund(funding(1, 50, "once")).await })
    };
    let first = fund(&one);
    until("the first batch waits", || waiting(&url) == 1).await;
    // It has the marker, and finds what the first one wrote: there is nothing to write.
    let same = fund(&other);
    until("whoever was told of it waits as well", || waiting(&url) == 2).await;
    assert!(!first.is_finished() && !same.is_finished());
    standby("");
    assert_eq!(first.await.unwrap().unwrap(), same.await.unwrap().unwrap());
    assert_eq!(one.balance(1).await, 140);
    one.finish().await;
    other.finish().await;
}

#[tokio::test]
async fn after_a_crash_nobody_believes_in_an_account_that_was_not_on_disk() {
    let (one, other, url) = two();
    one.fund(1, 100).await;
    one.ledger.open_provider("lost").await.unwrap();
    // It hears of that.
    other.pay(request(10)).await.delivered();
    let accounts =
        || test_postgres::query(&url, "select count(*) from ledger.account where provider = 'lost'");
    assert_eq!(accounts(), "2");
    // As a server that comes back without what it had told others already.
    let crash = "set session_replication_role = replica;
        delete from ledger.balance where account in (select id from ledger.account where provider = 'lost');
        delete from ledger.account where provider = 'lost'";
    assert_eq!(test_postgres::query(&url, crash), "");
    test_postgres::terminate_backends(&url);
    // Its accounts have the numbers of those that are gone, which this one opened itself.
    one.ledger.open_provider("next").await.unwrap();
    one.ledger.open_provider("lost").await.unwrap();
    assert_eq!(accounts(), "2");
    one.finish().await;
    other.finish().await;
}

#[test]
fn sqlite_is_nobody_s_to_share() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite { directory: folder.path().to_owned() };
    let settings = Settings { coordination: Coordination::Several, ..Settings::new(database) };
    let clock = std::sync::Arc::new(super::kit::TestClock::new());
    let refused = Ledger::open(settings, clock, std::sync::Arc::new(Unobserved)).map(drop).unwrap_err();
    assert!(refused.to_string().contains("PostgreSQL"), "{refused}");
}
