//! What is refused before anything is read from it: a newer schema, a file that is damaged.

use domain::Capture;
use sqlx::{ConnectOptions, Connection};

use super::kit::{Books, request};
use crate::commit::sqlite::reader_options;
use crate::{HoldRequest, Ledger, OpenError};

async fn execute(books: &Books, text: &'static str) {
    let mut connection = reader_options(&books.path()).read_only(false).connect().await.unwrap();
    sqlx::query(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn refused(books: &Books) -> OpenError {
    let observer = std::sync::Arc::new(crate::Silent);
    Ledger::open(books.settings.clone(), books.clock.clone(), observer).expect_err("a refusal")
}

#[tokio::test]
async fn c13_a_newer_schema_is_refused_in_words_and_left_as_it_is() {
    let mut books = Books::sqlite();
    books.fund(1, 100).await;
    books.close();
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
    books.reopen();
    assert_eq!(books.balance(1).await, 100);
    books.finish().await;
}

#[tokio::test]
async fn an_older_schema_is_brought_forward_with_its_money() {
    let mut books = Books::sqlite();
    books.fund(1, 100).await;
    books.pay(request(10)).await.delivered();
    books.close();
    // As the first version left it.
    execute(&books, "drop table hold; delete from _sqlx_migrations where version > 1").await;
    books.reopen();
    assert_eq!(books.balance(1).await, 90);
    let durable = HoldRequest { capture: Capture::Before, ..request(10) };
    books.pay(durable).await.delivered();
    books.finish().await;
}

#[tokio::test]
async fn c10_a_file_that_is_no_database_is_refused_in_words() {
    let mut books = Books::sqlite();
    books.fund(1, 100).await;
    books.close();
    let good = std::fs::read(books.path()).unwrap();
    for bad in [vec![b'x'; 8_192], good[..good.len() / 2].to_vec()] {
        std::fs::write(books.path(), bad).unwrap();
        let error = refused(&books);
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("backup"), "{error}");
    }
    std::fs::write(books.path(), good).unwrap();
    books.reopen();
    assert_eq!(books.balance(1).await, 100);
    books.finish().await;
}
