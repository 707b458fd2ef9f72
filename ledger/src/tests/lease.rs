//! Whose the books in PostgreSQL are, where something comes between: a lost answer, a silent owner, other settings, other books.

use std::sync::Arc;

use domain::{Payee, Secret, Settle, UnixMillis};
use sqlx::{Connection, Row};

use super::kit::{Books, HOUR, NOON, clean, request};
use super::onchain::onchain;
use super::postgres::{books, books_at, take_over, until};
use super::suspense::voided;
use crate::commit::CommitStore;
use crate::commit::postgres::{PostgresStore, connect};
use crate::database::Database;
use crate::{CaptureError, Health, Ledger, OpenError, Settings, Unobserved, audit_database};

fn second(books: &Books) -> Result<(), OpenError> {
    Ledger::open(books.settings.clone(), books.clock.clone(), Arc::new(Unobserved)).map(drop)
}

#[tokio::test]
async fn d3_an_epoch_whose_raising_was_not_heard_of_is_still_our_own() {
    let (books, url) = books();
    books.fund(1, 100).await;
    // As a statement leaves it that was given up, and ran when the server had time again.
    let raised = "update ledger.marker set epoch = epoch + 1; update ledger.lease set epoch = epoch + 1";
    assert_eq!(test_postgres::query(&url, raised), "");
    books.pay(request(10)).await.delivered();
    assert!(books.seen.failures.lock().is_empty(), "nobody took anything over");
    books.finish().await;
}

#[tokio::test]
async fn c16_whoever_took_over_from_a_silent_owner_is_not_taken_for_gone_when_that_one_ends() {
    let url = test_postgres::fresh_database();
    let mut silent = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    sqlx::query("select pg_advisory_lock(x'6661726567617465'::bigint)").execute(&mut silent).await.unwrap();
    let books = books_at(url.clone());
    silent.close().await.unwrap();
    let locks = "select count(*) from pg_locks where locktype = 'advisory' and database =
                   (select oid from pg_database where datname = current_database())";
    until("the owner holds the lock", || test_postgres::query(&url, locks) == "1").await;
    assert!(matches!(second(&books), Err(OpenError::Leased { .. })));
    books.finish().await;
}

#[tokio::test]
async fn c16_a_start_that_is_refused_has_changed_nothing() {
    let url = test_postgres::fresh_database();
    // The owner is of the first version.
    let mut owner = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let mut migrator = sqlx::migrate!("../migrations/postgres/ledger");
    migrator.create_schema("ledger").run_to(1, &mut owner).await.unwrap();
    let owned =
        "update lease set owner = 'the first version', expires_at = clock_timestamp() + interval '1 hour'";
    sqlx::query(owned).execute(&mut owner).await.unwrap();
    sqlx::query("select pg_advisory_lock(x'6661726567617465'::bigint)").execute(&mut owner).await.unwrap();
    let settings = Settings::new(Database::Postgres { url: Secret::new(url.clone()) });
    let refused =
        Ledger::open(settings, Arc::new(super::kit::TestClock::new()), Arc::new(Unobserved)).map(drop);
    assert!(matches!(refused, Err(OpenError::Leased { .. })), "{refused:?}");
    assert_eq!(test_postgres::query(&url, "select to_regclass('ledger.hold') is null"), "t");
    owner.close().await.unwrap();
    let over = "update ledger.lease set expires_at = clock_timestamp()";
    assert_eq!(test_postgres::query(&url, over), "");
    let books = books_at(url);
    books.fund(1, 100).await;
    books.pay(request(10)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn t3_a_writer_that_falls_silent_inside_a_transaction_keeps_nobody_out() {
    let (mut books, url) = books();
    books.fund(1, 100).await;
    books.crash().await;
    let mut silent = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    for statement in ["begin", "update marker set batch = batch + 1"] {
        sqlx::query(statement).execute(&mut silent).await.unwrap();
    }
    books.reopen().await;
    // It waited for longer than a lease lasts: renewed at once.
    until("the lease is renewed", || books.ledger.health() == Health::Ok).await;
    books.pay(request(10)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn t3_whoever_was_taken_over_deletes_nothing_either() {
    let url = test_postgres::fresh_database();
    let settings = Settings::new(Database::Postgres { url: Secret::new(url.clone()) });
    let secret = Secret::new(url.clone());
    let (mut store, ..) = PostgresStore::open(&secret, &settings, UnixMillis(NOON)).await.unwrap();
    let count = "select count(*) from ledger.idempotency";
    for taken in [false, true] {
        let old = "insert into ledger.idempotency select b, b, b, 0 from (values (decode(repeat('07', 16), 'hex'))) as v (b)";
        assert_eq!(test_postgres::query(&url, old), "");
        if taken {
            take_over(&url);
        }
        store.expire(UnixMillis(NOON)).await.unwrap();
        assert_eq!(test_postgres::query(&url, count), if taken { "1" } else { "0" });
    }
}

/// What the next owner writes then may be of it: a difference of a voided payment keeps its row.
#[tokio::test]
async fn t3_whoever_is_being_taken_over_deletes_nothing_while_it_waits() {
    let (mut books, url) = books();
    voided(&books, onchain(1, Payee::Treasury, Settle::After)).await;
    books.close().await;
    let secret = Secret::new(url.clone());
    let (mut store, ..) = PostgresStore::open(&secret, &books.settings, UnixMillis(NOON)).await.unwrap();
    let mut next = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    for statement in ["begin", "update marker set epoch = epoch + 1"] {
        sqlx::query(statement).execute(&mut next).await.unwrap();
    }
    let expiring = tokio::spawn(async move { store.expire(UnixMillis(NOON + 48 * HOUR)).await });
    let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    until("it waits, or is over", || expiring.is_finished() || test_postgres::query(&url, waits) == "1")
        .await;
    sqlx::query("commit").execute(&mut next).await.unwrap();
    expiring.await.unwrap().unwrap();
    assert_eq!(test_postgres::query(&url, "select count(*) from ledger.voided"), "1");
}

#[tokio::test]
async fn t3_books_that_are_older_than_what_was_written_are_not_written_on() {
    let (books, url) = books();
    books.fund(1, 100).await;
    books.pay(request(10)).await.delivered();
    let held = books.hold(request(10)).await.unwrap();
    // As a replica that lagged, and was made the server.
    assert_eq!(test_postgres::query(&url, "update ledger.marker set batch = batch - 1"), "");
    assert!(matches!(held.capture().await.unwrap_err(), CaptureError::Unknown | CaptureError::Failed));
    let Health::Closed(why) = books.ledger.health() else { panic!("still open") };
    assert!(why.contains("older"), "{why}");
    assert!(books.seen.failures.lock().contains(&true), "the process is told to end");
    assert_eq!(test_postgres::query(&url, "select count(*) from ledger.payment"), "1");
}

#[tokio::test]
async fn d3_what_a_database_is_set_to_does_not_weaken_a_commit() {
    let url = test_postgres::fresh_database();
    for setting in [
        "synchronous_commit = off",
        "default_transaction_isolation = serializable",
        "search_path = nowhere",
        "statement_timeout = 60000",
        "lock_timeout = 60000",
        "timezone = 'Asia/Tokyo'",
        "standard_conforming_strings = off",
        "bytea_output = escape",
    ] {
        let set = format!(
            "do $$ begin execute format('alter database %I set {}', current_database()); end $$",
            setting.replace('\'', "''")
        );
        assert_eq!(test_postgres::query(&url, &set), "");
    }
    let mut writer = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    for (name, value) in [
        ("synchronous_commit", "on"),
        ("transaction_isolation", "read committed"),
        ("search_path", "ledger"),
        ("statement_timeout", "8s"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "5s"),
    ] {
        let row = sqlx::query("select current_setting($1)").bind(name).fetch_one(&mut writer).await.unwrap();
        assert_eq!(row.get::<String, _>(0), value, "{name}");
    }
    let books = books_at(url);
    books.fund(1, 100).await;
    books.pay(request(10)).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn a_user_who_may_make_no_schema_uses_the_one_that_was_made_for_it() {
    let url = test_postgres::fresh_database();
    let role = format!("limited_{}", test_postgres::query(&url, "select current_database()"));
    let made = format!("create role {role} login; create schema ledger authorization {role}");
    assert_eq!(test_postgres::query(&url, &made), "");
    let limited = url.replace("user=faregate", &format!("user={role}"));
    assert_ne!(limited, url);
    let books = books_at(limited);
    books.fund(1, 100).await;
    books.pay(request(10)).await.delivered();
    clean(&audit_database(&books.settings.database).await.unwrap());
    books.finish().await;
}
