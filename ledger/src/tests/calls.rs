//! Rate limits that several processes count together.

use std::time::Duration;

use domain::RateLimit;
use sqlx::Connection;

use super::kit::Books;
use super::several::settings;
use crate::calls::count;
use crate::commit::postgres::connect;
use crate::{CallCount, CallsOf};

const SECOND: i64 = 1_000_000;

const fn refused(micros: u64) -> CallCount {
    CallCount { remaining: 0, wait: Some(Duration::from_micros(micros)) }
}

const fn accepted(remaining: u32) -> CallCount {
    CallCount { remaining, wait: None }
}

#[tokio::test]
async fn r12_the_database_lets_calls_through_as_rate_and_burst_say_to_the_microsecond() {
    let url = test_postgres::fresh_database();
    let books = Books::at(settings(&url));
    let mut connection = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let limit = RateLimit::new(1, Duration::from_secs(10), 3).unwrap();
    let mut at = async |key: &str, clock: i64| count(&mut connection, key, limit, Some(clock)).await.unwrap();
    let start = 1_000 * SECOND;
    for left in [2, 1, 0] {
        assert_eq!(at("one", start).await, accepted(left));
    }
    for _ in 0..3 {
        assert_eq!(at("one", start).await, refused(10_000_000), "a refusal costs nothing");
    }
    assert_eq!(at("other", start).await, accepted(2), "nobody else's bucket");
    assert_eq!(at("one", start + 10 * SECOND - 1).await, refused(1));
    assert_eq!(at("one", start + 10 * SECOND).await, accepted(0));
    assert_eq!(at("one", start + 10 * SECOND).await, refused(10_000_000));
    for left in [2, 1, 0] {
        assert_eq!(at("one", start + 3_600 * SECOND).await, accepted(left), "an hour saves up no more");
    }
    assert!(at("one", start + 3_600 * SECOND).await.wait.is_some());
    books.finish().await;
}

#[tokio::test]
async fn r12_two_processes_get_the_burst_together_and_full_buckets_are_let_go_of() {
    let url = test_postgres::fresh_database();
    let books = [Books::at(settings(&url)), Books::at(settings(&url))];
    let limit = RateLimit::new(1, Duration::from_secs(3_600), 5).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..50 {
        let ledger = books[number % 2].ledger.clone();
        calls.spawn(
            async move { ledger.count_call(CallsOf::Agents, "one", limit).await.unwrap().wait.is_none() },
        );
    }
    let accepted = calls.join_all().await.into_iter().filter(|accepted| *accepted).count();
    assert_eq!(accepted, 5);

    let mut connection = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    count(&mut connection, "full", limit, Some(0)).await.unwrap();
    let expired = sqlx::query(crate::calls::EXPIRE).bind(10_i64).execute(&mut connection).await.unwrap();
    assert_eq!(expired.rows_affected(), 1, "the one that is not full stays");
    for books in books {
        books.finish().await;
    }
}

#[tokio::test]
async fn r12_agents_are_counted_while_addresses_wait_for_the_counter() {
    let url = test_postgres::fresh_database();
    let books = Books::at(settings(&url));
    let limit = RateLimit::new(1, Duration::from_secs(3_600), 50).unwrap();
    // Whoever counts on this address waits for its row.
    let mut keeper = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let mut kept = keeper.begin().await.unwrap();
    count(&mut kept, "address", limit, None).await.unwrap();
    let mut addresses = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let ledger = books.ledger.clone();
        addresses.spawn(async move { ledger.count_call(CallsOf::Addresses, "address", limit).await });
    }
    const WAITING: &str = "select count(*) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'";
    // Of a connection of its own: within a transaction the view stands still.
    let mut watcher = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let waiting = async {
        let mut waiting = 0_i64;
        while waiting < 2 {
            waiting = sqlx::query_scalar(WAITING).fetch_one(&mut watcher).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("addresses wait for the row");
    for left in [49, 48, 47] {
        let counted = books.ledger.count_call(CallsOf::Agents, "agent", limit).await.unwrap();
        assert_eq!(counted, accepted(left));
    }
    assert!(addresses.try_join_next().is_none(), "agents waited for addresses");
    kept.rollback().await.unwrap();
    addresses.join_all().await;
    books.finish().await;
}
