//! What is refused before anything is read from it: a newer schema, a file that is damaged.

use domain::{Capture, PaymentId, Secret};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::kit::{Books, amount, funding, request};
use crate::commit::postgres::connect;
use crate::commit::sqlite::reader_options;
use crate::database::Database;
use crate::{HoldRequest, Ledger, LedgerError, OpenError, PaymentState, RefundReason, Settings};

async fn execute(books: &Books, text: &'static str) {
    let mut connection = reader_options(&books.path()).read_only(false).connect().await.unwrap();
    sqlx::query(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn refused(books: &Books) -> OpenError {
    let observer = std::sync::Arc::new(crate::Unobserved);
    Ledger::open(books.settings.clone(), books.clock.clone(), observer).expect_err("a refusal")
}

#[tokio::test]
async fn c13_a_newer_schema_is_refused_in_words_and_left_as_it_is() {
    let mut books = Books::sqlite();
    books.fund(1, 100).await;
    books.close().await;
    execute(
        &books,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
        values (9000, 'from the future', true, x'00', 0)",
    )
    .await;
    let error = refused(&books);
    assert!(matches!(error, OpenError::Newer { version: 9000, .. }), "{error:?}");
    assert!(error.to_string().contains("newer faregate"), "{error}");
    execute(&books, "delete from _sqlx_migrations where version = 9000").await;
    books.reopen().await;
    assert_eq!(books.balance(1).await, 100);
    books.finish().await;
}

/// What the second version may have left: a payment of 400 that was given back, and one of 100.
const OLDER: &str = "
insert into account (id, kind, wallet, provider, created_at) values (2, 'wallet', unhex('01010101010101010101010101010101'), null, 0);
insert into account (id, kind, wallet, provider, created_at) values (3, 'provider', null, 'acme', 0), (4, 'fee', null, 'acme', 0);
insert into balance (account, floor, debits, credits) values (2, 1, 500, 1400), (3, 0, 390, 488), (4, 0, 10, 12);
update balance set debits = 1000 where account = 1;
insert into transfer (id, kind, debit, credit, amount, idempotency_key, external_reference, at, batch)
  values (unhex('09090909090909090909090909090909'), 'funding', 1, 2, 1000, 'first', 'wire 7', 1795348800000, 2);
insert into payment (seq, id, agent, wallet, provider, fee_account, route, gross, fee, revision, call, fingerprint, held_at,
    captured_at, batch)
  values (1, unhex('0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a'), unhex('01010101010101010101010101010101'), 2, 3, 4, 'quotes', 400, 10, 1, 1,
      unhex('00000000000000000000000000000000'), 1795348800000, 1795348800000, 3),
    (2, unhex('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b'), unhex('01010101010101010101010101010101'), 2, 3, 4, 'quotes', 100, 2, 1, 2,
      unhex('00000000000000000000000000000000'), 1795348800000, 1795348800000, 3);
insert into refund (payment, id, amount, fee, reason, at, batch)
  values (1, unhex('0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c'), 400, 10, 'broken_off', 1795348800000, 4);
insert into spend_window (agent, period, start, spent, lim)
  values (unhex('01010101010101010101010101010101'), 0, 1795305600000, 100, 9223372036854775807),
    (unhex('01010101010101010101010101010101'), 1, 1793491200000, 100, 9223372036854775807);
insert into call_count (agent, provider, month, calls) values (unhex('01010101010101010101010101010101'), 3, 1793491200000, 1);
insert into usage_minute (minute, provider, route, payments, gross, fee, refunds, refunded, refunded_fee)
  values (29922480, 3, 'quotes', 2, 500, 12, 1, 400, 10);
update marker set batch = 4, at = 1795348800000, seq = 2, gross = 500";

/// The books of [`OLDER`], opened by this version.
async fn expect_brought_forward(books: Books) {
    let payment = |byte| PaymentId::from_bytes([byte; 16]);
    let shown = books.ledger.payment(payment(10)).await.unwrap().unwrap();
    assert_eq!(
        (shown.state, shown.refunded, shown.refunded_fee),
        (PaymentState::Refunded, amount(400), amount(10))
    );
    let again = books.ledger.refund(payment(10), RefundReason::Operator).await;
    assert_eq!(again, Err(LedgerError::RefundedBefore));
    let refunded = books.ledger.refund(payment(11), RefundReason::Operator).await.unwrap();
    assert_eq!((refunded.amount, refunded.fee), (amount(100), amount(2)));
    assert_eq!(books.ledger.fund(funding(1, 1000, "first")).await.unwrap().amount, amount(1000));
    let durable = HoldRequest { capture: Capture::Before, ..request(10) };
    books.pay(durable).await.delivered();
    assert_eq!(books.balance(1).await, 990);
    books.finish().await;
}

#[tokio::test]
async fn an_older_file_is_brought_forward_with_its_money() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        reader_options(&directory.path().join("ledger.db")).read_only(false).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::migrate!("../migrations/sqlite/ledger").run_to(2, &mut connection).await.unwrap();
    sqlx::raw_sql(OLDER).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let database = Database::Sqlite { directory: directory.path().to_owned() };
    expect_brought_forward(Books::at(Settings::new(database))).await;
}

#[tokio::test]
async fn tables_that_were_made_anew_for_other_networks_keep_their_indexes_and_triggers() {
    let migrations = sqlx::migrate!("../migrations/sqlite/ledger");
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    migrations.run_to(39, &mut connection).await.unwrap();
    let text = "select name from sqlite_master where type in ('index', 'trigger') order by name";
    let before: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
    migrations.run(&mut connection).await.unwrap();
    let after: Vec<String> = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
    let lost: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
    assert!(before.contains(&"intent_payer".to_owned()) && lost.is_empty(), "{lost:?}");
}

#[tokio::test]
async fn an_older_schema_in_postgresql_is_brought_forward_with_its_money() {
    let url = test_postgres::fresh_database();
    let mut connection = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let mut migrator = sqlx::migrate!("../migrations/postgres/ledger");
    migrator.create_schema("ledger").run_to(2, &mut connection).await.unwrap();
    sqlx::raw_sql(OLDER).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let database = Database::Postgres { url: Secret::new(url) };
    expect_brought_forward(Books::at(Settings::new(database))).await;
}

/// A payment on a network that is not read, settled in the transaction `aa`.
fn settled_in_one_transaction(payment: u8) -> String {
    let payment = format!("{payment:02x}").repeat(16);
    format!(
        "insert into intent (payment, network, token, payer, pay_to, custody, settle, amount, valid_before, since_block, payload,
           requirements, held_at, closed, hash, closed_at)
         values (unhex('{payment}'), 'solana:devnet', unhex('6d'), unhex('70'), unhex('71'), 'direct', 'after', 5, 60, 0, '{{}}',
           '{{}}', 1, 'settled', unhex('aa'), 2)"
    )
}

const SPENT_BEFORE: &str = "select coalesce(spent_before, 0) from intent order by payment";

#[tokio::test]
async fn a_transaction_that_was_booked_twice_stands_and_is_booked_no_third_time() {
    let migrations = sqlx::migrate!("../migrations/sqlite/ledger");
    let mut file = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    migrations.run_to(41, &mut file).await.unwrap();
    let url = test_postgres::fresh_database();
    let mut server = connect::writer(&connect::options(&url).unwrap()).await.unwrap();
    let mut migrator = sqlx::migrate!("../migrations/postgres/ledger");
    migrator.create_schema("ledger").run_to(41, &mut server).await.unwrap();
    let is_open = "update intent set closed = null, hash = null, closed_at = null where payment = unhex('09090909090909090909090909090909')";
    for text in [2, 1, 3, 9].map(settled_in_one_transaction).into_iter().chain([is_open.to_owned()]) {
        sqlx::query(AssertSqlSafe(text.clone())).execute(&mut file).await.unwrap();
        sqlx::query(AssertSqlSafe(text)).execute(&mut server).await.unwrap();
    }
    migrations.run(&mut file).await.unwrap();
    migrator.run(&mut server).await.unwrap();
    let marked: Vec<i64> = sqlx::query_scalar(SPENT_BEFORE).fetch_all(&mut file).await.unwrap();
    assert_eq!(marked, [0, 1, 1, 0]);
    let marked: Vec<i64> = sqlx::query_scalar(SPENT_BEFORE).fetch_all(&mut server).await.unwrap();
    assert_eq!(marked, [0, 1, 1, 0]);
    let unsettled: Vec<i64> =
        sqlx::query_scalar("select units from unsettled").fetch_all(&mut server).await.unwrap();
    assert_eq!(unsettled, [5]);
    let text = settled_in_one_transaction(4);
    assert!(sqlx::query(AssertSqlSafe(text.clone())).execute(&mut file).await.is_err());
    assert!(sqlx::query(AssertSqlSafe(text)).execute(&mut server).await.is_err());
}

#[tokio::test]
async fn c10_a_file_that_is_no_database_is_refused_in_words() {
    let mut books = Books::sqlite();
    books.fund(1, 100).await;
    books.close().await;
    let good = std::fs::read(books.path()).unwrap();
    for bad in [vec![b'x'; 8_192], good[..good.len() / 2].to_vec()] {
        std::fs::write(books.path(), bad).unwrap();
        let error = refused(&books);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("backup"), "{error}");
    }
    std::fs::write(books.path(), good).unwrap();
    books.reopen().await;
    assert_eq!(books.balance(1).await, 100);
    books.finish().await;
}
